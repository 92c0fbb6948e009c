package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"starquake/app"
	"starquake/runtime/journal"
)

// TestWindowOfNothing: what nothing was there to measure is None in a window, of load and of a
// target: as 0 it would be below every limit while nothing is answered.
func TestWindowOfNothing(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	over := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/asked":
			asked.Add(1)
			<-over
		case asked.Load() < 3:
			w.WriteHeader(http.StatusTooEarly)
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(over) })
	r := begin(t, fmt.Sprintf(`
p = proxy("p", listen = "127.0.0.1:0", upstream = %[2]q)
hung = traffic.http("%[1]s/", rate = 50, timeout = "1h")

def main():
    w = p.window().clean
    check("target", [w.count, w.mean, w.p50, w.p90, w.p95, w.p99, w.p999, w.max], equals = [0] + [None] * 7)
    going = traffic.start(hung)
    wait_until(probe.http("%[1]s/asked"), "1m", every = "10ms")
    w = going.window()
    check("load", [w.p50, w.p90, w.p95, w.p99, w.p999, w.max, w.error_rate], equals = [None] * 7)
    check("counts", (w.requests, w.errors, w.dropped, w.throughput), equals = (0, 0, 0, 0.0))
    attempt(lambda: check("no answer is no quick answer", w.p99, below = "1s"))
    attempt(lambda: check("nor a good one", w.error_rate, below = "1%%"))
`, s.URL, s.Listener.Addr()), app.RunOptions{Options: app.Options{AllowLoad: []string{"127.0.0.1"}}})
	if res := finish(t, r, journal.VerdictPassed); res.Outcome.Tolerated != 2 {
		t.Errorf("%d failures were tolerated, expected 2: %+v", res.Outcome.Tolerated, res.View.Checks)
	}
}

// TestElapsedOfNoAnswer: what did not answer took no time, whatever asked it: a refusal is no
// quick answer, which a limit would take it for.
func TestElapsedOfNoAnswer(t *testing.T) {
	t.Parallel()
	r := begin(t, `
NOBODY = "127.0.0.1:1"

def main():
    for r in [
        http.get("http://" + NOBODY, expect = "any"),
        tcp.connect(NOBODY, expect = "any"),
        dns.lookup("a.example", server = NOBODY, timeout = "100ms", expect = "any"),
        grpc.health(NOBODY, expect = "any"),
        grpc.call(NOBODY, "grpc.health.v1.Health/Check", expect = "any"),
        observe(probe.http("http://" + NOBODY)),
        observe(probe.tcp(NOBODY)),
        observe(probe.grpc(NOBODY)),
    ]:
        check("none", r.elapsed, equals = None, detail = str(r))
    check("refused as expected", tcp.connect(NOBODY, expect = "closed").elapsed, below = "1m")
`, app.RunOptions{})
	finish(t, r, journal.VerdictPassed)
}
