package builtins

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"starquake/chaos"
	"starquake/internal/nearest"
)

// A BoundFault is one fault and the targets that .on gave it, none if it was not
// used.
type BoundFault struct {
	Fault   chaos.Fault
	Targets []TargetValue
}

// faultValue is one fault as a script holds it; it is immutable.
type faultValue struct{ BoundFault }

func (f *faultValue) String() string {
	return "<fault " + f.Fault.String() + onTargets(f.Targets) + ">"
}

func onTargets(targets []TargetValue) string {
	var names []string
	for _, t := range targets {
		names = append(names, t.TargetName())
	}
	if names == nil {
		return ""
	}
	return " on " + strings.Join(names, ", ")
}

func (f *faultValue) Type() string         { return "fault" }
func (f *faultValue) Freeze()              {}
func (f *faultValue) Truth() starlark.Bool { return true }
func (f *faultValue) Hash() (uint32, error) {
	return 0, fmt.Errorf("a fault cannot be a key of a dict")
}

// MarshalJSON writes the fault in the form of package chaos, without its targets.
func (f *faultValue) MarshalJSON() ([]byte, error) { return f.Fault.MarshalJSON() }

// Attr gives kind, probability (a share, or the text of a ramp), targets and on.
func (f *faultValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "kind":
		return starlark.String(f.Fault.Kind), nil
	case "probability":
		if p := f.Fault.Probability; !p.IsRamp() {
			return starlark.Float(p.Start), nil
		}
		return starlark.String(f.Fault.String()), nil
	case "targets":
		return targetTuple(f.Targets), nil
	case "on":
		return starlark.NewBuiltin("on", bindTargets).BindReceiver(f), nil
	}
	return nil, nil
}

func targetTuple(targets []TargetValue) starlark.Tuple {
	out := make(starlark.Tuple, len(targets))
	for i, t := range targets {
		out[i] = t
	}
	return out
}

// AttrNames lists the attributes, sorted.
func (f *faultValue) AttrNames() []string { return []string{"kind", "on", "probability", "targets"} }

// faultSet is a scenario, a profile, or what pulse and .on made of one. It is
// immutable.
type faultSet struct {
	typ, name string
	faults    []*faultValue
}

func (s *faultSet) String() string       { return fmt.Sprintf("%s(%q)", s.typ, s.name) }
func (s *faultSet) Type() string         { return s.typ }
func (s *faultSet) Freeze()              {}
func (s *faultSet) Truth() starlark.Bool { return true }
func (s *faultSet) Hash() (uint32, error) {
	return 0, fmt.Errorf("a %s cannot be a key of a dict", s.typ)
}

// Attr gives name, faults (a tuple) and on.
func (s *faultSet) Attr(name string) (starlark.Value, error) {
	switch name {
	case "name":
		return starlark.String(s.name), nil
	case "faults":
		out := make(starlark.Tuple, len(s.faults))
		for i, f := range s.faults {
			out[i] = f
		}
		return out, nil
	case "on":
		return starlark.NewBuiltin("on", bindTargets).BindReceiver(s), nil
	}
	return nil, nil
}

// AttrNames lists the attributes, sorted.
func (s *faultSet) AttrNames() []string { return []string{"faults", "name", "on"} }

// bindTargets is the method .on(target, …) of faults and sets of them. It returns a
// bound copy.
func bindTargets(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	wrong := func(message, hint string) error { return &ArgError{"on", "", message, hint} }
	if len(kwargs) > 0 {
		return nil, wrong("expected targets without names", "write .on(target) or .on(one, other)")
	}
	var targets []TargetValue
	for _, arg := range args {
		if !isTargets(arg) {
			hint := "make one with proxy(…) or target(name)"
			if _, ok := arg.(starlark.String); ok {
				hint = fmt.Sprintf("write target(%s)", describe(arg))
			}
			return nil, wrong("expected a target or a list of targets, got "+describe(arg), hint)
		}
		if t, ok := arg.(TargetValue); ok {
			targets = append(targets, t)
			continue
		}
		for _, t := range elements(arg) {
			targets = append(targets, t.(TargetValue))
		}
	}
	if len(targets) == 0 {
		return nil, wrong("expected at least one target, got none", "write .on(target)")
	}
	return mapFaults(b.Receiver(), func(f BoundFault) (BoundFault, error) {
		if row, err := chaos.KindOf(f.Fault.Kind); err == nil && !row.Targeted() {
			return f, wrong(fmt.Sprintf("a fault of kind %s is put on no target", f.Fault.Kind), "leave .on(…) out")
		}
		if f.Targets != nil {
			return f, wrong(fmt.Sprintf("fault %s is bound already%s", f.Fault.Kind, onTargets(f.Targets)), "give all targets to one .on")
		}
		f.Targets = targets
		return f, nil
	})
}

