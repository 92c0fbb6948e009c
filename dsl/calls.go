package dsl

import (
	"iter"

	"go.starlark.net/syntax"
)

// A Call is a place of a script that calls a builtin.
type Call struct {
	// Name is the builtin's full name: "step", "fault.latency".
	Name string
	// Module is the canonical name of the module.
	Module string
	// Line and Col are where the call begins, EndLine and EndCol just behind it.
	Line, Col, EndLine, EndCol int
	// At is the place that Starlark gives in the frame of the caller: the call's
	// opening parenthesis.
	At syntax.Position
	// Func is the def around the call, "" at the top level.
	Func string
	// Expr is the call itself. It must not be changed.
	Expr *syntax.CallExpr

	checker *checker
	entry   *entry
}

// Calls walks over the calls of builtins in a unit, module after module in the
// order of execution and in the order of the text.
func Calls(u *Unit, opt Options) iter.Seq[Call] {
	return func(yield func(Call) bool) {
		t, err := newTable(opt.Builtins)
		if err != nil {
			return // Load has said so
		}
		c := newChecker(u, t)
		for _, m := range u.Order {
			if c.facts[m.Name] != nil && !c.calls(m, yield) {
				return
			}
		}
	}
}

// calls walks over one module and returns false when yield wants no more.
func (c *checker) calls(m *Module, yield func(Call) bool) bool {
	more := true
	walk(m.File, func(n syntax.Node, parents []syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || !more {
			return more
		}
		e := c.table.called(call)
		if e == nil {
			return true
		}
		d := c.unit.locate(atNode(call, "", "")) // for its place
		more = yield(Call{
			Name: e.sig.Name, Module: m.Name,
			Line: d.Line, Col: d.Col, EndLine: d.EndLine, EndCol: d.EndCol,
			At: m.locate(call.Lparen), Func: enclosing(parents), Expr: call, checker: c, entry: e,
		})
		return more
	})
	return more
}

// enclosing names the innermost def of parents.
func enclosing(parents []syntax.Node) string {
	for i := len(parents) - 1; i >= 0; i-- {
		if def, ok := parents[i].(*syntax.DefStmt); ok {
			return def.Name.Name
		}
	}
	return ""
}

// Arg returns the expression that the call gives for a parameter, nil if none.
func (c Call) Arg(param string) syntax.Expr {
	args := bindArguments(c.entry.sig, c.Expr)
	return args.get(param)
}

// Text returns the string that the call gives for a parameter, if it is written
// there or is a name bound once to a string.
func (c Call) Text(param string) (string, bool) {
	arg := c.Arg(param)
	if arg == nil {
		return "", false
	}
	v := c.checker.valueOf(c.checker.facts[c.Module], arg)
	return v.text, v.kind == "string"
}
