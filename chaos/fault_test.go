package chaos_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starquake/chaos"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
	}
}

type args = map[string]any

func ramp(start, end any, over, shape string) args {
	return args{"ramp": args{"start": start, "end": end, "over": over, "shape": shape}}
}

// goodFaults are written in all the ways there are.
func goodFaults() []struct {
	kind string
	args args
} {
	return []struct {
		kind string
		args args
	}{
		{"latency", args{"delay": "500ms", "jitter_percent": 20}},
		{"latency", args{"delay": 0.5, "jitter": 0, "distribution": "uniform", "direction": "response", "probability": 1}},
		{"latency", args{"delay": 250 * time.Millisecond, "jitter": "50ms", "distribution": "pareto", "direction": "both"}},
		{"latency", args{"delay": ramp("50ms", "800ms", "30s", "linear")}},
		{"latency", args{"delay": ramp("1ms", "1s", "1m", "exponential"), "jitter_percent": ramp(0, 50, "10s", "steps(5)")}},
		{"latency", args{"between": []any{"1s", "5s"}, "jitter_percent": "30%", "probability": "70%"}},
		{"latency", args{"delay": "1s", "between": []any{0, ramp("1s", "2s", "1m", "sine(10s)")}}},
		{"latency", args{"delay": "1ms", "pulse": args{"on": "10s", "off": 5}, "match": args{}}},
		{"http_error", args{"codes": 503}},
		{"http_error", args{"codes": []any{500, 503.0}, "probability": "20%"}},
		{"http_error", args{"codes": []int{500}, "body": "<no> & \"yes\"", "headers": args{"X-A": "b", "A": "c"}}},
		{"http_error", args{"codes": 500, "pattern": "burst(5, 10s)", "probability": ramp(0, "50%", "30s", "")}},
		{"http_error", args{"codes": 500, "pattern": "sequence(503, pass, 500)",
			"match": args{"method": []any{"get", "POST"}, "path": "/api/**", "after": 3, "first": 100, "every": 2}}},
		{"latency", args{"delay": 1, "match": args{"host": "*.example.com", "headers": args{"X-Tenant": "a*", "accept": "re:^text/"},
			"query": args{"debug": "", "q": "*"}, "source": []any{"10.0.0.0/8", "::1"}, "body_size": []any{"1KB", nil}, "chunked": false}}},
		{"latency", args{"delay": 1, "match": args{"grpc_method": "shop.Orders/*", "graphql_operation": "Get*", "graphql_type": "query", "body_size": []any{0, 10}}}},
		{"bandwidth", args{"rate": "1Mbit/s"}},
		{"bandwidth", args{"rate": ramp("1MB/s", 1000, "1m", "exponential"), "per": "target", "direction": "response"}},
		{"packet_loss", args{"percent": ramp(0, 100, "1m", "")}},
		{"blackhole", nil},
		{"blackhole", args{"open_connections": "close"}},
		{"timeout", args{"after": "5s", "probability": 0.1}},
		{"reset", args{"after": ramp(0, "1s", "10s", "")}},
		{"refuse", args{"open_connections": "reset"}},
		{"slow_close", args{"delay": "2s"}},
		{"slicer", args{"average": 64, "variation": "32B", "delay": "1ms"}},
		{"limit_data", args{"bytes": "10KB"}},
		{"max_connections", args{"n": ramp(100, 0, "1m", "steps(10)")}},
		{"partition", args{"open_connections": "keep"}},
		{"connection_error", args{"kind": "tcp_close", "probability": "3%"}},
		{"partial_response", args{"fraction": 0.25}},
		{"corrupt", args{"kind": "bit_flip", "direction": "both"}},
		{"rewrite", args{"status": 404, "headers": args{"X-A": "b"}, "remove_headers": "Server", "body": "gone\n"}},
		{"rewrite", args{"direction": "request", "json_patch": []any{args{"op": "replace", "path": "/price", "value": 1.50}}}},
		{"rewrite", args{"json_patch": json.RawMessage(`[{"path": "/a", "value": 12345678901234567890.50, "op": "add"}]`)}},
		{"rate_limit", args{"rate": 10, "burst": 2, "per": "ip"}},
		{"rate_limit", args{"rate": ramp(100, 0.5, "1m", ""), "burst": ramp(10, 1, "1m", "")}},
		{"circuit_breaker", nil},
		{"circuit_breaker", args{"failure_threshold": 3, "timeout": "10s", "window": 5}},
		{"bulkhead", args{"max_concurrent": 5, "queue": 0}},
		{"grpc_error", args{"codes": []any{"unavailable", 4, 500}, "message": "try later"}},
		{"grpc_abort", args{"after_messages": 3, "code": "DATA_LOSS", "how": "reset"}},
		{"ws_close", args{"codes": []any{1001, 503, 429}, "reason": "go away", "after_messages": 10}},
		{"ws_drop", args{"direction": "request", "probability": 0.5}},
		{"ws_corrupt", args{"kind": "truncate"}},
		{"ws_delay", args{"delay": "100ms", "jitter": "10ms"}},
		{"ws_duplicate", nil},
		{"graphql_error", args{"codes": []any{"RATE_LIMITED", 404}, "path": []any{"order", "items", 0}}},
		{"graphql_partial", nil},
		{"graphql_partial", args{"fields": []any{"user.email", "user.orders"}}},
		{"graphql_slow_fields", args{"fields": "user.orders", "delay": ramp("1ms", "2s", "30s", "")}},
		{"tls_fault", args{"kind": "expired"}},
		{"exec", args{"name": "redis", "on": []any{"systemctl", "stop", "redis"}, "off": []any{[]any{"systemctl", "start", "redis"}, []any{"true"}}}},
		{"exec", args{"name": "r", "on": [][]string{{"a b"}}, "off": [][]string{{"c"}}, "check": args{"kind": "tcp", "addr": "127.0.0.1:6379"}, "off_timeout": 5}},
		{"http", args{"name": "fail over", "on": "http://127.0.0.1:9000/on", "off": args{"url": "http://127.0.0.1:9000/on", "method": "delete",
			"headers": args{"X-A": "b"}, "body": "{}", "expect": "2xx,404", "timeout": "3s"}}},
	}
}

