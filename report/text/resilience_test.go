package text_test

import (
	"strings"
	"testing"
	"time"

	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// TestResilience shows probes that noticed nothing, that recovered and that did not.
func TestResilience(t *testing.T) {
	of := func(d time.Duration) *time.Duration { return &d }
	num := func(f float64) *float64 { return &f }
	good := &view.Phase{Readings: 10, Availability: 1, P50: 1234 * time.Microsecond, P99: 20 * time.Millisecond}
	bad := &view.Phase{Readings: 600, Bad: 1, Availability: 599.0 / 600, P50: time.Second, P99: 1500 * time.Millisecond}
	run := &view.Run{Name: "x", World: "real", State: view.Ended, Verdict: journal.VerdictPassed, Seed: 1, Summary: &view.Summary{
		Probes: []*view.ProbeSummary{
			{Name: "untouched", Baseline: good, Fault: good, Recover: of(0), Availability: num(1), Score: num(100)},
			{Name: "recovered", Baseline: good, Fault: bad, Recovery: good, Detect: of(254 * time.Millisecond), Recover: of(3 * time.Second), Availability: num(0.99), Speed: num(0.01), Recovered: num(0.7), Score: num(73)},
			{Name: "gone", Fault: bad, Recovery: bad, Lost: true, Detect: of(time.Second), Availability: num(0.99), Recovered: num(0), Score: num(75)},
		},
		Score: num(82.7), Formula: view.ScoreFormula,
	}}
	golden(t, "summary_resilience", summary(t, run, text.Options{Width: 100}))
	golden(t, "summary_resilience_ascii_option", summary(t, run, text.Options{Width: 60, ASCII: true}))
	run.Summary.Score, run.Summary.Formula, run.Summary.Unscored = nil, "", "the run is inconclusive (no_hits)"
	if want, got := "score           none: the run is inconclusive (no_hits)\n", summary(t, run, text.Options{Width: 100}); !strings.Contains(string(got), want) {
		t.Errorf("%q is missing:\n%s", want, got)
	}
}
