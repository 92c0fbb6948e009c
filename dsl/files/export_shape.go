package files

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/chaos"
	"starquake/dsl"
)

// meta reads orchestration(…).
func (x *exporter) meta(call dsl.Call) starlark.Value {
	values, ok := x.given(call, "name", "description", "tags", "owner", "runbook", "max_duration", "environments")
	if !ok {
		return starlark.None
	}
	if name, fine := starlark.AsString(values["name"]); fine {
		x.doc.Name = &Str{Pos: x.placeOf(call.Expr), Value: name}
	}
	if text, fine := starlark.AsString(values["description"]); fine && text != "" {
		x.doc.Description = &Str{Value: text}
	}
	tags, _ := elements(orNone(values["tags"]))
	for _, tag := range tags {
		if text, fine := starlark.AsString(tag); fine {
			x.doc.Tags = append(x.doc.Tags, Str{Value: text})
		}
	}
	for _, name := range []string{"owner", "runbook"} {
		if v := values[name]; v != nil && !empty(v) {
			x.warn(x.arg(call, name), "%s is not exported: the schema has no key for it", name)
		}
	}
	for _, name := range []string{"max_duration", "environments"} {
		if v := values[name]; v != nil && !empty(v) {
			x.problem(x.arg(call, name), "leave it out, or keep the script", "%s cannot be exported: the schema has no key for it, and without it the run is another", name)
		}
	}
	return starlark.None
}

func orNone(v starlark.Value) starlark.Value {
	if v == nil {
		return starlark.None
	}
	return v
}

// proxy reads proxy(…).
func (x *exporter) proxy(call dsl.Call) starlark.Value {
	values, ok := x.given(call, "name", "listen", "upstream", "protocol", "labels", "tls")
	if !ok {
		return unknown{}
	}
	if v := values["labels"]; v != nil && !empty(v) {
		x.problem(x.arg(call, "labels"), "leave them out, or keep the script", "labels of a target cannot be exported: a file's targets have none")
	}
	t := Target{Name: Str{Pos: x.placeOf(call.Expr)}}
	for name, to := range map[string]**Str{"listen": &t.Listen, "upstream": &t.Upstream, "protocol": &t.Protocol} {
		if text, fine := starlark.AsString(orNone(values[name])); fine {
			*to = &Str{Value: text}
		}
	}
	t.Name.Value, _ = starlark.AsString(orNone(values["name"]))
	if t.Protocol != nil && t.Protocol.Value == "auto" {
		t.Protocol = nil
	}
	t.TLS = x.tls(call, values["tls"])
	x.doc.Targets = append(x.doc.Targets, t)
	return targetRef{names: []string{t.Name.Value}}
}

// tls reads what proxy(…) says of TLS: a mapping, or nil if it passes through.
func (x *exporter) tls(call dsl.Call, v starlark.Value) *Any {
	entries := []Entry{}
	switch v := orNone(v).(type) {
	case starlark.NoneType:
		return nil
	case starlark.String:
		switch v {
		case chaos.TLSPass:
			return nil
		case chaos.TLSTerminate:
			return &Any{Value: entries}
		}
	case *starlark.Dict:
		for _, item := range v.Items() {
			key, named := starlark.AsString(item[0])
			var value any
			switch one := item[1].(type) {
			case starlark.String:
				value = string(one)
			case starlark.Bool:
				value = bool(one)
			}
			if !named || value == nil {
				x.problem(x.arg(call, "tls"), "write it with constants", "what a target says of TLS is not constant")
				return nil
			}
			entries = append(entries, Entry{Key: Str{Value: key}, Value: Any{Value: value}})
		}
		return &Any{Value: entries}
	}
	x.problem(x.arg(call, "tls"), "write it with constants", "what a target says of TLS is not constant")
	return nil
}

// target reads target(name).
func (x *exporter) target(call dsl.Call) starlark.Value {
	values, ok := x.given(call, "name")
	name, fine := starlark.AsString(orNone(values["name"]))
	if !ok || !fine {
		return unknown{}
	}
	return targetRef{names: []string{name}}
}

// act notes an action. A parallel or a loop has to be the only one of its body.
func (x *exporter) act(n syntax.Node, add func(*actions)) {
	to := x.into
	if to.whole != nil && to.extra == nil {
		to.extra = n
	}
	add(to)
}

// gather executes a function and gives what it does.
func (x *exporter) gather(n syntax.Node, fn starlark.Value, args ...starlark.Value) *actions {
	outer := x.into
	x.into = &actions{}
	defer func() { x.into = outer }()
	switch fn := fn.(type) {
	case *function:
		x.invoke(fn, n, args, nil)
	case unknown:
	default:
		x.problem(n, "give a function of the script, or a lambda", "the function is not one of the script's own")
	}
	return x.into
}

// parallel notes a parallel, which is the whole of an orchestration or of its loop.
func (x *exporter) parallel(call dsl.Call) starlark.Value {
	values, ok := x.loosely(call, "over", "limit", "fail_fast")
	if !ok {
		return late{what: "the result of a branch"}
	}
	for _, name := range []string{"limit", "fail_fast"} {
		if v := values[name]; v != nil && v != starlark.None && v != starlark.True {
			x.problem(x.arg(call, name), "leave it out, or keep the script", "%s = … of parallel cannot be exported: there all steps begin at once, and a failure stops the others", name)
		}
	}
	args, named, ok := x.branches(call)
	if !ok {
		return late{what: "the result of a branch"}
	}
	whole := &wholeAction{node: call.Expr, name: "parallel"}
	if over, given := values["over"]; given && over != starlark.None {
		items, fine := elements(over)
		if !fine || len(args) != 1 {
			return x.problem(x.arg(call, "over"), "", "what parallel goes over is not constant")
		}
		for _, item := range items {
			whole.branches = append(whole.branches, x.gather(call.Expr, args[0], item))
		}
	} else {
		for _, fn := range append(args, named...) {
			whole.branches = append(whole.branches, x.gather(call.Expr, fn))
		}
	}
	x.acts(call.Expr, whole)
	return late{what: "the result of a branch"}
}

