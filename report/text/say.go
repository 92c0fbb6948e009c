package text

import (
	"encoding/json"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// What reports in other formats say in the words of this one. None of it is cleaned:
// each format has its own idea of what is hostile.

// Verdict is the verdict with what lies behind a pass: "passed, 2 failures tolerated".
func Verdict(run *view.Run) string { return verdictText(run) }

// Because is the run's message without the verdict's word where that stands before it.
func Because(run *view.Run) string { return because(string(run.Verdict), run.Message) }

// Repeat gives the arguments that make the same run again, with all its parameters.
func Repeat(run *view.Run) string { return repeat(run, 0) }

// Quote writes s as one word of a POSIX shell.
func Quote(s string) string { return quote(s) }

// Duration writes a duration with as many digits as a person reads.
func Duration(d time.Duration) string { return short(d) }

// Took is a time as it was measured, to three digits.
func Took(d time.Duration) string { return took(d) }

// Percent is a share with as many digits as tell it from all and from none.
func Percent(share float64) string { return percent(share) }

// Number writes a float with at most six digits that matter.
func Number(n float64) string { return number(n) }

// Value writes a JSON value of a unit for a person.
func Value(raw json.RawMessage, unit string) string { return value(raw, unit) }

// Fields writes a JSON object as "a=1 b=two".
func Fields(raw json.RawMessage, units map[string]string) string { return fields(raw, units) }

// SilentSteps is how many of the steps that failed say nothing about the system: the others
// have failed for people.
func SilentSteps(run *view.Run) int {
	n := 0
	for _, st := range run.Steps {
		if st.Status == journal.Failed && saysNothing(st) {
			n++
		}
	}
	return n
}

// Logged is a line of a run's log, with its fields behind it.
func Logged(l *view.Line) string {
	if len(l.Fields) == 0 {
		return l.Message
	}
	return l.Message + "  " + fields(l.Fields, l.Units)
}

// Measured is a value beside its limit.
func Measured(raw json.RawMessage, unit, limit string) string { return measured(raw, unit, limit) }

// Found is what a check or a watch found: value, limit and detail.
func Found(raw json.RawMessage, unit, limit, detail string) string {
	return found(raw, unit, limit, detail)
}

// Hits says what a fault met and did.
func Hits(f *view.Fault) string { return hits(f) }
