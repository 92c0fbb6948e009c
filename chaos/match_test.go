package chaos_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"starquake/chaos"
)

// request is a request as the proxy of HTTP/1 gives it.
func request() chaos.Request {
	return chaos.Request{
		Method: []byte("POST"), Target: []byte("/shop/orders?id=7&tag=a%20b&tag=c&empty="), Host: []byte("API.example.com:8080"),
		HeaderLines: []byte("Host: API.example.com:8080\r\nX-Tenant:acme \r\nAccept: text/html\r\naccept: application/json\r\nX-Empty:\r\n"),
		Source:      netip.MustParseAddr("10.1.2.3"), ContentLength: 100,
	}
}

func TestMatch(t *testing.T) {
	grpc := request()
	grpc.Target, grpc.GRPC = []byte("/shop.Orders/Get"), true
	chunked := request()
	chunked.Chunked, chunked.ContentLength = true, 0
	query := request()
	query.Operations = []chaos.Operation{{Type: []byte("query"), Name: []byte("GetUser")}}
	batch := request()
	batch.Operations = []chaos.Operation{{Type: []byte("query"), Name: []byte("GetCart")}, {Type: []byte("mutation"), Name: []byte("SetUser")}}
	persisted := request()
	persisted.Operations = []chaos.Operation{{Name: []byte("GetUser")}}
	absolute := chaos.Request{Method: []byte("GET"), Target: []byte("http://h.example.com:1/x?a=1#b=2")}
	h2 := chaos.Request{Method: []byte("GET"), Target: []byte("/"), Host: []byte("[::1]:80"),
		Header: []chaos.Field{{Name: []byte("x-tenant"), Value: []byte("acme")}}, Source: netip.MustParseAddr("::ffff:10.9.9.9")}
	zoned := chaos.Request{Source: netip.MustParseAddr("fe80::1%eth0")}

	for _, test := range []struct {
		match args
		req   chaos.Request
		want  bool
	}{
		{nil, request(), true},
		{args{"method": "post"}, request(), true},
		{args{"method": []any{"GET", "PUT"}}, request(), false},
		{args{"path": "/shop/*"}, request(), true},
		{args{"path": "/shop/*", "method": "GET"}, request(), false},
		{args{"host": "api.example.com"}, request(), true},
		{args{"host": "*.example.com"}, request(), true},
		{args{"host": "*.com"}, request(), false},
		{args{"host": "**.com"}, request(), true},
		{args{"host": "api.example.com:8080"}, request(), true},
		{args{"host": "api.example.com:80"}, request(), false},
		{args{"host": "*:8080"}, request(), false},
		{args{"host": "re:^API\\."}, request(), true},
		{args{"host": `re:^(?:api|web)\.example\.com$`}, request(), true},
		{args{"host": `re:^(?:api|web)\.example\.com:8080$`}, request(), true},
		{args{"host": `re:^(?:api|web)\.example\.com:80$`}, request(), false},
		{args{"host": `re:^[[:alpha:]]+(?:\.example)?\.com$`}, request(), true},
		{args{"host": `re:^\[::1\]$`}, h2, true},
		{args{"host": "h.example.com"}, absolute, true},
		{args{"host": "[::1]"}, h2, true},
		{args{"headers": args{"X-TENANT": "acme"}}, request(), true},
		{args{"headers": args{"x-tenant": "acme"}}, h2, true},
		{args{"headers": args{"x-tenant": "acm"}}, request(), false},
		{args{"headers": args{"x-tenant": "*"}}, request(), true},
		{args{"headers": args{"x-tenan": "*"}}, request(), false},
		{args{"headers": args{"x-empty": "*"}}, request(), true},
		{args{"headers": args{"x-empty": ""}}, request(), true},
		{args{"headers": args{"x-tenant": ""}}, request(), false},
		{args{"headers": args{"accept": "application/*"}}, request(), true},
		{args{"headers": args{"accept": "re:json|xml", "x-tenant": "a*e"}}, request(), true},
		{args{"headers": args{"accept": "re:json|xml", "x-tenant": "b*"}}, request(), false},
		{args{"query": args{"id": "7"}}, request(), true},
		{args{"query": args{"id": "8"}}, request(), false},
		{args{"query": args{"tag": "a b"}}, request(), true},
		{args{"query": args{"tag": "c"}}, request(), true},
		{args{"query": args{"tag": "a"}}, request(), false},
		{args{"query": args{"empty": ""}}, request(), true},
		{args{"query": args{"none": "*"}}, request(), false},
		{args{"query": args{"a": "1"}}, absolute, true},
		{args{"query": args{"b": "*"}}, absolute, false},
		{args{"source": "10.0.0.0/8"}, request(), true},
		{args{"source": []any{"192.168.0.0/16", "10.1.2.3"}}, request(), true},
		{args{"source": "10.1.2.4"}, request(), false},
		{args{"source": "10.0.0.0/8"}, h2, true},
		{args{"source": "::ffff:10.0.0.0/104"}, request(), true},
		{args{"source": "fe80::/10"}, zoned, true},
		{args{"source": "0.0.0.0/0"}, absolute, false}, // its source is not known
		{args{"body_size": []any{100, 100}}, request(), true},
		{args{"body_size": []any{"101B", nil}}, request(), false},
		{args{"body_size": []any{nil, 99}}, request(), false},
		{args{"body_size": []any{nil, 99}}, absolute, true},
		{args{"body_size": []any{0, "1GB"}}, chunked, false},
		{args{"chunked": true}, chunked, true},
		{args{"chunked": true}, request(), false},
		{args{"chunked": false}, chunked, false},
		{args{"grpc_method": "shop.Orders/Get"}, grpc, true},
		{args{"grpc_method": "/shop.Orders/*"}, grpc, true},
		{args{"grpc_method": "shop.*"}, grpc, false},
		{args{"grpc_method": "shop.**"}, grpc, true},
		{args{"grpc_method": "**"}, request(), false},
		{args{"graphql_type": "query"}, query, true},
		{args{"graphql_type": "mutation"}, query, false},
		{args{"graphql_type": "query"}, request(), false},
		{args{"graphql_operation": "Get*"}, query, true},
		{args{"graphql_operation": "Set*"}, query, false},
		{args{"graphql_operation": "*"}, request(), false},
		{args{"graphql_operation": "SetUser", "graphql_type": "mutation"}, batch, true},
		{args{"graphql_operation": "GetCart", "graphql_type": "mutation"}, batch, false}, // no one operation is both
		{args{"graphql_operation": "GetUser"}, persisted, true},
		{args{"graphql_operation": "GetUser", "graphql_type": "query"}, persisted, false},
	} {
		m, err := chaos.NewMatch(test.match)
		if err != nil {
			t.Errorf("%v: %v", test.match, err)
			continue
		}
		c, err := m.Compile()
		if err != nil {
			t.Fatal(err)
		}
		req := test.req
		if got := c.Fits(&req); got != test.want {
			t.Errorf("%v on %s %s: %v", test.match, req.Method, req.Target, got)
		}
	}
}

