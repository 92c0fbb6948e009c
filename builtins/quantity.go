package builtins

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/units"
)

// Duration is a length of time as a script computes with it. It is immutable and
// hashable and lies within ± units.MaxDuration; what would leave that is an error.
//
//	duration + duration, duration - duration   duration
//	duration * number, number * duration       duration
//	duration / number, duration // number      duration
//	duration / duration                        float
//	duration // duration                       int, rounded down
//	duration % duration                        duration, with the sign of the right
//	time + duration, time - duration           time
//	-duration, +duration                       duration
//
// Durations compare with durations. The interpreter never asks a value about
// another type: an ordered comparison with a string or a number ends in
// "duration < string not implemented" (see ExplainOperator), == is False.
type Duration time.Duration

var (
	_ starlark.TotallyOrdered = Duration(0)
	_ starlark.HasBinary      = Duration(0)
	_ starlark.HasUnary       = Duration(0)
	_ starlark.HasAttrs       = Duration(0)
)

// String gives "1m30s", as the language reads it.
func (d Duration) String() string        { return units.FormatDuration(time.Duration(d)) }
func (d Duration) Type() string          { return "duration" }
func (d Duration) Freeze()               {}
func (d Duration) Truth() starlark.Bool  { return d != 0 }
func (d Duration) Hash() (uint32, error) { return uint32(d) ^ uint32(d>>32), nil }

// Cmp orders durations.
func (d Duration) Cmp(y starlark.Value, _ int) (int, error) {
	switch e := y.(Duration); {
	case d < e:
		return -1, nil
	case d > e:
		return 1, nil
	}
	return 0, nil
}

// Attr gives the duration as a number of some unit.
func (d Duration) Attr(name string) (starlark.Value, error) {
	if name == "nanoseconds" {
		return starlark.MakeInt64(int64(d)), nil
	}
	for _, u := range durationAttrs {
		if u.name == name {
			return starlark.Float(float64(d) / float64(u.unit)), nil
		}
	}
	return nil, nil
}

var durationAttrs = []struct {
	name string
	unit time.Duration
}{
	{"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute}, {"seconds", time.Second},
	{"milliseconds", time.Millisecond}, {"microseconds", time.Microsecond},
}

// AttrNames lists the units.
func (d Duration) AttrNames() []string {
	return []string{"days", "hours", "microseconds", "milliseconds", "minutes", "nanoseconds", "seconds"}
}

// MarshalJSON writes the number of seconds, exactly.
func (d Duration) MarshalJSON() ([]byte, error) { return []byte(d.seconds()), nil }

// seconds writes the seconds as a decimal number with a point: "1.5", "-0.000000001".
func (d Duration) seconds() string {
	sign, n := "", uint64(d)
	if d < 0 {
		sign, n = "-", uint64(-d)
	}
	frac := strings.TrimRight(fmt.Sprintf("%09d", n%1e9), "0")
	if frac == "" {
		frac = "0"
	}
	return sign + strconv.FormatUint(n/1e9, 10) + "." + frac
}

// Unary implements + and -.
func (d Duration) Unary(op syntax.Token) (starlark.Value, error) {
	switch op {
	case syntax.PLUS:
		return d, nil
	case syntax.MINUS:
		return -d, nil
	}
	return nil, nil
}

// Binary implements the table above.
func (d Duration) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	switch op {
	case syntax.PLUS, syntax.MINUS, syntax.STAR, syntax.SLASH, syntax.SLASHSLASH, syntax.PERCENT:
	default:
		return nil, nil // not arithmetic: "in", "|", …
	}
	switch y := y.(type) {
	case Duration:
		return d.withDuration(op, y)
	case starlark.Int, starlark.Float:
		n, _ := starlark.AsFloat(y)
		return d.withNumber(op, n, y, side)
	case Time:
		if side == starlark.Right {
			return y.shift(op, d)
		}
		return nil, nil // Time answers for itself from the right
	case starlark.String:
		return nil, d.mixed(op, fmt.Sprintf("string %s", quote(string(y))), side, suggestDuration(string(y)))
	case starlark.NoneType:
		return nil, d.mixed(op, "None", side, "check for None before computing: there was no such duration")
	}
	return nil, nil
}

func (d Duration) withDuration(op syntax.Token, e Duration) (starlark.Value, error) {
	switch op {
	case syntax.PLUS:
		return bounded(float64(d)+float64(e), d+e) // both are far from the ends of int64
	case syntax.MINUS:
		return bounded(float64(d)-float64(e), d-e)
	case syntax.STAR:
		return nil, fmt.Errorf("duration * duration is no duration; to scale, multiply with a number: %s * %s", d, trimNumber(time.Duration(e).Seconds()))
	}
	if e == 0 {
		return nil, fmt.Errorf("duration %s 0s: division by zero", op)
	}
	quotient, rest := d/e, d%e
	if rest != 0 && (rest < 0) != (e < 0) { // rounded down, as Python does
		quotient, rest = quotient-1, rest+e
	}
	switch op {
	case syntax.SLASH:
		return starlark.Float(float64(d) / float64(e)), nil
	case syntax.SLASHSLASH:
		return starlark.MakeInt64(int64(quotient)), nil
	}
	return rest, nil
}

