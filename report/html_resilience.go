package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"starquake/report/text"
	"starquake/runtime/view"
)

// cards are the few figures that one looks for first.
func (r *Run) cards() []card {
	var out []card
	if s := r.Summary; s != nil {
		if s.Score != nil {
			out = append(out, card{"resilience score", score(s.Score), "of 100"})
		}
		if s.Unscored != "" {
			out = append(out, card{"resilience score", "none", string(r.Verdict)})
		}
		worst, detect, recover := 1.0, (*time.Duration)(nil), (*time.Duration)(nil)
		lost := false
		for _, p := range slices.Concat(s.Probes, s.Loads) {
			worst = min(worst, p.Fault.Availability)
			detect = least(detect, p.Detect)
			recover = most(recover, p.Recover)
			lost = lost || p.Lost
		}
		out = append(out, card{"lowest availability under faults", text.Percent(worst), ""})
		if detect != nil {
			out = append(out, card{"from first fault to first sign", text.Took(*detect), ""})
		} else {
			out = append(out, card{"no probe or load noticed", "calm", ""})
		}
		switch {
		case lost:
			out = append(out, card{"not well again at the end", "lost", ""})
		case recover != nil && *recover == 0:
			out = append(out, card{"from last fault until well", "0s", ""})
		case recover != nil:
			out = append(out, card{"from last fault until well", text.Took(*recover), ""})
		}
		out = append(out, card{"hits of all faults", fmt.Sprint(s.Faults.Hits), fmt.Sprintf("of %d seen", s.Faults.Requests)})
	}
	c := r.Counts
	if c.Steps > 0 {
		out = append(out, card{"steps passed", fmt.Sprint(c.Passed), fmt.Sprintf("of %d", c.Steps)})
	}
	if c.Checks > 0 {
		out = append(out, card{"checks passed", fmt.Sprint(c.Checks - c.ChecksFailed), fmt.Sprintf("of %d", c.Checks)})
	}
	return out
}

func least(a, b *time.Duration) *time.Duration {
	if a == nil || b != nil && *b < *a {
		return b
	}
	return a
}

func most(a, b *time.Duration) *time.Duration {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}

func (r *Run) pageResilience() *pageResilience {
	s := r.Summary
	if s == nil {
		return nil
	}
	f := s.Faults
	out := &pageResilience{
		Exposure: fmt.Sprintf("%s on, between %s and %s. %d of them met requests: %d requests seen, %d hit.",
			plural(f.On, "fault"), text.Duration(f.FirstOn), text.Duration(f.LastOff), f.Met, f.Requests, f.Hits),
		Formula: s.Formula, Unscored: s.Unscored,
	}
	all := slices.Concat(s.Loads, s.Probes)
	for _, p := range all[:min(len(all), maxMeasures)] {
		out.Measures = append(out.Measures, newMeasure(p))
	}
	out.Left = left(len(all)-len(out.Measures), "probes and loads")
	return out
}

func newMeasure(p *view.ProbeSummary) *measure {
	m := &measure{Name: line(p.Name), Phases: newTable("", "", scoreWords(p), "phase", "readings|", "availability|", "error rate|", "p50|", "p99|")}
	pill := func(tone, text string) { m.Pills = append(m.Pills, cell{Pill: tone, Text: text}) }
	if p.Score != nil {
		pill("calm", "score "+score(p.Score))
	}
	if p.Detect == nil {
		pill("good", "not disturbed")
	} else {
		pill("warn", "first sign "+detected(p))
	}
	switch {
	case p.Lost:
		pill("bad", "not recovered")
	case p.Recover != nil && p.Detect != nil:
		pill("good", "well again "+recovered(p))
	}
	for _, phase := range []struct {
		name string
		*view.Phase
	}{{"before faults", p.Baseline}, {"with faults on", p.Fault}, {"between and after", p.Recovery}} {
		if phase.Phase == nil {
			continue
		}
		row := m.Phases.row("")
		row.head(phase.name)
		row.num(fmt.Sprint(phase.Readings))
		row.num(text.Percent(phase.Availability))
		row.num(text.Percent(phase.ErrorRate))
		row.num(latency(phase.Phase, phase.P50))
		row.num(latency(phase.Phase, phase.P99))
	}
	return m
}

// latency is one of a phase; a dash where the readings took no time, as those of figures
// do that the run has itself.
func latency(p *view.Phase, d time.Duration) string {
	if p.P99 == 0 {
		return "–"
	}
	return text.Took(d)
}

// scoreWords are the parts of a score.
func scoreWords(p *view.ProbeSummary) string {
	var parts []string
	for _, part := range []struct {
		name  string
		value *float64
	}{{"availability", p.Availability}, {"speed", p.Speed}, {"recovered", p.Recovered}} {
		if part.value != nil {
			parts = append(parts, fmt.Sprintf("%s %.2f", part.name, *part.value))
		}
	}
	if len(parts) == 0 {
		return "No score"
	}
	return fmt.Sprintf("Score %s: %s", score(p.Score), strings.Join(parts, ", "))
}
