package proxy

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"starquake/chaos/proxy/h2/h2test"
)

// BenchmarkGRPC makes unary calls over 4 connections, 16 at a time on each: past the
// proxy, through it as a blind splice, and through it with its requests looked at.
func BenchmarkGRPC(b *testing.B) {
	for _, bench := range []struct {
		name     string
		protocol string // none is past the proxy
		faults   int
	}{{"direct", "", 0}, {"tcp", "tcp", 0}, {"grpc", "grpc", 0}, {"grpc100faults", "grpc", 100}} {
		b.Run(bench.name, func(b *testing.B) {
			addr, _ := h2test.StartGRPC(b, &h2test.Service{})
			if bench.protocol != "" {
				p := startProxy(b, bench.protocol, addr)
				for i := range bench.faults {
					apply(b, p, fmt.Sprint(i), "grpc_error", map[string]any{"codes": 14, "match": map[string]any{"path": fmt.Sprintf("/other.%d/*", i)}})
				}
				addr = p.Addr()
			}
			benchCalls(b, addr)
		})
	}
}

func benchCalls(b *testing.B, addr string) {
	ctx := context.Background()
	var clients []*grpc.ClientConn
	for range 4 {
		clients = append(clients, h2test.DialGRPC(b, addr))
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, c := range clients {
		for range 16 {
			wg.Go(func() {
				body := strings.Repeat("x", 100)
				for left.Add(-1) >= 0 {
					if _, err := h2test.Unary(ctx, c, body); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
