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

// turns is a watched probe that reads each second and holds as good says, by the time since
// origin. As that of effects it reports its first reading and each change.
func turns(origin time.Time, good func(time.Duration) bool) func(context.Context, *runtime.Call) (any, error) {
	return func(ctx context.Context, call *runtime.Call) (any, error) {
		read := func() runtime.Reading { return runtime.Reading{OK: good(time.Since(origin))} }
		if !call.Held {
			return read(), nil
		}
		var rep runtime.WatchReport
		paused := false
		next := time.NewTimer(0)
		finish := false
		heed := func(s runtime.SignalKind) {
			switch s {
			case runtime.SignalFinish:
				finish = true
			case runtime.SignalPause:
				paused = true
			case runtime.SignalResume:
				paused = false
				next.Reset(0)
			}
		}
		for {
			select {
			case s := <-call.Signals: // one that is there already comes before a tick that is due
				heed(s)
				continue
			default:
			}
			if finish {
				return rep, nil
			}
			select {
			case s := <-call.Signals:
				heed(s)
			case <-next.C:
				if paused {
					continue
				}
				next.Reset(time.Second)
				was := rep.State
				rep.Reading = read()
				rep.Seen++
				rep.State = runtime.WatchHolds
				if !rep.Reading.OK {
					rep.Bad++
					rep.State = runtime.WatchBad
				}
				if rep.State != was {
					call.Report(rep)
				}
			case <-ctx.Done():
				return rep, nil
			}
		}
	}
}

// dies runs a program until a time, and goes on with it after another: it gives the outcome
// and all records.
func dies(t *testing.T, program string, at, again time.Duration, good func(time.Duration) bool, controls ...timedControl) (out runtime.Outcome, recs []journal.Record) {
	synctest.Test(t, func(t *testing.T) {
		origin, mem := time.Now(), &journal.Memory{}
		f := newFake()
		f.does["p"] = turns(origin, good)
		w, done := startFounded(f, mem, origin, program, nil)
		for _, c := range controls {
			time.Sleep(time.Until(origin.Add(c.at)))
			w.Control(c.control)
		}
		time.Sleep(time.Until(origin.Add(at)))
		synctest.Wait()
		was := slices.Clone(mem.Records())
		w.Control(runtime.Control{Action: runtime.ActionStop})
		<-done

		time.Sleep(time.Until(origin.Add(again)))
		f = newFake()
		f.does["p"] = turns(origin, good)
		rest := &journal.Memory{}
		w = runtime.NewReal(founded{f}, rest, origin)
		w.Recover(runtime.Recovery{Records: was, Alive: origin.Add(at)})
		run := runtime.New(runtime.Config{Begin: journal.RunBeginBody{Name: "test", Origin: origin, World: "real"}}, w)
		out = run.Execute(newInterp(nil).body(parseTree(program)))
		recs = slices.Concat(was, rest.Records())
		if err := invariants(recs); err != nil {
			t.Errorf("%v\n%s", err, render(recs))
		}
		replayed := runtime.NewReplayed(read(t, recs))
		runtime.New(runtime.Config{Begin: journal.RunBeginBody{Name: "test", Origin: origin, World: "real"}}, replayed).Execute(newInterp(nil).body(parseTree(program)))
		if err := replayed.Err(); err != nil {
			t.Errorf("replayed: %v", err)
		}
	})
	return out, recs
}

// TestCrashForgetsNoReadings: what a hypothesis was while faults were on counts, though the
// process that read it died, and the one after it read it only well.
func TestCrashForgetsNoReadings(t *testing.T) {
	const program = "steady s probe=p nobefore share=0.9 settle=1s\nstep a chaos=f dur=20s"
	for name, c := range map[string]struct {
		bad  [2]time.Duration
		want journal.Verdict
		msg  string
	}{
		"bad before":        {[2]time.Duration{2500 * time.Millisecond, 9 * time.Second}, journal.VerdictFailed, "held for 66.67% of 18 readings while faults were on, expected 90%"},
		"bad to its end":    {[2]time.Duration{2500 * time.Millisecond, 12 * time.Second}, journal.VerdictFailed, "held for 61.11% of 18 readings while faults were on, expected 90%"},
		"bad in the gap":    {[2]time.Duration{10500 * time.Millisecond, 11500 * time.Millisecond}, journal.VerdictPassed, ""},
		"bad after":         {[2]time.Duration{15500 * time.Millisecond, 18500 * time.Millisecond}, journal.VerdictFailed, "held for 83.33% of 18 readings while faults were on, expected 90%"},
		"bad for one of 18": {[2]time.Duration{2500 * time.Millisecond, 3500 * time.Millisecond}, journal.VerdictPassed, ""},
	} {
		t.Run(name, func(t *testing.T) {
			good := func(at time.Duration) bool { return at < c.bad[0] || at >= c.bad[1] }
			out, recs := dies(t, program, 9500*time.Millisecond, 12500*time.Millisecond, good)
			wantVerdict(t, out, c.want)
			if c.msg != "" && (len(out.Failures) == 0 || out.Failures[0].Problem.Message != `steady state "s" `+c.msg) {
				t.Errorf("failures %+v, expected %s\n%s", out.Failures, c.msg, render(recs))
			}
		})
	}
}

// TestPauseBeforeCrashIsNoReading: in a pause nothing is read, so it stands for no readings.
func TestPauseBeforeCrashIsNoReading(t *testing.T) {
	const program = "steady s probe=p nobefore share=0.5 settle=1s\nstep a chaos=f dur=10s"
	good := func(at time.Duration) bool { return at > 10*time.Second }
	out, recs := dies(t, program, 9500*time.Millisecond, 12500*time.Millisecond, good,
		timedControl{1500 * time.Millisecond, runtime.Control{Action: runtime.ActionPause}},
		timedControl{9400 * time.Millisecond, runtime.Control{Action: runtime.ActionResume}})
	wantVerdict(t, out, journal.VerdictPassed) // bad are three of its readings: at 0s, 1s, and when the pause ends
	if t.Failed() {
		t.Log(render(recs))
	}
}

// TestStableIsSeen: that nobody read a probe while nobody ran the run does not make it stable.
func TestStableIsSeen(t *testing.T) {
	for name, probe := range map[string]string{"value": "probe=p", "function": "probe=p func"} {
		t.Run(name, func(t *testing.T) {
			good := func(at time.Duration) bool { return at < 3*time.Second || at > 15*time.Second }
			out, recs := dies(t, "wait "+probe+" timeout=60s stable=5s", 2500*time.Millisecond, 16500*time.Millisecond, good)
			wantVerdict(t, out, journal.VerdictPassed)
			if end := recs[len(recs)-1].At; end < 21*time.Second {
				t.Errorf("it was taken to be stable after %s, and was read again from 16.5s on\n%s", end, render(recs))
			}
		})
	}
}
