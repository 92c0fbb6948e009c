package text_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"starquake/report/text"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

// TestASCII: a terminal without Unicode is shown none of the program's own signs, of
// which the texts of a run have some ("latency 50ms → 800ms", "±20%"). Names that
// people gave keep their letters, so the samples with foreign ones are left out.
func TestASCII(t *testing.T) {
	opt := text.Options{Width: 100, ASCII: true}
	seen := 0
	for name, j := range viewtest.Samples() {
		if name == "hostile" {
			continue
		}
		drawn := map[string][]byte{"timeline": timeline(t, j.Run(), opt), "summary": summary(t, j.Run(), opt)}
		var events bytes.Buffer
		fold := view.New()
		for _, rec := range j.Records {
			fold.Add(rec)
			if err := text.Event(&events, rec, fold, opt); err != nil {
				t.Fatal(err)
			}
		}
		drawn["events"] = events.Bytes()
		drawn["live"] = []byte(strings.Join(text.Frame(j.Run(), time.Second, opt, 100, 40, 2), "\n"))
		for what, got := range drawn {
			seen += bytes.Count(got, []byte("->")) + bytes.Count(got, []byte("+-20%"))
			if i := strings.IndexFunc(string(got), func(r rune) bool { return r > 0x7f }); i >= 0 {
				t.Errorf("%s of %s: %.40q is not ASCII", what, name, got[i:])
			}
		}
	}
	if seen == 0 {
		t.Error("no sample has a sign of the program's own: the test says nothing")
	}
}
