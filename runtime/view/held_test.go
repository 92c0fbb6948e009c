package view_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

// TestHeldFailures: what an attempt or an outer step held is shown as tolerated where
// it was told as a failure, and counted once; a snapshot taken before stays as it was.
func TestHeldFailures(t *testing.T) {
	j := viewtest.New("x", "real")
	attempt := j.Place("0")
	j.Add(journal.AttemptBegin, attempt, &journal.AttemptBody{})
	step := j.Begin("0", journal.StepBeginBody{Path: "a"})
	check := j.Place("0")
	j.Add(journal.Check, check, &journal.CheckBody{Path: "a", Name: "c", Stack: []journal.Frame{{File: "x.star", Line: 7}}})
	j.Fail(step, "a", "no luck", false)
	fold := view.New()
	for _, rec := range j.Records {
		fold.Add(rec)
	}
	before := fold.Snapshot()
	told := len(j.Records)

	held := &journal.FailureBody{
		Problem: journal.Problem{Code: "check_failed", Message: "no luck", Path: "a"}, Tolerated: true,
		By: attempt.String(), Of: []string{check.String(), step.String(), "0:99", "nowhere"},
	}
	j.Add(journal.Failure, journal.Place{Branch: "0"}, held)
	j.Add(journal.AttemptEnd, attempt, &journal.EndBody{Status: journal.Failed, Error: &held.Problem})
	outer := j.Begin("0", journal.StepBeginBody{Path: "outer"})
	inner := j.Begin("0", journal.StepBeginBody{Path: "outer/inner"})
	j.Fail(inner, "outer/inner", "no luck either", false)
	j.Add(journal.Failure, journal.Place{Branch: "0"}, &journal.FailureBody{
		Problem: journal.Problem{Code: "failed", Message: "no luck either"}, Tolerated: true, By: outer.String(), Of: []string{inner.String()},
	})
	j.Fail(outer, "outer", "no luck either", true)
	j.Add(journal.Failure, journal.Place{Branch: "0.1"}, &journal.FailureBody{
		Problem: journal.Problem{Code: "failed", Message: "in no step"}, Tolerated: true, By: "0:77",
	})
	for _, rec := range j.Records[told:] {
		fold.Add(rec)
	}
	run := fold.Run()
	for _, s := range run.Steps {
		if !s.Tolerated {
			t.Errorf("step %s is not shown as tolerated", s.Path)
		}
	}
	if c := run.Checks[0]; !c.Tolerated || view.Pos(c.Stack) != "x.star:7" {
		t.Errorf("check %+v: expected it tolerated, with its place", c)
	}
	if run.Tolerated != 3 {
		t.Errorf("%d failures tolerated, expected 3: one by the attempt, one by the outer step, one of no step", run.Tolerated)
	}
	if diff := cmp.Diff([]*view.Failure{{Problem: journal.Problem{Code: "failed", Message: "in no step"}, Tolerated: true, At: j.Now}}, run.Problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if before.Steps[0].Tolerated || before.Checks[0].Tolerated {
		t.Error("a snapshot changed after it was taken")
	}
}

// TestWatchBegins: a guard counts from its begin on, and has no state before its first
// reading.
func TestWatchBegins(t *testing.T) {
	j := viewtest.New("x", "real")
	at := j.Place("0")
	j.Add(journal.GuardBegin, at, &journal.GuardBody{Name: "g", Every: time.Second, Breaches: 3, Action: "abort"})
	j.Latency("0", "", "payments")
	run := j.Run()
	want := view.Watch{ID: at.String(), Name: "g", Live: true, Breaches: 3, Action: "abort"}
	if diff := cmp.Diff(want, *run.Guards[0]); diff != "" {
		t.Errorf("before its first reading (-want +got):\n%s", diff)
	}
	if run.Unguarded != 0 {
		t.Errorf("%d faults without a guard, and there is one", run.Unguarded)
	}
	j.Add(journal.Guard, at, &journal.WatchBody{Name: "g", State: "pending", Detail: "no answer", Seen: 1, Bad: 1})
	if w := j.Run().Guards[0]; w.State != "pending" || w.Worst != nil || len(j.Run().Guards) != 1 {
		t.Errorf("after a bad reading that is no breach: %+v", w)
	}
}

// TestLoadAskedAgain: load that was on when the process died is named, that which had
// ended or was being ended is not.
func TestLoadAskedAgain(t *testing.T) {
	j := viewtest.New("x", "real")
	start := func(path string) journal.Place {
		at := j.Place("0")
		j.Add(journal.EffectStart, at, &journal.EffectStartBody{Kind: "load", Path: path, Held: true, Repeat: true, Args: []byte(`{}`)})
		j.Add(journal.EffectNote, at, &journal.EffectNoteBody{Data: []byte(`{}`)})
		return at
	}
	over, ending := start("over"), start("ending")
	j.Add(journal.EffectEnd, over, &journal.EffectEndBody{Data: []byte(`{}`)})
	j.Add(journal.EffectStop, ending, nil)
	j.Wait(time.Second)
	start("on")
	j.Wait(8 * time.Second)
	j.Add(journal.Control, journal.Place{Branch: "0"}, &journal.ControlBody{Action: "recover", Gap: 3 * time.Second})
	want := []*view.LostLoad{{At: 9 * time.Second, Path: "on", Since: time.Second}}
	if diff := cmp.Diff(want, j.Run().AskedAgain); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if w := strings.Join(j.Run().Warnings(), "\n"); !strings.Contains(w, "load of step on was cut off with the process") {
		t.Errorf("warnings: %s", w)
	}
}

// TestReadingsAreLost: the readings of a probe that was watched when the process died are in no
// figure, which is said.
func TestReadingsAreLost(t *testing.T) {
	j := viewtest.New("x", "real")
	start := func() journal.Place {
		at := j.Place("0")
		j.Add(journal.EffectStart, at, &journal.EffectStartBody{Kind: "watch", Held: true, Repeat: true, Args: []byte(`{"probe":{"kind":"tcp","addr":"a:1"}}`)})
		j.Add(journal.EffectNote, at, &journal.EffectNoteBody{Data: []byte(`{"state":"holds","seen":1}`)})
		return at
	}
	over := start()
	start()
	j.Wait(time.Second)
	j.Add(journal.EffectEnd, over, &journal.EffectEndBody{Data: []byte(`{}`)})
	j.Add(journal.Control, journal.Place{Branch: "0"}, &journal.ControlBody{Action: "recover", Gap: time.Second})
	if w := strings.Join(j.Run().Warnings(), "\n"); !strings.Contains(w, "the readings of 1 probe that was watched when the process went are in no figure") {
		t.Errorf("warnings: %s", w)
	}
}

// TestWatchIsCounted: a guard and a steady state that only hold leave one record; how often
// they were read the effects say that watched for them. Their bar in a report ends with
// their scope.
func TestWatchIsCounted(t *testing.T) {
	j := viewtest.New("x", "real")
	step := j.Begin("0", journal.StepBeginBody{Path: "s"})
	probe := map[string]any{"kind": "tcp", "addr": "a.test:1"}
	guard := j.Place("0")
	j.Add(journal.GuardBegin, guard, &journal.GuardBody{Name: "g", Breaches: 3, Action: "abort"})
	watched := j.Effect("0", "s", "watch", map[string]any{"probe": probe})
	j.Add(journal.Guard, guard, &journal.WatchBody{Name: "g", State: "holds", Seen: 1})
	hypothesis := map[string]any{"kind": "tcp", "addr": "b.test:1"}
	raw, err := json.Marshal(hypothesis)
	if err != nil {
		t.Fatal(err)
	}
	steady := j.Place("0")
	j.Add(journal.SteadyBegin, steady, &journal.SteadyBody{Name: "h", Args: raw})
	j.Add(journal.Steady, steady, &journal.WatchBody{Name: "h", State: "holds", Phase: "before"})
	for range 2 { // as often as faults are on
		during := j.Effect("0", "s", "watch", map[string]any{"probe": hypothesis})
		j.Wait(10 * time.Second)
		j.EndEffect(during, map[string]any{"seen": 10, "bad": 1})
	}
	j.EndEffect(watched, map[string]any{"seen": 21})
	j.End(step, "s")
	j.Wait(5 * time.Second)
	run := j.Run()
	if g := run.Guards[0]; g.Seen != 21 || g.Bad != 0 || g.Live || g.Until != 20*time.Second {
		t.Errorf("the guard has %d readings, %d of them bad, until %s, expected 21 and 0 until 20s", g.Seen, g.Bad, g.Until)
	}
	if h := run.Steady[0]; h.Seen != 20 || h.Bad != 2 || h.Until != 20*time.Second {
		t.Errorf("the steady state has %d readings, %d of them bad, until %s, expected 20 and 2 until 20s", h.Seen, h.Bad, h.Until)
	}
}

// TestAway: while nobody ran the run no fault was on, and what load and probes say after
// that is of the time after it.
func TestAway(t *testing.T) {
	j := viewtest.New("x", "real")
	note := func(at journal.Place) {
		j.Add(journal.EffectNote, at, &journal.EffectNoteBody{Data: []byte(`{}`)})
	}
	put := func(kind, args string) journal.Place {
		at := j.Place("0")
		j.Add(journal.EffectStart, at, &journal.EffectStartBody{Kind: kind, Held: true, Chaos: kind == "fault", Repeat: true, Args: []byte(args)})
		note(at)
		return at
	}
	off := func(at journal.Place, data string) {
		j.Add(journal.EffectStop, at, nil)
		j.Add(journal.EffectEnd, at, &journal.EffectEndBody{Data: []byte(data)})
	}
	load, watch := put("load", `{"traffic":"a"}`), put("watch", `{"probe":{"kind":"tcp","addr":"a.test:1"}}`)
	short := put("fault", `{"target":"api","fault":{"kind":"latency"},"text":"latency 1s"}`)
	own := put("fault", `{"fault":{"kind":"exec"},"text":"exec"}`)
	j.Wait(60 * time.Second)
	j.Add(journal.Control, journal.Place{Branch: "0"}, &journal.ControlBody{Action: "recover", Gap: 50 * time.Second})
	j.Add(journal.EffectEnd, short, &journal.EffectEndBody{Error: &journal.EffectError{Code: journal.CodeExpired, Message: "it went off with its process"}})
	j.Wait(2 * time.Second)
	fold := view.New()
	for _, rec := range j.Records {
		fold.Add(rec)
	}
	before := fold.Snapshot()
	note(own)
	fold.Add(j.Records[len(j.Records)-1])
	j.Wait(time.Second)
	note(load)
	note(watch)
	j.Wait(2 * time.Second)
	off(own, `{"uncounted":true}`)
	j.Wait(5 * time.Second)
	off(load, `{"requests":8,"errors":2,"step":1000000000,"series":[{"at":0,"requests":2,"errors":2},{"at":1000000000,"requests":6}]}`)
	off(watch, `{"seen":1,"series":[{"at":1000000000,"seen":1}]}`)
	run := j.Pass().Run()

	if f := run.Faults[0]; run.OnFor(f, run.Now) != 10*time.Second {
		t.Errorf("the fault that did not come back was on for %s, expected 10s", run.OnFor(f, run.Now))
	}
	want := []view.Span{{From: 0, To: 10 * time.Second}, {From: 62 * time.Second, To: 65 * time.Second}}
	if diff := cmp.Diff(want, run.On(run.Faults[1], run.Now)); diff != "" {
		t.Errorf("the one that did (-want +got):\n%s", diff)
	}
	if l := run.Loads[0]; l.Start != 63*time.Second || l.Series[0].At != 63*time.Second || l.Series[1].At != 64*time.Second {
		t.Errorf("load began at %s, its points at %s and %s", l.Start, l.Series[0].At, l.Series[1].At)
	}
	if p := run.Probes[0].Points[0]; p.At != 64*time.Second {
		t.Errorf("the probe was read at %s, expected 1m4s", p.At)
	}
	if s := run.Summary.Loads[0]; s.Baseline != nil || s.Fault.Readings != 8 || s.Fault.Bad != 2 {
		t.Errorf("the load's summary: %+v", s)
	}
	if to := before.Faults[1].Away[0].To; to != 60*time.Second {
		t.Errorf("a snapshot changed after it was taken: %s", to)
	}
}
