package text

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/units"
)

// short writes a duration with as many digits as a person reads.
func short(d time.Duration) string { return units.Brief(d) }

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
// with at most six digits that matter, a duration as one.
func value(raw json.RawMessage, unit string) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if d, ok := journal.Duration(raw, unit); ok {
		return short(d)
	}
	if raw[0] == '[' && unit != "" {
		return list(raw, unit)
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

// list writes a list of values that have a unit.
func list(raw json.RawMessage, unit string) string {
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return string(raw)
	}
	texts := make([]string, len(all))
	for i, v := range all {
		texts[i] = value(v, unit)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// measured is a value beside its limit, as in messages, but a string without its quotes.
func measured(raw json.RawMessage, unit, limit string) string {
	switch raw = bytes.TrimSpace(raw); {
	case string(raw) == "null":
		return "None"
	case len(raw) == 0 || raw[0] == '"' || raw[0] == '[':
		return value(raw, unit)
	}
	return journal.Measured(raw, unit, limit)
}

// number writes a float with at most six digits that matter.
func number(n float64) string {
	if n == float64(int64(n)) {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	return strconv.FormatFloat(n, 'g', 6, 64)
}

// fields writes a JSON object as "a=1 b=two", by name. A string is quoted where it
// could be taken for something else: "" for nothing, "None" for no value.
func fields(raw json.RawMessage, units map[string]string) string {
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return value(raw, "")
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		text := value(all[name], units[name])
		isText := len(all[name]) > 0 && all[name][0] == '"'
		switch {
		case string(all[name]) == "null":
			text = "None"
		case text == "" || isText && (strings.ContainsAny(text, " =\n") || looksLikeValue(text)):
			text = strconv.Quote(text)
		}
		out = append(out, name+"="+text)
	}
	return strings.Join(out, " ")
}

// looksLikeValue says whether a text reads like a value that is none.
func looksLikeValue(text string) bool {
	switch text {
	case "None", "null", "true", "false":
		return true
	}
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}

// because is a message without the word that it explains, where that stands before it
// already: "stopped by anna" after "stopped" is "by anna".
func because(word, message string) string {
	rest, ok := strings.CutPrefix(message, word)
	if !ok || rest != "" && rest[0] != ' ' && rest[0] != ':' {
		return message
	}
	return strings.TrimLeft(rest, ": ")
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
	case s == journal.Stopped, s == view.StepInterrupted:
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
	case journal.Stopped, view.StepInterrupted:
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
	case "ended", "":
		return dim
	case "pending":
		return yellow
	}
	return red
}

// watchState is what a guard or a steady state says of the system.
func watchState(w *view.Watch) string {
	switch {
	case w.State == "":
		return "not read yet"
	case w.State == "pending" && w.Breaches > 1 && w.Bad > 0:
		return fmt.Sprintf("pending, %d of %d bad readings", w.Bad, w.Breaches)
	}
	return w.State
}

// hits says what a fault met and did.
func hits(f *view.Fault) string {
	if f.Inapplicable > 0 && f.Seen == 0 {
		return fmt.Sprintf("met nothing it acts on (%d inapplicable)", f.Inapplicable)
	}
	if f.Uncounted {
		return "not counted"
	}
	return fmt.Sprintf("hit %d of %d", f.Hit, f.Seen)
}
