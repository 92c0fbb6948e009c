package runtime_test

import (
	"context"
	"testing"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// TestBreachWhileCancelled: a breach that comes in while its scope is being cancelled already,
// or one around it, counts as it would have a moment before.
func TestBreachWhileCancelled(t *testing.T) {
	for _, program := range []string{
		"step s {\nguard g probe=p action=stop_scope\nsleep 1h\n}\n",
		"step s {\nstep t {\nguard g probe=p action=stop_scope\nsleep 1h\n}\n}\n",
	} {
		noLeaks(t)
		f := newFake()
		watched := make(chan bool)
		f.does["p"] = func(ctx context.Context, call *runtime.Call) (any, error) {
			call.Report(runtime.WatchReport{State: runtime.WatchHolds, Reading: runtime.Reading{OK: true}, Seen: 1})
			close(watched)
			<-ctx.Done()
			call.Report(runtime.WatchReport{State: runtime.WatchBad, Seen: 2, Bad: 1})
			return nil, nil
		}
		r := startReal(f, nil, program)
		<-watched
		r.Control(runtime.Control{Action: runtime.ActionSkip, By: "tester", Path: "s"})
		out := r.within(t, soon)
		wantVerdict(t, out, journal.VerdictFailed)
		if out.Reason != "guard_breached" {
			t.Errorf("%s: %s\n%s", program, out.Reason, render(r.mem.Records()))
		}
	}
}
