package runtime_test

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// soon bounds what should take 50 ms, on a busy machine too (BenchmarkControlLatency says what it takes).
const soon = 2 * time.Minute

// joinOf is a program of n parallel branches that each hold a fault and sleep.
func joinOf(n int) string {
	return "parallel {\n" + strings.Repeat("branch {\nhold f\nsleep 1h\n}\n", n) + "}\n"
}

// TestControlReaches: wherever the run is, a stop, an abort and a skip reach it soon.
func TestControlReaches(t *testing.T) {
	places := []struct {
		name, program string
		on            int // faults to wait for
	}{
		{"sleep", "step s {\nhold f\nsleep 1h\n}", 1},
		{"effect", "step s {\nhold f\neffect hangs\n}", 1},
		{"putting a fault on", "step s {\nhold f\nhold hangs\n}", 1},
		{"join of 1000", "step s {\n" + joinOf(1000) + "}", 1000},
		{"background", "step s {\nstart b {\nhold f\nsleep 1h\n}\nawait b\n}", 1},
		{"timed step", "step s chaos=f dur=1h", 1},
	}
	for _, p := range places {
		for action, want := range map[string]journal.Verdict{
			runtime.ActionStop: journal.VerdictStopped, runtime.ActionAbort: journal.VerdictAborted, runtime.ActionSkip: journal.VerdictPassed,
		} {
			t.Run(p.name+"/"+action, func(t *testing.T) {
				noLeaks(t)
				f := newFake()
				f.does["hangs"] = until
				r := startReal(f, nil, p.program)
				f.await(t, p.on)
				began := time.Now()
				r.Control(runtime.Control{Action: action, By: "test"})
				f.await(t, 0)
				if took := time.Since(began); took > soon {
					t.Errorf("the faults were off after %s", took)
				}
				wantVerdict(t, r.within(t, soon), want)
			})
		}
	}
}

// TestStopByAnyName: who stops a run is called as they like. A plan that is cut at its horizon
// has passed so far, a run that somebody of that name stopped has not.
func TestStopByAnyName(t *testing.T) {
	for _, name := range []string{"", "tester", "horizon", "max_duration"} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			f := newFake()
			r := startReal(f, nil, "hold f\nsleep 1h")
			f.await(t, 1)
			r.Control(runtime.Control{Action: runtime.ActionStop, By: name})
			wantVerdict(t, r.within(t, soon), journal.VerdictStopped)
		})
	}
}

// TestStopInALongTurn: faults go off though a branch executes and hands over to
// nobody, and no further one is put on.
func TestStopInALongTurn(t *testing.T) {
	noLeaks(t)
	f := newFake()
	now := time.Now()
	mem := &journal.Memory{}
	w := runtime.NewReal(f, mem, now)
	busy, goOn := make(chan struct{}), make(chan struct{})
	done := make(chan runtime.Outcome, 1)
	go func() {
		run := runtime.New(runtime.Config{}, w)
		done <- run.Execute(func(b *runtime.Branch) (any, error) {
			if _, err := b.Hold(ask("fault", "f")); err != nil {
				return nil, err
			}
			close(busy)
			<-goOn // a long turn
			_, err := b.Hold(ask("fault", "late"))
			return nil, err
		})
	}()
	<-busy
	w.Control(runtime.Control{Action: runtime.ActionStop})
	f.await(t, 0) // while the turn goes on
	close(goOn)
	wantVerdict(t, <-done, journal.VerdictStopped)
	if begun, _, _ := f.state(); !slices.Equal(begun, []string{"f"}) {
		t.Errorf("begun %v, expected no fault after the stop", begun)
	}
}

// TestPauseReal: in a pause sleeps hold and effects are delivered on resume; times
// are exact in the bubble's clock.
func TestPauseReal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		heard := make(chan runtime.SignalKind, 8)
		f.does["ramp"] = func(ctx context.Context, call *runtime.Call) (any, error) {
			call.Report(true)
			for {
				select {
				case s := <-call.Signals:
					heard <- s
				case <-ctx.Done():
					return nil, nil
				}
			}
		}
		f.does["slow"] = func(context.Context, *runtime.Call) (any, error) {
			time.Sleep(3 * time.Second)
			return nil, nil
		}
		r := startReal(f, nil, "hold ramp\neffect slow\nsleep 10s")
		time.Sleep(2 * time.Second)
		r.Control(runtime.Control{Action: runtime.ActionPause, Lift: true})
		time.Sleep(8 * time.Second)
		r.Control(runtime.Control{Action: runtime.ActionResume})
		out := <-r.done
		wantVerdict(t, out, journal.VerdictPassed)
		if want := 20 * time.Second; out.Took != want {
			t.Errorf("took %s, expected %s: 2s, a pause of 8s, 10s", out.Took, want)
		}
		close(heard)
		var all []runtime.SignalKind
		for s := range heard {
			all = append(all, s)
		}
		if want := []runtime.SignalKind{runtime.SignalPause, runtime.SignalLift, runtime.SignalResume, runtime.SignalRestore}; !slices.Equal(all, want) {
			t.Errorf("the effect heard %v, expected %v", all, want)
		}
	})
}

