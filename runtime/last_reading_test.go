package runtime_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// slowly is a probe that takes so long to say that nothing is well.
func slowly(took time.Duration) func(context.Context, *runtime.Call) (any, error) {
	return func(ctx context.Context, _ *runtime.Call) (any, error) {
		select {
		case <-time.After(took):
			return runtime.Reading{}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// TestLastReadingCounts: a function probe that is being called when the last fault goes off is
// not cut off: what it says counts, as that of a probe value does.
func TestLastReadingCounts(t *testing.T) {
	for name, program := range map[string]string{
		"around the step":    "steady s probe=p func nobefore noafter every=5s\nstep a chaos=f dur=1s",
		"around another one": "steady s probe=p func nobefore noafter every=5s\nstep a chaos=f dur=1s\nstep b chaos=f dur=10ms",
		"in the step":        "step o {\n  steady s probe=p func nobefore noafter every=5s\n  step a chaos=f dur=1s\n}",
		"of its own scope":   "steady s probe=p func nobefore noafter every=5s\nhold f\nsleep 1s",
		"with a branch":      "start bg {\n  sleep 1h\n}\nsteady s probe=p func nobefore noafter every=5s\nhold f\nsleep 1s",
		"that has failed":    "attempt {\n  steady s probe=p func nobefore noafter every=5s\n  hold f\n  sleep 1s\n  fail x\n}",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.does["p"] = slowly(3 * time.Second)
				r := startReal(f, nil, program)
				out := r.within(t, time.Hour)
				wantVerdict(t, out, journal.VerdictFailed)
				if !strings.Contains(out.Message, "held for 0% of") {
					t.Errorf("%q, expected that it did not hold\n%s", out.Message, render(r.mem.Records()))
				}
				if took := out.Took; took > 4*time.Second {
					t.Errorf("it took %s, expected no more than the reading", took)
				}
			})
		})
	}
}

// TestLastReadingIsStopped: who is stopped does not wait for a reading.
func TestLastReadingIsStopped(t *testing.T) {
	for _, when := range []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			f.does["p"] = slowly(3 * time.Second)
			r := startReal(f, nil, "steady s probe=p func nobefore every=5s\nstep a chaos=f dur=1s")
			time.Sleep(when)
			r.Control(runtime.Control{Action: runtime.ActionStop})
			out := r.within(t, time.Hour)
			wantVerdict(t, out, journal.VerdictStopped)
			if out.Took != when {
				t.Errorf("it took %s, expected %s\n%s", out.Took, when, render(r.mem.Records()))
			}
		})
	}
}