func TestFaults(t *testing.T) {
	var b strings.Builder
	for _, g := range goodFaults() {
		f, err := chaos.New(g.kind, g.args)
		if err != nil {
			t.Errorf("New(%s, %v): %v", g.kind, g.args, err)
			continue
		}
		data, err := json.Marshal(f)
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		fmt.Fprintf(&b, "%s\n\t%s\n", f, data)
		var back chaos.Fault
		if err := json.Unmarshal(data, &back); err != nil {
			t.Errorf("%s does not come back: %v", data, err)
		}
		if diff := cmp.Diff(f, back); diff != "" {
			t.Errorf("%s comes back changed:\n%s", data, diff)
		}
	}
	golden(t, "faults.txt", b.String())
}

func TestBadFaults(t *testing.T) {
	var b strings.Builder
	for _, g := range []struct {
		kind string
		args args
	}{
		{"meteor", nil},
		{"latency", nil},
		{"latency", args{"delay": "soon"}},
		{"latency", args{"delay": "25h"}},
		{"latency", args{"delay": -1}},
		{"latency", args{"delay": true}},
		{"latency", args{"delay": "1s", "dealy": "1s"}},
		{"latency", args{"delay": "1s", "jitter": "1s", "jitter_percent": 5}},
		{"latency", args{"delay": "1s", "jitter_percent": 120}},
		{"latency", args{"delay": "1s", "direction": "sideways"}},
		{"latency", args{"between": []any{"5s", "1s"}}},
		{"latency", args{"between": "1s"}},
		{"latency", args{"delay": "1s", "probability": 1.5}},
		{"latency", args{"delay": "1s", "probability": ramp(0, 2, "1s", "linear")}},
		{"latency", args{"delay": math.NaN()}},
		{"latency", args{"delay": ramp("0s", "1s", "1s", "exponential")}},
		{"latency", args{"delay": ramp("0s", "1s", "0s", "linear")}},
		{"latency", args{"delay": ramp("0s", "1s", "1s", "zigzag")}},
		{"latency", args{"delay": ramp("0s", "1s", "1s", "steps(0)")}},
		{"latency", args{"delay": ramp("0s", "1s", "1s", "sine(0s)")}},
		{"latency", args{"delay": args{"ramp": args{"start": 1, "stop": 2}}}},
		{"latency", args{"delay": args{"rump": 1}}},
		{"latency", args{"delay": "1s", "pulse": args{"on": "1s"}}},
		{"latency", args{"delay": "1s", "pulse": args{"on": "1s", "off": "0s"}}},
		{"latency", args{"delay": "1s", "match": args{"path": "re:/a(b"}}},
		{"latency", args{"delay": "1s", "match": args{"path": "re:/a)b"}}},
		{"latency", args{"delay": "1s", "match": args{"path": "re:/[z-a]/x"}}},
		{"latency", args{"delay": "1s", "match": args{"path": "re:/a**"}}},
		{"latency", args{"delay": "1s", "match": args{"path": "api"}}},
		{"latency", args{"delay": "1s", "match": args{"method": "GET /"}}},
		{"latency", args{"delay": "1s", "match": args{"every": 1.5}}},
		{"latency", args{"delay": "1s", "match": args{"every": 0}}},
		{"latency", args{"delay": "1s", "match": args{"first": 0}}},
		{"latency", args{"delay": "1s", "match": args{"port": 80}}},
		{"http_error", args{}},
		{"http_error", args{"codes": 700}},
		{"http_error", args{"codes": []any{}}},
		{"http_error", args{"codes": "500"}},
		{"http_error", args{"codes": 500, "headers": args{"X": "a\r\nSet-Cookie: b"}}},
		{"http_error", args{"codes": 500, "headers": args{"X Y": "a"}}},
		{"http_error", args{"codes": 500, "headers": args{"content-length": "5"}}},
		{"http_error", args{"codes": 500, "pattern": "burst(5)"}},
		{"http_error", args{"codes": 500, "pattern": "sequence([503)"}},
		{"http_error", args{"codes": 500, "pattern": `burst(5, "10s)`}},
		{"http_error", args{"codes": 500, "pattern": "burst(0, 10s)"}},
		{"http_error", args{"codes": 500, "pattern": "sequence(500, 99)"}},
		{"http_error", args{"codes": 500, "pattern": "often"}},
		{strings.Repeat("x", 1000), nil},
		{"latency", args{strings.Repeat("x", 1000): 1}},
		{"latency", args{"delay": "1s", "match": args{"source": "10.0.0.0/33"}}},
		{"latency", args{"delay": "1s", "match": args{"source": "fe80::1%eth0"}}},
		{"latency", args{"delay": "1s", "match": args{"source": "::ffff:10.0.0.0/8"}}},
		{"latency", args{"delay": "1s", "match": args{"headers": args{"a b": "x"}}}},
		{"latency", args{"delay": "1s", "match": args{"headers": args{"A": "x", "a": "y"}}}},
		{"latency", args{"delay": "1s", "match": args{"headers": args{"a": "re:("}}}},
		{"latency", args{"delay": "1s", "match": args{"query": args{"a": 1}}}},
		{"latency", args{"delay": "1s", "match": args{"body_size": 5}}},
		{"latency", args{"delay": "1s", "match": args{"body_size": []any{5, 1}}}},
		{"latency", args{"delay": "1s", "match": args{"body_size": []any{-1, nil}}}},
		{"latency", args{"delay": "1s", "match": args{"chunked": "yes"}}},
		{"latency", args{"delay": "1s", "match": args{"graphql_type": "fragment"}}},
		{"latency", args{"delay": "1s", "match": args{"host": strings.Repeat("a", 5000)}}},
		{"bandwidth", args{"rate": 0}},
		{"bandwidth", args{"rate": "fast"}},
		{"bandwidth", args{"rate": 1, "per": "client"}},
		{"packet_loss", args{"percent": 101}},
		{"blackhole", args{"open_connections": "drop"}},
		{"timeout", nil},
		{"reset", args{"after": "-1s"}},
		{"slicer", args{"average": 0}},
		{"limit_data", args{"bytes": "1 lot"}},
		{"max_connections", args{"n": 1.5}},
		{"max_connections", args{"n": ramp(0, 1.5, "1s", "")}},
		{"max_connections", args{"n": -1}},
		{"connection_error", args{"kind": "udp"}},
		{"partial_response", args{"fraction": "150%"}},
		{"rewrite", nil},
		{"rewrite", args{"status": 200, "direction": "request"}},
		{"rewrite", args{"body": "", "json_patch": []any{args{"op": "remove", "path": ""}}}},
		{"rewrite", args{"json_patch": "x"}},
		{"rewrite", args{"json_patch": []any{}}},
		{"rewrite", args{"json_patch": []any{args{"op": "drop", "path": "/a"}}}},
		{"rewrite", args{"json_patch": []any{args{"op": "add", "path": "/a"}}}},
		{"rewrite", args{"json_patch": []any{args{"op": "remove", "path": "a"}}}},
		{"rewrite", args{"json_patch": []any{args{"op": "remove", "path": "/a~2"}}}},
		{"rewrite", args{"json_patch": []any{args{"op": "move", "from": "/a", "path": "/a/b"}}}},
		{"rewrite", args{"json_patch": []any{args{"op": "remove", "path": strings.Repeat("/a", 200)}}}},
		{"rewrite", args{"json_patch": []any{args{"op": "test", "path": "/a", "value": 1, "from": "/b"}}}},
		{"rewrite", args{"headers": args{"Transfer-Encoding": "chunked"}}},
		{"rewrite", args{"remove_headers": []any{"Content-Length"}}},
		{"rewrite", args{"remove_headers": []any{"a\r\nb"}}},
		{"rate_limit", args{"rate": 0, "burst": 1}},
		{"rate_limit", args{"rate": 1, "burst": 0}},
		{"circuit_breaker", args{"window": 0}},
		{"bulkhead", args{"queue": "ten"}},
		{"grpc_error", args{"codes": "NOT_READY"}},
		{"grpc_error", args{"codes": 17}},
		{"grpc_error", args{"codes": 418}},
		{"grpc_abort", args{"code": 14}},
		{"ws_close", args{"codes": 404}},
		{"ws_close", args{"codes": 1000, "reason": strings.Repeat("é", 62)}},
		{"ws_corrupt", args{"kind": "shuffle"}},
		{"graphql_error", args{"codes": 418}},
		{"graphql_error", args{"codes": "X", "path": args{}}},
		{"graphql_error", args{"codes": "X", "path": []any{-1}}},
		{"graphql_slow_fields", args{"fields": []any{}, "delay": "1s"}},
		{"tls_fault", args{"kind": "heartbleed"}},
		{"exec", args{"name": "x", "on": []any{}, "off": []any{"a"}}},
		{"exec", args{"name": "x", "on": []any{"a", 1}, "off": []any{"a"}}},
		{"exec", args{"name": "x", "on": []any{"a\x00b"}, "off": []any{"a"}}},
		{"exec", args{"name": "", "on": []any{"a"}, "off": []any{"a"}}},
		{"exec", args{"name": "x", "on": []any{"a"}, "off": []any{"a"}, "probability": 0.5}},
		{"exec", args{"name": "x", "on": []any{"a"}, "off": []any{"a"}, "match": args{"path": "/"}}},
		{"exec", args{"name": "x", "on": []any{"a"}, "off": []any{"a"}, "check": args{"addr": "x"}}},
		{"http", args{"name": "x", "on": "ftp://x", "off": "http://x"}},
		{"http", args{"name": "x", "on": "http://x", "off": args{"url": "http://x", "methd": "PUT"}}},
		{"http", args{"name": "x", "on": "http://x", "off": args{"url": "http://x", "expect": "2yy"}}},
		{"http", args{"name": "x", "on": "http://x", "off": args{"url": "http://x", "headers": args{"a": "b\nc"}}}},
	} {
		f, err := chaos.New(g.kind, g.args)
		if err == nil {
			t.Errorf("New(%s, %v) made %s", g.kind, g.args, f)
			continue
		}
		fmt.Fprintln(&b, err)
	}
	golden(t, "bad_faults.txt", b.String())
}

