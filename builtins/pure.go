package builtins

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	starlarkmath "go.starlark.net/lib/math"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/dsl"
	"starquake/units"
)

// Hooks are what the builtins that make values need from the run whose script calls
// them. Both are asked with the calling thread.
type Hooks struct {
	// Now is the time of the world: that of the last event, never a clock's.
	Now func(*starlark.Thread) time.Time
	// Random is the branch's stream of random numbers: rand.New(rand.NewPCG(…)).
	Random func(*starlark.Thread) *rand.Rand
}

// Values is the part of the table that only makes values: quantities, figures,
// ramps, random numbers, times, JSON and chaos.
func Values(h Hooks) []Builtin {
	var table []Builtin
	for _, family := range [][]Builtin{quantityRows(), figureRows(), rampRows(), chaosRows(), randomRows(h.Random), timeRows(h.Now), jsonRows()} {
		table = append(table, family...)
	}
	return table
}

// Constants are the names that are no functions, for Compile: the module math, and
// time.second and its like.
func Constants() starlark.StringDict {
	constants := starlark.StringDict{"math": starlarkmath.Module}
	for name, d := range map[string]time.Duration{
		"nanosecond": time.Nanosecond, "microsecond": time.Microsecond, "millisecond": time.Millisecond,
		"second": time.Second, "minute": time.Minute, "hour": time.Hour,
	} {
		constants["time."+name] = Duration(d)
	}
	return constants
}

func quantityRows() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Family: "values", Returns: "duration",
			Sig: `duration(x: duration)`,
			Doc: "Makes a duration of a string such as \"1h30m\", a number of seconds or a duration. " +
				"Durations add, scale, divide and compare with durations: t.p99 < duration(\"800ms\"). " +
				"Their attributes days, hours, minutes, seconds, milliseconds, microseconds and nanoseconds are numbers.",
		}, func(c *Call) (starlark.Value, error) { return Duration(c.Duration("x")), nil }},
		{dsl.Builtin{
			Family: "values", Returns: "int",
			Sig: `size(x: size)`,
			Doc: "Makes a number of bytes of a string such as \"400KB\" (decimal) or \"400KiB\", or of a whole number.",
		}, func(c *Call) (starlark.Value, error) { return starlark.MakeInt64(c.Size("x")), nil }},
	}
}

// anyNumber is the range of a parameter that takes negative durations, too.
var anyNumber = [2]float64{math.Inf(-1), math.Inf(1)}

func figureRows() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Family: "values",
			Sig:    `sum(x: iterable, start: any = 0)`,
			Doc: "Adds up numbers or durations, beginning with start. " +
				"Without start, the sum of durations is a duration; of nothing it is 0.",
		}, sum},
		{dsl.Builtin{
			Family: "values",
			Sig:    `round(x: number|duration, n: int = None)`,
			Doc: "Rounds x to n digits after the point; a negative n rounds to tens, hundreds, …. " +
				"As in Python a tie goes to the even neighbour, and without n a float becomes an int. " +
				"A duration is rounded to n digits of a second and stays a duration.",
			Ranges: map[string][2]float64{"n": {-18, 18}, "x": anyNumber},
		}, round},
		{dsl.Builtin{
			Family: "values", Returns: "string",
			Sig: `fmt(x: float|duration, digits: int = None, unit: string = "")`,
			Doc: "Writes a number or a duration for people. " +
				"digits are those after the point; without them a number has up to six significant digits and a duration three. " +
				"For a number, unit is appended (\"rps\"), and \"%\" writes a share as a percentage: fmt(0.0123, 1, \"%\") is \"1.2%\". " +
				"For a duration, unit is the one it is written in: h, m, s, ms, us or ns.",
			Ranges: map[string][2]float64{"digits": {0, 18}, "x": anyNumber},
		}, format},
	}
}

func sum(c *Call) (starlark.Value, error) {
	total, replace := c.Value("start"), !c.Has("start")
	for i, v := range c.List("x") {
		if _, ok := v.(Duration); ok && replace {
			total = Duration(0) // "0 + duration" is an error, and rightly so
		}
		replace = false
		switch v.(type) {
		case starlark.Int, starlark.Float, Duration:
		default:
			return nil, c.Errorf("x", "expected numbers or durations, got %s at position %d", describe(v), i)
		}
		next, err := starlark.Binary(syntax.PLUS, total, v)
		if err != nil {
			return nil, c.Errorf("x", "at position %d: %v", i, err)
		}
		total = next
	}
	return total, nil
}

func round(c *Call) (starlark.Value, error) {
	n, digits := c.Int("n"), c.Has("n")
	switch x := c.Value("x").(type) {
	case Duration:
		return bounded(float64(x), Duration(roundInt(int64(x), n-9)))
	case starlark.Int:
		if i, ok := x.Int64(); ok && n < 0 {
			return starlark.MakeInt64(roundInt(i, n)), nil
		}
		return x, nil
	}
	f := roundFloat(c.Float("x"), n)
	if digits {
		return starlark.Float(f), nil
	}
	return starlark.NumberToInt(starlark.Float(f))
}

// roundFloat rounds the exact decimal value of f, as Python does: 2.675 is a little
// less than it seems, and becomes 2.67.
func roundFloat(f float64, n int) float64 {
	if n >= 0 {
		r, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', n, 64), 64)
		if err != nil {
			return f
		}
		return r
	}
	unit := math.Pow10(-n)
	return math.RoundToEven(f/unit) * unit
}

