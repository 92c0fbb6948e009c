package compare_test

import (
	"bytes"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"starquake/report/compare"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

var update = flag.Bool("update", false, "rewrite the golden files; commit only changes whose cause you understand")

// base is a run with one of everything.
func base() *view.Run {
	took := 2 * time.Second
	score := 80.0
	return &view.Run{
		Name: "shop", State: view.Ended, Verdict: journal.VerdictPassed, Reason: "passed", Now: time.Minute,
		Steps:   []*view.Step{{Path: "a", Status: journal.Passed}, {Path: "b", Status: journal.Passed}},
		Checks:  []*view.Check{{Path: "a", Name: "p99", OK: true}, {Path: "a", Name: "p99", OK: true}},
		Figures: []*view.Figure{{Name: "orders", Value: 100, Unit: "1/s", Better: "higher"}, {Name: "size", Value: 5}, {Name: "lost", Value: 0, Better: "lower"}},
		Loads:   []*view.Load{{Path: "a", Figures: &view.LoadFigures{Requests: 100, P50: 10 * time.Millisecond, P99: 50 * time.Millisecond, Throughput: 50}}},
		Summary: &view.Summary{Score: &score, Probes: []*view.ProbeSummary{{
			Name: "alive", Fault: &view.Phase{Availability: 0.99, P99: 20 * time.Millisecond}, Recovery: &view.Phase{}, Detect: &took, Recover: &took, Score: &score,
		}}},
	}
}

// TestWorse changes one thing of a run, and says whether that is a regression.
func TestWorse(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*view.Run)
		worse  string // the row; "" for none
	}{
		{"nothing", func(*view.Run) {}, ""},
		{"verdict", func(r *view.Run) { r.Verdict = journal.VerdictFailed }, "verdict"},
		{"inconclusive", func(r *view.Run) { r.Verdict = journal.VerdictInconclusive }, "verdict"},
		{"step failed", func(r *view.Run) { r.Steps[1].Status = journal.Failed }, "b"},
		{"step tolerated", func(r *view.Run) { r.Steps[1].Status, r.Steps[1].Tolerated = journal.Failed, true }, "b"},
		{"step skipped", func(r *view.Run) { r.Steps[1].Status = journal.Skipped }, ""},
		{"step gone", func(r *view.Run) { r.Steps = r.Steps[:1] }, ""},
		{"second check of a name", func(r *view.Run) { r.Checks[1].OK = false }, "a: p99 (2)"},
		{"figure a little lower", func(r *view.Run) { r.Figures[0].Value = 91 }, ""},
		{"figure lower", func(r *view.Run) { r.Figures[0].Value = 89 }, "orders"},
		{"figure higher", func(r *view.Run) { r.Figures[0].Value = 1000 }, ""},
		{"figure of no better", func(r *view.Run) { r.Figures[1].Value = 500 }, ""},
		{"figure from nothing", func(r *view.Run) { r.Figures[2].Value = 1 }, "lost"},
		{"figure gone", func(r *view.Run) { r.Figures = nil }, ""},
		{"latency", func(r *view.Run) { r.Loads[0].Figures.P99 = 60 * time.Millisecond }, "a: p99"},
		{"latency by the clock's noise", func(r *view.Run) { r.Loads[0].Figures.P50 = 10900 * time.Microsecond }, ""},
		{"errors", func(r *view.Run) { r.Loads[0].Figures.ErrorRate = 0.2 }, "a: availability"},
		{"throughput", func(r *view.Run) { r.Loads[0].Figures.Throughput = 40 }, "a: answers a second"},
		{"score", func(r *view.Run) { s := 60.0; r.Summary.Score = &s }, "resilience score"},
		{"recovery", func(r *view.Run) { d := 3 * time.Second; r.Summary.Probes[0].Recover = &d }, "alive: time to recover"},
		{"no recovery", func(r *view.Run) { p := r.Summary.Probes[0]; p.Recover, p.Lost = nil, true }, "alive: time to recover"},
		{"nobody looked afterwards", func(r *view.Run) { r.Summary.Probes[0].Recover = nil }, ""},
		{"later sign", func(r *view.Run) { d := time.Hour; r.Summary.Probes[0].Detect = &d }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := base()
			test.change(b)
			c, err := compare.Compare(compare.Run{Run: base()}, compare.Run{Run: b}, 0.1)
			if err != nil {
				t.Fatal(err)
			}
			worse := ""
			for _, row := range c.Rows {
				if row.Worse {
					worse += row.Name
				}
			}
			if worse != test.worse || c.Regressed != (worse != "") {
				t.Errorf("worse is %q (regressed %v), want %q", worse, c.Regressed, test.worse)
			}
		})
	}
	silent := base()
	silent.Loads[0].Figures.Requests, silent.Loads[0].Figures.P99 = 0, 0
	c, err := compare.Compare(compare.Run{Run: base()}, compare.Run{Run: silent}, 0.1)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range c.Rows {
		if row.Name == "a: p99" && row.B != "" {
			t.Errorf("a load without requests has the p99 %s", row.B)
		}
	}
	running := base()
	running.State = view.Running
	if _, err := compare.Compare(compare.Run{Run: base()}, compare.Run{Run: running, ID: "x"}, 0.1); err == nil {
		t.Error("a run that is not over is compared")
	}
}

