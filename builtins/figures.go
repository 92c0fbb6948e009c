package builtins

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/dsl"
	"starquake/units"
)

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
