package runtime_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// founded is a performer one of whose held effects others stand on.
type founded struct{ *fake }

func (founded) Founds(req *runtime.Request) bool {
	return req.Kind == "load" && string(req.Args) == `{"name":"ground"}`
}

// startFounded runs a program for real with founded, from the start or from a journal.
func startFounded(f *fake, mem *journal.Memory, origin time.Time, program string, was []journal.Record) (*runtime.Real, chan runtime.Outcome) {
	w := runtime.NewReal(founded{f}, mem, origin)
	if was != nil {
		w.Recover(runtime.Recovery{Records: was})
	}
	done := make(chan runtime.Outcome, 1)
	run := runtime.New(runtime.Config{Begin: journal.RunBeginBody{Name: "test", Origin: origin, World: "real"}}, w)
	go func() { done <- run.Execute(newInterp(nil).body(parseTree(program))) }()
	return w, done
}

// TestComeBackInOrder: what a recovery asks for again it asks in the order in which it
// stands on each other, however long each takes, and in whatever order the run had asked.
func TestComeBackInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const program = "load traffic\nload ground\nhold f\neffect slow"
		origin := time.Now()
		mem := &journal.Memory{}
		f := newFake()
		f.does["slow"] = until
		w, done := startFounded(f, mem, origin, program, nil)
		synctest.Wait()
		was := slices.Clone(mem.Records())
		w.Control(runtime.Control{Action: runtime.ActionStop})
		<-done

		time.Sleep(time.Minute)
		var said []string
		late := func(name string, after time.Duration) func(context.Context, *runtime.Call) (any, error) {
			return func(ctx context.Context, call *runtime.Call) (any, error) {
				said = append(said, name+" asked")
				time.Sleep(after)
				said = append(said, name+" on")
				call.Report(true)
				<-ctx.Done()
				return nil, nil
			}
		}
		again := &journal.Memory{}
		f = newFake()
		f.does = map[string]func(context.Context, *runtime.Call) (any, error){
			"ground": late("ground", 3*time.Second), "f": late("f", 2*time.Second), "traffic": late("traffic", time.Second),
		}
		_, done = startFounded(f, again, origin, program, was)
		out := <-done
		want := []string{"ground asked", "ground on", "f asked", "f on", "traffic asked", "traffic on"}
		if !slices.Equal(said, want) {
			t.Errorf("asked again %v, expected %v", said, want)
		}
		if begun, _, on := f.state(); on != 0 || !slices.Equal(begun, []string{"ground", "f", "traffic"}) {
			t.Errorf("begun %v, %d are on", begun, on)
		}
		wantVerdict(t, out, journal.VerdictFailed) // slow may have been done, or not
	})
}

// TestNothingStandsOnWhatIsLost: where what others stand on does not come back, the run is
// told before anything else is asked for again.
func TestNothingStandsOnWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const program = "load traffic\nfound ground\nhold f\nsleep 1h"
		f, origin, mem := newFake(), time.Now(), &journal.Memory{}
		w, done := startFounded(f, mem, origin, program, nil)
		synctest.Wait()
		was := slices.Clone(mem.Records())
		w.Control(runtime.Control{Action: runtime.ActionStop})
		<-done

		f = newFake()
		f.does["ground"] = func(context.Context, *runtime.Call) (any, error) {
			time.Sleep(time.Second)
			return nil, errors.New("the ground is somebody else's")
		}
		_, done = startFounded(f, &journal.Memory{}, origin, program, was)
		out := <-done
		wantVerdict(t, out, journal.VerdictErrored)
		if begun, _, _ := f.state(); !slices.Equal(begun, []string{"ground"}) {
			t.Errorf("asked again %v, expected only what is lost", begun)
		}
		if len(out.Failures) == 0 || !strings.Contains(out.Failures[0].Problem.Message, "the ground is somebody else's") {
			t.Errorf("failures %v, expected why", out.Failures)
		}
	})
}

// TestElapsedIsWithoutPauses: a fault that comes back is told how long it has been on, and a
// pause that the process did not survive, but the run did, is none of it.
func TestElapsedIsWithoutPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const program = "hold f\nsleep 1h"
		origin, mem := time.Now(), &journal.Memory{}
		w, done := startFounded(newFake(), mem, origin, program, nil)
		time.Sleep(10 * time.Second)
		w.Control(runtime.Control{Action: runtime.ActionPause})
		time.Sleep(time.Minute)
		synctest.Wait()
		was := slices.Clone(mem.Records())
		w.Control(runtime.Control{Action: runtime.ActionStop})
		<-done

		for range 2 { // the second one has a recovery in its journal
			time.Sleep(time.Minute)
			var elapsed time.Duration
			f, again := newFake(), &journal.Memory{}
			f.does["f"] = func(ctx context.Context, call *runtime.Call) (any, error) {
				elapsed = call.Again.Elapsed
				call.Report(true)
				<-ctx.Done()
				return nil, nil
			}
			w, done = startFounded(f, again, origin, program, was)
			time.Sleep(time.Second)
			synctest.Wait()
			if elapsed != 10*time.Second {
				t.Errorf("it is told that it was on for %s, expected the 10s before the pause", elapsed)
			}
			was = slices.Concat(was, again.Records())
			w.Control(runtime.Control{Action: runtime.ActionStop})
			<-done
		}
	})
}

