package text

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/units"
)

// short writes a duration with as many digits as a person reads.
func short(d time.Duration) string {
	if d < 0 {
		return "-" + short(-max(d, -math.MaxInt64))
	}
	to := time.Second
	switch {
	case d < time.Millisecond:
		to = time.Microsecond
	case d < 10*time.Millisecond:
		to = 100 * time.Microsecond
	case d < time.Second:
		to = time.Millisecond
	case d < 10*time.Second:
		to = 10 * time.Millisecond
	case d < time.Minute:
		to = 100 * time.Millisecond
	}
	return units.FormatDuration(d.Round(to))
}

// clock is a time of the run at a fixed width.
func clock(d time.Duration) string {
	return fmt.Sprintf("%8.2fs", d.Seconds())
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// value writes one JSON value for a person: a string without its quotes, a number
// with at most six digits that matter.
func value(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if raw[0] == '"' {
		var s string
		if json.Unmarshal(raw, &s) == nil {
			return s
		}
	}
	if n, err := strconv.ParseFloat(string(raw), 64); err == nil && strings.ContainsAny(string(raw), ".eE") {
		return number(n)
	}
	return string(raw)
}

// number writes a float with at most six digits that matter.
func number(n float64) string {
	if n == float64(int64(n)) {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	return strconv.FormatFloat(n, 'g', 6, 64)
}

// fields writes a JSON object as "a=1 b=two", by name.
func fields(raw json.RawMessage) string {
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return value(raw)
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		text := value(all[name])
		if text == "" || strings.ContainsAny(text, " =\n") {
			text = strconv.Quote(text)
		}
		out = append(out, name+"="+text)
	}
	return strings.Join(out, " ")
}

// statusColor and statusSym are how a step's status looks.
func statusColor(s journal.Status, tolerated bool) color {
	switch {
	case s == journal.Passed:
		return green
	case s == journal.Failed && tolerated:
		return yellow
	case s == journal.Failed:
		return red
	case s == journal.Stopped:
		return yellow
	case s == view.StepRunning:
		return cyan
	}
	return dim
}

func (st style) statusSym(s journal.Status) string {
	switch s {
	case journal.Passed:
		return st.sym("✓", "+")
	case journal.Failed:
		return st.sym("✗", "x")
	case journal.Skipped:
		return "-"
	case journal.Stopped:
		return st.sym("■", "#")
	case view.StepRunning:
		return st.sym("▸", ">")
	}
	return st.sym("○", "o")
}

func verdictColor(v journal.Verdict) color {
	switch v {
	case journal.VerdictPassed:
		return green
	case journal.VerdictInconclusive, journal.VerdictStopped:
		return yellow
	case journal.VerdictUnclean:
		return boldRed
	}
	return red
}

func watchColor(state string) color {
	switch state {
	case "holds":
		return green
	case "ended":
		return dim
	}
	return red
}

// hits says what a fault met and did.
func hits(f *view.Fault) string {
	if f.Inapplicable > 0 && f.Seen == 0 {
		return fmt.Sprintf("met nothing it acts on (%d inapplicable)", f.Inapplicable)
	}
	return fmt.Sprintf("hit %d of %d", f.Hit, f.Seen)
}
