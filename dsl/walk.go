package dsl

import "go.starlark.net/syntax"

// children returns the nodes directly below n, in the order of the text. Names
// that are no variables (the x of a.x and of f(x = 1)) are not among them.
func children(n syntax.Node) []syntax.Node { return appendChildren(nil, n) }

// appendChildren appends the children of n to out.
func appendChildren(out []syntax.Node, n syntax.Node) []syntax.Node {
	expr := func(es ...syntax.Expr) {
		for _, e := range es {
			if e != nil {
				out = append(out, e)
			}
		}
	}
	stmts := func(ss []syntax.Stmt) {
		for _, s := range ss {
			out = append(out, s)
		}
	}
	switch n := n.(type) {
	case *syntax.File:
		stmts(n.Stmts)
	case *syntax.ExprStmt:
		expr(n.X)
	case *syntax.AssignStmt:
		expr(n.LHS, n.RHS)
	case *syntax.DefStmt:
		expr(params(n.Params)...)
		stmts(n.Body)
	case *syntax.IfStmt:
		expr(n.Cond)
		stmts(n.True)
		stmts(n.False)
	case *syntax.ForStmt:
		expr(n.Vars, n.X)
		stmts(n.Body)
	case *syntax.WhileStmt:
		expr(n.Cond)
		stmts(n.Body)
	case *syntax.ReturnStmt:
		expr(n.Result)
	case *syntax.ParenExpr:
		expr(n.X)
	case *syntax.CallExpr:
		expr(n.Fn)
		for _, arg := range n.Args {
			expr(argValue(arg))
		}
	case *syntax.DotExpr:
		expr(n.X)
	case *syntax.Comprehension:
		// The clauses bind what the body uses.
		out = append(out, n.Clauses...)
		expr(n.Body)
	case *syntax.ForClause:
		expr(n.Vars, n.X)
	case *syntax.IfClause:
		expr(n.Cond)
	case *syntax.DictExpr:
		expr(n.List...)
	case *syntax.DictEntry:
		expr(n.Key, n.Value)
	case *syntax.LambdaExpr:
		expr(params(n.Params)...)
		expr(n.Body)
	case *syntax.ListExpr:
		expr(n.List...)
	case *syntax.TupleExpr:
		expr(n.List...)
	case *syntax.CondExpr:
		expr(n.True, n.Cond, n.False)
	case *syntax.UnaryExpr:
		expr(n.X)
	case *syntax.BinaryExpr:
		expr(n.X, n.Y)
	case *syntax.SliceExpr:
		expr(n.X, n.Lo, n.Hi, n.Step)
	case *syntax.IndexExpr:
		expr(n.X, n.Y)
	}
	return out
}

// params returns the names and default values of a parameter list.
func params(list []syntax.Expr) []syntax.Expr {
	var out []syntax.Expr
	for _, p := range list {
		switch p := p.(type) {
		case *syntax.BinaryExpr:
			out = append(out, p.X, p.Y)
		case *syntax.UnaryExpr:
			if p.X != nil {
				out = append(out, p.X)
			}
		default:
			out = append(out, p)
		}
	}
	return out
}

// argValue returns the value of an argument: v of v, k = v, *v and **v.
func argValue(arg syntax.Expr) syntax.Expr {
	switch a := arg.(type) {
	case *syntax.BinaryExpr:
		if a.Op == syntax.EQ {
			return a.Y
		}
	case *syntax.UnaryExpr:
		if a.Op == syntax.STAR || a.Op == syntax.STARSTAR {
			return a.X
		}
	}
	return arg
}

// walk calls visit for n and everything below it; where visit returns false it
// goes no deeper. parents holds the nodes above, outermost first, and is only valid
// during the call.
func walk(n syntax.Node, visit func(n syntax.Node, parents []syntax.Node) bool) {
	var stack, below []syntax.Node // below holds the nodes still to come; one slice for all levels
	var step func(syntax.Node)
	step = func(n syntax.Node) {
		if !visit(n, stack) {
			return
		}
		stack = append(stack, n)
		first := len(below)
		below = appendChildren(below, n)
		for i, last := first, len(below); i < last; i++ {
			step(below[i])
		}
		below = below[:first]
		stack = stack[:len(stack)-1]
	}
	step(n)
}

// functionBody returns the body of a def or lambda as nodes, and whether n is one.
func functionBody(n syntax.Node) ([]syntax.Node, bool) {
	switch n := n.(type) {
	case *syntax.DefStmt:
		out := make([]syntax.Node, len(n.Body))
		for i, s := range n.Body {
			out[i] = s
		}
		return out, true
	case *syntax.LambdaExpr:
		return []syntax.Node{n.Body}, true
	}
	return nil, false
}
