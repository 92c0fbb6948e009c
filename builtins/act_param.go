package builtins

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"starquake/internal/nearest"
	"starquake/runtime"
)

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

// GivenAs is how a person gives a parameter: form, with its name and VALUE, or the flag of
// the command line where form is "".
func GivenAs(form, name string) string {
	return strings.ReplaceAll(cmp.Or(form, "--param NAME=VALUE"), "NAME", name)
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
		v, err = given.value(p.Type, typeOfItems(def))
	case !p.Required:
		v, err = paramValue(p.Type, def)
	default:
		if !e.AnyParam {
			return nil, c.Errorf("", "parameter %q is required", p.Name).WithHint("give it with %s", GivenAs(e.ParamAs, p.Name))
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
		if near := nearest.Of(name, declared); near != "" {
			help = fmt.Sprintf("did you mean %s?", quote(near))
		} else if len(declared) > 0 {
			help = "it declares " + clip(strings.Join(declared, ", "), 300)
		}
		return runtime.Failf(runtime.ClassScript, CodeUnknownParam, "the script declares no parameter %s; %s", quote(name), help)
	}
	return nil
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
