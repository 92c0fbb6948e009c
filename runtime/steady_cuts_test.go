package runtime_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// reads is a watched probe as effects has it: it reads each second from when no pause holds
// it, each reading takes a while, and it ends when it is told to or cut off.
func reads(took time.Duration) func(context.Context, *runtime.Call) (any, error) {
	return func(ctx context.Context, call *runtime.Call) (any, error) {
		if !call.Held {
			time.Sleep(took / 10)
			return runtime.Reading{OK: true}, nil
		}
		var rep runtime.WatchReport
		var reading <-chan time.Time // its end
		next := time.NewTimer(0)
		paused := false
		heed := func(s runtime.SignalKind) (finish bool) {
			switch s {
			case runtime.SignalFinish:
				return true
			case runtime.SignalPause:
				paused = true
			case runtime.SignalResume:
				paused = false
				next.Reset(0)
			}
			return false
		}
		finish := false
		for {
			select {
			case s := <-call.Signals:
				finish = heed(s) || finish
				continue
			default:
			}
			if finish && reading == nil {
				return rep, nil
			}
			tick := next.C
			if paused || reading != nil {
				tick = nil
			}
			select {
			case s := <-call.Signals:
				finish = heed(s) || finish
			case <-tick:
				reading = time.After(took)
			case <-reading:
				reading = nil
				next.Reset(max(0, time.Second-took))
				rep.Seen++
				rep.State, rep.Reading = runtime.WatchHolds, runtime.Reading{OK: true}
				if rep.Seen == 1 {
					call.Report(rep)
				}
			case <-ctx.Done():
				return rep, nil
			}
		}
	}
}

// steadyWorld performs for what is watched: f is on after a while, g at once, never is not.
func steadyWorld() *fake {
	f := newFake()
	f.does["p"], f.does["q"] = reads(300*time.Millisecond), reads(4*time.Second)
	f.does["f"] = func(ctx context.Context, call *runtime.Call) (any, error) {
		select {
		case <-time.After(1200 * time.Millisecond):
		case <-ctx.Done():
			return nil, nil
		}
		f.change(func() { f.on++ })
		defer f.change(func() { f.on-- })
		call.Report(true)
		<-ctx.Done()
		time.Sleep(100 * time.Millisecond)
		return nil, nil
	}
	f.does["never"] = func(context.Context, *runtime.Call) (any, error) {
		time.Sleep(time.Second)
		return nil, &journal.EffectError{Code: "failed", Message: "it does not go on"}
	}
	f.does["lost"] = func(ctx context.Context, call *runtime.Call) (any, error) {
		call.Report(true)
		select {
		case <-time.After(1500 * time.Millisecond):
			return nil, &journal.EffectError{Code: journal.CodeLost, Message: "it is gone"}
		case <-ctx.Done():
			return nil, nil
		}
	}
	return f
}

var steadyPrograms = map[string]string{
	"steps":    "steady s probe=p\nsteady t probe=q nobefore settle=2s\nstep a chaos=f,g dur=3s\nstep b chaos=never dur=1s on_failure=tolerate\nstep c chaos=g dur=1s",
	"func":     "steady s probe=p func\nsteady t probe=q func nobefore settle=5s\nstep a chaos=f,g dur=3s\nstep b chaos=never dur=1s on_failure=tolerate\nstep c chaos=g dur=1s",
	"parallel": "steady s probe=q nobefore\nparallel all {\n  branch x {\n    step a chaos=f dur=3s\n  }\n  branch y {\n    sleep 2s\n    step b chaos=g dur=4s\n  }\n}",
	"timeout":  "step o on_failure=continue {\n  steady s probe=q nobefore\n  step a chaos=f timeout=3s retries=1 {\n    sleep 10s\n  }\n}\nsleep 1s",
	"loop":     "steady s probe=p nobefore\nloop times=3 {\n  step a chaos=g dur=500ms\n  hold f\n  release f\n}",
	"lost":     "steady s probe=p nobefore\nattempt {\n  step a chaos=lost dur=4s\n}\nsleep 1s",
	"start":    "start bg {\n  steady s probe=q nobefore\n  step a chaos=g dur=3s\n}\nsleep 2s\nstop bg\nsleep 1s",
	"guard":    "attempt {\n  step o {\n    steady s probe=q nobefore\n    guard n probe=p\n    hold f\n    sleep 3s\n    fail x\n  }\n}\nsleep 1s",
}