func TestKinds(t *testing.T) {
	var b strings.Builder
	seen := map[string]bool{}
	for _, g := range goodFaults() {
		seen[g.kind] = true
	}
	for _, k := range chaos.Kinds() {
		if !seen[k.Name] {
			t.Errorf("kind %s is not among goodFaults", k.Name)
		}
		fmt.Fprintf(&b, "%s\n\t%s\n\ton %s\n", k.Sig, k.Doc, strings.Join(k.Protocols, ", "))
		for _, p := range k.Params {
			if p.Doc == "" {
				t.Errorf("%s: parameter %s has no doc", k.Name, p.Name)
			}
			// off_timeout is how long undoing may take, not what the fault does.
			if _, _, number := p.Range(); number && p.Type != chaos.TypeCodes && !p.Ramp && p.Name != "off_timeout" {
				t.Errorf("%s: parameter %s takes no ramp", k.Name, p.Name)
			}
		}
	}
	golden(t, "kinds.txt", b.String())
}

func TestPresets(t *testing.T) {
	var b strings.Builder
	show := func(what string, presets []chaos.Preset, get func(string) ([]chaos.Fault, error)) {
		for _, p := range presets {
			faults, err := get(p.Name)
			fmt.Fprintf(&b, "%s %s: %s\n", what, p.Name, p.Doc)
			if err != nil {
				fmt.Fprintf(&b, "\terror: %v\n", err)
			}
			for _, f := range faults {
				fmt.Fprintf(&b, "\t%s\n", f)
			}
		}
	}
	show("scenario", chaos.Scenarios(), chaos.Scenario)
	show("profile", chaos.Profiles(), chaos.Profile)
	_, err := chaos.Scenario("doomsday")
	fmt.Fprintln(&b, err)
	golden(t, "presets.txt", b.String())
}

