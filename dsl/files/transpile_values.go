package files

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/syntax"

	"starquake/units"
)

// quote writes a string as Starlark.
func quote(s string) string { return syntax.Quote(strings.ToValidUTF8(s, "\uFFFD"), false) }

// str is a string of the file as it is.
func str(s Str) expr { return atom(s.Pos, quote(s.Value)) }

func strs(list []Str) []expr {
	out := make([]expr, len(list))
	for i, s := range list {
		out[i] = str(s)
	}
	return out
}

// number writes a number that keeps its type.
func number(f float64) string {
	switch {
	case math.IsNaN(f):
		return `float("nan")`
	case math.IsInf(f, 1):
		return `float("inf")`
	case math.IsInf(f, -1):
		return `float("-inf")`
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	s := strconv.FormatFloat(f, format, -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// plainNumber writes a number as short as it goes: 5 for 5.0.
func plainNumber(f float64) string {
	return strings.TrimSuffix(number(f), ".0")
}

// truth writes a truth value.
func truth(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// literal writes a value of the file as it is, strings without looking into them.
func literal(v Any) expr {
	switch x := v.Value.(type) {
	case bool:
		return atom(v.Pos, truth(x))
	case *big.Int:
		return atom(v.Pos, x.String())
	case float64:
		return atom(v.Pos, number(x))
	case string:
		return atom(v.Pos, quote(x))
	case []Any:
		e := list(v.Pos)
		for _, one := range x {
			e.arg(literal(one))
		}
		return e
	case []Entry:
		e := dict(v.Pos)
		for _, one := range x {
			e.entry(one.Key.Value, literal(one.Value))
		}
		return e
	}
	return atom(v.Pos, "None")
}

// durationText writes a duration in the largest units that fit; hours are the largest
// below two days.
func durationText(d time.Duration) string {
	const day = 24 * time.Hour
	if d < day || d >= 2*day {
		return quote(units.FormatDuration(d))
	}
	text := strconv.Itoa(int(d/time.Hour)) + "h"
	if rest := d % time.Hour; rest != 0 {
		text += units.FormatDuration(rest)
	}
	return quote(text)
}