// TestStopEndsAPause: and what the pause kept back does not delay it.
func TestStopEndsAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := startReal(f, nil, "hold f\nsleep 1h")
		time.Sleep(time.Second)
		r.Control(runtime.Control{Action: runtime.ActionPause})
		time.Sleep(time.Minute)
		r.Control(runtime.Control{Action: runtime.ActionStop})
		out := <-r.done
		wantVerdict(t, out, journal.VerdictStopped)
		if want := 61 * time.Second; out.Took != want {
			t.Errorf("took %s, expected %s", out.Took, want)
		}
	})
}

// TestEffectIgnoresCancel: the run goes on without an effect that does not end; a
// fault of that kind is not confirmed gone.
func TestEffectIgnoresCancel(t *testing.T) {
	for program, want := range map[string]journal.Verdict{
		"effect deaf\nsleep 1h": journal.VerdictStopped,
		"hold deaf\nsleep 1h":   journal.VerdictUnclean,
		"load deaf\nsleep 1h":   journal.VerdictUnclean,
	} {
		t.Run(program, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				release := make(chan struct{})
				f.does["deaf"] = func(_ context.Context, call *runtime.Call) (any, error) {
					call.Report(true)
					<-release
					call.Report("after the run")
					return "too late", nil
				}
				r := startReal(f, nil, program)
				time.Sleep(time.Second)
				r.Control(runtime.Control{Action: runtime.ActionStop})
				out := <-r.done
				wantVerdict(t, out, want)
				if want := 31 * time.Second; out.Took != want {
					t.Errorf("took %s, expected %s: the effect is given 30s", out.Took, want)
				}
				close(release)
			})
		})
	}
}

// TestEffectMisbehaves: what a performer does wrong is an error of that effect.
func TestEffectMisbehaves(t *testing.T) {
	tests := []struct {
		name, program string
		does          func(context.Context, *runtime.Call) (any, error)
		want          journal.Verdict
		message       string
	}{
		{"panics", "effect x", func(context.Context, *runtime.Call) (any, error) { panic("a defect") }, journal.VerdictFailed, "internal error in effect effect: a defect"},
		{"a fault panics before it is on", "hold x", func(context.Context, *runtime.Call) (any, error) { panic("a defect") }, journal.VerdictUnclean, "internal error in effect fault: a defect"},
		{"a fault panics when it is on", "hold x\nsleep 1s", func(_ context.Context, c *runtime.Call) (any, error) {
			c.Report(true)
			panic("a defect")
		}, journal.VerdictUnclean, "internal error in effect fault: a defect"},
		{"a fault panics in its undo", "hold x", func(ctx context.Context, c *runtime.Call) (any, error) {
			c.Report(true)
			<-ctx.Done()
			panic("a defect")
		}, journal.VerdictUnclean, "internal error in effect fault: a defect"},
		{"exits its goroutine", "effect x", func(context.Context, *runtime.Call) (any, error) { goruntime.Goexit(); return nil, nil }, journal.VerdictFailed, "internal error in effect effect: <nil>"},
		{"answers what is not plain", "effect x", func(context.Context, *runtime.Call) (any, error) { return make(chan int), nil }, journal.VerdictFailed, "an effect's data is not plain: json: unsupported type: chan int"},
		{"reports what is not plain", "effect x", func(_ context.Context, c *runtime.Call) (any, error) {
			c.Report(func() {})
			return nil, nil
		}, journal.VerdictFailed, "internal error in effect effect: an effect's data is not plain: json: unsupported type: func()"},
		{"a fault ends by itself", "hold x\nsleep 1s", func(_ context.Context, c *runtime.Call) (any, error) {
			c.Report(true)
			return nil, nil
		}, journal.VerdictErrored, "a fault ended before it was taken off"},
		{"a plain error", "effect x", func(context.Context, *runtime.Call) (any, error) { return nil, errors.New("no route") }, journal.VerdictFailed, "no route"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.does["x"] = test.does
				r := startReal(f, nil, test.program)
				out := r.within(t, time.Minute)
				wantVerdict(t, out, test.want)
				if out.Message != test.message {
					t.Errorf("message %q, expected %q", out.Message, test.message)
				}
			})
		})
	}
}

// TestReportsAfterItsEnd: what a performer sends once its effect is over changes
// nothing.
func TestReportsAfterItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.does["x"] = func(_ context.Context, c *runtime.Call) (any, error) {
			go func() {
				for range 10 {
					time.Sleep(time.Second)
					c.Report("late")
				}
			}()
			return nil, nil
		}
		r := startReal(f, nil, "effect x\nsleep 5s")
		wantVerdict(t, r.within(t, time.Minute), journal.VerdictPassed)
		for _, rec := range r.mem.Records() {
			if rec.Kind == journal.EffectNote {
				t.Errorf("a late report is in the journal: %s", render([]journal.Record{rec}))
			}
		}
		time.Sleep(10 * time.Second) // the last of them comes to a run that is over
	})
}

