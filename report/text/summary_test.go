package text_test

import (
	"bytes"
	"testing"

	"starquake/report/text"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

func summary(t *testing.T, run *view.Run, opt text.Options) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := text.Summary(&buf, run, opt); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestSummary(t *testing.T) {
	for name, j := range viewtest.Samples() {
		golden(t, "summary_"+name, summary(t, j.Run(), text.Options{Width: 100}))
	}
	golden(t, "summary_events", summary(t, everyEvent().Run(), text.Options{Width: 100}))
	golden(t, "summary_narrow_option", summary(t, viewtest.Unclean().Run(), text.Options{Width: 48, ASCII: true}))
	golden(t, "summary_color_option", summary(t, viewtest.Tolerated().Run(), text.Options{Width: 80, Color: true}))
}
