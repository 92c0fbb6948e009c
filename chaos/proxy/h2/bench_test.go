package h2

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

// benchGRPC makes unary calls over 4 connections, 16 at a time on each, and reports how
// many a second and what of the processor each took, client and server included.
func benchGRPC(b *testing.B, through func(addr string) string) {
	addr, _ := h2test.StartGRPC(b, &h2test.Service{})
	addr = through(addr)
	ctx := context.Background()
	const conns, each = 4, 16
	var clients []*grpc.ClientConn
	for range conns {
		c := h2test.DialGRPC(b, addr)
		if _, err := h2test.Unary(ctx, c, "hello"); err != nil {
			b.Fatal(err)
		}
		clients = append(clients, c)
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	before := processorTime()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, c := range clients {
		for range each {
			wg.Go(func() {
				in, out := &h2test.Message{Value: []byte(strings.Repeat("x", 100))}, new(h2test.Message)
				for left.Add(-1) >= 0 {
					if err := c.Invoke(ctx, "/test.Echo/Unary", in, out); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(float64((processorTime()-before).Microseconds())/float64(b.N), "cpu-µs/call")
}

func BenchmarkUnary(b *testing.B) {
	rules := make([]string, 100)
	for i := range rules {
		rules[i] = fmt.Sprintf("/test.Other%d/Unary", i)
	}
	matching := planner{request: func(req *Request, plan *Plan) {
		for _, path := range rules {
			if req.Path == path {
				plan.Answer = Status{Code: 14}.Answer()
			}
		}
	}}
	// withheld makes the relay encode requests anew: a call is answered now and then.
	var n atomic.Int64
	withheld := planner{request: func(req *Request, plan *Plan) {
		if n.Add(1) == 1 {
			plan.Hold[ToUpstream], plan.Hold[ToClient] = newAfter(1), newAfter(1)
		}
	}}
	relayed := func(hooks Hooks) func(string) string {
		return func(addr string) string { return relayTo(b, addr, hooks).addr }
	}
	for _, bench := range []struct {
		name    string
		through func(string) string
	}{
		{"direct", func(addr string) string { return addr }},
		{"splice", func(addr string) string { return splice(b, addr) }},
		{"relay", relayed(planner{})},
		{"relay100rules", relayed(matching)},
		{"encoding", relayed(withheld)},
	} {
		b.Run(bench.name, func(b *testing.B) { benchGRPC(b, bench.through) })
	}
}
