package builtins

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/runtime"
	"starquake/units"
)

// declaring are the builtins with which a script says what it is and what it takes.
func declaring() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Sig:    `orchestration(name: string, description: string = "", tags: list = [], owner: string = "", runbook: string = "", max_duration: duration|None = None, environments: list = [])`,
			Doc:    "Says what the orchestration is, at most once. Past max_duration the run is stopped; where environments are named, it is refused in any other.",
			Family: "structure", Phase: dsl.Declaring,
			Ranges: map[string][2]float64{"max_duration": someTime},
		}, declares(orchestration)},
		{dsl.Builtin{
			Sig:    `param(name: string, type: string|None = None, default: any = None, min: any = None, max: any = None, choices: list = [], help: string = "")`,
			Doc:    "Declares a parameter and gives its value: from --param name=value, the API or the page, else its default. The type is that of the default, a string without one; without a default the parameter is required.",
			Family: "structure", Phase: dsl.Declaring,
			Choices: map[string][]string{"type": {"string", "int", "float", "bool", "duration", "size", "list", "json"}},
		}, declares(parameter)},
		{dsl.Builtin{
			Sig:     `secret(name: string)`,
			Doc:     "Names a secret. It can be joined to text, formatted and passed to effects, but not read, compared or printed: the journal holds its name, and its text in any answer is replaced before the script sees it. It comes from the environment's secrets, or from the variable STARQUAKE_SECRET_NAME.",
			Planned: "every name is there; its text is not read",
			Family:  "structure",
		}, declares(secret)},
	}
}

// someTime is the range of a duration, in seconds, that must not be 0: where 0 would
// mean that there is no limit, or another.
var someTime = [2]float64{0.001, units.MaxDuration.Seconds()}

