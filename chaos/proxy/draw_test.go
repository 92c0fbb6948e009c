package proxy

import (
	"math"
	"slices"
	"testing"

	"starquake/chaos"
	"starquake/chaos/proxy/graphql"
)

// Whatever the kind, the same seed and the same requests give the same hits, another seed
// others, and as many as the probability says.
func TestEveryKindDraws(t *testing.T) {
	args := map[string]map[string]any{
		"latency": {"delay": "1s"}, "bandwidth": {"rate": "1MB/s"}, "packet_loss": {"percent": 50}, "timeout": {"after": "1s"},
		"slow_close": nil, "slicer": {"average": 10, "variation": 1, "delay": "1ms"}, "limit_data": {"bytes": 10},
		"http_error": {"codes": []any{500, 503}}, "connection_error": {"kind": "tcp_reset"}, "corrupt": {"kind": "bit_flip"}, "rewrite": {"status": 418},
		"rate_limit": {"rate": 0.001, "burst": 100}, "bulkhead": {"max_concurrent": 3, "queue": 0}, "circuit_breaker": nil,
		"grpc_error": {"codes": "UNAVAILABLE"}, "grpc_abort": {"after_messages": 1},
		"graphql_error": {"codes": []any{"A", "B"}}, "graphql_slow_fields": {"fields": "a", "delay": "1s"},
	}
	// What these hit hangs on more than a draw.
	counted := map[string]bool{"rate_limit": true, "bulkhead": true, "circuit_breaker": true, "graphql_partial": true}
	query, err := graphql.Read(graphql.InDocument, "", []byte("{a}"))
	if err != nil {
		t.Fatal(err)
	}
	const probability = 0.3
	met := 0
	for _, row := range effectRows() {
		if row.kind == "slow_close" || row.kind == "max_connections" || row.kind == "refuse" || row.kind == "tls_fault" {
			continue // requests do not meet them
		}
		given := map[string]any{"probability": probability}
		for name, value := range args[row.kind] {
			given[name] = value
		}
		fault, err := chaos.New(row.kind, given)
		if err != nil {
			if args[row.kind] == nil && row.ready(&chaos.Fault{Kind: row.kind}).message != nil {
				continue // messages of a WebSocket meet it, not requests
			}
			t.Fatal(err)
		}
		if a := row.ready(&fault); !a.requests {
			continue
		}
		met++
		n := 10_000
		if row.kind == "http_error" {
			n = 100_000 // of all it is the same draw
		}
		hits := func(seed uint64, n int) (which []bool, stats chaos.Stats) {
			p := startProxy(t, "auto", "127.0.0.1:1")
			a, err := p.Apply(fault, "x", seed)
			if err != nil {
				t.Fatal(err)
			}
			c := &conn{p: p, born: math.MaxUint64, query: query}
			was := uint64(0)
			for range n {
				req := chaos.Request{Method: []byte("POST"), Target: []byte("/"), GRPC: a.acts.grpc, Operations: []chaos.Operation{{Type: []byte("query")}}}
				p.decide(c, &req).done(200)
				hit := a.hit.Load()
				which = append(which, hit > was)
				was = hit
			}
			return which, a.Stats()
		}
		one, stats := hits(1, n)
		two, _ := hits(1, 2000)
		other, _ := hits(2, 2000)
		if !slices.Equal(one[:len(two)], two) || stats.Seen != uint64(n) {
			t.Errorf("%s: the same seed gave other hits; seen %d of %d", row.kind, stats.Seen, n)
		}
		if counted[row.kind] {
			continue
		}
		mean := float64(n) * probability
		if sigma := math.Sqrt(mean * (1 - probability)); math.Abs(float64(stats.Hit)-mean) > 3*sigma || slices.Equal(two, other) {
			t.Errorf("%s: %d hits of %d, want %v ± %.0f, and others with another seed", row.kind, stats.Hit, n, mean, 3*sigma)
		}
	}
	if met < 18 {
		t.Errorf("only %d kinds were met", met)
	}
}
