package text_test

import (
	"bytes"
	"testing"

	"starquake/report/text"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

func TestEvent(t *testing.T) {
	for _, name := range []string{"simple", "nested", "tolerated", "paused", "aborted", "unclean", "hostile", "events"} {
		j := viewtest.Samples()[name]
		if name == "events" {
			j = everyEvent()
		}
		var buf bytes.Buffer
		fold := view.New()
		for _, rec := range j.Records {
			fold.Add(rec)
			if err := text.Event(&buf, rec, fold, text.Options{}); err != nil {
				t.Fatal(err)
			}
		}
		golden(t, "event_"+name, buf.Bytes())
	}
}

func TestEventWidth(t *testing.T) {
	var buf bytes.Buffer
	fold := view.New()
	for _, rec := range viewtest.Aborted().Records {
		fold.Add(rec)
		if err := text.Event(&buf, rec, fold, text.Options{Width: 60, Color: true, ASCII: true}); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "event_color", buf.Bytes())
}
