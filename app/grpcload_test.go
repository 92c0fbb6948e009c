package app_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	channelz "google.golang.org/grpc/channelz/service"
	"google.golang.org/grpc/reflection"

	"starquake/app"
	"starquake/runtime/journal"
)

// grpcService is a real gRPC server with reflection, and how often it was asked for that.
func grpcService(t *testing.T) (addr string, described *atomic.Int64) {
	t.Helper()
	described = new(atomic.Int64)
	s := grpc.NewServer(grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		if strings.Contains(info.FullMethod, "ServerReflection") {
			described.Add(1)
		}
		return next(srv, stream)
	}))
	channelz.RegisterChannelzServiceToServer(s)
	reflection.Register(s)
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-served })
	return l.Addr().String(), described
}

// What a gRPC method takes is known before chaos keeps the server from saying it: the load
// meets the chaos from its beginning, and asking is nobody's hit.
func TestGRPCLoadMeetsItsChaos(t *testing.T) {
	for _, test := range []struct {
		name, script string
		steps        []string // as they end
		verdict      journal.Verdict
	}{
		{"black hole", `step("s", traffic = calls, duration = "1s", chaos = fault.blackhole(), on = p, below = {"error_rate": "1%"})`,
			[]string{"failed"}, journal.VerdictFailed},
		{"long latency", `step("s", traffic = calls, duration = "1s", chaos = fault.latency("1m"), on = p, below = {"p99": "50ms"})`,
			[]string{"failed"}, journal.VerdictFailed},
		{"reset", `step("s", traffic = calls, duration = "1s", chaos = fault.reset(), on = p, below = {"error_rate": "1%"})`,
			[]string{"failed"}, journal.VerdictFailed},
		{"status", `step("s", traffic = calls, duration = "1s", chaos = fault.grpc_error("UNAVAILABLE"), on = p, above = {"error_rate": "99%"})`,
			[]string{"passed"}, journal.VerdictPassed},
		{"chaos around it", `
    apply_chaos(fault.grpc_error("UNAVAILABLE"), on = p, min_hits = 0)
    step("s", traffic = calls, duration = "1s", above = {"error_rate": "99%"})`,
			[]string{"passed"}, journal.VerdictPassed},
		{"no step", `
    apply_chaos(fault.grpc_error("UNAVAILABLE"), on = p, min_hits = 0)
    check("errors", traffic.run(calls1).error_rate, above = 0.99)
    going = traffic.start(calls1)
    check("errors", going.wait().error_rate, above = 0.99)`,
			nil, journal.VerdictPassed},
		{"again", `
    step("a", traffic = calls, duration = "1s", below = {"error_rate": "50%"})
    step("b", traffic = calls, duration = "1s", chaos = fault.blackhole(), on = p, below = {"error_rate": "1%"}, on_failure = "tolerate")
    step("c", traffic = other, duration = "1s", below = {"error_rate": "50%"})`,
			[]string{"passed", "failed", "passed"}, journal.VerdictPassed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			addr, described := grpcService(t)
			r := begin(t, fmt.Sprintf(`
p = proxy("p", listen = "127.0.0.1:0", upstream = %q, protocol = "grpc")
def main():
    def make(max, **more): return traffic.grpc(p.listen, "grpc.channelz.v1.Channelz/GetTopChannels", rate = 20, message = {"max_results": max}, timeout = "500ms", **more)
    calls, calls1, other = make(1), make(1, duration = "1s"), make(2)
    %s
`, addr, test.script), app.RunOptions{})
			res := finish(t, r, test.verdict)
			var steps []string
			for _, s := range res.View.Steps {
				steps = append(steps, string(s.Status))
			}
			if !slices.Equal(steps, test.steps) {
				t.Errorf("steps %v, expected %v", steps, test.steps)
			}
			if n := described.Load(); n != 1 {
				t.Errorf("the server was asked %d times what its method takes, expected once", n)
			}
			var seen int64
			for _, f := range res.View.Faults {
				seen += f.Seen
			}
			var sent int64
			for _, l := range res.View.Loads {
				if l.Figures != nil && l.Path != "a" && l.Path != "c" {
					sent += l.Figures.Requests
				}
			}
			if sent == 0 || seen > sent {
				t.Errorf("the chaos saw %d requests of %d that the load sent", seen, sent)
			}
		})
	}
}

// Where it cannot be known the run ends before anything is injected.
func TestGRPCLoadUnknown(t *testing.T) {
	addr, _ := grpcService(t)
	for _, test := range []struct{ name, upstream, method, message, says string }{
		{"nobody there", "127.0.0.1:1", "grpc.channelz.v1.Channelz/GetTopChannels", `{"max_results": 1}`, "refused"},
		{"no such service", addr, "shop.v1.Shop/Buy", `{"item": "tea"}`, "does not know the service shop.v1.Shop"},
		{"no such method", addr, "grpc.channelz.v1.Channelz/Buy", `{"item": "tea"}`, "has no method Buy"},
		{"no such field", addr, "grpc.channelz.v1.Channelz/GetTopChannels", `{"item": "tea"}`, "item"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := begin(t, fmt.Sprintf(`
p = proxy("p", listen = "127.0.0.1:0", upstream = %q, protocol = "grpc")
def main():
    calls = traffic.grpc(p.listen, %q, rate = 20, message = %s)
    step("s", traffic = calls, duration = "1s", chaos = fault.blackhole(), on = p, on_failure = "tolerate", min_hits = 0)
`, test.upstream, test.method, test.message), app.RunOptions{})
			res := finish(t, r, journal.VerdictErrored)
			if len(res.View.Faults) != 0 || !strings.Contains(res.Outcome.Message, test.says) {
				t.Errorf("%d faults; it says %q, expected %q", len(res.View.Faults), res.Outcome.Message, test.says)
			}
		})
	}
}
