package builtins

import (
	"math"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// judging are the builtins that record verdicts, figures and words.
func judging() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Sig: `check(name: string, value: any, *, below: any = None, above: any = None, at_most: any = None, at_least: any = None, equals: any = None, between: tuple|list|None = None, matches: string|None = None, detail: string = "")`,
			Doc: "Records a verdict with value and limit, returns it as a bool and goes on; a failed one fails the innermost step, attempt or run when its body ends. A lone bool is itself; a value of None passes no limit but equals = None. " +
				"Beside a number a limit may be written with a unit: a share (\"5%\"), a size (\"400KB\"), or a duration (\"1s\", or a value), which makes the number one of seconds. Beside a duration a limit may be a string or a number of seconds; two texts that are durations, sizes, shares or numbers are not ordered, since letter by letter \"15s\" is less than \"1s\", and \"10\" than \"9\": write duration(\"15s\"), float(\"10\").",
			Family: "judging", Phase: dsl.Acting,
			Help: map[string]string{"between": "(low, high), both included", "matches": "a regular expression (RE2) that fits anywhere in the text"},
		}, acts(check)},
		{dsl.Builtin{
			Sig: `record(name: string, number: number|duration, unit: string = "", better: string|None = None)`,
			Doc: "Records a figure of the run, for the report and compare. A duration is recorded in seconds, with the unit \"s\". Not in a function probe, which only looks.", Family: "judging", Phase: dsl.Acting,
			Choices: map[string][]string{"better": {"lower", "higher"}},
		}, acts(func(c *Call, t *task) (starlark.Value, error) {
			if err := c.nameGiven(); err != nil {
				return nil, err
			}
			v, unit := c.Float("number"), c.String("unit")
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, c.Errorf("number", "expected a finite number, got %s", c.Value("number"))
			}
			if unitOf(c.Value("number")) != "" {
				if unit != "" && unit != journal.UnitSeconds {
					return nil, c.Errorf("unit", "a duration is recorded in seconds, got %s", quote(unit)).WithHint("leave unit out, or record a number such as d.milliseconds")
				}
				unit = journal.UnitSeconds
			}
			if t.env.figures == nil {
				t.env.figures = map[string]starlark.Value{}
			}
			t.env.figures[c.String("name")] = c.Value("number")
			t.branch.Figure(c.String("name"), v, unit, c.String("better"))
			return starlark.None, nil
		})},
		{dsl.Builtin{
			Sig: `recorded(name: string, default: any = None, must: bool = False)`,
			Doc: "Gives the last figure recorded under the name, or default: what record was given, so of a duration a duration. With must it is an error if there is none so far.", Family: "judging", Phase: dsl.Acting, Looks: true,
		}, looks(func(c *Call, t *task) (starlark.Value, error) {
			if v := t.env.figures[c.String("name")]; v != nil {
				return v, nil
			}
			if c.Bool("must") {
				return nil, c.Errorf("name", "no figure %s has been recorded so far", quote(c.String("name"))).
					WithHint("let a step before this record it: record(…), in a file an action of type record_metric")
			}
			return c.Value("default"), nil
		})},
		{dsl.Builtin{
			Sig: `log(message: any, level: string = "info", **fields)`,
			Doc: "Writes a line to the run's log, with fields.", Family: "judging", Phase: dsl.Acting, Looks: true,
			Choices: map[string][]string{"level": {"debug", "info", "warn", "error"}},
		}, looks(logLine)},
	}
}

func logLine(c *Call, t *task) (starlark.Value, error) {
	var fields *runtime.Fields
	if named := c.Named(); len(named) > 0 {
		fields = new(runtime.Fields)
		d := starlark.NewDict(len(named))
		for _, kv := range named {
			v := kv[1]
			if unit := unitOf(v); unit != "" {
				if fields.Units == nil {
					fields.Units = map[string]string{}
				}
				name, _ := text(kv[0])
				fields.Units[name] = unit
			}
			if _, err := ToJSON(v); err != nil {
				v = starlark.String(clip(v.String(), 500)) // a log line takes what it gets
			}
			if err := d.SetKey(kv[0], v); err != nil {
				return nil, err
			}
		}
		raw, err := ToJSON(d)
		if err != nil {
			return nil, err
		}
		fields.JSON = raw
	}
	t.branch.Log(c.String("level"), join(starlark.Tuple{c.Value("message")}), fields)
	return starlark.None, nil
}
