package app_test

import (
	"fmt"
	"testing"

	"starquake/app"
	"starquake/runtime/journal"
)

// TestTargetsComeBackFirst: a run that is taken up sends load to a target that only its
// script names, and reads its probes through it, when that target listens again.
func TestTargetsComeBackFirst(t *testing.T) {
	t.Parallel()
	s := serve(t)
	st := newStore(t)
	opt := app.RunOptions{Store: st}
	opt.CanApprove = true
	r := begin(t, fmt.Sprintf(`
p = proxy("p", listen = %q, upstream = %q, protocol = "http")
url = "http://" + p.listen + "/"
def main():
    guard("through it", probe.tcp(p.listen), every = "1h")
    steady_state("answers", probe.http(url, timeout = "5s"), every = "1h")
    step("load", lambda: approve("go on?", faults = "keep"), traffic = traffic.http(url, rate = 100), on = p, chaos = fault.latency("1ms"))
`, freePort(t), s.Listener.Addr()), opt)
	seen(t, r, "the question", isQuestion)
	for range 3 {
		if err := r.Park(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := s.requests.Load()
		r = recovered(t, st, r.ID)
		eventually(t, "load after the crash", func() bool { return s.requests.Load() > before+5 })
	}
	if message, err := r.Do(t.Context(), &app.ControlRequest{Op: "approve", By: "ann"}); err != nil {
		t.Fatal(message, err)
	}
	finish(t, r, journal.VerdictPassed)
}
