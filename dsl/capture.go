package dsl

import (
	"fmt"
	"slices"

	"go.starlark.net/syntax"
)

// laterBuiltins keep the function they are given, and call it when the loop
// around them has gone on.
var laterBuiltins = []string{"start", "on_exit", "guard", "steady_state"}

// callsAtOnce tells whether a builtin has called the functions it is given by the
// time it returns.
func (c *checker) callsAtOnce(name string) bool {
	e := c.table.byName[name]
	if e == nil {
		return name != "" // sorted, max, min
	}
	return e.Phase == Acting && !slices.Contains(laterBuiltins, name)
}

// captures warns of a function made in a loop that uses the loop's variable but is
// called only after the loop has moved on: it then sees the last value.
func (c *checker) captures(f *facts, fn syntax.Node, parents []syntax.Node) {
	if c.budget < 0 {
		return
	}
	vars, loop := c.loopVariables(parents, fn)
	if len(vars) == 0 {
		return
	}
	body, _ := functionBody(fn)
	var used *syntax.Ident
	for _, part := range body {
		walk(part, func(n syntax.Node, _ []syntax.Node) bool {
			if id, ok := n.(*syntax.Ident); ok && used == nil && variable(id) != nil && vars[variable(id)] {
				used = id
			}
			return used == nil && c.spend()
		})
	}
	if used == nil || c.usedAtOnce(fn, parents, loop) {
		return
	}
	d := atNode(used, "late_binding", "%s is looked up when this function is called, and the loop will have moved on by then", used.Name).as(Warning)
	if def, ok := fn.(*syntax.DefStmt); ok {
		d.Help = fmt.Sprintf("write def %s(%s = %s): …, which keeps the value of this turn", def.Name.Name, used.Name, used.Name)
	} else {
		d.Help = fmt.Sprintf("write lambda %s = %s: …, which keeps the value of this turn", used.Name, used.Name)
	}
	c.report(d)
}

// loopVariables collects what the loops around fn assign anew each turn, up to the
// function that fn is written in, and returns the innermost of these loops.
func (c *checker) loopVariables(parents []syntax.Node, fn syntax.Node) (map[*syntax.Ident]bool, syntax.Node) {
	vars := map[*syntax.Ident]bool{}
	var loop syntax.Node
	add := func(e syntax.Expr) {
		for _, id := range targetNames(e) {
			if v := variable(id); v != nil {
				vars[v] = true
			}
		}
	}
	below := fn
	for _, p := range slices.Backward(parents) {
		if _, function := functionBody(p); function {
			break
		}
		switch p := p.(type) {
		case *syntax.ForStmt:
			if below == syntax.Node(p.X) {
				break
			}
			add(p.Vars)
			for _, s := range p.Body {
				if assign, ok := s.(*syntax.AssignStmt); c.spend() && ok && assign.Op == syntax.EQ {
					add(assign.LHS)
				}
			}
			if loop == nil {
				loop = p
			}
		case *syntax.Comprehension:
			for _, clause := range p.Clauses {
				if fc, ok := clause.(*syntax.ForClause); ok {
					add(fc.Vars)
				}
			}
			if loop == nil {
				loop = p
			}
		}
		below = p
	}
	return vars, loop
}

// usedAtOnce tells whether fn, written inside loop, is called within the same turn.
func (c *checker) usedAtOnce(fn syntax.Node, parents []syntax.Node, loop syntax.Node) bool {
	if def, ok := fn.(*syntax.DefStmt); ok {
		return c.nameUsedAtOnce(def.Name, loop)
	}
	switch p := parents[len(parents)-1].(type) {
	case *syntax.ReturnStmt:
		return true // the loop ends here
	case *syntax.AssignStmt:
		if id, ok := unparen(p.LHS).(*syntax.Ident); ok {
			return c.nameUsedAtOnce(id, loop)
		}
		return false
	}
	return c.argumentAtOnce(parents)
}

// argumentAtOnce tells whether what stands below parents is an argument of a call
// that is done with it when it returns. Lists in between do not matter.
func (c *checker) argumentAtOnce(parents []syntax.Node) bool {
	for _, p := range slices.Backward(parents) {
		switch p := p.(type) {
		case *syntax.ParenExpr, *syntax.ListExpr, *syntax.TupleExpr, *syntax.DictExpr, *syntax.DictEntry, *syntax.CondExpr:
			continue
		case *syntax.CallExpr:
			if name, _ := c.table.callee(p.Fn); name != "" {
				return c.callsAtOnce(name)
			}
			// What the script's own functions do with it is not known; a method such as append keeps it.
			dot, method := unparen(p.Fn).(*syntax.DotExpr)
			return !method || !slices.Contains(mutators, dot.Name.Name)
		}
		return false
	}
	return false
}

// nameUsedAtOnce tells whether every use of a function's name inside loop calls it,
// or hands it to something that does.
func (c *checker) nameUsedAtOnce(name *syntax.Ident, loop syntax.Node) bool {
	ok := true
	walk(loop, func(n syntax.Node, parents []syntax.Node) bool {
		if !c.spend() {
			return false
		}
		id, isName := n.(*syntax.Ident)
		if !isName || id == name || variable(id) != variable(name) || len(parents) == 0 {
			return true
		}
		if call, called := parents[len(parents)-1].(*syntax.CallExpr); called && call.Fn == syntax.Expr(id) {
			return true
		}
		ok = ok && c.argumentAtOnce(parents)
		return true
	})
	return ok
}