// TestJournalFails: a run whose journal cannot be written ends errored, with every
// fault off and no effect begun after the failure.
func TestJournalFails(t *testing.T) {
	const program = "hold f\nsleep 1s\neffect e\nsleep 1s\nhold g\nsleep 1s"
	tests := []struct {
		name           string
		appends, syncs int
		begun          []string
	}{
		{"first append", 0, -1, nil},
		{"first sync", -1, 0, nil},
		{"append in the middle", 2, -1, []string{"f"}},
		{"second sync", -1, 1, []string{"f"}},
		{"third sync", -1, 2, []string{"f", "e"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				r := startReal(f, &brokenJournal{appends: test.appends, syncs: test.syncs}, program)
				out := r.within(t, time.Minute)
				wantVerdict(t, out, journal.VerdictErrored)
				if begun, _, _ := f.state(); !slices.Equal(begun, test.begun) {
					t.Errorf("begun %v, expected %v", begun, test.begun)
				}
				if !errors.Is(r.Err(), errDisk) {
					t.Errorf("the world's error is %v", r.Err())
				}
			})
		})
	}
}

// TestJournalFailsLast: a verdict that could not be written is known to the world.
func TestJournalFailsLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startReal(newFake(), &brokenJournal{appends: -1, syncs: 0}, "sleep 1s")
		r.within(t, time.Minute)
		if !errors.Is(r.Err(), errDisk) {
			t.Errorf("the world's error is %v", r.Err())
		}
	})
}

// TestThousandsOfBranches: each with a fault and effects; stopped in the middle and
// to the end.
func TestThousandsOfBranches(t *testing.T) {
	const n = 3000
	for _, stop := range []bool{false, true} {
		t.Run(fmt.Sprintf("stop=%t", stop), func(t *testing.T) {
			noLeaks(t)
			f := newFake()
			gate := make(chan struct{})
			f.does["e"] = func(ctx context.Context, _ *runtime.Call) (any, error) {
				select {
				case <-gate:
					return 1, nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			r := startReal(f, nil, "parallel {\n"+strings.Repeat("branch {\nhold f\neffect e\nsleep 1ms\n}\n", n)+"}")
			f.await(t, n)
			want := journal.VerdictPassed
			if stop {
				want = journal.VerdictStopped
				r.Control(runtime.Control{Action: runtime.ActionStop})
			} else {
				close(gate)
			}
			wantVerdict(t, r.within(t, soon), want)
			if left := r.InFlight(); len(left) != 0 {
				t.Errorf("%d effects are in flight after the end", len(left))
			}
		})
	}
}

// TestShortSleepsStarveNobody: a loop of sleeps of nothing lets completions through.
func TestShortSleepsStarveNobody(t *testing.T) {
	noLeaks(t)
	f := newFake()
	var asked atomic.Int32
	f.does["e"] = func(context.Context, *runtime.Call) (any, error) {
		asked.Add(1)
		return nil, nil
	}
	r := startReal(f, journal.Discard{}, "start spin {\nloop {\nsleep 0s\n}\n}\nloop times=100 {\neffect e\n}")
	wantVerdict(t, r.within(t, soon), journal.VerdictPassed)
	if asked.Load() != 100 {
		t.Errorf("%d effects, expected 100", asked.Load())
	}
}

// TestSleepsAreExact: in the bubble's clock, where nothing else takes time.
func TestSleepsAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startReal(newFake(), nil, "loop times=100 {\nsleep 1500us\n}\nparallel {\nbranch {\nsleep 1s\n}\nbranch {\nsleep 2s\n}\n}")
		out := r.within(t, time.Hour)
		if want := 2150 * time.Millisecond; out.Took != want {
			t.Errorf("took %s, expected %s", out.Took, want)
		}
	})
}

// TestControlsFromEverywhere: controls may come from any goroutine, at any time, also
// after the end.
func TestControlsFromEverywhere(t *testing.T) {
	noLeaks(t)
	r := startReal(newFake(), nil, joinOf(20))
	quit := make(chan struct{})
	done := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				select {
				case <-quit:
					return
				default:
					r.Control(runtime.Control{Action: runtime.ActionPause})
					r.InFlight()
					r.Control(runtime.Control{Action: runtime.ActionResume})
					goruntime.Gosched()
				}
			}
		}()
	}
	r.fake.await(t, 20)
	r.Control(runtime.Control{Action: runtime.ActionStop})
	close(quit)
	for range 4 {
		<-done
	}
	wantVerdict(t, r.within(t, soon), journal.VerdictStopped)
	r.Control(runtime.Control{Action: runtime.ActionStop})
}
