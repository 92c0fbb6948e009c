package app_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"starquake/app"
	"starquake/internal/porttest"
	"starquake/runtime/journal"
	"starquake/store"
)

// asking is a run that sends load through a target of its own, of which guard, steady state
// and fault are too, and that asks a question. The load is so little that no machine is too
// busy for it.
func asking(t *testing.T, s *service, st *store.Store, listen string) *app.Running {
	t.Helper()
	opt := app.RunOptions{Store: st}
	opt.CanApprove = true
	r := begin(t, fmt.Sprintf(`
p = proxy("p", listen = %q, upstream = %q, protocol = "http")
url = "http://" + p.listen + "/"
def main():
    guard("through it", probe.tcp(p.listen), every = "1h")
    steady_state("answers", probe.http(url, timeout = "5s"), every = "1h")
    step("load", lambda: approve("go on?", faults = "keep"), traffic = traffic.http(url, rate = 2), on = p, chaos = fault.latency("1ms"))
`, listen, s.Listener.Addr()), opt)
	seen(t, r, "the question", isQuestion)
	return r
}

// TestTargetsComeBackFirst: a run that is taken up sends load to a target that only its
// script names, and reads its probes through it, when that target listens again.
func TestTargetsComeBackFirst(t *testing.T) {
	t.Parallel()
	s := serve(t)
	st := newStore(t)
	r := asking(t, s, st, porttest.Free(t))
	for range 3 {
		if err := r.Park(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := s.requests.Load()
		r = recovered(t, st, r.ID)
		// The probe that is read again is one of them.
		eventually(t, "load after the crash", func() bool { return s.requests.Load() > before+3 })
	}
	if message, err := r.Do(t.Context(), &app.ControlRequest{Op: "approve", By: "ann"}); err != nil {
		t.Fatal(message, err)
	}
	finish(t, r, journal.VerdictPassed)
}

// TestTargetDoesNotComeBack: a run whose own target cannot listen again does not go on, says
// why, and sends nothing to whoever listens there now. It is not lost: once the address is free
// it goes on.
func TestTargetDoesNotComeBack(t *testing.T) {
	t.Parallel()
	s := serve(t)
	st := newStore(t)
	listen := porttest.Free(t)
	r := asking(t, s, st, listen)
	if err := r.Park(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for range 2 {
		_, err := app.Recover(r.ID, false, app.RunOptions{Store: st, CanApprove: true})
		if err == nil || !strings.Contains(err.Error(), "the proxy p of the run cannot listen: listen tcp "+listen) {
			t.Errorf("it goes on, or says %v, expected which target and where", err)
		}
		if entry, err := st.Entry(r.ID); err != nil || entry.Status != store.Interrupted {
			t.Fatalf("it is %v, %v", entry.Status, err)
		}
	}
	if err := other.(*net.TCPListener).SetDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if c, err := other.Accept(); err == nil {
		c.Close()
		t.Error("something was sent to whoever listens there now")
	}
	other.Close()
	r = recovered(t, st, r.ID)
	if message, err := r.Do(t.Context(), &app.ControlRequest{Op: "approve", By: "ann"}); err != nil {
		t.Fatal(message, err)
	}
	finish(t, r, journal.VerdictPassed)
}

// TestTornLoadIsNotJudged: load that a crash cut off is sent again whole, also when its
// fault goes off meanwhile. Its figures are then no proof of anything, whoever asks for them.
func TestTornLoadIsNotJudged(t *testing.T) {
	t.Parallel()
	s := serve(t)
	prelude := fmt.Sprintf(`
p = proxy("p", listen = %%q, upstream = %q, protocol = "http")
users = traffic.http("http://" + p.listen + "/", rate = 2)
broken = fault.http_error(503)
`, s.Listener.Addr())
	for name, c := range map[string]struct {
		main    string
		verdict journal.Verdict
		reason  string
	}{
		"under its fault for a part": {`
    step("load", traffic = users, duration = "4s", on = p, chaos = broken, below = {"error_rate": "99%"})
`, journal.VerdictInconclusive, "disturbed"},
		"tolerated": {`
    attempt(lambda: step("load", traffic = users, duration = "4s", on = p, chaos = broken, below = {"error_rate": "99%"}, on_failure = "tolerate"))
`, journal.VerdictInconclusive, "disturbed"},
		"its fault is over": {`
    def body():
        apply_chaos(broken, on = p, duration = "100ms", min_hits = 0)
        approve("go on?")
    step("load", body, traffic = users, below = {"error_rate": 0.01})
`, journal.VerdictInconclusive, "disturbed"},
		"in the background, and asked": {`
    sent = traffic.start(users)
    apply_chaos(broken, on = p, duration = "100ms", min_hits = 0)
    approve("go on?")
    check("errors", sent.stop().errors, equals = 0)
`, journal.VerdictInconclusive, "disturbed"},
		"in the background": {`
    traffic.start(users)
    apply_chaos(broken, on = p, duration = "100ms", min_hits = 0)
    approve("go on?")
`, journal.VerdictPassed, "passed"},
		"without faults": {`
    step("load", traffic = users, duration = "4s", below = {"error_rate": 0.01})
`, journal.VerdictPassed, "passed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := newStore(t)
			opt := app.RunOptions{Store: st}
			opt.CanApprove = true
			r := begin(t, fmt.Sprintf(prelude, porttest.Free(t))+"def main():"+c.main, opt)
			asks := strings.Contains(c.main, "approve")
			seen(t, r, "load, and a question after it", func(rec journal.Record) bool {
				start, ok := rec.Body.(*journal.EffectStartBody)
				return isQuestion(rec) || ok && !asks && start.Kind == "load"
			})
			if err := r.Park(t.Context()); err != nil {
				t.Fatal(err)
			}
			r = recovered(t, st, r.ID)
			if asks {
				before := s.requests.Load()
				eventually(t, "load after the crash", func() bool { return s.requests.Load() > before+1 })
				if message, err := r.Do(t.Context(), &app.ControlRequest{Op: "approve", By: "ann"}); err != nil {
					t.Fatal(message, err)
				}
			}
			res := finish(t, r, c.verdict)
			if res.Outcome.Reason != c.reason {
				t.Errorf("reason %s, expected %s: %s", res.Outcome.Reason, c.reason, res.Outcome.Message)
			}
			if n := len(res.View.Checks); n > 0 && c.verdict != journal.VerdictPassed {
				t.Errorf("its figures were judged: %+v", res.View.Checks[0])
			}
			// The same again, from the journal.
			e, recs, err := st.Read(r.ID)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := app.Replay(e.Info, recs, nil); err != nil || again.Differs != nil {
				t.Errorf("its replay: %v %+v", err, again)
			}
		})
	}
}
