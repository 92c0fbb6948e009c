package files

import (
	"errors"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/chaos"
)

// What an exported script computes with besides the constants of Starlark. None of
// these can be looked into, compared or computed with.
type (
	// unknown stands for what could not be computed and was said so.
	unknown struct{ opaque }
	// late is what is known only when the script runs: the result of a step, the turn of
	// a loop.
	late struct {
		opaque
		what string
	}
	// function is a def or a lambda.
	function struct {
		opaque
		node     syntax.Node
		params   []syntax.Expr
		defaults map[*syntax.Ident]starlark.Value
	}
	// builtin is a builtin of the language as a value.
	builtin struct {
		opaque
		name string
	}
	// targetRef names targets; none stands for every one.
	targetRef struct {
		opaque
		names []string
	}
	// faultSet is a fault, a scenario, a profile or what .on made of one.
	faultSet struct {
		opaque
		faults []exportedFault
		// preset is set for a scenario or a profile that is whole: its name.
		preset, profile string
	}
	// matching is fault.match(…).
	matching struct {
		opaque
		match map[string]any
	}
)

// exportedFault is one fault of a script.
type exportedFault struct {
	fault chaos.Fault
	node  syntax.Node
	on    *targetRef // of .on(…), or nil
}

// opaque is the part of starlark.Value that these have in common.
type opaque struct{}

func (opaque) String() string        { return "value" }
func (opaque) Type() string          { return "value" }
func (opaque) Freeze()               {}
func (opaque) Truth() starlark.Bool  { return true }
func (opaque) Hash() (uint32, error) { return 0, errors.New("it cannot be a key") }

// elements lists the items of a list or tuple; ok is false for anything else.
func elements(v starlark.Value) (items []starlark.Value, ok bool) {
	switch v := v.(type) {
	case *starlark.List:
		for e := range v.Elements() {
			items = append(items, e)
		}
		return items, true
	case starlark.Tuple:
		return v, true
	}
	return nil, false
}

// plainGo gives a constant as chaos.New takes it: strings, numbers, lists, dicts.
func plainGo(v starlark.Value) (any, bool) {
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, true
	case starlark.Bool:
		return bool(v), true
	case starlark.String:
		return string(v), true
	case starlark.Int:
		n, ok := v.Int64()
		return n, ok
	case starlark.Float:
		return float64(v), true
	case matching:
		return v.match, true
	case *starlark.Dict:
		out := map[string]any{}
		for key, value := range v.Entries() {
			name, ok := starlark.AsString(key)
			plain, fine := plainGo(value)
			if !ok || !fine {
				return nil, false
			}
			out[name] = plain
		}
		return out, true
	}
	items, ok := elements(v)
	if !ok {
		return nil, false
	}
	list := make([]any, len(items))
	for i, item := range items {
		if list[i], ok = plainGo(item); !ok {
			return nil, false
		}
	}
	return list, true
}

// constant reports whether v can be computed with.
func constant(v starlark.Value) bool {
	switch v.(type) {
	case starlark.NoneType, starlark.Bool, starlark.String, starlark.Int, starlark.Float, starlark.Tuple, *starlark.List, *starlark.Dict:
		return true
	}
	return false
}

// lateIn finds what is known only when the script runs in a value, or in a list or dict.
func lateIn(v starlark.Value) (l late, is bool) {
	if l, is = v.(late); is {
		return l, true
	}
	items, _ := elements(v)
	if d, isDict := v.(*starlark.Dict); isDict {
		for _, value := range d.Entries() {
			items = append(items, value)
		}
	}
	for _, item := range items {
		if l, is = lateIn(item); is {
			return l, true
		}
	}
	return late{}, false
}