func orchestration(c *Call, e *Env) (starlark.Value, error) {
	if e.Meta.declared {
		return nil, c.Errorf("", "stands twice: a script is one orchestration")
	}
	tags, err := c.Strings("tags")
	if err != nil {
		return nil, err
	}
	envs, err := c.Strings("environments")
	if err != nil {
		return nil, err
	}
	e.Meta = Meta{
		Name: c.String("name"), Description: c.String("description"), Tags: tags, Owner: c.String("owner"),
		Runbook: c.String("runbook"), MaxDuration: c.Duration("max_duration"), Environments: envs, declared: true,
	}
	if e.Meta.Name == "" {
		return nil, c.Errorf("name", "expected a name, got an empty string")
	}
	planned := e.AnyTarget && e.Environment == "" // a plan needs none
	if len(envs) > 0 && !planned && !slices.Contains(envs, e.Environment) {
		return nil, notGiven(c.Errorf("environments", "this orchestration runs in %s only, and this is %s",
			strings.Join(envs, ", "), orElse(e.Environment, "no environment")).WithHint("give one with --env"))
	}
	if t := taskOf(c.Thread); t.branch != nil && e.Meta.MaxDuration > 0 {
		t.branch.Run().SetMaxDuration(e.Meta.MaxDuration)
	}
	return starlark.None, nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// Param is a declared parameter.
type Param struct {
	Name     string          `json:"name"`
	Type     string          `json:"type"`
	Required bool            `json:"required,omitempty"`
	Default  json.RawMessage `json:"default,omitempty"`
	Choices  []string        `json:"choices,omitempty"`
	Help     string          `json:"help,omitempty"`
	// Value is what it has in this run.
	Value json.RawMessage `json:"value,omitempty"`
}

func parameter(c *Call, e *Env) (starlark.Value, error) {
	p := Param{Name: c.String("name"), Type: c.String("type"), Help: c.String("help"), Required: !c.Has("default")}
	def := c.Value("default")
	if p.Type == "" {
		p.Type = typeOfDefault(def)
	}
	for _, other := range e.Declared {
		if other.Name == p.Name {
			return nil, c.Errorf("name", "parameter %q is declared twice", p.Name)
		}
	}
	given, ok := e.Params[p.Name]
	var v starlark.Value
	var err error
	switch {
	case ok:
		v, err = given.value(p.Type)
	case !p.Required:
		v, err = paramValue(p.Type, def)
	default:
		if !e.AnyParam {
			return nil, c.Errorf("", "parameter %q is required", p.Name).WithHint("give it with --param %s=…", p.Name)
		}
		v, err = zeroParam(p.Type), nil
	}
	if err != nil {
		return nil, c.Errorf("", "parameter %q: %v", p.Name, err)
	}
	if err := c.bounds(p, v); err != nil {
		return nil, err
	}
	for _, choice := range c.List("choices") {
		s, _ := text(choice)
		if s == "" {
			s = choice.String()
		}
		p.Choices = append(p.Choices, s)
	}
	if p.Value, err = ToJSON(v); err != nil {
		return nil, c.Errorf("", "parameter %q: %v", p.Name, err)
	}
	if !p.Required {
		p.Default, _ = ToJSON(def)
	}
	e.Declared = append(e.Declared, p)
	return v, nil
}

// checkParams refuses a parameter that was given and that the script does not declare:
// what it should have set would silently keep its default.
func (e *Env) checkParams() error {
	declared := make([]string, len(e.Declared))
	for i, p := range e.Declared {
		declared[i] = p.Name
	}
	for _, name := range keys(e.Params) {
		if slices.Contains(declared, name) {
			continue
		}
		help := "it declares none"
		if near := nearest(name, declared); near != "" {
			help = fmt.Sprintf("did you mean %s?", quote(near))
		} else if len(declared) > 0 {
			help = "it declares " + clip(strings.Join(declared, ", "), 300)
		}
		return runtime.Failf(runtime.ClassScript, CodeUnknownParam, "the script declares no parameter %s; %s", quote(name), help)
	}
	return nil
}

// typeOfDefault is the type of a parameter that names none. A string stays a string
// also where it looks like a duration.
func typeOfDefault(v starlark.Value) string {
	switch v.(type) {
	case starlark.Int:
		return "int"
	case starlark.Float:
		return "float"
	case starlark.Bool:
		return "bool"
	case Duration:
		return "duration"
	case *starlark.List, starlark.Tuple:
		return "list"
	case *starlark.Dict:
		return "json"
	}
	return "string"
}

// value converts what was given from outside.
func (g GivenParam) value(typ string) (starlark.Value, error) {
	if g.JSON != nil {
		v, err := FromJSON(g.JSON)
		if err != nil {
			return nil, err
		}
		if s, ok := v.(starlark.String); ok && typ != "string" && typ != "json" {
			return paramText(typ, string(s))
		}
		return paramValue(typ, v)
	}
	return paramText(typ, g.Text)
}

// paramText reads a value from the text of a command line.
func paramText(typ, s string) (starlark.Value, error) {
	switch typ {
	case "int":
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("expected an int, got %s", quote(s))
		}
		return starlark.MakeInt64(n), nil
	case "float":
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f != f || f-f != 0 {
			return nil, fmt.Errorf("expected a number, got %s", quote(s))
		}
		return starlark.Float(f), nil
	case "bool":
		switch strings.ToLower(s) {
		case "true", "yes", "on", "1":
			return starlark.True, nil
		case "false", "no", "off", "0":
			return starlark.False, nil
		}
		return nil, fmt.Errorf("expected true or false, got %s", quote(s))
	case "duration":
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			return paramValue(typ, starlark.Float(n))
		}
		return paramValue(typ, starlark.String(s))
	case "size":
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return paramValue(typ, starlark.MakeInt64(n))
		}
		return paramValue(typ, starlark.String(s))
	case "list":
		if strings.HasPrefix(strings.TrimSpace(s), "[") {
			v, err := FromJSON([]byte(s))
			if err != nil {
				return nil, err
			}
			return paramValue(typ, v)
		}
		var items []starlark.Value
		for item := range strings.SplitSeq(s, ",") {
			items = append(items, starlark.String(strings.TrimSpace(item)))
		}
		return starlark.NewList(items), nil
	case "json":
		return FromJSON([]byte(s))
	}
	return starlark.String(s), nil
}

