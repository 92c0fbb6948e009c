package proxy

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"starquake/chaos/proxy/graphql/graphqltest"
	"starquake/chaos/proxy/h2/h2test"
)

// ask is a GraphQL request as a client sends it, and what has come back.
type ask struct {
	method, contentType, query, body string
}

func posts(body string) ask { return ask{"POST", "application/json", "", body} }

// operation is the body of one operation.
func operation(document, name string) string {
	text, _ := json.Marshal(map[string]string{"query": document, "operationName": name})
	return string(text)
}

const (
	getUser = `query GetUser { user(id: "1") { id mail: email ...more } } fragment more on User { orders { total } }`
	rename  = `mutation Rename { rename(id: "1", name: "x") { name } }`
)

// do sends a request and returns its answer.
func (a ask) do(t testing.TB, client *http.Client, addr string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(a.method, "http://"+addr+"/graphql?"+a.query, strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if a.contentType != "" {
		req.Header.Set("Content-Type", a.contentType)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

// overBoth runs a test with a client of HTTP/1.1 and one of HTTP/2, on a target that is
// declared to speak GraphQL and on one that finds out.
func overBoth(t *testing.T, test func(t *testing.T, s *graphqltest.Server, p *Proxy, client *http.Client)) {
	for _, protocol := range []string{"graphql", "auto", "http"} {
		for name, client := range map[string]func(testing.TB) *http.Client{"HTTP1": newClient, "HTTP2": h2test.NewHTTP2Client} {
			if protocol == "http" && name == "HTTP1" {
				continue // as auto
			}
			t.Run(protocol+"/"+name, func(t *testing.T) {
				s := graphqltest.Start(t)
				p, c := startProxy(t, protocol, s.Addr), client(t)
				if name == "HTTP2" {
					c = oneConnection(t, c, "http", p.Addr()) // the counts are of connections, too
				}
				test(t, s, p, c)
			})
		}
	}
}

// Every way to send an operation, as a fault for one operation meets it.
func TestGraphQLRequests(t *testing.T) {
	persisted := url.Values{"operationName": {"GetUser"}, "extensions": {`{"persistedQuery":{"version":1,"sha256Hash":"abc"}}`}}
	two := getUser + "\n" + rename
	overBoth(t, func(t *testing.T, s *graphqltest.Server, p *Proxy, client *http.Client) {
		if p.Protocol() == "http" {
			t.Skip("graphql_error is none of its faults")
		}
		a := apply(t, p, "x", "graphql_error", map[string]any{"codes": "NOT_FOUND", "message": "gone", "path": []any{"user", 0},
			"match": map[string]any{"graphql_operation": "Get*", "graphql_type": "query"}})
		byName := apply(t, p, "y", "graphql_error", map[string]any{"codes": "BY_NAME", "match": map[string]any{"graphql_operation": "GetUser"}})
		const failed = `{"errors":[{"message":"gone","path":["user",0],"extensions":{"code":"NOT_FOUND"}}],"data":null}`
		for _, test := range []struct {
			name string
			ask  ask
			want string // of the body; "" is the server's
		}{
			{"POST", posts(operation(getUser, "")), failed},
			{"charset", ask{"POST", "application/json; charset=utf-8", "", operation(getUser, "")}, failed},
			{"document", ask{"POST", "application/graphql", "", getUser}, failed},
			{"document of two", ask{"POST", "application/graphql", "operationName=GetUser", two}, failed},
			{"GET", ask{"GET", "", url.Values{"query": {getUser}}.Encode(), ""}, failed},
			{"two, the query", posts(operation(two, "GetUser")), failed},
			{"two, the mutation", posts(operation(two, "Rename")), ""},
			{"two, none named", posts(operation(two, "")), ""},
			{"batch", posts("[" + operation(rename, "") + " , " + operation(getUser, "") + "]"), "[" + failed + "," + failed + "]"},
			{"batch of others", posts("[" + operation(rename, "") + "]"), ""},
			// Of a persisted one nobody knows the type.
			{"persisted", posts(`{"operationName":"GetUser","extensions":{"persistedQuery":{"version":1,"sha256Hash":"abc"}}}`), `{"errors":[{"message":"BY_NAME: injected by a fault of kind graphql_error","extensions":{"code":"BY_NAME"}}],"data":null}`},
			{"persisted GET", ask{"GET", "", persisted.Encode(), ""}, `{"errors":[{"message":"BY_NAME: injected by a fault of kind graphql_error","extensions":{"code":"BY_NAME"}}],"data":null}`},
			{"mutation", posts(operation(rename, "")), ""},
			{"subscription", posts(operation(`subscription GetUser { ticks(n: 1) }`, "")), `{"errors":[{"message":"BY_NAME: injected by a fault of kind graphql_error","extensions":{"code":"BY_NAME"}}],"data":null}`},
			// None of these is an operation.
			{"search", posts(`{"query":"shoes in 42"}`), ""},
			{"syntax", posts(operation(`query GetUser { user(`, "")), ""},
			{"page", ask{"GET", "", "", ""}, ""},
			{"form", ask{"POST", "application/x-www-form-urlencoded", "", "query=%7Buser%7D"}, ""},
		} {
			calls := s.Calls()
			status, head, body := test.ask.do(t, client, p.Addr())
			if injected := head.Get("Starquake-Fault"); injected != "" {
				if test.want == "" || strings.TrimSpace(body) != test.want || status != 200 || !strings.HasPrefix(head.Get("Content-Type"), "application/json") {
					t.Errorf("%s: got %d %s %q, want %q", test.name, status, head.Get("Content-Type"), body, test.want)
				}
				if s.Calls() != calls {
					t.Errorf("%s: the server was asked", test.name)
				}
			} else if test.want != "" {
				t.Errorf("%s: got %d %q, want %q", test.name, status, body, test.want)
			}
		}
		if s := a.Stats(); s.Seen != 7 || s.Hit != 7 || s.Inapplicable != 4 {
			t.Errorf("stats %+v; want 7 operations met, and 4 requests that were none", s)
		}
		if s := byName.Remove(); s.Hit != 3 || s.Seen != 10 {
			t.Errorf("stats by name %+v; want 3 hits of 10", s)
		}
		a.Remove()
		if status, _, body := posts(operation(rename, "")).do(t, client, p.Addr()); status != 200 || body != `{"data":{"rename":{"name":"x"}}}` {
			t.Errorf("afterwards: %d %s", status, body)
		}
	})
}

// Fields that are put to null, whatever they are called in the answer.
func TestGraphQLPartial(t *testing.T) {
	overBoth(t, func(t *testing.T, s *graphqltest.Server, p *Proxy, client *http.Client) {
		if p.Protocol() == "http" {
			t.Skip("graphql_partial is none of its faults")
		}
		failed := func(path string) string {
			return `{"message":"injected by a fault of kind graphql_partial","path":` + path + `,"extensions":{"code":"INTERNAL_SERVER_ERROR"}}`
		}
		all := `query Q { user(id: "1") { mail: email orders { total } } ... on Query { users { name } } __typename }`
		for _, test := range []struct {
			fields []any
			ask    ask
			want   string
		}{
			{[]any{"email"}, posts(operation(all, "")),
				`{"errors":[` + failed(`["user","mail"]`) + `],"data":{"user":{"mail":null,"orders":[{"total":12.5},{"total":12.5}]},"users":[{"name":"user 1"},{"name":"user 2"}],"__typename":"Query"}}`},
			{[]any{"user.email", "orders.total"}, posts(operation(all, "")),
				`{"errors":[` + failed(`["user","mail"]`) + "," + failed(`["user","orders",0,"total"]`) + "," + failed(`["user","orders",1,"total"]`) + `],` +
					`"data":{"user":{"mail":null,"orders":[{"total":null},{"total":null}]},"users":[{"name":"user 1"},{"name":"user 2"}],"__typename":"Query"}}`},
			{[]any{"user"}, posts(operation(all, "")),
				`{"errors":[` + failed(`["user"]`) + `],"data":{"user":null,"users":[{"name":"user 1"},{"name":"user 2"}],"__typename":"Query"}}`},
			{[]any{"mail"}, posts(operation(`{ user(id: "1") { mail: name } }`, "")),
				`{"errors":[` + failed(`["user","mail"]`) + `],"data":{"user":{"mail":null}}}`},
			{[]any{"name"}, posts("[" + operation(rename, "") + "," + operation(`{ users { id name } }`, "") + "]"),
				`[{"errors":[` + failed(`["rename","name"]`) + `],"data":{"rename":{"name":null}}},{"errors":[` + failed(`["users",0,"name"]`) + "," + failed(`["users",1,"name"]`) +
					`],"data":{"users":[{"id":"1","name":null},{"id":"2","name":null}]}}]`},
			{[]any{"email"}, posts(`{"operationName":"GetUser","extensions":{"persistedQuery":{"version":1,"sha256Hash":"abc"}}}`),
				`{"errors":[` + failed(`["user","email"]`) + `],"data":{"user":{"name":"user 1","email":null}}}`},
			{[]any{"nothing"}, posts(operation(`{ user(id: "1") { id } }`, "")), `{"data":{"user":{"id":"1"}}}`},
			{nil, posts(operation(`{ user(id: "1") { __typename } }`, "")),
				`{"errors":[` + failed(`["user"]`) + `],"data":{"user":null}}`},
		} {
			a := apply(t, p, "x", "graphql_partial", map[string]any{"fields": test.fields})
			// Over HTTP/1.1 the client asks for gzip by itself, and the server gives it.
			status, head, body := test.ask.do(t, client, p.Addr())
			if status != 200 || body != test.want || head.Get("Content-Encoding") != "" {
				t.Errorf("%v: got %d\n%s\nwant\n%s", test.fields, status, body, test.want)
			}
			want := uint64(1)
			if !strings.Contains(test.want, "errors") {
				want = 0
			}
			if s := a.Remove(); s.Seen != 1 || s.Hit != want || s.Inapplicable != 0 {
				t.Errorf("%v: stats %+v, want %d hits", test.fields, s, want)
			}
		}
		// An operation that does not fit keeps its fields, in a batch too.
		a := apply(t, p, "x", "graphql_partial", map[string]any{"fields": "name", "match": map[string]any{"graphql_type": "query"}})
		_, _, body := posts("["+operation(rename, "")+","+operation(`{ user(id: "1") { name } }`, "")+"]").do(t, client, p.Addr())
		if want := `[{"data":{"rename":{"name":"x"}}},{"errors":[` + failed(`["user","name"]`) + `],"data":{"user":{"name":null}}}]`; body != want {
			t.Errorf("a batch: got %s, want %s", body, want)
		}
		a.Remove()
		if _, _, body := posts(operation(`{ user(id: "1") { name } }`, "")).do(t, client, p.Addr()); body != `{"data":{"user":{"name":"user 1"}}}` {
			t.Errorf("afterwards: %s", body)
		}
	})
}

// The field that nobody named is the same in two runs, and each is as likely as another.
func TestGraphQLPartialPicks(t *testing.T) {
	s := graphqltest.Start(t)
	client := newClient(t)
	picked := func() (all []string) {
		p := startProxy(t, "graphql", s.Addr)
		apply(t, p, "x", "graphql_partial", nil)
		for range 40 {
			_, _, body := posts(operation(`{ user(id: "1") { id name email } }`, "")).do(t, client, p.Addr())
			var got struct{ Errors []struct{ Path []any } }
			if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Errors) != 1 {
				t.Fatalf("%v: %s", err, body)
			}
			all = append(all, fmt.Sprint(got.Errors[0].Path))
		}
		return all
	}
	one, two := picked(), picked()
	if strings.Join(one, " ") != strings.Join(two, " ") {
		t.Errorf("the same seed picked\n%v\nand\n%v", one, two)
	}
	seen := map[string]int{}
	for _, path := range one {
		seen[path]++
	}
	if len(seen) != 4 || seen["[user]"] < 3 {
		t.Errorf("picked %v, want each of the four", seen)
	}
}

func TestGraphQLSlowFields(t *testing.T) {
	overBoth(t, func(t *testing.T, s *graphqltest.Server, p *Proxy, client *http.Client) {
		if p.Protocol() == "http" {
			t.Skip("graphql_slow_fields is none of its faults")
		}
		const delay = 40 * time.Millisecond
		a := apply(t, p, "x", "graphql_slow_fields", map[string]any{"fields": []any{"user.orders", "email"}, "delay": "40ms"})
		hits := uint64(0)
		for _, test := range []struct {
			ask  ask
			slow bool
		}{
			{posts(operation(getUser, "")), true}, // by its alias and a fragment
			{posts(operation(`{ users { name } }`, "")), false},
			{posts(operation(`{ users { orders { id } } }`, "")), false}, // not those of a user
			{posts(operation(`query ($v: Boolean = false) { user(id: "1") { name email @include(if: $v) } }`, "")), false},
			{posts(`{"query":"query ($v: Boolean!) { user(id: \"1\") { name email @include(if: $v) } }","variables":{"v":true}}`), true},
			{posts("[" + operation(rename, "") + "," + operation(getUser, "") + "]"), true},
			{ask{"GET", "", url.Values{"query": {"{users{email}}"}}.Encode(), ""}, true},
		} {
			start := time.Now()
			status, _, body := test.ask.do(t, client, p.Addr())
			took := time.Since(start)
			if status != 200 || strings.Contains(body, "errors") || test.slow && took < delay {
				t.Errorf("%s: %d after %v: %s", test.ask.body, status, took, body)
			}
			if test.slow {
				hits++
			}
			if s := a.Stats(); s.Hit != hits {
				t.Errorf("%s: stats %+v, want %d hits", test.ask.body, s, hits)
			}
		}
		// What a persisted operation asks for is not known.
		posts(`{"operationName":"GetUser","extensions":{"persistedQuery":{"sha256Hash":"abc"}}}`).do(t, client, p.Addr())
		if s := a.Stats(); s.Inapplicable != 1 || s.Hit != hits {
			t.Errorf("stats %+v", s)
		}
	})
}

// Other kinds with a match for an operation, and what those that answer with a status
// answer on a target that speaks GraphQL.
func TestGraphQLStatuses(t *testing.T) {
	for _, test := range []struct {
		protocol, kind string
		args           map[string]any
		calls          int // the one that is answered
		status         int
		code           string
	}{
		{"graphql", "http_error", map[string]any{"codes": 503}, 1, 503, "SERVICE_UNAVAILABLE"},
		{"graphql", "http_error", map[string]any{"codes": 400}, 1, 400, "BAD_USER_INPUT"},
		{"graphql", "http_error", map[string]any{"codes": 401}, 1, 401, "UNAUTHENTICATED"},
		{"graphql", "http_error", map[string]any{"codes": 403}, 1, 403, "FORBIDDEN"},
		{"graphql", "http_error", map[string]any{"codes": 404}, 1, 404, "NOT_FOUND"},
		{"graphql", "http_error", map[string]any{"codes": 500}, 1, 500, "INTERNAL_SERVER_ERROR"},
		{"graphql", "http_error", map[string]any{"codes": 502}, 1, 502, "INTERNAL_SERVER_ERROR"},
		{"graphql", "http_error", map[string]any{"codes": 418}, 1, 418, ""},
		{"auto", "http_error", map[string]any{"codes": 503, "match": map[string]any{"graphql_operation": "GetUser"}}, 1, 503, "SERVICE_UNAVAILABLE"},
		{"http", "http_error", map[string]any{"codes": 503, "match": map[string]any{"graphql_operation": "GetUser"}}, 1, 503, "SERVICE_UNAVAILABLE"},
		{"graphql", "connection_error", map[string]any{"kind": "http_503"}, 1, 503, "SERVICE_UNAVAILABLE"},
		{"graphql", "rate_limit", map[string]any{"rate": 0.001, "burst": 2}, 3, 429, ""},
		{"graphql", "bulkhead", map[string]any{"max_concurrent": 1, "queue": 0}, 0, 503, "SERVICE_UNAVAILABLE"},
		{"graphql", "graphql_error", map[string]any{"codes": 503}, 1, 200, "SERVICE_UNAVAILABLE"},
		{"graphql", "graphql_error", map[string]any{"codes": "RATE_LIMITED"}, 1, 200, "RATE_LIMITED"},
	} {
		for name, client := range map[string]func(testing.TB) *http.Client{"HTTP1": newClient, "HTTP2": h2test.NewHTTP2Client} {
			t.Run(fmt.Sprint(test.protocol, test.kind, test.args["codes"], name), func(t *testing.T) {
				s := graphqltest.Start(t)
				p, client := startProxy(t, test.protocol, s.Addr), client(t)
				apply(t, p, "x", test.kind, test.args)
				if test.kind == "bulkhead" {
					// One is held behind it, so that the next finds it full.
					apply(t, p, "hold", "latency", map[string]any{"delay": "1h", "match": map[string]any{"graphql_type": "mutation"}})
					body := operation(rename, "")
					send(t, dialRaw(t, p.Addr()), fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
					eventually(t, "one is inside", func() bool { return s.Renamed() == 1 })
					test.calls = 1
				}
				for i := 1; ; i++ {
					status, head, body := posts(operation(getUser, "")).do(t, client, p.Addr())
					if i < test.calls {
						if status != 200 {
							t.Fatalf("call %d got %d %s", i, status, body)
						}
						continue
					}
					var got struct {
						Errors []struct {
							Message    string
							Extensions struct{ Code string }
						}
						Data *struct{}
					}
					if err := json.Unmarshal([]byte(body), &got); err != nil || len(got.Errors) != 1 || got.Data != nil {
						t.Fatalf("%d %v: %s", status, err, body)
					}
					if status != test.status || got.Errors[0].Extensions.Code != test.code || !strings.Contains(got.Errors[0].Message, "injected by a fault of kind "+test.kind) {
						t.Errorf("got %d %s, want %d and %q", status, body, test.status, test.code)
					}
					if retry := head.Get("Retry-After"); (retry != "") != (test.status == 429) {
						t.Errorf("Retry-After %q", retry)
					}
					break
				}
				p.removeAll() // lets go what the bulkhead holds
			})
		}
	}
}

// Injected errors of GraphQL open a circuit if they say that the server failed.
func TestGraphQLErrorsOpenCircuits(t *testing.T) {
	for code, want := range map[string]int{"INTERNAL_SERVER_ERROR": 503, "SERVICE_UNAVAILABLE": 503, "NOT_FOUND": 200} {
		for name, client := range map[string]func(testing.TB) *http.Client{"HTTP1": newClient, "HTTP2": h2test.NewHTTP2Client} {
			s := graphqltest.Start(t)
			p, client := startProxy(t, "graphql", s.Addr), client(t)
			apply(t, p, "b", "circuit_breaker", map[string]any{"failure_threshold": 2})
			apply(t, p, "e", "graphql_error", map[string]any{"codes": code})
			got := 0
			for range 3 {
				got, _, _ = posts(operation(getUser, "")).do(t, client, p.Addr())
			}
			if got != want {
				t.Errorf("%s after two of %s: got %d, want %d", name, code, got, want)
			}
		}
	}
}

// What cannot be read passes, untouched, and is counted.
func TestGraphQLInapplicable(t *testing.T) {
	overBoth(t, func(t *testing.T, s *graphqltest.Server, p *Proxy, client *http.Client) {
		if p.Protocol() == "http" {
			t.Skip("graphql_partial is none of its faults")
		}
		big := operation(`{ user(id: "1") { id } }`, "")
		big = big[:len(big)-1] + `,"variables":{"pad":"` + strings.Repeat("x", maxOperations) + `"}}`
		for name, test := range map[string]struct {
			ask  ask
			seen uint64
			want string
		}{
			"request over the cap": {posts(big), 0, `{"data":{"user":{"id":"1"}}}`},
			"answer over the cap":  {posts(operation(fmt.Sprintf("{ big(n: %d) }", maxEdit+1), "")), 1, `{"data":{"big":"` + strings.Repeat("x", maxEdit+1) + `"}}`},
			"no JSON":              {posts(operation("{", "")), 0, ""},
			"too many in a batch":  {posts("[" + strings.Repeat(operation("{ big(n: 1) }", "")+",", 100) + operation("{ big(n: 1) }", "") + "]"), 0, ""},
		} {
			a := apply(t, p, "x", "graphql_partial", nil)
			status, _, body := test.ask.do(t, client, p.Addr())
			if status != 200 || test.want != "" && body != test.want || test.want == "" && strings.Contains(body, "graphql_partial") {
				t.Errorf("%s: got %d and %d bytes, want %d", name, status, len(body), len(test.want))
			}
			if s := a.Remove(); s.Seen != test.seen || s.Hit != 0 || s.Inapplicable != 1 {
				t.Errorf("%s: stats %+v", name, s)
			}
		}
	})
}

// An answer that comes in parts is not waited for, and one that is no JSON passes.
func TestGraphQLStreamsPass(t *testing.T) {
	more := make(chan bool)
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("kind") == "html" {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, `{"data":{"a":1}}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
		<-more
		fmt.Fprint(w, "data: 2\n\n")
	})
	p := startProxy(t, "graphql", upstream)
	client := newClient(t)
	a := apply(t, p, "x", "graphql_partial", nil)
	resp, err := client.Post("http://"+p.Addr()+"/graphql", "application/json", strings.NewReader(operation(`subscription { a }`, "")))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r := bufio.NewReader(resp.Body)
	if line, err := r.ReadString('\n'); err != nil || line != "data: 1\n" {
		t.Errorf("got %q, %v before the second was sent", line, err)
	}
	close(more)
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "\ndata: 2\n\n" {
		t.Errorf("got %q, %v", rest, err)
	}
	if _, _, body := (ask{"POST", "application/json", "kind=html", operation("{ a }", "")}).do(t, client, p.Addr()); body != `{"data":{"a":1}}` {
		t.Errorf("got %q", body)
	}
	if s := a.Stats(); s.Hit != 0 || s.Seen != 2 || s.Inapplicable != 2 {
		t.Errorf("stats %+v", s)
	}
}

// Subscriptions over WebSocket pass, whatever faults are on.
func TestGraphQLSubscription(t *testing.T) {
	for _, protocol := range []string{"graphql", "auto"} {
		s := graphqltest.Start(t)
		p := startProxy(t, protocol, s.Addr)
		a := apply(t, p, "x", "graphql_error", map[string]any{"codes": "X"})
		apply(t, p, "y", "graphql_partial", nil)
		tr := new(http.Transport)
		t.Cleanup(tr.CloseIdleConnections)
		c, _, err := websocket.Dial(t.Context(), "ws://"+p.Addr()+"/graphql", &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: tr}, Subprotocols: []string{"graphql-transport-ws"}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		for _, text := range []string{`{"type":"connection_init"}`, `{"type":"subscribe","id":"1","payload":{"query":"subscription { ticks(n: 3) }"}}`} {
			if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for len(got) < 5 {
			var m struct {
				Type    string
				Payload json.RawMessage
			}
			if err := wsjson.Read(t.Context(), c, &m); err != nil {
				t.Fatal(err)
			}
			got = append(got, m.Type+string(m.Payload))
		}
		if want := `connection_ack next{"data":{"ticks":0}} next{"data":{"ticks":1}} next{"data":{"ticks":2}} complete`; strings.Join(got, " ") != want {
			t.Errorf("%s: got %v", protocol, got)
		}
		if s := a.Stats(); s.Hit != 0 || s.Inapplicable == 0 {
			t.Errorf("%s: stats %+v", protocol, s)
		}
	}
}

// A client that waits to be told to send its body is told, and the upstream gets no second
// word of it; requests behind it on the connection are answered in their order.
func TestGraphQLExpectAndPipelining(t *testing.T) {
	s := graphqltest.Start(t)
	p := startProxy(t, "graphql", s.Addr)
	apply(t, p, "x", "graphql_error", map[string]any{"codes": "X", "match": map[string]any{"graphql_operation": "GetUser"}})
	c := dialRaw(t, p.Addr())
	r := bufio.NewReader(c)
	body := operation(rename, "")
	head := "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
	send(t, c, fmt.Sprintf("%sExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", head, len(body)))
	readFull(t, r, "HTTP/1.1 100 Continue\r\n\r\n")
	send(t, c, body)
	if resp, got := readResponse(t, r, "POST"); resp.StatusCode != 200 || got != `{"data":{"rename":{"name":"x"}}}` {
		t.Errorf("got %d %s", resp.StatusCode, got)
	}
	chunked := fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", head, 10, body[:10], len(body)-10, body[10:])
	asked := operation(getUser, "")
	send(t, c, chunked+fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(asked), asked)+chunked)
	for i, want := range []string{`{"data":{"rename"`, `{"errors":[{"message":"X`, `{"data":{"rename"`} {
		if resp, got := readResponse(t, r, "POST"); resp.StatusCode != 200 || !strings.HasPrefix(got, want) {
			t.Errorf("answer %d: %d %s, want %s", i, resp.StatusCode, got, want)
		}
	}
	if s.Renamed() != 3 {
		t.Errorf("the mutation was done %d times, want 3", s.Renamed())
	}
	send(t, c, head+"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
	if resp, _ := readResponse(t, r, "POST"); resp.StatusCode != 400 {
		t.Errorf("bad chunking got %d", resp.StatusCode)
	}
}

// Requests that no GraphQL fault may match are not waited for: the upstream gets the first
// part of a body before the client sends the rest.
func TestGraphQLOthersAreNotBuffered(t *testing.T) {
	begun := make(chan bool, 2)
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Body.Read(make([]byte, 1)); err == nil {
			begun <- r.Header.Get("Accept-Encoding") == "gzip"
		}
		_, _ = io.Copy(io.Discard, r.Body)
	})
	p := startProxy(t, "auto", upstream)
	apply(t, p, "x", "graphql_partial", map[string]any{"match": map[string]any{"path": "/graphql"}})
	for _, request := range []string{
		"POST /other HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{",
		"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nAccept-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{",
	} {
		c := dialRaw(t, p.Addr())
		send(t, c, request)
		if kept := <-begun; !kept {
			t.Errorf("%q lost its Accept-Encoding", request)
		}
		send(t, c, "}")
		if resp, _ := readResponse(t, bufio.NewReader(c), "POST"); resp.StatusCode != 200 {
			t.Errorf("got %d", resp.StatusCode)
		}
	}
}

// A server that packs its answers all the same is let be.
func TestGraphQLPackedAnswers(t *testing.T) {
	upstream := startHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		fmt.Fprint(z, `{"data":{"a":1}}`)
	})
	p := startProxy(t, "graphql", upstream)
	a := apply(t, p, "x", "graphql_partial", nil)
	if _, _, body := posts(operation("{ a }", "")).do(t, newClient(t), p.Addr()); body != `{"data":{"a":1}}` {
		t.Errorf("got %q", body)
	}
	if s := a.Stats(); s.Hit != 0 || s.Inapplicable != 1 {
		t.Errorf("stats %+v", s)
	}
}
