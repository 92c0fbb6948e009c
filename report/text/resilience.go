package text

import (
	"fmt"
	"strings"
	"time"

	"starquake/runtime/view"
)

// resilience says how each probe read before, while and after faults were on.
func (s *summary) resilience() {
	sum := s.run.Summary
	if sum == nil {
		return
	}
	for _, p := range sum.Probes {
		s.entry(plain, p.Name, s.probeText(p))
	}
	for _, p := range sum.Loads {
		s.entry(plain, p.Name, s.probeText(p))
	}
	if sum.Score != nil {
		s.last("score", fmt.Sprintf("%.0f = the mean of %s", *sum.Score, sum.Formula))
	}
	if sum.Unscored != "" {
		s.last("score", "none: "+sum.Unscored)
	}
	s.block(plain, "resilience")
}

// probeText is one probe in words.
func (s *summary) probeText(p *view.ProbeSummary) string {
	var parts []string
	for _, phase := range []struct {
		name string
		of   *view.Phase
	}{{"baseline", p.Baseline}, {"faults", p.Fault}, {"recovery", p.Recovery}} {
		if phase.of == nil {
			continue
		}
		part := fmt.Sprintf("%s %s of %d ok", phase.name, percent(phase.of.Availability), phase.of.Readings)
		if phase.of.P99 > 0 { // a figure of the run takes no time to read
			part += fmt.Sprintf(", p50 %s, p99 %s", roughly(phase.of.P50), roughly(phase.of.P99))
		}
		parts = append(parts, part)
	}
	if p.Detect != nil {
		parts = append(parts, "detected after "+took(*p.Detect))
	}
	switch {
	case p.Recover != nil && *p.Recover > 0:
		parts = append(parts, "recovered after "+took(*p.Recover))
	case p.Recover != nil && p.Detect != nil:
		parts = append(parts, "recovered at once")
	case p.Lost:
		parts = append(parts, "not recovered")
	}
	if p.Score != nil {
		sum := []string{}
		for _, part := range []struct {
			name  string
			value *float64
		}{{"availability", p.Availability}, {"speed", p.Speed}, {"recovered", p.Recovered}} {
			if part.value != nil {
				sum = append(sum, fmt.Sprintf("%s %.2f", part.name, *part.value))
			}
		}
		parts = append(parts, fmt.Sprintf("score %.0f (%s)", *p.Score, strings.Join(sum, ", ")))
	}
	return strings.Join(parts, "; ")
}

// percent is a share with as many digits as tell it from all and from none.
func percent(share float64) string {
	if share == 0 || share == 1 {
		return fmt.Sprintf("%.0f%%", 100*share)
	}
	return fmt.Sprintf("%.1f%%", min(max(100*share, 0.1), 99.9))
}

// roughly is a time of a series, whose quantiles are off by up to 7 %: with no more digits
// than that, and marked, since the figures of load have the exact ones.
func roughly(d time.Duration) string {
	unit := time.Nanosecond
	for unit*100 <= d {
		unit *= 10
	}
	return "~" + d.Round(unit).String()
}

// took is a time as it was measured, to three digits.
func took(d time.Duration) string {
	unit := time.Microsecond
	for unit*1000 <= d {
		unit *= 10
	}
	return d.Round(unit).String()
}
