package builtins

import (
	"fmt"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"starquake/units"
)

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

// value converts what was given from outside. Items are the type of a list's items, where
// it was given as plain text.
func (g GivenParam) value(typ, items string) (starlark.Value, error) {
	if g.JSON != nil {
		v, err := FromJSON(g.JSON)
		if err != nil {
			return nil, err
		}
		if s, ok := v.(starlark.String); ok && typ != "string" && typ != "json" {
			return paramText(typ, items, string(s))
		}
		return paramValue(typ, v)
	}
	return paramText(typ, items, g.Text)
}

// paramText reads a value from the text of a command line.
func paramText(typ, items, s string) (starlark.Value, error) {
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
		return paramValue(typ, starlark.String(s)) // with a unit, as in a script: 100 may be meant as anything
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
		return paramList(items, s)
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
