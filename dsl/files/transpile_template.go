package files

import (
	"slices"
	"strings"
)

// A ref is what a template asks for: {{variables.NAME}} and its like.
type ref struct{ space, name string }

// A segment is a part of a string with templates: text, or what is filled in.
type segment struct {
	text string
	ref  *ref
}

// segments splits a string at its templates, of which Read has seen that they name
// something.
func segments(s string) []segment {
	var out []segment
	for {
		before, rest, ok := strings.Cut(s, "{{")
		inside, after, closed := strings.Cut(rest, "}}")
		r := parseRef(strings.TrimSpace(inside))
		if !ok || !closed || r == nil {
			break
		}
		if before != "" {
			out = append(out, segment{text: before})
		}
		out = append(out, segment{ref: r})
		s = after
	}
	if s != "" || len(out) == 0 {
		out = append(out, segment{text: s})
	}
	return out
}

// parseRef reads what stands between the braces; nil if it is nothing of ours.
func parseRef(s string) *ref {
	if s == "iteration" {
		return &ref{space: s}
	}
	space, name, _ := strings.Cut(s, ".")
	switch space {
	case "variables", "metrics":
	case "steps":
		var ok bool
		if name, ok = strings.CutSuffix(name, ".status"); !ok {
			return nil
		}
	default:
		return nil
	}
	if name == "" {
		return nil
	}
	return &ref{space, name}
}

// refExpr is what a template asks for, and which kinds of value it can be.
func (t *transpiler) refExpr(r *ref, pos Pos) (expr, kinds) {
	switch r.space {
	case "variables":
		return t.variable(Str{pos, r.name})
	case "metrics":
		return metric(pos, atom(Pos{}, quote(r.name))), isNumber
	case "steps":
		t.asksStatus(r.name)
		return call(pos, "status.get", atom(Pos{}, quote(r.name)), atom(Pos{}, `"not run"`)), isString
	}
	return t.iteration(pos), isNumber
}

// metric is the last value of a metric. That there is none yet is an error where it is
// computed with, rather than one of the interpreter about None.
func metric(pos Pos, name expr) expr {
	e := call(pos, "recorded", name)
	e.named("must", atom(Pos{}, "True"))
	return e
}

// text gives a string of the file with its templates filled in: always a string.
func (t *transpiler) text(s Str) expr {
	parts := segments(s.Value)
	if len(parts) == 1 && parts[0].ref == nil {
		return str(s)
	}
	var format strings.Builder
	var args []expr
	var what kinds
	for _, p := range parts {
		if p.ref == nil {
			format.WriteString(strings.NewReplacer("{", "{{", "}", "}}").Replace(p.text))
			continue
		}
		e, k := t.refExpr(p.ref, s.Pos)
		if p.ref.space == "metrics" { // a text can say that there is none
			e = call(s.Pos, "recorded", atom(Pos{}, quote(p.ref.name)))
			e.named("default", atom(Pos{}, `"not recorded"`))
		}
		if k&^(isString|isNumber) != 0 {
			t.uses.text = true
			e = call(s.Pos, "text", e)
			k = isString
		}
		format.WriteString("{}")
		args, what = append(args, e), k
	}
	if len(parts) == 1 { // nothing but a template
		if what == isString {
			return args[0]
		}
		return call(s.Pos, "str", args[0])
	}
	return spread(call(s.Pos, quote(format.String())+".format", args...))
}

// value gives a value of the file with the templates in its strings filled in. A string
// that is nothing but a template becomes what the template names, and keeps its type.
func (t *transpiler) value(v Any) (expr, kinds) {
	switch x := v.Value.(type) {
	case string:
		parts := segments(x)
		if len(parts) == 1 && parts[0].ref != nil {
			return t.refExpr(parts[0].ref, v.Pos)
		}
		return t.text(Str{v.Pos, x}), isString
	case []Any:
		e := list(v.Pos)
		for _, one := range x {
			value, _ := t.value(one)
			e.arg(value)
		}
		return e, isOther
	case []Entry:
		e := dict(v.Pos)
		for _, one := range x {
			value, _ := t.value(one.Value)
			e.entry(one.Key.Value, value)
		}
		return e, isOther
	}
	return literal(v), kindOf(v)
}

// kinds are the kinds of value that an expression may have.
type kinds uint8

const (
	isString kinds = 1 << iota
	isNumber
	isOther
)

// kindOf is the kind of a value that is written out. A string with a template may
// become anything.
func kindOf(v Any) kinds {
	switch x := v.Value.(type) {
	case string:
		if parts := segments(x); len(parts) == 1 && parts[0].ref != nil {
			return isString | isNumber | isOther
		}
		return isString
	case bool, nil, []Any, []Entry:
		return isOther
	}
	return isNumber
}

// hasTemplate tells whether something in a value is filled in.
func hasTemplate(v Any) bool {
	switch x := v.Value.(type) {
	case string:
		parts := segments(x)
		return len(parts) > 1 || parts[0].ref != nil
	case []Any:
		return slices.ContainsFunc(x, hasTemplate)
	case []Entry:
		return slices.ContainsFunc(x, func(e Entry) bool { return hasTemplate(e.Value) })
	}
	return false
}

// clip cuts a text of the file to what a message can show.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}

// variable gives a variable's value, and of which kinds it can be.
func (t *transpiler) variable(name Str) (expr, kinds) {
	v := t.variables[name.Value]
	switch {
	case v == nil: // which only exists asks for
		return atom(name.Pos, "None"), isOther
	case v.constant != "":
		return atom(name.Pos, v.constant), v.kinds
	}
	return atom(name.Pos, "vars["+quote(name.Value)+"]"), v.kinds
}

// asksStatus notes that the status of a step is asked for.
func (t *transpiler) asksStatus(step string) {
	t.uses.status[step] = true
	switch t.asking {
	case atGoodEnd:
		return
	case afterStep:
		t.uses.statusAfter[step] = true
	case atEnd:
		t.uses.statusAtEnd[step] = true
	}
	t.uses.running[step] = true
}

// iteration is the number of the turn, from 1.
func (t *transpiler) iteration(pos Pos) expr {
	if !t.loops() {
		return atom(pos, "1")
	}
	t.uses.iteration = true
	return atom(pos, `state["iteration"]`)
}