// withNumber does arithmetic with the number n, which is y.
func (d Duration) withNumber(op syntax.Token, n float64, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	divides := op == syntax.SLASH || op == syntax.SLASHSLASH
	switch {
	case op == syntax.STAR:
		if i, err := starlark.AsInt32(y); err == nil {
			return bounded(float64(d)*n, d*Duration(i)) // exact
		}
		return bounded(float64(d)*n, Duration(math.Round(float64(d)*n)))
	case divides && side == starlark.Left && n == 0:
		return nil, fmt.Errorf("duration %s 0: division by zero", op)
	case divides && side == starlark.Left:
		q := float64(d) / n
		if op == syntax.SLASHSLASH {
			return bounded(q, Duration(math.Floor(q)))
		}
		return bounded(q, Duration(math.Round(q)))
	}
	what := "number " + clip(y.String(), 40)
	if divides || op == syntax.PERCENT {
		return nil, d.mixed(op, what, side, "durations divide by durations and numbers, numbers by .seconds")
	}
	return nil, d.mixed(op, what, side, fmt.Sprintf("write duration(%s) for seconds", clip(y.String(), 40)))
}

// bounded returns d unless its value, about, leaves the range of durations.
func bounded(about float64, d Duration) (starlark.Value, error) {
	if !(math.Abs(about) <= float64(units.MaxDuration)) { // so that NaN is an error, too
		return nil, fmt.Errorf("the result is too long for a duration: at most %s (100 years)", units.FormatDuration(units.MaxDuration))
	}
	return d, nil
}

// mixed is the error for an operator between a duration and something else.
func (d Duration) mixed(op syntax.Token, other string, side starlark.Side, hint string) error {
	x, y := "duration", other
	if side == starlark.Right {
		x, y = other, "duration"
	}
	return fmt.Errorf("%s %s %s cannot be computed: %s", x, op, y, hint)
}

// suggestDuration says how to write s as a duration value.
func suggestDuration(s string) string {
	if d, err := units.ParseDuration(s); err == nil {
		return fmt.Sprintf("write duration(%q); for text write str(…)", units.FormatDuration(d))
	}
	return "for text write str(…) around the duration"
}

// toDuration takes what the language accepts as a duration: a duration, a string, a
// number of seconds. It returns false for any other type.
func toDuration(v starlark.Value) (time.Duration, bool, error) {
	switch v := v.(type) {
	case Duration:
		if v < 0 {
			return 0, true, fmt.Errorf("it is negative")
		}
		return time.Duration(v), true, nil
	case starlark.String:
		d, err := units.ParseDuration(string(v))
		return d, true, err
	case starlark.Int:
		// Whole seconds need no float, which would round above 104 days.
		if n, ok := v.Int64(); ok && n >= 0 && n <= int64(units.MaxDuration/time.Second) {
			return time.Duration(n) * time.Second, true, nil
		}
		d, err := units.Seconds(float64(v.Float()))
		return d, true, err
	case starlark.Float:
		d, err := units.Seconds(float64(v))
		return d, true, err
	}
	return 0, false, nil
}

// guessDuration finds what "5 minutes" or "2 hrs" was meant to be: "5m", "2h".
func guessDuration(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || s[end] == '.') {
		end++
	}
	number, word := s[:end], strings.TrimSpace(s[end:])
	if len(number) == 0 || len(number) > 12 {
		return "", false
	}
	word = strings.TrimSuffix(word, ".")
	for _, u := range durationWords {
		for _, w := range u.words {
			if word == w || word == w+"s" {
				if d, err := units.ParseDuration(number + u.unit); err == nil {
					return units.FormatDuration(d), true
				}
			}
		}
	}
	return "", false
}

var durationWords = []struct {
	unit  string
	words []string
}{
	{"ms", []string{"millisecond", "milli", "msec"}},
	{"us", []string{"microsecond", "micro", "usec"}},
	{"s", []string{"", "second", "sec"}}, // a bare "5" means seconds, as the number 5 does
	{"m", []string{"minute", "min"}},
	{"h", []string{"hour", "hr"}},
	{"d", []string{"day"}},
}

// ExplainOperator returns what to write instead where the interpreter's own message
// is about an operator that does not know durations or secrets, such as
// "duration < string not implemented"; "" for any other message.
func ExplainOperator(message string) string {
	fields := strings.Fields(strings.TrimPrefix(message, "unknown binary op: "))
	if len(fields) < 3 {
		return ""
	}
	x, y := fields[0], fields[2]
	switch {
	case x == "secret" || y == "secret":
		return "a secret can be joined to text, formatted and passed on, but not read or compared"
	case x != "duration" && y != "duration":
		return ""
	case x == "time.time" || y == "time.time":
		return "a time and a duration can be added and subtracted only; compare times with times"
	case x == "NoneType" || y == "NoneType":
		return "check for None first: there was no such duration"
	}
	return `a duration compares with a duration: write duration("1s"), or compare its .seconds with a number`
}
