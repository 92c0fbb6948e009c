package text_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

// safe fails the test if out has a character that a terminal acts on, or that
// reorders what a person sees.
func safe(t *testing.T, what string, out []byte) {
	t.Helper()
	if !utf8.Valid(out) {
		t.Errorf("%s is no UTF-8: %q", what, out)
	}
	for _, r := range string(out) {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			t.Fatalf("%s has the character %q: %q", what, r, out)
		}
	}
}

// draw draws everything there is of a journal.
func draw(t *testing.T, records []journal.Record, opt text.Options) {
	t.Helper()
	fold := view.New()
	var buf bytes.Buffer
	for _, rec := range records {
		fold.Add(rec)
		if err := text.Event(&buf, rec, fold, opt); err != nil {
			t.Fatal(err)
		}
	}
	if n := bytes.Count(buf.Bytes(), []byte("\n")); n > len(records) {
		t.Errorf("%d lines for %d records", n, len(records))
	}
	safe(t, "the lines of events", buf.Bytes())
	run := fold.Run()
	safe(t, "the timeline", timeline(t, run, opt))
	safe(t, "the summary", summary(t, run, opt))
	safe(t, "the frame", []byte(strings.Join(text.Frame(run, run.Now+time.Second, opt, max(opt.Width, 20), 20, 1), "\n")))
}

// No line is wider than the terminal, at any width.
func TestWidths(t *testing.T) {
	samples := viewtest.Samples()
	samples["under way"], samples["events"] = underWay(), everyEvent()
	for name, j := range samples {
		run := j.Run()
		for w := 20; w < 130; w += 3 {
			opt := text.Options{Width: w}
			out := string(timeline(t, run, opt)) + string(summary(t, run, opt)) +
				strings.Join(text.Frame(run, run.Now, opt, w+1, 50, 0), "\n")
			for l := range strings.Lines(out) {
				// No rune takes less room in the samples than this counts, except in "hostile".
				if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > w && name != "hostile" {
					t.Fatalf("%s: a line of %d cells at width %d: %q", name, n, w, l)
				}
			}
		}
	}
}

func TestHostileIsSafe(t *testing.T) {
	for _, w := range []int{0, 20, 33, 80, 200} {
		draw(t, viewtest.Hostile().Records, text.Options{Width: w})
	}
}

// FuzzDraw draws journals of JSON lines at any width.
func FuzzDraw(f *testing.F) {
	for _, j := range viewtest.Samples() {
		var lines bytes.Buffer
		for _, rec := range j.Records[:min(len(j.Records), 30)] {
			line, err := json.Marshal(rec)
			if err != nil {
				f.Fatal(err)
			}
			lines.Write(append(line, '\n'))
		}
		f.Add(lines.Bytes(), uint8(80), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, width uint8, ascii bool) {
		var records []journal.Record
		for line := range bytes.Lines(data) {
			var rec journal.Record
			if json.Unmarshal(line, &rec) == nil {
				records = append(records, rec)
			}
		}
		draw(t, records, text.Options{Width: int(width), ASCII: ascii})
	})
}

// A run of 100 000 steps is drawn at once and stays short.
func BenchmarkTimeline(b *testing.B) {
	run := viewtest.Turns(50_000).Run()
	var buf bytes.Buffer
	for b.Loop() {
		buf.Reset()
		if err := text.Timeline(&buf, run, text.Options{}); err != nil {
			b.Fatal(err)
		}
		if n := bytes.Count(buf.Bytes(), []byte("\n")); n > 30 {
			b.Fatalf("%d lines", n)
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	run := viewtest.Turns(50_000).Run()
	for b.Loop() {
		text.Frame(run, run.Now, text.Options{}, 100, 40, 0)
	}
}