// mapFaults returns a fault or set with fn done to every fault.
func mapFaults(v starlark.Value, fn func(BoundFault) (BoundFault, error)) (starlark.Value, error) {
	switch v := v.(type) {
	case *faultValue:
		f, err := fn(v.BoundFault)
		return &faultValue{f}, err
	case *faultSet:
		out := &faultSet{typ: v.typ, name: v.name}
		for _, f := range v.faults {
			g, err := fn(f.BoundFault)
			if err != nil {
				return nil, err
			}
			out.faults = append(out.faults, &faultValue{g})
		}
		return out, nil
	}
	return nil, fmt.Errorf("%s is neither a fault nor a scenario or profile", describe(v))
}

// isFaults accepts what Faults does, as far as one look shows.
func isFaults(v starlark.Value) bool {
	switch v.(type) {
	case *faultValue, *faultSet, *starlark.Dict, *starlark.List, starlark.Tuple:
		return true
	}
	return false
}

// maxFaults bounds the faults of one list, however deep it is nested.
const maxFaults = 1000

// Faults lists the faults of a fault, a scenario or profile, a dict in the schema of
// the orchestration files' config, or a list of these that may hold further lists.
// None holds none.
func Faults(v starlark.Value) ([]BoundFault, error) {
	faults, _, err := listFaults(v)
	return faults, err
}

// listFaults is Faults, with what the dicts among them say without effect.
func listFaults(v starlark.Value) (faults []BoundFault, warnings []string, err error) {
	var l faultLister
	err = l.collect(v, nil, 0)
	return l.faults, l.warnings, err
}

// faultLister goes through what holds faults.
type faultLister struct {
	faults   []BoundFault
	warnings []string
}

// collect adds the faults of v. where is its place: the numbers of the lists around it.
func (l *faultLister) collect(v starlark.Value, where []int, depth int) error {
	at := func() string {
		if len(where) == 0 {
			return ""
		}
		return " at position " + placeText(where)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return nil
	case *faultValue:
		l.faults = append(l.faults, v.BoundFault)
	case *faultSet:
		for _, f := range v.faults {
			l.faults = append(l.faults, f.BoundFault)
		}
	case *starlark.Dict:
		if err := l.config(v); err != nil {
			return fmt.Errorf("the dict%s: %w", at(), err)
		}
	case *starlark.List, starlark.Tuple:
		if depth > 20 {
			return fmt.Errorf("the list of faults is nested more than 20 deep, or holds itself")
		}
		for i, e := range elements(v) {
			here := append(where, i)
			if e == starlark.None {
				return fmt.Errorf("expected a fault at position %s, got None", placeText(here))
			}
			if err := l.collect(e, here, depth+1); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf(`expected a fault such as fault.latency("100ms")%s, got %s`, at(), describe(v))
	}
	if len(l.faults) > maxFaults {
		return fmt.Errorf("more than %d faults at once", maxFaults)
	}
	return nil
}

// placeText writes a place in lists of lists: "2.0".
func placeText(where []int) string {
	parts := make([]string, len(where))
	for i, n := range where {
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, ".")
}

// config reads a dict as the orchestration files have it under config.
func (l *faultLister) config(v *starlark.Dict) error {
	plain, err := plainValue(v, 0)
	if err != nil {
		return err
	}
	fields, _ := plain.(map[string]any) // what plainValue makes of a dict
	faults, warnings, err := chaos.FromConfig(fields)
	if err != nil {
		return configError(err)
	}
	for _, f := range faults {
		l.faults = append(l.faults, BoundFault{Fault: f})
	}
	for _, w := range warnings {
		l.warnings = append(l.warnings, w.Error())
	}
	return nil
}

// configError adds to what is wrong with a dict which names there are, as it is said of a file.
func configError(err error) error {
	var all chaos.ConfigErrors
	if !errors.As(err, &all) {
		return err
	}
	lines := make([]string, len(all))
	for i, n := range all {
		lines[i] = n.Error() + configHelp(n)
		if len(all) > 1 { // what is behind a semicolon is the help for all that was said
			lines[i] = strings.ReplaceAll(lines[i], "; ", ", ")
		}
	}
	return errors.New(strings.Join(lines, "\n"))
}

// configHelp is the nearest name to one that a configuration cannot have, or which there are.
func configHelp(n chaos.ConfigNote) string {
	if len(n.Choices) == 0 || len(n.Path) == 0 {
		return ""
	}
	if near := nearest.Of(n.Wrong, n.Choices); near != "" {
		return "; did you mean " + near + "?"
	}
	if n.Code == "unknown_value" { // which says what it expected
		return ""
	}
	return "; there are " + strings.Join(n.Choices, ", ")
}