// paramValue checks that v is of the type, and converts what may be written in
// another way.
func paramValue(typ string, v starlark.Value) (starlark.Value, error) {
	wrong := fmt.Errorf("expected %s, got %s", withArticle(typ), describe(v))
	switch typ {
	case "string":
		if _, ok := v.(starlark.String); !ok {
			return nil, wrong
		}
	case "int":
		if _, ok := v.(starlark.Int); !ok {
			return nil, wrong
		}
	case "float":
		f, ok := starlark.AsFloat(v)
		if !ok {
			return nil, wrong
		}
		return starlark.Float(f), nil
	case "bool":
		if _, ok := v.(starlark.Bool); !ok {
			return nil, wrong
		}
	case "duration":
		d, ok, err := toDuration(v)
		if err != nil || !ok {
			return nil, errorOr(err, wrong)
		}
		return Duration(d), nil
	case "size":
		if s, ok := v.(starlark.String); ok {
			n, err := units.ParseSize(string(s))
			return starlark.MakeInt64(n), err
		}
		if n, ok := v.(starlark.Int); !ok || n.Sign() < 0 {
			return nil, wrong
		}
	case "list":
		if _, ok := v.(starlark.Iterable); !ok {
			return nil, wrong
		}
	}
	return v, nil
}

func errorOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// zeroParam stands for a required parameter that nobody gave, where nothing real is
// done with it.
func zeroParam(typ string) starlark.Value {
	switch typ {
	case "int", "size":
		return starlark.MakeInt(0)
	case "float":
		return starlark.Float(0)
	case "bool":
		return starlark.False
	case "duration":
		return Duration(0)
	case "list":
		return starlark.NewList(nil)
	case "json":
		return starlark.None
	}
	return starlark.String("")
}

// bounds checks min, max and choices.
func (c *Call) bounds(p Param, v starlark.Value) error {
	if e := taskOf(c.Thread).env; p.Required && e.AnyParam {
		if _, given := e.Params[p.Name]; !given {
			return nil
		}
	}
	for _, bound := range []struct {
		name string
		low  bool
	}{{"min", true}, {"max", false}} {
		if !c.Has(bound.name) {
			continue
		}
		limit, err := paramValue(p.Type, c.Value(bound.name))
		if err != nil {
			return c.Errorf(bound.name, "%v", err)
		}
		n, ok := number(v)
		m, also := number(limit)
		if !ok || !also {
			return c.Errorf(bound.name, "a parameter of type %s has no %s", p.Type, bound.name)
		}
		if bound.low && n < m {
			return c.Errorf("", "parameter %q is %s: at least %s", p.Name, v, limit)
		}
		if !bound.low && n > m {
			return c.Errorf("", "parameter %q is %s: at most %s", p.Name, v, limit)
		}
	}
	choices := c.List("choices")
	if len(choices) == 0 {
		return nil
	}
	var names []string
	for _, choice := range choices {
		same, err := starlark.Equal(choice, v)
		if err == nil && same {
			return nil
		}
		names = append(names, describe(choice))
	}
	return c.Errorf("", "parameter %q is %s: expected %s", p.Name, describe(v), oneOf(names))
}

// number gives a number, or a duration in seconds.
func number(v starlark.Value) (float64, bool) {
	if d, ok := v.(Duration); ok {
		return time.Duration(d).Seconds(), true
	}
	if _, isBool := v.(starlark.Bool); isBool {
		return 0, false
	}
	return starlark.AsFloat(v)
}

func secret(c *Call, e *Env) (starlark.Value, error) {
	s, err := NewSecret(c.String("name"))
	if err != nil {
		return nil, c.Errorf("name", "%v", err)
	}
	if e.HasSecret != nil && !e.HasSecret(s.name) {
		return nil, notGiven(c.Errorf("name", "no secret %q was given to this run", s.name).
			WithHint("set the variable %s to its text, or name it under secrets in the environment's file", SecretVariable(s.name)))
	}
	if !slices.Contains(e.Secrets, s.name) {
		e.Secrets = append(e.Secrets, s.name)
	}
	return s, nil
}

// SecretVariable is the environment variable that holds a secret which no
// environment file defines: "db/password" is STARQUAKE_SECRET_DB_PASSWORD.
func SecretVariable(name string) string {
	return "STARQUAKE_SECRET_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_", "/", "_").Replace(name))
}