// roundInt rounds i to -n zeros at its end, ties to even.
func roundInt(i int64, n int) int64 {
	if n >= 0 {
		return i
	}
	unit := int64(1)
	for ; n < 0; n++ {
		if unit > math.MaxInt64/10 {
			return 0
		}
		unit *= 10
	}
	rest := i % unit
	low := i - rest
	switch twice := absInt(rest); {
	case twice > unit-twice, twice == unit-twice && (low/unit)%2 != 0:
		if rest < 0 {
			return low - unit
		}
		if low > math.MaxInt64-unit {
			return low
		}
		return low + unit
	}
	return low
}

func absInt(i int64) int64 {
	if i < 0 {
		return -i
	}
	return i
}

func format(c *Call) (starlark.Value, error) {
	digits := -1
	if c.Has("digits") {
		digits = c.Int("digits")
	}
	unit := c.String("unit")
	if d, ok := c.Value("x").(Duration); ok {
		s, err := formatDuration(time.Duration(d), digits, unit)
		if err != nil {
			return nil, c.Errorf("unit", "%v", err)
		}
		return starlark.String(s), nil
	}
	x, percent := c.Float("x"), unit == "%"
	if percent {
		x *= 100
	}
	s := formatNumber(x, digits)
	if i, isInt := c.Value("x").(starlark.Int); isInt && digits < 0 && !percent {
		s = i.String()
	}
	if unit != "" && !percent {
		s += " "
	}
	return starlark.String(s + unit), nil
}

func formatNumber(x float64, digits int) string {
	switch {
	case digits >= 0:
		return strconv.FormatFloat(x, 'f', digits, 64)
	case math.Abs(x) >= 1e6 && math.Abs(x) < 1e15:
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 6, 64)
}

func formatDuration(d time.Duration, digits int, unit string) (string, error) {
	if unit == "" {
		if digits < 0 {
			// Three significant digits of the whole: 812ms, 1m30.1s.
			n := len(strconv.FormatInt(absInt(int64(d)), 10))
			return units.FormatDuration(time.Duration(roundInt(int64(d), min(0, 3-n)))), nil
		}
		switch abs := time.Duration(absInt(int64(d))); {
		case abs >= time.Second || d == 0:
			unit = "s"
		case abs >= time.Millisecond:
			unit = "ms"
		default:
			unit = "us"
		}
	}
	size, ok := map[string]time.Duration{"h": time.Hour, "m": time.Minute, "s": time.Second, "ms": time.Millisecond, "us": time.Microsecond, "ns": 1}[unit]
	if !ok {
		return "", fmt.Errorf("expected one of h, m, s, ms, us and ns for a duration, got %s", quote(unit))
	}
	return formatNumber(float64(d)/float64(size), digits) + unit, nil
}

func rampRows() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Family: "values", Returns: "ramp",
			Sig: `ramp(start: any, end: any, over: duration, shape: any = "linear")`,
			Doc: "Makes a quantity that goes from start to end within over and then stays there. " +
				"It may stand for a number, duration, share, size or bandwidth wherever the signature says \"or a ramp\". " +
				"The time counts from when the fault goes on, or the load begins.",
			Ranges: map[string][2]float64{"over": {0.001, math.Inf(1)}},
			Help: map[string]string{
				"start": "a number, or a string or duration as the parameter takes it",
				"end":   "as start",
				"shape": `"linear", "exponential" (both ends above 0), steps(n) or sine(period)`,
			},
		}, ramp},
		{dsl.Builtin{
			Family: "values",
			Sig:    `steps(n: int)`,
			Doc:    "Is the shape of a ramp that goes in n equal jumps.",
			Ranges: map[string][2]float64{"n": {1, 10_000}},
		}, func(c *Call) (starlark.Value, error) {
			return shapeValue{Shape{Name: "steps", Steps: c.Int("n")}}, nil
		}},
		{dsl.Builtin{
			Family: "values",
			Sig:    `sine(period: duration)`,
			Doc:    "Is the shape of a ramp that swings from start to end and back once in each period.",
			Ranges: map[string][2]float64{"period": {0.001, math.Inf(1)}},
		}, func(c *Call) (starlark.Value, error) {
			return shapeValue{Shape{Name: "sine", Period: c.Duration("period")}}, nil
		}},
	}
}

func ramp(c *Call) (starlark.Value, error) {
	r := &Ramp{Start: c.Value("start"), End: c.Value("end"), Over: c.Duration("over")}
	for _, name := range []string{"start", "end"} {
		switch v := c.Value(name).(type) {
		case starlark.Int, starlark.Float, starlark.String, Duration:
		default:
			return nil, c.Errorf(name, "expected a number, or a quantity such as \"50ms\" or \"5%%\", got %s", describe(v))
		}
	}
	switch v := c.Value("shape").(type) {
	case shapeValue:
		r.Shape = v.Shape
		return r, nil
	case starlark.String:
		if v == "linear" || v == "exponential" {
			r.Shape.Name = string(v)
			return r, nil
		}
		e := c.Errorf("shape", `expected "linear", "exponential", steps(n) or sine(period), got %s`, describe(v))
		if name, _, _ := strings.Cut(string(v), "("); name == "steps" || name == "sine" {
			return nil, e.WithHint("write it without quotes, with its argument: steps(4), sine(\"10s\")")
		}
		return nil, e
	default:
		e := c.Errorf("shape", `expected "linear", "exponential", steps(n) or sine(period), got %s`, describe(v))
		if f, ok := v.(starlark.Callable); ok {
			return nil, e.WithHint("call it: %s(…)", f.Name())
		}
		return nil, e
	}
}