// loosely is given for a call whose other arguments may stand behind *.
func (x *exporter) loosely(call dsl.Call, params ...string) (map[string]starlark.Value, bool) {
	values, ok := map[string]starlark.Value{}, true
	for _, p := range params {
		if arg := x.arg(call, p); arg != nil {
			v := x.eval(arg)
			if _, said := v.(unknown); said {
				ok = false
			}
			values[p] = v
		}
	}
	return values, ok
}

// branches are the functions that parallel is given, in order.
func (x *exporter) branches(call dsl.Call) (args, named []starlark.Value, ok bool) {
	for _, arg := range call.Expr.Args {
		switch a := arg.(type) {
		case *syntax.BinaryExpr:
			if a.Op != syntax.EQ {
				break
			}
			switch a.X.(*syntax.Ident).Name {
			case "over", "limit", "fail_fast":
			default:
				named = append(named, x.eval(a.Y))
			}
			continue
		case *syntax.UnaryExpr:
			if a.Op == syntax.STAR || a.Op == syntax.STARSTAR {
				v := x.eval(a.X)
				if d, isDict := v.(*starlark.Dict); isDict && a.Op == syntax.STARSTAR {
					for _, item := range d.Items() {
						named = append(named, item[1])
					}
					continue
				}
				items, fine := elements(v)
				if !fine {
					x.problem(a, "write the branches out", "the branches are not constant")
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

func (x *exporter) acts(n syntax.Node, whole *wholeAction) {
	to := x.into
	if to.extra == nil && (to.whole != nil || len(to.steps) > 0) {
		to.extra = n
	}
	if to.whole == nil {
		to.whole = whole
	}
}

// loop notes a loop, which is the whole of an orchestration.
func (x *exporter) loop(call dsl.Call) starlark.Value {
	values, ok := x.given(call, "times", "duration", "until", "every", "forever")
	for _, name := range []string{"duration", "until", "every"} {
		if v := values[name]; v != nil && v != starlark.None {
			x.problem(x.arg(call, name), "say times = …, or keep the script", "%s = … of loop cannot be exported: a file repeats a number of times, or for ever", name)
		}
	}
	whole := &wholeAction{node: call.Expr, name: "loop", times: "0"}
	if n, isInt := values["times"].(starlark.Int); isInt {
		switch whole.times = n.String(); {
		case n.Sign() <= 0:
			x.problem(x.arg(call, "times"), "", "a loop of no turn cannot be exported: max_iterations = 0 is for ever")
		case whole.times == "1":
			x.problem(x.arg(call, "times"), "leave the loop out", "a loop of one turn cannot be exported: a file with max_iterations = 1 does not loop")
		}
	}
	body := x.arg(call, "body")
	if !ok || body == nil {
		return unknown{}
	}
	fn := x.eval(body)
	var args []starlark.Value
	if f, is := fn.(*function); is && len(f.params) > 0 {
		args = append(args, late{what: "the number of a turn"})
	}
	whole.body = x.gather(call.Expr, fn, args...)
	x.acts(call.Expr, whole)
	return late{what: "the number of turns"}
}

// finish makes the document's shape of what the script does.
func (x *exporter) finish() {
	body := x.into
	if w := body.whole; w != nil && w.name == "loop" {
		x.alone(body, "a loop", "repeats")
		x.doc.LoopOrchestration = &Bool{Value: true}
		x.doc.MaxIterations = &Num{Text: w.times}
		fmt.Sscan(w.times, &x.doc.MaxIterations.Value)
		if body = w.body; body.whole != nil && body.whole.name == "loop" {
			x.problem(body.whole.node, "multiply the turns, or keep the script", "a loop in a loop cannot be exported: a file repeats as a whole, once")
			return
		}
	}
	if w := body.whole; w != nil {
		x.alone(body, "parallel", "does in parallel")
		x.doc.Parallel = &Bool{Value: true}
		for _, branch := range w.branches {
			switch {
			case branch.whole != nil:
				x.problem(branch.whole.node, "keep the script", "%s within parallel cannot be exported: a parallel orchestration has one step a branch", branch.whole.name)
			case len(branch.steps) != 1:
				x.problem(w.node, "give each branch one step, or keep the script", "a branch of this parallel has %d steps, and cannot be exported: a parallel orchestration has one step a branch", len(branch.steps))
			default:
				x.doc.Steps = append(x.doc.Steps, branch.steps[0])
			}
		}
		return
	}
	x.doc.Steps = body.steps
	if len(x.doc.Steps) == 0 && len(x.diags) == 0 {
		x.say(dsl.Diagnostic{Severity: dsl.Error, Code: "not_exportable", File: x.unit.Main.Name, Message: "the script has no step, and a file has at least one"})
	}
}

// alone refuses what stands beside a parallel or a loop.
func (x *exporter) alone(a *actions, what, does string) {
	if a.extra != nil {
		x.problem(a.extra, "keep the script, or make two files of it", "%s beside other steps cannot be exported: a file %s all its steps or none", what, does)
	}
}
