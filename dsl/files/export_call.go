package files

import (
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/dsl"
)

// call evaluates a call: of the language, of the script's own functions, or of a method.
func (x *exporter) call(e *syntax.CallExpr) starlark.Value {
	if call, ok := x.calls[e]; ok {
		return x.language(call)
	}
	if dot, ok := unparen(e.Fn).(*syntax.DotExpr); ok {
		return x.method(e, dot)
	}
	switch fn := x.eval(e.Fn).(type) {
	case unknown:
		return fn
	case *function:
		args, named, ok := x.arguments(e)
		if !ok {
			return unknown{}
		}
		return x.invoke(fn, e, args, named)
	case builtin:
		return x.universal(e, fn.name)
	}
	return x.problem(e, "", "what is called is not constant")
}

// arg is the expression that a call of the language gives for a parameter, nil if none.
// What a call gives never changes, and in a loop it is asked for over and over.
func (x *exporter) arg(call dsl.Call, param string) syntax.Expr {
	args := x.args[call.Expr]
	if args == nil {
		args = map[string]syntax.Expr{}
		x.args[call.Expr] = args
	}
	e, known := args[param]
	if !known {
		e = call.Arg(param)
		args[param] = e
	}
	return e
}

// arguments evaluates the arguments of a call that is none of the language.
func (x *exporter) arguments(e *syntax.CallExpr) (args []starlark.Value, named map[string]starlark.Value, ok bool) {
	for _, arg := range e.Args {
		switch a := arg.(type) {
		case *syntax.BinaryExpr:
			if a.Op == syntax.EQ {
				if named == nil {
					named = map[string]starlark.Value{}
				}
				named[a.X.(*syntax.Ident).Name] = x.eval(a.Y)
				continue
			}
		case *syntax.UnaryExpr:
			if a.Op == syntax.STARSTAR {
				x.problem(a, "write the arguments out", "arguments behind ** cannot be exported")
				return nil, nil, false
			}
			if a.Op == syntax.STAR {
				items, fine := x.items(a.X)
				if !fine {
					return nil, nil, false
				}
				args = append(args, items...)
				continue
			}
		}
		args = append(args, x.eval(arg))
	}
	return args, named, true
}

// pure are the functions of Starlark itself whose results are constant if their
// arguments are, and small.
func pure() []string {
	return []string{"len", "str", "int", "float", "bool", "range", "enumerate", "zip", "list", "tuple", "min", "max", "reversed"}
}

func (x *exporter) universal(e *syntax.CallExpr, name string) starlark.Value {
	if !slices.Contains(pure(), name) {
		return x.problem(e, "write the value itself", "what %s(…) gives is not constant for an export", name)
	}
	return x.compute(e, starlark.Universe[name], name == "str")
}

// compute calls a function of Starlark with constants. asText says that it makes a text of
// them; others may put what is known only later into a list.
func (x *exporter) compute(e *syntax.CallExpr, fn starlark.Value, asText bool) starlark.Value {
	args, named, ok := x.arguments(e)
	if !ok {
		return unknown{}
	}
	var kwargs []starlark.Tuple
	for name, v := range named {
		kwargs = append(kwargs, starlark.Tuple{starlark.String(name), v})
	}
	if len(kwargs) > 1 {
		return x.problem(e, "write the value itself", "this is not constant")
	}
	for _, v := range slices.AppendSeq(slices.Clone(args), maps.Values(named)) {
		if _, said := v.(unknown); said {
			return v
		}
		if l, is := lateIn(v); is && asText {
			return x.problem(e, "a file does the same steps in every run", "%s is known only when the script runs", l.what)
		}
	}
	v, err := starlark.Call(&starlark.Thread{}, fn, args, kwargs)
	if err != nil {
		return x.problem(e, "", "%v", err)
	}
	if x.bounded(e, v) == (unknown{}) {
		return unknown{}
	}
	if seq, ok := v.(starlark.Sequence); ok && !constant(v) { // a range
		v = starlark.Tuple(slices.Collect(starlark.Elements(seq)))
	}
	return v
}

