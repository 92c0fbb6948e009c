package runtime_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// TestReadWhileFaultsAreOn: the first reading of a hypothesis begins when the fault is on, not
// when it is asked for, and one that is under way when it goes off still counts; who is
// stopped does not wait for it.
func TestReadWhileFaultsAreOn(t *testing.T) {
	const onAfter, lasts, reading = 2 * time.Second, time.Second, 5 * time.Second
	type heard struct {
		at   time.Duration
		what runtime.SignalKind
	}
	for _, test := range []struct {
		name    string
		stop    time.Duration // when the run is stopped; 0: it is not
		verdict journal.Verdict
		took    time.Duration
	}{
		{"to its end", 0, journal.VerdictFailed, onAfter + reading},
		{"stopped meanwhile", onAfter + lasts + time.Second, journal.VerdictStopped, onAfter + lasts + time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, start := newFake(), time.Now()
				f.does["f"] = func(ctx context.Context, call *runtime.Call) (any, error) {
					time.Sleep(onAfter)
					call.Report(true)
					<-ctx.Done()
					return nil, nil
				}
				var all []heard
				f.does["p"] = func(ctx context.Context, call *runtime.Call) (any, error) {
					if !call.Held {
						return runtime.Reading{OK: true}, nil
					}
					hear := func(s runtime.SignalKind) runtime.SignalKind {
						all = append(all, heard{time.Since(start), s})
						return s
					}
					for s := runtime.SignalPause; s != runtime.SignalResume; {
						s = hear(<-call.Signals)
					}
					slow := time.NewTimer(reading)
					for {
						select {
						case s := <-call.Signals:
							hear(s)
						case <-slow.C:
							return runtime.WatchReport{State: runtime.WatchBad, Seen: 1, Bad: 1}, nil
						case <-ctx.Done():
							return runtime.WatchReport{}, nil
						}
					}
				}
				r := startReal(f, nil, "steady s probe=p nobefore\nstep a chaos=f dur=1s")
				if test.stop > 0 {
					time.Sleep(test.stop)
					r.Control(runtime.Control{Action: runtime.ActionStop})
				}
				out := <-r.done
				wantVerdict(t, out, test.verdict)
				if out.Took != test.took {
					t.Errorf("took %s, expected %s", out.Took, test.took)
				}
				want := []heard{{0, runtime.SignalPause}, {onAfter, runtime.SignalResume}, {onAfter + lasts, runtime.SignalFinish}}
				if !slices.Equal(all, want) {
					t.Errorf("the watch heard %v, expected %v", all, want)
				}
			})
		})
	}
}
