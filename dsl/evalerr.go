package dsl

import (
	"errors"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// topLevelFrame is the name that Starlark gives the frame of a module's top level.
const topLevelFrame = "<toplevel>"

// builtinFile is what Starlark gives as the file of a builtin's frame.
const builtinFile = "<builtin>"

// FromEvalError turns what ended a script into a diagnostic with its backtrace.
// The place is that of the innermost frame of the script: a failed builtin is shown
// where it was called.
//
// spawned holds the call stacks of the branches around, the nearest first, each as
// it was when it spawned the branch before; a builtin such as parallel is their
// innermost frame. Without any, they are taken from EvalErrors that err wraps.
func FromEvalError(err error, spawned ...starlark.CallStack) Diagnostic {
	d := Diagnostic{Severity: Error, Code: "script_error", Message: err.Error()}
	var stacks []starlark.CallStack // outermost first
	for e := err; e != nil; e = errors.Unwrap(e) {
		eval, ok := e.(*starlark.EvalError)
		if !ok {
			continue
		}
		// A builtin that calls a function on its own thread wraps the longer stack of the same branch.
		if n := len(stacks); n > 0 && extends(eval.CallStack, stacks[n-1]) {
			stacks[n-1] = eval.CallStack
		} else {
			stacks = append(stacks, eval.CallStack)
		}
	}
	if len(stacks) == 0 {
		return staticError(err, d)
	}
	if len(spawned) > 0 {
		stacks = stacks[len(stacks)-1:]
		for _, s := range spawned {
			stacks = append([]starlark.CallStack{s}, stacks...)
		}
	}
	for i, s := range stacks {
		d.Stack = append(d.Stack, frames(s, i < len(stacks)-1)...)
	}
	if n := len(d.Stack); n > 0 {
		last := d.Stack[n-1]
		d.File, d.Line, d.Col = last.File, last.Line, last.Col
	}
	d.Help = RuntimeHelp(d.Message)
	return d
}

// frames gives the frames of the script in a call stack, the innermost last: builtins
// have no place of their own and are left out, but the one that spawned a branch from
// this stack is named.
func frames(stack starlark.CallStack, spawns bool) []Frame {
	var out []Frame
	builtin := ""
	for _, f := range stack {
		if f.Pos.Filename() == builtinFile || !f.Pos.IsValid() {
			builtin = f.Name
			continue
		}
		builtin = ""
		if f.Pos.Line == 0 { // of a module with an Origin, and nothing that a person wrote
			continue
		}
		out = append(out, Frame{File: f.Pos.Filename(), Line: int(f.Pos.Line), Col: int(f.Pos.Col), Func: f.Name})
	}
	if spawns && len(out) > 0 {
		if builtin == "" {
			builtin = "a builtin"
		}
		out[len(out)-1].Spawned = builtin
	}
	return out
}

// extends tells whether stack begins with all frames of the shorter stack outer.
func extends(stack, outer starlark.CallStack) bool {
	if len(stack) < len(outer) {
		return false
	}
	for i := range outer {
		if stack[i] != outer[i] {
			return false
		}
	}
	return true
}

// staticError gives a place to the errors of the parser and the resolver.
func staticError(err error, d Diagnostic) Diagnostic {
	var (
		s    syntax.Error
		r    resolve.Error
		list resolve.ErrorList
		many Diagnostics
	)
	switch {
	case errors.As(err, &many) && len(many) > 0:
		return many[0]
	case errors.As(err, &s):
		return at(s.Pos, s.Pos, "syntax_error", "%s", s.Msg)
	case errors.As(err, &list):
		return at(list[0].Pos, list[0].Pos, "syntax_error", "%s", list[0].Msg)
	case errors.As(err, &r):
		return at(r.Pos, r.Pos, "syntax_error", "%s", r.Msg)
	}
	return d
}

// runtimeHelps say what to write, by a part of Starlark's message.
var runtimeHelps = []struct{ part, help string }{
	{"called recursively", "recursion is off: write loop(body, until = …) or for … in …"},
	{"during iteration", "walk over a copy: for … in list(xs)"},
	{"frozen", "what another module made cannot be changed: make a copy with list(xs) or dict(d)"},
	{"unknown binary op: string + int", "write str(n), or \"… {}\".format(n)"},
	{"unknown binary op: int + string", "write str(n), or int(s)"},
	{"not in dict", "write d.get(key, default), or ask: if key in d"},
	{"nothing has set it so far", "set it under variables:, or ask first with a condition of type exists"},
	{"local variable", "what a function assigns is its own: to change a value outside of it keep that in a dict, state = {\"n\": 0}, and write state[\"n\"] += 1, or return the new one; if it is the function's own, give it a value on every path before it is used"},
	{"referenced before assignment", "give it a value on every path before it is used"},
	{"unhashable", "keys of a dict are strings, numbers or tuples: write tuple(xs)"},
	{"format: tuple index out of range", "give format() a value for each {}"},
	{"arguments for format string", "each %s in the text takes one value: write \"%s of %s\" % (n, all)"},
	{"out of range", "ask len(xs) first"},
	{"int value is not iterable", "write for i in range(n)"},
	{"dict has no .", `write d["key"], or d.get("key", default)`},
	{"target has no .", "chaos goes on a target with step(name, chaos = fault.KIND(…), on = target, …) or apply_chaos(fault.KIND(…), on = target); a target has .name .listen .upstream .protocol .labels .window() .supports() .disconnect()"},
	{"builtin_function_or_method", `it is a method: call it, such as r.json()["key"]`},
	{"NoneType", "there is no value here (None): ask if x != None first, or give a default, as in recorded(name, default = 0) and d.get(key, 0)"},
	{"list has no .", "these are several: ask each, xs[0] or [x.ok for x in xs]; parallel gives a list of results, and a dict where its branches have names"},
	{"step_result", "what the function of a step returned is in its .value; a branch that returns a step has the step in its own"},
	{"division by zero", "ask for zero first"},
	{"too many steps", "the script computes without end: write sleep(d) into the loop, or do less"},
}

// RuntimeHelp says what to write where Starlark's own message does not; "" for others.
func RuntimeHelp(msg string) string {
	switch {
	case strings.Contains(msg, "duration") && strings.Contains(msg, "not implemented"), strings.Contains(msg, "duration") && strings.Contains(msg, "unknown binary op"):
		return `durations compare and add with durations: write duration("1s")`
	}
	for _, h := range runtimeHelps {
		if strings.Contains(msg, h.part) {
			return h.help
		}
	}
	return ""
}