// methods are those of strings, lists and dicts that an export computes.
func methods() []string {
	return []string{"format", "join", "upper", "lower", "title", "strip", "append", "extend", "items", "keys", "values", "get"}
}

func (x *exporter) method(e *syntax.CallExpr, dot *syntax.DotExpr) starlark.Value {
	receiver := x.eval(dot.X)
	switch r := receiver.(type) {
	case unknown:
		return r
	case late:
		return x.problem(e, "a file does the same steps in every run", "%s is known only when the script runs", r.what)
	case faultSet:
		if dot.Name.Name == "on" {
			return x.bindFaults(e, r)
		}
	case starlark.HasAttrs:
		if slices.Contains(methods(), dot.Name.Name) && constant(receiver) {
			if fn, err := r.Attr(dot.Name.Name); err == nil && fn != nil {
				if x.bounded(e, receiver) == (unknown{}) { // it has grown enough
					return unknown{}
				}
				return x.compute(e, fn, dot.Name.Name == "format")
			}
		}
	}
	return x.problem(e, "write the value itself", "what .%s(…) gives is not constant for an export", dot.Name.Name)
}

// language evaluates a call of a builtin.
func (x *exporter) language(call dsl.Call) starlark.Value {
	switch {
	case call.Name == "fault.match":
		return x.match(call)
	case strings.HasPrefix(call.Name, "fault."):
		return x.fault(call)
	}
	switch call.Name {
	case "orchestration":
		return x.meta(call)
	case "proxy":
		return x.proxy(call)
	case "target":
		return x.target(call)
	case "targets":
		if len(call.Expr.Args) > 0 {
			return x.problem(call.Expr, "name the targets: on = [one, other]", "targets(…) by labels cannot be written: a file's targets have none")
		}
		return targetRef{}
	case "scenario", "profile":
		return x.preset(call)
	case "burst", "sequence":
		return x.pattern(call)
	case "duration":
		return x.eval(x.arg(call, "x"))
	case "step":
		return x.step(call)
	case "parallel":
		return x.parallel(call)
	case "loop":
		return x.loop(call)
	}
	return x.refused(call)
}

// refused says why the schema has nothing for a builtin.
func (x *exporter) refused(call dsl.Call) starlark.Value {
	help := ""
	reason := "the schema has steps with chaos, and nothing else"
	space, _, _ := strings.Cut(call.Name, ".")
	switch space {
	case "param":
		reason, help = "a file has no parameters", "write the value itself"
	case "secret":
		reason = "a file names no secrets"
	case "ramp", "pulse":
		reason, help = "chaos that changes with time cannot be said in a file", "give a constant"
	case "guard", "steady_state", "wait_until", "observe", "probe", "check", "record", "recorded":
		reason = "the schema neither looks nor judges"
	case "http", "tcp", "dns", "grpc", "prometheus", "exec", "traffic", "notify":
		reason = "the schema's steps do chaos and send nothing"
	case "sleep":
		reason, help = "the schema waits only before a step and in one", `write delay_before = … on the next step, or step("wait", duration = …)`
	case "apply_chaos":
		reason, help = "chaos belongs to a step there", "write step(name, chaos = …, duration = …)"
	case "attempt", "start", "on_exit", "skip", "fail", "inconclusive", "approve":
		reason = "what happens when a step fails, or beside the steps, cannot be said in a file"
	case "now", "elapsed", "random", "time":
		reason, help = "it is known only when the script runs", "write the value itself"
	case "toxiproxy", "mockforge", "starquake", "service":
		reason = "a file's targets are embedded proxies, or names that the environment defines"
	}
	return x.problem(call.Expr, help, "%s(…) cannot be exported: %s", call.Name, reason)
}
