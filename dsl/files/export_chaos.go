package files

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/chaos"
	"starquake/dsl"
	"starquake/units"
)

// given evaluates the arguments that a call gives by name or by position for
// parameters. It is false if one of them is not constant, which has been said.
func (x *exporter) given(call dsl.Call, params ...string) (map[string]starlark.Value, bool) {
	values := map[string]starlark.Value{}
	ok := true
	for _, p := range params {
		arg := x.arg(call, p)
		if arg == nil {
			continue
		}
		v := x.eval(arg)
		switch l := v.(type) {
		case unknown:
			ok = false
			continue
		case late:
			x.problem(arg, "a file does the same steps in every run", "%s is known only when the script runs", l.what)
			ok = false
			continue
		}
		values[p] = v
	}
	return values, ok && x.spelt(call)
}

// spelt refuses arguments behind * and **, which no parameter can be known for.
func (x *exporter) spelt(call dsl.Call) bool {
	for _, arg := range call.Expr.Args {
		if u, is := arg.(*syntax.UnaryExpr); is && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR) {
			x.problem(u, "write the arguments out", "arguments behind %s cannot be exported", u.Op)
			return false
		}
	}
	return true
}

// fault evaluates fault.KIND(…).
func (x *exporter) fault(call dsl.Call) starlark.Value {
	name := strings.TrimPrefix(call.Name, "fault.")
	kind, err := chaos.KindOf(name)
	if err != nil {
		return x.problem(call.Expr, "", "%v", err)
	}
	params := []string{"probability", "match"}
	for _, p := range kind.Params {
		params = append(params, p.Name)
	}
	values, ok := x.given(call, params...)
	if !ok {
		return unknown{}
	}
	args := map[string]any{}
	for _, p := range params {
		if values[p] == nil {
			continue
		}
		if args[p], ok = plainGo(values[p]); !ok {
			return x.problem(x.arg(call, p), "give a constant", "%s is not constant", p)
		}
	}
	f, err := chaos.New(name, args)
	if err != nil {
		return x.problem(call.Expr, "", "%v", err)
	}
	return faultSet{faults: []exportedFault{{fault: f, node: call.Expr}}}
}

func (x *exporter) match(call dsl.Call) starlark.Value {
	m := map[string]any{}
	for _, arg := range call.Expr.Args {
		named, ok := arg.(*syntax.BinaryExpr)
		if !ok || named.Op != syntax.EQ {
			return x.problem(arg, "write name = value", "fault.match takes named arguments")
		}
		v, fine := plainGo(x.eval(named.Y))
		if !fine {
			return x.problem(named.Y, "give a constant", "%s is not constant", named.X.(*syntax.Ident).Name)
		}
		m[named.X.(*syntax.Ident).Name] = v
	}
	return matching{match: m}
}

// pattern evaluates burst(…) and sequence(…), which are text.
func (x *exporter) pattern(call dsl.Call) starlark.Value {
	if call.Name == "burst" {
		values, ok := x.given(call, "count", "interval")
		interval, fine := seconds(values["interval"])
		if !ok || !fine {
			return unknown{}
		}
		return starlark.String(fmt.Sprintf("burst(%s, %s)", values["count"], units.FormatDuration(interval)))
	}
	values, ok := x.given(call, "statuses")
	items, fine := elements(values["statuses"])
	if !ok || !fine {
		return unknown{}
	}
	parts := make([]string, len(items))
	for i, item := range items {
		if parts[i] = item.String(); item == starlark.None {
			parts[i] = "pass"
		}
	}
	return starlark.String("sequence(" + strings.Join(parts, ", ") + ")")
}

// preset evaluates scenario(…) and profile(…).
func (x *exporter) preset(call dsl.Call) starlark.Value {
	values, ok := x.given(call, "name")
	name, fine := starlark.AsString(values["name"])
	if !ok || !fine {
		return unknown{}
	}
	find := chaos.Scenario
	if call.Name == "profile" {
		find = chaos.Profile
	}
	faults, err := find(name)
	if err != nil && call.Name == "scenario" && x.opt.Scenario != nil {
		if own, found := x.opt.Scenario(name); found {
			faults, err = own, nil
		}
	}
	if err != nil {
		return x.problem(call.Expr, "", "%v", err)
	}
	set := faultSet{}
	for _, f := range faults {
		set.faults = append(set.faults, exportedFault{fault: f, node: call.Expr})
	}
	if call.Name == "profile" {
		set.profile = name
	} else {
		set.preset = name
	}
	return set
}

// bindFaults evaluates .on(target, …).
func (x *exporter) bindFaults(e *syntax.CallExpr, set faultSet) starlark.Value {
	args, _, ok := x.arguments(e)
	if !ok {
		return unknown{}
	}
	on, ok := x.targetNames(e, starlark.Tuple(args))
	if !ok {
		return unknown{}
	}
	set.faults = slices.Clone(set.faults)
	for i := range set.faults {
		set.faults[i].on = on
	}
	return set
}

// targetNames reads a target or a list of them.
func (x *exporter) targetNames(n syntax.Node, v starlark.Value) (*targetRef, bool) {
	switch v := v.(type) {
	case unknown:
		return nil, false
	case targetRef:
		return &v, true
	}
	items, ok := elements(v)
	all := &targetRef{}
	for _, item := range items {
		one, fine := x.targetNames(n, item)
		if !fine {
			return nil, false
		}
		if len(one.names) == 0 { // every target, and others besides
			return one, true
		}
		all.names = append(all.names, one.names...)
	}
	if !ok || len(items) == 0 {
		x.problem(n, "name targets with proxy(…) or target(…)", "the targets are not constant")
		return nil, false
	}
	return all, true
}

// faults flattens what chaos = is given.
func (x *exporter) faults(n syntax.Node, v starlark.Value) (faultSet, bool) {
	switch v := v.(type) {
	case unknown:
		return faultSet{}, false
	case faultSet:
		return v, true
	case *starlark.Dict:
		return x.dictFaults(n, v)
	}
	items, ok := elements(v)
	if !ok {
		x.problem(n, "give faults, a scenario or a profile", "the chaos is not constant")
		return faultSet{}, false
	}
	if len(items) == 1 {
		return x.faults(n, items[0])
	}
	var all faultSet
	for _, item := range items {
		set, fine := x.faults(n, item)
		if !fine {
			return faultSet{}, false
		}
		all.faults = append(all.faults, set.faults...)
	}
	return all, true
}

// dictFaults reads a dict in the schema of a config.
func (x *exporter) dictFaults(n syntax.Node, d *starlark.Dict) (faultSet, bool) {
	plain, ok := plainGo(d)
	config, isDict := plain.(map[string]any)
	if !ok || !isDict {
		x.problem(n, "give constants", "the chaos is not constant")
		return faultSet{}, false
	}
	faults, _, err := chaos.FromConfig(config)
	if err != nil {
		x.problem(n, "", "%v", err)
		return faultSet{}, false
	}
	set := faultSet{}
	for _, f := range faults {
		set.faults = append(set.faults, exportedFault{fault: f, node: n})
	}
	return set, true
}
