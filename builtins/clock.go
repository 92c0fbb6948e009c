package builtins

import (
	"fmt"
	"math"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/dsl"
)

// Time is a moment, as go.starlark.net's own time module has it, with three
// differences: it computes with Duration, zones come from the data embedded in this
// package and never from the machine, and "Local" is UTC. (The module's functions
// read the machine's zone in from_timestamp, parse_time, in_location and time.)
type Time time.Time

var (
	_ starlark.TotallyOrdered = Time{}
	_ starlark.HasBinary      = Time{}
	_ starlark.HasAttrs       = Time{}
)

// String writes the time with its zone: "2000-01-01 00:00:00 +0000 UTC".
func (t Time) String() string {
	return time.Time(t).Format("2006-01-02 15:04:05.999999999 -0700 MST")
}
func (t Time) Type() string         { return "time.time" }
func (t Time) Freeze()              {}
func (t Time) Truth() starlark.Bool { return !starlark.Bool(time.Time(t).IsZero()) }

// Hash is equal for equal moments in any zone.
func (t Time) Hash() (uint32, error) {
	s := time.Time(t).Unix()
	return uint32(s) ^ uint32(s>>32) ^ uint32(time.Time(t).Nanosecond())*0x9e3779b1, nil
}

// Cmp orders moments.
func (t Time) Cmp(y starlark.Value, _ int) (int, error) {
	return time.Time(t).Compare(time.Time(y.(Time))), nil
}

// MarshalJSON writes the form of RFC 3339.
func (t Time) MarshalJSON() ([]byte, error) { return time.Time(t).MarshalJSON() }

// Attr gives the parts of the time in its zone, and its methods.
func (t Time) Attr(name string) (starlark.Value, error) {
	g := time.Time(t)
	switch name {
	case "year":
		return starlark.MakeInt(g.Year()), nil
	case "month":
		return starlark.MakeInt(int(g.Month())), nil
	case "day":
		return starlark.MakeInt(g.Day()), nil
	case "hour":
		return starlark.MakeInt(g.Hour()), nil
	case "minute":
		return starlark.MakeInt(g.Minute()), nil
	case "second":
		return starlark.MakeInt(g.Second()), nil
	case "nanosecond":
		return starlark.MakeInt(g.Nanosecond()), nil
	case "unix":
		return starlark.MakeInt64(g.Unix()), nil
	case "unix_nano": // 64 bits of nanoseconds end in 2262
		return starlark.MakeInt64(g.Unix()).Mul(starlark.MakeInt(1e9)).Add(starlark.MakeInt(g.Nanosecond())), nil
	case "in_location", "format":
		return starlark.NewBuiltin(name, timeMethod).BindReceiver(t), nil
	}
	return nil, nil
}

// AttrNames lists them, sorted.
func (t Time) AttrNames() []string {
	return []string{"day", "format", "hour", "in_location", "minute", "month", "nanosecond", "second", "unix", "unix_nano", "year"}
}

// timeMethod is t.format(layout) and t.in_location(name).
func timeMethod(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x string
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &x); err != nil {
		return nil, err
	}
	t := time.Time(b.Receiver().(Time))
	if b.Name() == "format" {
		return starlark.String(t.Format(x)), nil
	}
	zone, err := LoadZone(x)
	if err != nil {
		return nil, fmt.Errorf("in_location: %w", err)
	}
	return Time(t.In(zone)), nil
}

// Binary implements time - time, and time ± duration from either side.
func (t Time) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	switch y := y.(type) {
	case Duration:
		if side == starlark.Left || op == syntax.PLUS {
			return t.shift(op, y)
		}
	case Time:
		if op != syntax.MINUS {
			return nil, nil
		}
		d := time.Time(t).Sub(time.Time(y)) // which stops at the ends of int64
		return bounded(math.Abs(float64(d)), Duration(d))
	case starlark.String, starlark.Int, starlark.Float:
		if op == syntax.PLUS || op == syntax.MINUS {
			return nil, fmt.Errorf("time %s %s cannot be computed: write duration(%s)", op, y.Type(), clip(y.String(), 40))
		}
	}
	return nil, nil
}

