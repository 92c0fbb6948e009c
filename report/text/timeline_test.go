package text_test

import (
	"bytes"
	"testing"
	"time"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

func timeline(t *testing.T, run *view.Run, opt text.Options) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := text.Timeline(&buf, run, opt); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestTimeline(t *testing.T) {
	for name, j := range viewtest.Samples() {
		golden(t, "timeline_"+name, timeline(t, j.Run(), text.Options{Width: 100}))
	}
}

func TestTimelineOptions(t *testing.T) {
	simple, nested := viewtest.Simple().Run(), viewtest.Nested().Run()
	cases := map[string]struct {
		run *view.Run
		opt text.Options
	}{
		"ascii":  {nested, text.Options{Width: 100, ASCII: true}},
		"color":  {nested, text.Options{Width: 100, Color: true}},
		"wide":   {nested, text.Options{Width: 160}},
		"narrow": {nested, text.Options{Width: 60}},
		"tiny":   {nested, text.Options{Width: 30}},
		"capped": {viewtest.Plain().Run(), text.Options{Width: 100, MaxLines: 8}},
		"notes": {simple, text.Options{
			Width: 80, Longest: 5 * time.Minute,
			NotTaken: []string{"checkout.star:25: if not slow.ok"},
			Warnings: []string{"a clock that jumps makes figures of this length useless, so that nothing can be said"},
		}},
	}
	for name, c := range cases {
		golden(t, "timeline_"+name+"_option", timeline(t, c.run, c.opt))
	}
}

// Every step and every fault has a row or is part of one, whatever the order in
// which faults of branches were asked for.
func TestTimelineLosesNothing(t *testing.T) {
	j := viewtest.New("x", "virtual")
	outer := j.Latency("0", "", "outer")
	j.Branch("0.1", "a")
	j.Branch("0.2", "b")
	a := j.Begin("0.1", journal.StepBeginBody{Path: "a/one"})
	b := j.Begin("0.2", journal.StepBeginBody{Path: "b/two"})
	fb := j.Latency("0.2", "b/two", "of-two")
	fa := j.Latency("0.1", "a/one", "of-one")
	j.Wait(time.Second)
	late := j.Latency("0", "", "late")
	for _, f := range []journal.Place{fa, fb, outer, late} {
		j.Lift(f, 1, 1)
	}
	j.End(a, "a/one")
	j.End(b, "b/two")
	golden(t, "timeline_order_option", timeline(t, j.Pass().Run(), text.Options{Width: 80}))
}
