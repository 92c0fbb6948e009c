package builtins

import (
	"fmt"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/units"
)

// A pattern, which says when an http_error answers, is a string in the form that
// package chaos reads; burst and sequence write it.

// patternRows make patterns.
func patternRows() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Family: "chaos", Returns: "string",
			Sig:    `burst(count: int, interval: duration)`,
			Doc:    "Is a pattern for fault.http_error, as text: the first count requests in each interval are answered with an error, the others pass.",
			Ranges: map[string][2]float64{"count": {1, 1<<23 - 1}, "interval": {0.001, float64(units.MaxDuration.Seconds())}},
		}, func(c *Call) (starlark.Value, error) {
			return starlark.String(fmt.Sprintf("burst(%d, %s)", c.Int("count"), units.FormatDuration(c.Duration("interval")))), nil
		}},
		{dsl.Builtin{
			Family: "chaos", Returns: "string",
			Sig:    `sequence(statuses: list)`,
			Doc:    "Is a pattern for fault.http_error, as text: the requests are answered with these statuses in turn, over and over. None lets one pass.",
			Ranges: map[string][2]float64{"statuses": {200, 599}},
		}, sequence},
	}
}

func sequence(c *Call) (starlark.Value, error) {
	var items []string
	for i, v := range c.List("statuses") {
		status, err := starlark.AsInt32(v)
		switch {
		case v == starlark.None:
			items = append(items, "pass")
		case err == nil:
			items = append(items, strconv.Itoa(status))
		default:
			return nil, c.Errorf("statuses", "expected a status or None at position %d, got %s", i, describe(v))
		}
	}
	if len(items) == 0 || len(items) > 1000 {
		return nil, c.Errorf("statuses", "expected 1 to 1000 statuses, got %d", len(items))
	}
	return starlark.String("sequence(" + strings.Join(items, ", ") + ")"), nil
}
