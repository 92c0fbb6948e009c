package view_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

// TestLifted: a fault is not on while it is lifted, by a pause or while a person is asked,
// also where one begins within the other; one of the user's own is not lifted.
func TestLifted(t *testing.T) {
	j := viewtest.New("x", "real")
	root := journal.Place{Branch: "0"}
	put := func(args string) journal.Place {
		at := j.Place("0")
		j.Add(journal.EffectStart, at, &journal.EffectStartBody{Kind: "fault", Held: true, Chaos: true, Args: json.RawMessage(args)})
		j.Add(journal.EffectNote, at, &journal.EffectNoteBody{Data: []byte(`{"on":true}`)})
		return at
	}
	control := func(action string, lift bool) {
		j.Add(journal.Control, root, &journal.ControlBody{Action: action, Lift: lift})
	}
	fault := put(`{"target":"api","fault":{"kind":"latency"},"text":"latency 1s"}`)
	own := put(`{"fault":{"kind":"exec"},"text":"exec"}`)
	j.Wait(10 * time.Second)
	control("pause", false) // it stays on
	j.Wait(5 * time.Second)
	control("pause", true)
	j.Wait(5 * time.Second)
	control("resume", false)
	j.Wait(10 * time.Second)
	question := j.Place("0")
	j.Add(journal.EffectStart, question, &journal.EffectStartBody{Kind: "approve", Args: json.RawMessage(`{"message":"?","faults":"lift"}`)})
	j.Wait(5 * time.Second)
	late := put(`{"target":"api","fault":{"kind":"latency"},"text":"latency 2s"}`)
	control("pause", false)
	j.Wait(2 * time.Second)
	j.Add(journal.EffectEnd, question, &journal.EffectEndBody{Data: []byte(`{"approved":true}`)}) // who asked goes on when the pause is over
	j.Wait(3 * time.Second)

	if run := j.Run(); !run.Lifted() || run.OnFor(run.Faults[0], run.Now+time.Hour) != 25*time.Second || run.OnFor(run.Faults[2], run.Now) != 0 {
		t.Errorf("lifted: %v; the first was on for %s, the last for %s", run.Lifted(), run.OnFor(run.Faults[0], run.Now+time.Hour), run.OnFor(run.Faults[2], run.Now))
	}
	control("resume", false)
	j.Wait(10 * time.Second)
	for _, at := range []journal.Place{fault, own, late} {
		j.Add(journal.EffectStop, at, nil)
		j.Add(journal.EffectEnd, at, &journal.EffectEndBody{Data: []byte(`{"seen":1,"hit":1}`)})
	}
	control("pause", true) // too late for any
	j.Wait(time.Second)
	j.Add(journal.RunEnd, root, &journal.RunEndBody{Verdict: journal.VerdictPassed})

	run := j.Run()
	span := func(from, to time.Duration) view.Span {
		return view.Span{From: from * time.Second, To: to * time.Second}
	}
	for i, want := range [][]view.Span{
		{span(0, 15), span(20, 30), span(40, 50)},
		{span(0, 50)},
		{span(40, 50)},
	} {
		if diff := cmp.Diff(want, run.On(run.Faults[i], run.Now)); diff != "" {
			t.Errorf("fault %d was on (-want +got):\n%s", i, diff)
		}
	}
	if run.Lift != nil || len(run.Lifts) != 3 {
		t.Errorf("lifted since %v, before: %v", run.Lift, run.Lifts)
	}
}
