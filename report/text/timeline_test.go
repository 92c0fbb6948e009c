package text_test

import (
	"bytes"
	"testing"
	"time"

	"starquake/report/text"
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
