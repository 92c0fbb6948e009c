package builtins

import (
	"encoding/json"
	"math"
	"regexp"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/dsl"
	"starquake/runtime"
)

// judging are the builtins that record verdicts, figures and words.
func judging() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Sig:    `check(name: string, value: any, *, below: any = None, above: any = None, at_most: any = None, at_least: any = None, equals: any = None, between: tuple|list|None = None, matches: string|None = None, detail: string = "")`,
			Doc:    "Records a verdict with value and limit, returns it as a bool and goes on; a failed one fails the innermost step, attempt or run when its body ends. A lone bool is itself; a value of None never passes a limit.",
			Family: "judging", Phase: dsl.Acting,
			Help: map[string]string{"between": "(low, high), both included", "matches": "a regular expression (RE2) that fits anywhere in the text"},
		}, acts(check)},
		{dsl.Builtin{
			Sig: `record(name: string, number: number, unit: string = "", better: string|None = None)`,
			Doc: "Records a figure of the run, for the report and compare.", Family: "judging", Phase: dsl.Acting,
			Choices: map[string][]string{"better": {"lower", "higher"}},
		}, looks(func(c *Call, t *task) (starlark.Value, error) {
			v := c.Float("number")
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, c.Errorf("number", "expected a finite number, got %s", c.Value("number"))
			}
			if t.env.figures == nil {
				t.env.figures = map[string]starlark.Value{}
			}
			t.env.figures[c.String("name")] = c.Value("number")
			t.branch.Figure(c.String("name"), v, c.String("unit"), c.String("better"))
			return starlark.None, nil
		})},
		{dsl.Builtin{
			Sig: `recorded(name: string, default: any = None)`,
			Doc: "Gives the last figure recorded under the name, or default.", Family: "judging", Phase: dsl.Acting,
		}, looks(func(c *Call, t *task) (starlark.Value, error) {
			if v := t.env.figures[c.String("name")]; v != nil {
				return v, nil
			}
			return c.Value("default"), nil
		})},
		{dsl.Builtin{
			Sig: `log(message: any, level: string = "info", **fields)`,
			Doc: "Writes a line to the run's log, with fields.", Family: "judging", Phase: dsl.Acting,
			Choices: map[string][]string{"level": {"debug", "info", "warn", "error"}},
		}, looks(logLine)},
	}
}

// limit is one way to judge a value.
type limit struct {
	name string
	word string // for people, before the limit
	op   syntax.Token
}

var limits = []limit{
	{"below", "below", syntax.LT}, {"above", "above", syntax.GT}, {"at_most", "at most", syntax.LE},
	{"at_least", "at least", syntax.GE}, {"equals", "equal to", syntax.EQL},
}

func check(c *Call, t *task) (starlark.Value, error) {
	v := c.Value("value")
	spec := runtime.CheckSpec{Name: c.String("name"), OK: true, Detail: c.String("detail")}
	judged := false
	judge := func(ok bool, text string) {
		judged = true
		spec.OK = spec.OK && ok
		if spec.Limit != "" {
			spec.Limit += " and "
		}
		spec.Limit += text
	}
	for _, l := range limits {
		if !c.Has(l.name) {
			continue
		}
		bound := likeValue(v, c.Value(l.name))
		ok, err := compare(l.op, v, bound)
		if err != nil {
			return nil, c.Errorf(l.name, "a value of %s cannot be compared with %s", describe(v), describe(bound)).WithHint("%s", ExplainOperator(err.Error()))
		}
		judge(ok, l.word+" "+bound.String())
	}
	if pair := c.List("between"); c.Has("between") {
		if len(pair) != 2 {
			return nil, c.Errorf("between", "expected (low, high), got %s", describe(c.Value("between")))
		}
		low, high := likeValue(v, pair[0]), likeValue(v, pair[1])
		over, err := compare(syntax.GE, v, low)
		under, err2 := compare(syntax.LE, v, high)
		if err = errorOr(err, err2); err != nil {
			return nil, c.Errorf("between", "a value of %s cannot be compared with (%s, %s)", describe(v), describe(low), describe(high))
		}
		judge(over && under, "between "+low.String()+" and "+high.String())
	}
	if c.Has("matches") {
		re, err := regexp.Compile(c.String("matches"))
		if err != nil {
			return nil, c.Errorf("matches", "%v", err)
		}
		s, isText := text(v)
		judge(isText && re.MatchString(s), "a match of "+quote(c.String("matches")))
	}
	if !judged {
		ok, isBool := v.(starlark.Bool)
		if !isBool {
			return nil, c.Errorf("value", "expected True or False, or a limit beside it (below, above, at_most, at_least, equals, between, matches), got %s", describe(v))
		}
		spec.OK = bool(ok)
	}
	raw, err := ToJSON(v)
	if err != nil {
		raw, _ = json.Marshal(clip(v.String(), 200)) // for people
	}
	spec.Value = raw
	return starlark.Bool(spec.OK), t.branch.Check(spec)
}

// likeValue reads a limit the way the value is: "800ms" beside a duration is one.
func likeValue(v, bound starlark.Value) starlark.Value {
	if _, ok := v.(Duration); ok {
		if d, ok, err := toDuration(bound); ok && err == nil {
			return Duration(d)
		}
	}
	return bound
}

// compare compares; None is neither below nor above anything, and equal to itself. What
// is not a number is neither, though Starlark has it above all others.
func compare(op syntax.Token, v, bound starlark.Value) (bool, error) {
	if op != syntax.EQL && (v == starlark.None || notANumber(v) || notANumber(bound)) {
		return false, nil
	}
	return starlark.Compare(op, v, bound)
}

func notANumber(v starlark.Value) bool {
	f, ok := v.(starlark.Float)
	return ok && math.IsNaN(float64(f))
}

func logLine(c *Call, t *task) (starlark.Value, error) {
	var fields json.RawMessage
	if named := c.Named(); len(named) > 0 {
		d := starlark.NewDict(len(named))
		for _, kv := range named {
			v := kv[1]
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
		fields = raw
	}
	t.branch.Log(c.String("level"), join(starlark.Tuple{c.Value("message")}), fields)
	return starlark.None, nil
}