// TestUnscored: a run that says nothing has no score that would be compared, and it is said why.
func TestUnscored(t *testing.T) {
	b := base()
	b.Verdict, b.Summary.Score, b.Summary.Probes[0].Score, b.Summary.Unscored = journal.VerdictInconclusive, nil, nil, "the run is inconclusive"
	c, err := compare.Compare(compare.Run{Run: base()}, compare.Run{Run: b}, 0.1)
	if err != nil {
		t.Fatal(err)
	}
	for _, write := range []func(io.Writer) error{c.Text, c.Markdown} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		if want := "B has no score: the run is inconclusive."; !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, &out)
		}
	}
	var out bytes.Buffer
	if err := c.JSON(&out); err != nil || !strings.Contains(out.String(), `"unscored": "the run is inconclusive"`) {
		t.Errorf("the reason is missing (%v):\n%s", err, &out)
	}
}

// TestGolden compares a run with one that went worse, in each form.
// TestFew: what is made of few requests is worse only where chance does not explain it.
func TestFew(t *testing.T) {
	load := func(n int64, p50, p99 time.Duration, errors float64) *view.Run {
		r := base()
		r.Loads[0].Figures = &view.LoadFigures{Requests: n, P50: p50, P99: p99, ErrorRate: errors, Throughput: 10}
		return r
	}
	const ms = time.Millisecond
	for _, test := range []struct {
		name       string
		was, is    *view.Run
		worse, few string
	}{
		{"noise of ten", load(10, 10*ms, 50*ms, 0), load(10, 14*ms, 70*ms, 0.1), "", "a: p50 a: p99 a: availability "},
		{"half beyond the slowest", load(10, 10*ms, 50*ms, 0), load(10, 80*ms, 90*ms, 0), "a: p50 a: p99 ", ""},
		{"not one answer of ten", load(10, 10*ms, 50*ms, 0), load(10, 10*ms, 50*ms, 1), "a: availability ", ""},
		{"of three nothing", load(3, 10*ms, 50*ms, 0), load(3, 80*ms, 90*ms, 0), "", "a: p50 a: p99 "},
		{"the last hundredth of fifty", load(50, 10*ms, 50*ms, 0), load(50, 14*ms, 70*ms, 0), "a: p50 ", "a: p99 "},
		{"a thousand", load(1000, 10*ms, 50*ms, 0), load(1000, 14*ms, 70*ms, 0.12), "a: p50 a: p99 a: availability ", ""},
	} {
		c, err := compare.Compare(compare.Run{Run: test.was}, compare.Run{Run: test.is}, 0.09)
		if err != nil {
			t.Fatal(err)
		}
		worse, few := "", ""
		for _, row := range c.Rows {
			if row.Worse {
				worse += row.Name + " "
			}
			if row.TooFew {
				few += row.Name + " "
			}
		}
		if worse != test.worse || few != test.few || c.Regressed != (worse != "") {
			t.Errorf("%s: worse is %q, too few are %q; want %q and %q", test.name, worse, few, test.worse, test.few)
		}
	}
}

func TestGolden(t *testing.T) {
	b := viewtest.Shop().Run()
	bad := *b
	bad.Steps = append([]*view.Step{}, b.Steps...)
	failed := *b.Steps[4]
	failed.Status = journal.Failed
	bad.Steps[4] = &failed
	bad.Figures = []*view.Figure{{Name: "orders a second", Value: 30, Unit: "1/s", Better: "higher"}, {Name: "new | \x1b[31m<b>", Value: 1}}
	c, err := compare.Compare(compare.Run{Run: b, ID: "run-1"}, compare.Run{Run: &bad, ID: "run-2"}, 0.1)
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"text": func(w *bytes.Buffer) error { return c.Text(w) }, "md": func(w *bytes.Buffer) error { return c.Markdown(w) }, "json": func(w *bytes.Buffer) error { return c.JSON(w) },
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatal(err)
		}
		file := "testdata/worse." + name
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}
