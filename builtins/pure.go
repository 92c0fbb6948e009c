package builtins

import (
	"math"
	"math/rand/v2"
	"strings"
	"time"

	starlarkmath "go.starlark.net/lib/math"
	"go.starlark.net/starlark"

	"starquake/dsl"
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