// steadyControls are what is asked of a run, from when on.
var steadyControls = map[string][]timedControl{
	"":      nil,
	"stop":  {{0, runtime.Control{Action: runtime.ActionStop}}},
	"abort": {{0, runtime.Control{Action: runtime.ActionAbort}}},
	"skip":  {{0, runtime.Control{Action: runtime.ActionSkip}}},
	"pause": {{0, runtime.Control{Action: runtime.ActionPause}}, {1700 * time.Millisecond, runtime.Control{Action: runtime.ActionResume}}},
	"lift":  {{0, runtime.Control{Action: runtime.ActionPause, Lift: true}}, {2 * time.Second, runtime.Control{Action: runtime.ActionResume}}},
	"held":  {{0, runtime.Control{Action: runtime.ActionPause}}, {5 * time.Second, runtime.Control{Action: runtime.ActionStop}}},
}

// steer asks a run for the controls that are still to come, by its time, and waits for its end.
func steer(w *runtime.Real, origin time.Time, done chan runtime.Outcome, controls []timedControl) (out runtime.Outcome, ok bool) {
	late := time.After(time.Hour)
	for {
		var next <-chan time.Time
		if len(controls) > 0 {
			next = time.After(time.Until(origin.Add(controls[0].at)))
		}
		select {
		case out = <-done:
			return out, true
		case <-next:
			w.Control(controls[0].control)
			controls = controls[1:]
		case <-late:
			return out, false
		}
	}
}

// TestSteadyCuts: whenever a run with steady states is controlled, and wherever its process
// dies, it comes to its end, with nothing on, and its journal is that of one run, which can be
// replayed.
func TestSteadyCuts(t *testing.T) {
	for name, program := range steadyPrograms {
		for what, controls := range steadyControls {
			for at := 100 * time.Millisecond; at < 8*time.Second; at += 1300 * time.Millisecond {
				if controls == nil && at > 100*time.Millisecond {
					break
				}
				var timed []timedControl
				for _, c := range controls {
					timed = append(timed, timedControl{at + c.at, c.control})
				}
				t.Run(fmt.Sprint(name, "/", what, "@", at), func(t *testing.T) { steadyCuts(t, program, timed) })
			}
		}
	}
}

func steadyCuts(t *testing.T, program string, controls []timedControl) {
	whole := steadyRun(t, program, controls, nil)
	for cut := 1; cut < len(whole) && !t.Failed(); cut++ {
		steadyRun(t, program, controls, whole[:cut])
	}
}

// steadyRun runs a program, from a journal if there is one, and gives all its records.
func steadyRun(t *testing.T, program string, controls []timedControl, was []journal.Record) (recs []journal.Record) {
	synctest.Test(t, func(t *testing.T) {
		origin, mem, f := time.Now(), &journal.Memory{}, steadyWorld()
		if len(was) > 0 {
			at := was[len(was)-1].At
			given := 0 // the journal has them
			for _, rec := range was {
				if c, ok := rec.Body.(*journal.ControlBody); ok && given < len(controls) && c.Action == controls[given].control.Action {
					given++
				}
			}
			controls = controls[given:]
			time.Sleep(at + 350*time.Millisecond)
		}
		w, done := startFounded(f, mem, origin, program, was)
		out, ok := steer(w, origin, done, controls)
		recs = slices.Concat(was, mem.Records())
		if !ok {
			t.Errorf("cut at %d, it has not ended\n%s", len(was), render(recs))
			w.Control(runtime.Control{Action: runtime.ActionAbort})
			<-done
			return
		}
		synctest.Wait()
		begun, ended, on := f.state()
		if on != 0 || len(begun) != ended {
			t.Errorf("cut at %d: %d are on, %d of %d effects ended", len(was), on, ended, len(begun))
		}
		if err := invariants(recs); err != nil {
			t.Errorf("cut at %d: %v\n%s", len(was), err, render(recs))
		}
		if err := w.Err(); err != nil {
			t.Errorf("cut at %d: %v", len(was), err)
		}
		if out.Verdict == journal.VerdictUnclean || out.Verdict == journal.VerdictInvalid {
			t.Errorf("cut at %d: %s %s\n%s", len(was), out.Verdict, out.Message, render(recs))
		}
		if len(was)%8 != 0 { // it takes long
			return
		}
		again := runtime.NewReplayed(read(t, recs))
		runtime.New(runtime.Config{Begin: journal.RunBeginBody{Name: "test", Origin: origin, World: "real"}}, again).Execute(newInterp(nil).body(parseTree(program)))
		if err := again.Err(); err != nil {
			t.Errorf("cut at %d, replayed: %v", len(was), err)
		}
	})
	return recs
}