func TestMatchNeeds(t *testing.T) {
	for _, test := range []struct {
		match           args
		parsed, graphql bool
	}{
		{nil, false, false},
		{args{"first": 1, "source": "10.0.0.0/8"}, false, false},
		{args{"method": "GET"}, true, false},
		{args{"chunked": false}, true, false},
		{args{"graphql_type": "query"}, true, true},
		{args{"graphql_operation": "A"}, true, true},
	} {
		m, err := chaos.NewMatch(test.match)
		if err != nil {
			t.Fatal(err)
		}
		c, err := m.Compile()
		if err != nil {
			t.Fatal(err)
		}
		if c.Parsed() != test.parsed || c.NeedsGraphQL() != test.graphql {
			t.Errorf("%v: parsed %v, GraphQL %v", test.match, c.Parsed(), c.NeedsGraphQL())
		}
		inside, outside := c.FitsConn(netip.MustParseAddr("10.0.0.1")), c.FitsConn(netip.MustParseAddr("11.0.0.1"))
		if inside != !test.parsed || outside != (!test.parsed && test.match["source"] == nil) {
			t.Errorf("%v: a connection from inside %v, from outside %v", test.match, inside, outside)
		}
	}
}

// A rule that does not fit costs next to nothing, and nothing that fits allocates.
func TestMatchAllocatesNothing(t *testing.T) {
	m, err := chaos.NewMatch(args{"method": "POST", "path": "/shop/*", "host": "*.example.com", "source": "10.0.0.0/8", "body_size": []any{1, nil},
		"headers": args{"x-tenant": "a*"}, "query": args{"id": "7"}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.Compile()
	if err != nil {
		t.Fatal(err)
	}
	base := request()
	if n := testing.AllocsPerRun(100, func() {
		req := base
		if !c.Fits(&req) {
			t.Fatal("it does not fit")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzMatch: whatever compiles has a form that reads back as the same match, fits the
// same requests, and changes none.
func FuzzMatch(f *testing.F) {
	f.Add([]byte(`{"method":["get"],"path":"/a/**","host":"*.b","headers":{"X-A":"re:^b"},"query":{"q":""}}`), "/a/b?q=%20", "X-A: b\r\n")
	f.Add([]byte(`{"source":["10.0.0.0/8","::1"],"body_size":["1KB",null],"chunked":true,"grpc_method":"/a.B/*"}`), "/a.B/C", "")
	f.Add([]byte(`{"graphql_operation":"*","graphql_type":"query","every":2,"first":3,"after":4}`), "http://h:1", "A")
	f.Fuzz(func(t *testing.T, data []byte, target, lines string) {
		var fields args
		if json.Unmarshal(data, &fields) != nil {
			return
		}
		m, err := chaos.NewMatch(fields)
		if err != nil || m == nil {
			return
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var again args
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		back, err := chaos.NewMatch(again)
		if err != nil {
			t.Fatalf("%s does not come back: %v", text, err)
		}
		if second, _ := json.Marshal(back); string(second) != string(text) {
			t.Errorf("%s became %s", text, second)
		}
		fits := func(m *chaos.Match) bool {
			c, err := m.Compile()
			if err != nil {
				t.Fatal(err)
			}
			req := chaos.Request{Method: []byte("GET"), Target: []byte(target), HeaderLines: []byte(lines), GRPC: true, Source: netip.MustParseAddr("::1")}
			got := c.Fits(&req)
			if string(req.Target) != target || string(req.HeaderLines) != lines {
				t.Error("the request was changed")
			}
			return got
		}
		if fits(m) != fits(back) {
			t.Errorf("%s and what it reads back as differ on %q", text, target)
		}
		if strings.ContainsAny(m.String(), "\n\r") {
			t.Errorf("%q has more than one line", m)
		}
	})
}

// hundredRules are rules none of which fits request. All is one way of writing them.
func hundredRules(b *testing.B, all func(i int) args) []*chaos.Matcher {
	rules := make([]*chaos.Matcher, 100)
	for i := range rules {
		m, err := chaos.NewMatch(all(i))
		if err != nil {
			b.Fatal(err)
		}
		if rules[i], err = m.Compile(); err != nil {
			b.Fatal(err)
		}
	}
	return rules
}

func BenchmarkMatchHundredRules(b *testing.B) {
	for _, bench := range []struct {
		name string
		all  func(i int) args
	}{
		{"exact", func(i int) args { return args{"path": fmt.Sprintf("/shop/orders/%d", i)} }},
		{"method", func(int) args { return args{"method": "DELETE", "path": "/shop/**"} }},
		{"prefix", func(i int) args { return args{"path": fmt.Sprintf("/api/v%d/**", i)} }},
		{"inner", func(i int) args { return args{"path": fmt.Sprintf("/shop/*/items%d/**", i)} }},
		{"suffix", func(i int) args { return args{"path": fmt.Sprintf("**/items%d", i)} }},
		{"regexp", func(i int) args { return args{"path": fmt.Sprintf("re:^/shop/(a|b)+/items%d$", i)} }},
		{"header", func(i int) args {
			return args{"path": "/shop/**", "headers": args{"x-tenant": fmt.Sprintf("acme%d", i)}}
		}},
		{"headers", func(i int) args { return args{"headers": args{fmt.Sprintf("x-name%d", i): "*"}} }},
		{"query", func(i int) args { return args{"query": args{"id": fmt.Sprint(i + 10)}} }},
		{"source", func(i int) args { return args{"source": fmt.Sprintf("10.2.%d.0/24", i)} }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			rules := hundredRules(b, bench.all)
			base := request()
			base.Target = []byte("/shop/orders/4711/positions?id=7")
			b.ReportAllocs()
			for b.Loop() {
				req := base
				for _, rule := range rules {
					if rule.Fits(&req) {
						b.Fatal("a rule fits")
					}
				}
			}
		})
	}
}
