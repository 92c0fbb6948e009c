package proxy

import (
	"bytes"
	"mime"
	"net/http"
	"strings"
	"time"

	"starquake/chaos"
	"starquake/chaos/proxy/graphql"
)

// The kinds that act on GraphQL operations, and answers of others in GraphQL's form.

func prepareGraphQLError(f *chaos.Fault) acts {
	g := chaos.NewGraphQLError(f)
	return acts{graphql: true, request: func(v *verdict, h *hit) bool {
		code, message := g.Code(h.by.draws, h.n), g.Message
		if message == "" {
			message = code + ": " + injectedBy(h.by.fault.Kind)
		}
		a := answer{status: http.StatusOK, means: graphqlStatus(code)}
		a.setGraphQL(h.query, graphql.NewError(code, message, g.Path))
		return v.give(h, a)
	}}
}

func prepareGraphQLSlowFields(f *chaos.Fault) acts {
	s := chaos.NewGraphQLSlowFields(f)
	return acts{graphql: true, request: func(v *verdict, h *hit) bool {
		asks, known := false, false
		for i := range h.query.Operations {
			if op := &h.query.Operations[i]; h.concerns(i) {
				asks, known = asks || op.Asks(s.Fields), known || op.Known()
			}
		}
		if !known {
			h.by.inapplicable.Add(1)
		}
		if asks {
			v.response = append(v.response, delay{by: h.by, n: h.n, d: s.Delay(h.elapsed)})
		}
		return asks
	}}
}

// prepareGraphQLPartial changes answers. Only then it shows whether it hits: the fields may
// not be there.
func prepareGraphQLPartial(f *chaos.Fault) acts {
	p := chaos.NewGraphQLPartial(f)
	return acts{graphql: true, request: func(v *verdict, h *hit) bool {
		hit, what := *h, requestText(h.req)
		hit.operations = h.req.Operations // of the request, which is another's by then
		miss := func() { hit.by.inapplicable.Add(1) }
		e := edit{by: h.by, wants: answersJSON, missed: miss, body: func(m *message) {
			if _, on := hit.by.state(time.Now()); !on {
				return
			}
			if !answersJSON(m) {
				miss()
				return
			}
			changed, n, err := hit.query.Null(m.body, graphql.Nulling{
				Fields: p.Fields,
				Pick:   func(n int) int { return p.Pick(hit.by.draws, hit.n, n) },
				Of:     hit.concerns,
				Error:  graphql.NewError("INTERNAL_SERVER_ERROR", injectedBy(hit.by.fault.Kind), nil),
			})
			if err != nil {
				miss()
			}
			if n > 0 {
				m.body = changed
				hit.by.strikes(hit.c)
				v.hits = append(v.hits, hit)
				hit.by.p.hits.add(&Hit{At: hit.now, Fault: hit.by.id, Kind: hit.by.fault.Kind, N: hit.n, Request: what})
			}
		}}
		// What is packed could not be read.
		v.edits[toUpstream] = append(v.edits[toUpstream], edit{by: h.by, head: func(m *message) { m.remove("Accept-Encoding") }})
		v.edits[toClient] = append(v.edits[toClient], e)
		return false
	}}
}

// concerns reports whether the fault is about the i-th operation of the request.
func (h *hit) concerns(i int) bool {
	ops := h.operations
	if ops == nil {
		ops = h.req.Operations
	}
	return i < len(ops) && h.by.matcher.FitsOperation(&ops[i])
}

// answersJSON reports whether an answer is JSON that can be read. One that comes in parts
// (multipart/mixed, text/event-stream) is not, and must not be waited for.
func answersJSON(m *message) bool {
	if m.has("Content-Encoding") {
		return false
	}
	for _, line := range m.lines {
		if isField(line, "Content-Type") {
			_, value, _ := bytes.Cut(line, []byte(":"))
			media, _, _ := mime.ParseMediaType(string(value))
			return media == "application/json" || strings.HasSuffix(media, "+json")
		}
	}
	return false
}

// graphql reports whether what h has hit is to be answered as GraphQL servers answer.
func (h *hit) graphql() bool { return h.query != nil || h.by.p.config.Protocol == "graphql" }

// setGraphQL makes the answer one of GraphQL to a query, which may be nil.
func (a *answer) setGraphQL(query *graphql.Request, e graphql.Error) {
	headers := map[string]string{"Content-Type": "application/json; charset=utf-8"}
	for name, value := range a.headers {
		if isName([]byte(name), "content-type") {
			delete(headers, "Content-Type")
		}
		headers[name] = value
	}
	a.headers, a.body = headers, string(query.Answer(e))
}

// graphqlCode is the code of an error that stands for an HTTP status, or empty.
func graphqlCode(status int) string {
	code, ok := chaos.GraphQLCode(status)
	if !ok && status < http.StatusInternalServerError {
		return ""
	}
	return code
}

// graphqlStatus is the HTTP status that a code stands for, as far as faults go by it: what
// a server could not help is 500 or above.
func graphqlStatus(code string) int {
	for _, status := range []int{400, 401, 403, 404, 503} {
		if mapped, _ := chaos.GraphQLCode(status); mapped == code {
			return status
		}
	}
	return http.StatusInternalServerError
}

// injectedBy is what a message says that a fault is to blame for.
func injectedBy(kind string) string { return "injected by a fault of kind " + kind }
