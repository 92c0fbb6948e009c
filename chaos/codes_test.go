package chaos_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"starquake/chaos"
)

// TestCodes holds the mappings against the sentence of FAULTS.md.
func TestCodes(t *testing.T) {
	var grpc, ws, graphql []string
	for status := 100; status < 600; status++ {
		if code, ok := chaos.GRPCCode(status); ok {
			grpc = append(grpc, fmt.Sprintf("%d→%d", status, code))
		} else if code != 2 {
			t.Errorf("%d is gRPC %d", status, code)
		}
		if code, ok := chaos.WSCode(status); ok {
			ws = append(ws, fmt.Sprintf("%d→%d", status, code))
		} else if code != 1011 {
			t.Errorf("%d is WebSocket %d", status, code)
		}
		if code, ok := chaos.GraphQLCode(status); ok {
			graphql = append(graphql, fmt.Sprintf("%d→%s", status, code))
		} else if code != "INTERNAL_SERVER_ERROR" {
			t.Errorf("%d is GraphQL %s", status, code)
		}
	}
	for _, test := range []struct {
		got  []string
		want string
	}{
		{grpc, "400→3, 401→16, 403→7, 404→5, 409→10, 429→8, 499→1, 500→13, 501→12, 503→14, 504→4"},
		{ws, "400→1002, 408→1001, 429→1008, 500→1011, 503→1001"},
		{graphql, "400→BAD_USER_INPUT, 401→UNAUTHENTICATED, 403→FORBIDDEN, 404→NOT_FOUND, 500→INTERNAL_SERVER_ERROR, 503→SERVICE_UNAVAILABLE"},
	} {
		if got := strings.Join(test.got, ", "); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
	for code, want := range map[int]string{0: "OK", 14: "UNAVAILABLE", 16: "UNAUTHENTICATED", 17: "CODE_17", -1: "CODE_-1"} {
		if got := chaos.GRPCName(code); got != want {
			t.Errorf("%d is %s, want %s", code, got, want)
		}
	}
}

// Each of several codes is picked as often as the others.
func TestPicks(t *testing.T) {
	d := chaos.NewDraws(5, "pick")
	grpcError := chaos.NewGRPCError(made(t, "grpc_error", args{"codes": []any{"UNAVAILABLE", 4, 500}}))
	grpcAbort := chaos.NewGRPCAbort(made(t, "grpc_abort", args{"after_messages": 3, "code": []any{14, 4, 13}, "direction": "request", "how": "reset"}))
	wsClose := chaos.NewWSClose(made(t, "ws_close", args{"codes": []any{1001, 400, 4000}, "after_messages": ramp(0, 10, "10s", ""), "reason": "r"}))
	graphqlError := chaos.NewGraphQLError(made(t, "graphql_error", args{"codes": []any{"A", 404, "C"}, "message": "m", "path": []any{"a", 0}}))
	partial := chaos.NewGraphQLPartial(made(t, "graphql_partial", nil))
	for _, test := range []struct {
		name string
		pick func(n uint64) any
		want []any
	}{
		{"grpc_error", func(n uint64) any { return grpcError.Code(d, n) }, []any{14, 4, 13}},
		{"grpc_abort", func(n uint64) any { return grpcAbort.Code(d, n) }, []any{14, 4, 13}},
		{"ws_close", func(n uint64) any { return wsClose.Code(d, n) }, []any{1001, 1002, 4000}},
		{"graphql_error", func(n uint64) any { return graphqlError.Code(d, n) }, []any{"A", "NOT_FOUND", "C"}},
		{"graphql_partial", func(n uint64) any { return partial.Pick(d, n, 3) }, []any{0, 1, 2}},
	} {
		counts := map[any]int{}
		for n := range uint64(draws) {
			counts[test.pick(n)]++
		}
		for _, want := range test.want {
			within3Sigma(t, fmt.Sprintf("%s %v", test.name, want), counts[want], draws, 1.0/3)
		}
		if len(counts) != 3 {
			t.Errorf("%s: %v", test.name, counts)
		}
	}
	if grpcAbort.After(0) != 3 || !grpcAbort.Request || !grpcAbort.Reset {
		t.Errorf("grpc_abort: %+v", grpcAbort)
	}
	if wsClose.After(0) != 0 || wsClose.After(5*time.Second) != 5 || wsClose.Reason != "r" {
		t.Errorf("ws_close: %+v", wsClose)
	}
	if string(graphqlError.Path) != `["a",0]` || graphqlError.Message != "m" {
		t.Errorf("graphql_error: %+v", graphqlError)
	}
}

func TestMessageFaults(t *testing.T) {
	delay := chaos.NewWSDelay(made(t, "ws_delay", args{"delay": "100ms", "jitter": "10ms", "direction": "request"}))
	d := chaos.NewDraws(1, "x")
	for n := range uint64(1000) {
		if got := delay.Delay(d, n, 0); got < 90*time.Millisecond || got > 110*time.Millisecond {
			t.Fatalf("a delay of %v", got)
		}
	}
	if !delay.Request || delay.Response {
		t.Error("a delay the other way")
	}
	if got := chaos.NewWSEach(made(t, "ws_drop", nil)); !got.Request || !got.Response {
		t.Errorf("ws_drop: %+v", got)
	}
	slow := chaos.NewGraphQLSlowFields(made(t, "graphql_slow_fields", args{"fields": []any{"a.b", "c"}, "delay": ramp("0s", "2s", "10s", "")}))
	if slow.Delay(5*time.Second) != time.Second || !slices.Equal(slow.Fields, []string{"a.b", "c"}) {
		t.Errorf("graphql_slow_fields: %+v", slow)
	}
}

func TestUserFaults(t *testing.T) {
	check := args{"kind": "tcp", "addr": "127.0.0.1:6379"}
	exec := chaos.NewExecFault(made(t, "exec", args{"name": "redis", "on": []any{"a", "b"}, "off": []any{[]any{"c"}, []any{"d", ""}}, "check": check}))
	got := fmt.Sprintf("%s %q %q %s %v", exec.Name, exec.On, exec.Off, exec.Check, exec.OffTimeout)
	if want := `redis [["a" "b"]] [["c"] ["d" ""]] {"addr":"127.0.0.1:6379","kind":"tcp"} 1m0s`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	web := chaos.NewHTTPFault(made(t, "http", args{"name": "x", "on": "http://h/on", "off": args{"url": "http://h/off", "method": "put", "timeout": 3, "expect": "2xx"}, "off_timeout": "5s"}))
	on, off := web.On.WithDefaults(), web.Off.WithDefaults()
	got = fmt.Sprintf("%+v %+v %v %v", on, off, web.Check == nil, web.OffTimeout)
	if want := "{URL:http://h/on Method:POST Headers:map[] Body: Expect:2xx Timeout:10s} {URL:http://h/off Method:PUT Headers:map[] Body: Expect:2xx Timeout:3s} true 5s"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	row, err := chaos.KindOf("exec")
	if err != nil {
		t.Fatal(err)
	}
	if err := row.Speaks("auto"); err == nil || row.Targeted() {
		t.Error("a fault of kind exec can be put on a target")
	}
}

// A pattern may be written as scripts have it; equal ones are equal faults.
func TestPatternForms(t *testing.T) {
	for _, tt := range []struct{ written, kept string }{
		{`burst(5, "10s")`, "burst(5, 10s)"},
		{"burst( 5,10000ms )", "burst(5, 10s)"},
		{"sequence([503, None, 500])", "sequence(503, pass, 500)"},
		{"sequence([503,null])", "sequence(503, pass)"},
		{"sequence(503, pass)", "sequence(503, pass)"},
	} {
		fault, err := chaos.New("http_error", args{"codes": 500, "pattern": tt.written})
		if err != nil || fault.Text("pattern") != tt.kept {
			t.Errorf("%s is kept as %s, %v; want %s", tt.written, fault.Text("pattern"), err, tt.kept)
		}
	}
}

// FuzzPattern: whatever is taken as a pattern answers with a status that was given.
func FuzzPattern(f *testing.F) {
	f.Add("burst(5, 10s)", int64(3e9))
	f.Add("sequence(503, pass, 500)", int64(0))
	f.Fuzz(func(t *testing.T, pattern string, at int64) {
		fault, err := chaos.New("http_error", args{"codes": 500, "pattern": pattern})
		if err != nil {
			return
		}
		data, err := json.Marshal(fault)
		if err != nil {
			t.Fatal(err)
		}
		var back chaos.Fault
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatalf("%s does not come back: %v", data, err)
		}
		e := chaos.NewHTTPError(&fault)
		for n := range uint64(10) {
			if code := e.Code(chaos.NewDraws(1, "x"), n, time.Duration(at)); code != 0 && (code < 200 || code > 599) {
				t.Errorf("%q answers %d", pattern, code)
			}
		}
	})
}

// A request that is late, of an interval that is over, does not let the present one have
// another burst: requests of many connections come at once.
func TestBurstLate(t *testing.T) {
	f, err := chaos.New("http_error", map[string]any{"codes": 500, "pattern": "burst(1, 10s)"})
	if err != nil {
		t.Fatal(err)
	}
	e := chaos.NewHTTPError(&f)
	hits := 0
	for n, elapsed := range []time.Duration{10 * time.Second, 9999 * time.Millisecond, 10001 * time.Millisecond} {
		if e.Code(chaos.NewDraws(1, "x"), uint64(n), elapsed) != 0 {
			hits++
		}
	}
	if hits != 1 {
		t.Errorf("%d requests are hit, want 1 in 10s", hits)
	}
}
