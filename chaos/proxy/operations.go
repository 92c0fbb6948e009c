package proxy

import (
	"starquake/chaos"
	"starquake/chaos/proxy/graphql"
	"starquake/chaos/proxy/h2"
)

// Requests whose GraphQL operations some fault asks about are read whole before the
// faults are asked. All others pass as they come.

// maxOperations bounds the body of a request that is read for its operations; longer ones
// pass, as requests of which nobody knows what they ask.
const maxOperations = 1 << 20

// form says how the request at hand carries operations that some fault wants to know.
func (c *conn) form(snap *snapshot) graphql.Form {
	if !snap.operations {
		return graphql.None
	}
	form := graphql.FormOf(string(c.req.Method), string(c.req.Value("content-type")), string(c.req.Query()))
	if form == graphql.None || c.req.Value("content-encoding") != nil {
		return graphql.None
	}
	for _, a := range snap.order {
		if a.operations && a.matcher.FitsHead(&c.req) && !a.spares(c) {
			return form
		}
	}
	return graphql.None
}

// readOperations notes what the request at hand asks for: body is its content.
func (c *conn) readOperations(form graphql.Form, body []byte) {
	query, err := graphql.Read(form, string(c.req.Query()), body)
	if err != nil {
		return // a server that takes it for one will say what is wrong
	}
	c.query = query
	for i := range query.Operations {
		op := &query.Operations[i]
		c.req.Operations = append(c.req.Operations, chaos.Operation{Type: []byte(op.Type), Name: []byte(op.Name)})
	}
}

// peekOperations reads the operations of the request at the front of in, which stays
// there. invited: its client waited to be told to send the body, and was.
func (c *conn) peekOperations(in *reader, h *head, snap *snapshot) (invited bool, err error) {
	form := c.form(snap)
	switch {
	case form == graphql.None:
		return false, nil
	case form == graphql.InQuery:
		c.readOperations(form, nil)
		return false, nil
	case h.length > maxOperations:
		return false, nil
	}
	if h.expect {
		if err := c.invite(); err != nil {
			return false, err
		}
		h.expect, invited = false, true
	}
	content, size, err := peekBody(in, h, newBody(h), func() error { return c.fillClient(in) })
	if err != nil {
		return invited, err
	}
	// The reader may have moved what the head is made of.
	expect := h.expect
	if *h, err = parseRequest(in.bytes()[:h.size]); err != nil {
		return invited, err
	}
	h.expect = expect
	c.request(h)
	if size > 0 {
		c.readOperations(form, content)
	}
	return invited, nil
}

// collect returns what has the relay collect a request whose operations some fault wants
// to know, or nil if nobody does or they are known without its body.
func (s *http2Hooks) collect(x *exchange, req *h2.Request, snap *snapshot) *h2.Collect {
	form := s.c.form(snap)
	if form == graphql.InQuery {
		s.c.readOperations(form, nil)
	}
	if req.End || form != graphql.InJSON && form != graphql.InDocument || s.c.req.ContentLength > maxOperations {
		return nil
	}
	kept := *req
	kept.Fields = append([]h2.Field(nil), req.Fields...)
	x.collecting = true
	return &h2.Collect{Limit: maxOperations, Plan: func(body []byte, whole bool, plan *h2.Plan) {
		x.collecting = false
		s.request(&kept)
		if whole {
			s.c.readOperations(form, body)
		}
		s.decide(x, plan)
	}}
}