// obeys is a held effect that does what its signals say, from when it is on.
func obeys(onAfter time.Duration, paused, lifted *bool) func(context.Context, *runtime.Call) (any, error) {
	return func(ctx context.Context, call *runtime.Call) (any, error) {
		time.Sleep(onAfter)
		call.Report(true)
		for {
			select {
			case s := <-call.Signals:
				switch s {
				case runtime.SignalPause, runtime.SignalResume:
					*paused = s == runtime.SignalPause
				default:
					*lifted = s == runtime.SignalLift
				}
			case <-ctx.Done():
				return nil, nil
			}
		}
	}
}

// TestSignalsCatchUp: an effect that has not listened for a while, or comes back after a
// crash, is in the end as the run has it, however many pauses it has missed.
func TestSignalsCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const program = "hold f\nsleep 1h"
		origin, mem, f := time.Now(), &journal.Memory{}, newFake()
		paused, lifted := false, false
		f.does["f"] = obeys(time.Minute, &paused, &lifted)
		w, done := startFounded(f, mem, origin, program, nil)
		for _, lift := range []bool{false, true, true, true} {
			synctest.Wait()
			w.Control(runtime.Control{Action: runtime.ActionPause, Lift: lift})
			synctest.Wait()
			w.Control(runtime.Control{Action: runtime.ActionResume})
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if paused || lifted {
			t.Errorf("all pauses are over: paused %t, lifted %t", paused, lifted)
		}
		was := slices.Clone(mem.Records())
		w.Control(runtime.Control{Action: runtime.ActionStop})
		<-done

		f = newFake()
		f.does["f"] = obeys(time.Second, &paused, &lifted)
		w, done = startFounded(f, &journal.Memory{}, origin, program, was)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if paused || lifted {
			t.Errorf("it has come back, and all pauses were over: paused %t, lifted %t", paused, lifted)
		}
		w.Control(runtime.Control{Action: runtime.ActionStop})
		<-done
	})
}

// TestHalfOnAgain: a fault that cannot be put on again after a crash is off, unless a part of
// it may be on all the same.
func TestHalfOnAgain(t *testing.T) {
	for code, want := range map[string]journal.Verdict{"failed": journal.VerdictErrored, journal.CodeUnclean: journal.VerdictUnclean} {
		synctest.Test(t, func(t *testing.T) {
			const program = "hold f\nsleep 1h"
			origin, mem := time.Now(), &journal.Memory{}
			w, done := startFounded(newFake(), mem, origin, program, nil)
			synctest.Wait()
			was := slices.Clone(mem.Records())
			w.Control(runtime.Control{Action: runtime.ActionStop})
			<-done

			f := newFake()
			f.does["f"] = func(context.Context, *runtime.Call) (any, error) {
				return nil, &journal.EffectError{Code: code, Message: "it does not go on"}
			}
			_, done = startFounded(f, &journal.Memory{}, origin, program, was)
			wantVerdict(t, <-done, want)
		})
	}
}

// watches is a watched probe that reads once its last word is not to pause.
func watches(ctx context.Context, call *runtime.Call) (any, error) {
	report := runtime.WatchReport{State: runtime.WatchHolds, Reading: runtime.Reading{OK: true}, Seen: 1}
	for paused, told := false, false; ; {
		select {
		case s := <-call.Signals:
			if s == runtime.SignalFinish {
				return report, nil
			}
			paused = s == runtime.SignalPause
			continue
		default:
		}
		if !paused && !told {
			told = true
			call.Report(report)
		}
		select {
		case s := <-call.Signals:
			if s == runtime.SignalFinish {
				return report, nil
			}
			paused = s == runtime.SignalPause
		case <-ctx.Done():
			return report, nil
		}
	}
}

// TestPausedWatchComesBack: a recovery of a paused run does not wait for a watch to read, which
// it does not in a pause: guards stay live, and a breach aborts.
func TestPausedWatchComesBack(t *testing.T) {
	for _, when := range []string{"before the crash", "while it comes back"} {
		t.Run(when, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const program = "steady s probe=p nobefore\nguard g probe=q\nhold f\nsleep 1h"
				origin, mem, f := time.Now(), &journal.Memory{}, newFake()
				f.does["p"] = watches
				f.does["q"] = func(ctx context.Context, call *runtime.Call) (any, error) {
					call.Report(runtime.WatchReport{State: runtime.WatchHolds, Reading: runtime.Reading{OK: true}, Seen: 1})
					<-ctx.Done()
					return nil, nil
				}
				w, done := startFounded(f, mem, origin, program, nil)
				time.Sleep(time.Second)
				synctest.Wait()
				if when == "before the crash" {
					w.Control(runtime.Control{Action: runtime.ActionPause})
					synctest.Wait()
				}
				was := slices.Clone(mem.Records())
				w.Control(runtime.Control{Action: runtime.ActionStop})
				<-done

				f = newFake()
				f.does["p"] = watches
				f.does["f"] = func(ctx context.Context, call *runtime.Call) (any, error) {
					time.Sleep(time.Second)
					call.Report(true)
					<-ctx.Done()
					return nil, nil
				}
				f.does["q"] = func(ctx context.Context, call *runtime.Call) (any, error) {
					time.Sleep(10 * time.Second)
					call.Report(runtime.WatchReport{State: runtime.WatchBad, Reading: runtime.Reading{Error: "bad"}, Seen: 1, Bad: 1})
					<-ctx.Done()
					return nil, nil
				}
				w, done = startFounded(f, &journal.Memory{}, origin, program, was)
				if when != "before the crash" {
					w.Control(runtime.Control{Action: runtime.ActionPause})
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				select {
				case out := <-done:
					wantVerdict(t, out, journal.VerdictAborted)
				default:
					t.Error("the guard's breach in a pause has not ended the run")
					w.Control(runtime.Control{Action: runtime.ActionStop})
					<-done
				}
			})
		})
	}
}