// shift moves t by d.
func (t Time) shift(op syntax.Token, d Duration) (starlark.Value, error) {
	switch op {
	case syntax.PLUS:
	case syntax.MINUS:
		d = -d
	default:
		return nil, nil
	}
	moved := time.Time(t).Add(time.Duration(d))
	if y := moved.Year(); y < 1 || y > 9999 {
		return nil, fmt.Errorf("the result is in the year %d; expected from 1 to 9999", y)
	}
	return Time(moved), nil
}

// timeRows are the functions of the module time.
func timeRows(now func(*starlark.Thread) time.Time) []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Family: "time", Sig: `time.now()`,
			Doc: "Is the world's time, in UTC: in the virtual world it begins at 2000-01-01T00:00:00Z. " +
				"It is the time of the last event, so it stands still while a script computes.",
		}, func(c *Call) (starlark.Value, error) { return Time(now(c.Thread).UTC()), nil }},
		{dsl.Builtin{
			Family: "time",
			Sig: `time.time(*, year: int, month: int = 1, day: int = 1, hour: int = 0, minute: int = 0, second: int = 0, ` +
				`nanosecond: int = 0, location: string = "UTC")`,
			Doc: "Makes a time from its parts. location is a name such as \"Europe/Berlin\"; \"Local\" is UTC.",
			Ranges: map[string][2]float64{
				"year": {1, 9999}, "month": {1, 12}, "day": {1, 31}, "hour": {0, 23},
				"minute": {0, 59}, "second": {0, 59}, "nanosecond": {0, 999_999_999},
			},
		}, makeTime},
		{dsl.Builtin{
			Family: "time", Sig: `time.from_timestamp(sec: int, nsec: int = 0)`,
			Doc:    "Makes a time, in UTC, from seconds and nanoseconds since 1970.",
			Ranges: map[string][2]float64{"sec": {-62135596800, 253402300799}, "nsec": {0, 999_999_999}},
		}, func(c *Call) (starlark.Value, error) {
			return Time(time.Unix(int64(c.Int("sec")), int64(c.Int("nsec"))).UTC()), nil
		}},
		{dsl.Builtin{
			Family: "time",
			Sig:    `time.parse_time(x: string, format: string = "2006-01-02T15:04:05Z07:00", location: string = "UTC")`,
			Doc: "Reads a time. format is Go's: the reference time Mon Jan 2 15:04:05 MST 2006 written the same way. " +
				"location is the zone of a time that names none.",
		}, parseTime},
		{dsl.Builtin{
			Family: "time", Returns: "duration", Sig: `time.parse_duration(d: duration)`,
			Doc: "Is duration(d).",
		}, func(c *Call) (starlark.Value, error) { return Duration(c.Duration("d")), nil }},
		{dsl.Builtin{
			Family: "time", Returns: "bool", Sig: `time.is_valid_timezone(loc: string)`,
			Doc: "Reports whether loc names a zone, such as \"Europe/Berlin\".",
		}, func(c *Call) (starlark.Value, error) {
			_, err := LoadZone(c.String("loc"))
			return starlark.Bool(err == nil), nil
		}},
	}
}

func makeTime(c *Call) (starlark.Value, error) {
	zone, err := LoadZone(c.String("location"))
	if err != nil {
		return nil, c.Errorf("location", "%v", err)
	}
	day := c.Int("day")
	t := time.Date(c.Int("year"), time.Month(c.Int("month")), day, c.Int("hour"), c.Int("minute"), c.Int("second"), c.Int("nanosecond"), zone)
	if noon := time.Date(c.Int("year"), time.Month(c.Int("month")), day, 12, 0, 0, 0, time.UTC); noon.Day() != day {
		return nil, c.Errorf("day", "%s %d has no day %d", time.Month(c.Int("month")), c.Int("year"), day)
	}
	return Time(t), nil
}

func parseTime(c *Call) (starlark.Value, error) {
	zone, err := LoadZone(c.String("location"))
	if err != nil {
		return nil, c.Errorf("location", "%v", err)
	}
	// time.Parse would take the machine's zone for an offset that fits it.
	t, err := time.ParseInLocation(c.String("format"), c.String("x"), zone)
	if err != nil {
		return nil, c.Errorf("x", "%s", clip(err.Error(), 200))
	}
	if y := t.Year(); y < 1 {
		return nil, c.Errorf("x", "%s has no year", quote(c.String("x"))).WithHint("a time in the year %d cannot be computed with; put the year into x and format", y)
	}
	return Time(t), nil
}