func TestStatsJSON(t *testing.T) {
	s := chaos.Stats{Seen: 3, Hit: 2, Inapplicable: 1, Asked: 1500 * time.Microsecond, Achieved: 2 * time.Millisecond, Released: 4}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"seen":3,"hit":2,"inapplicable":1,"asked_ms":1.5,"achieved_ms":2,"released":4}`
	var back chaos.Stats
	if err := json.Unmarshal(data, &back); err != nil || string(data) != want || back != s {
		t.Errorf("%s and back %+v, %v; want %s", data, back, err, want)
	}
}

// Whatever is read without an error is valid, writes itself, and reads back as it was.
func FuzzFaultJSON(f *testing.F) {
	for _, g := range goodFaults() {
		fault, err := chaos.New(g.kind, g.args)
		if err != nil {
			f.Fatal(err)
		}
		data, err := json.Marshal(fault)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var fault chaos.Fault
		if json.Unmarshal(data, &fault) != nil {
			return
		}
		if err := fault.Validate(); err != nil {
			t.Fatalf("%s is not valid: %v", data, err)
		}
		if strings.ContainsRune(fault.String(), '\n') && !strings.Contains(string(data), `\n`) {
			t.Errorf("%q has more than one line", fault.String())
		}
		first, err := json.Marshal(fault)
		if err != nil {
			t.Fatal(err)
		}
		var back chaos.Fault
		if err := json.Unmarshal(first, &back); err != nil {
			t.Fatalf("%s does not come back: %v", first, err)
		}
		if second, _ := json.Marshal(back); string(second) != string(first) {
			t.Errorf("%s became %s", first, second)
		}
	})
}

// TestWrongNameCut: what is wrong and long is cut between its characters.
func TestWrongNameCut(t *testing.T) {
	_, err := chaos.New("latency", map[string]any{"x" + strings.Repeat("é", 100): 1})
	if err == nil || !strings.Contains(err.Error(), `"x`+strings.Repeat("é", 29)+`…" is unknown`) {
		t.Error(err)
	}
}
