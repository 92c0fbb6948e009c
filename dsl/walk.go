package dsl

import "go.starlark.net/syntax"

// children returns the nodes directly below n, in the order of the text. Names
// that are no variables (the x of a.x and of f(x = 1)) are not among them.
func children(n syntax.Node) []syntax.Node {
	var out []syntax.Node
	eachChild(n, func(child syntax.Node) { out = append(out, child) })
	return out
}

// eachChild calls visit for each of the children of n. Trees are walked more often than
// anything else is done with them, so it makes no list of them.
func eachChild(n syntax.Node, visit func(syntax.Node)) {
	expr := func(e syntax.Expr) {
		if e != nil {
			visit(e)
		}
	}
	exprs := func(es []syntax.Expr) {
		for _, e := range es {
			expr(e)
		}
	}
	stmts := func(ss []syntax.Stmt) {
		for _, s := range ss {
			visit(s)
		}
	}
	switch n := n.(type) {
	case *syntax.File:
		stmts(n.Stmts)
	case *syntax.ExprStmt:
		expr(n.X)
	case *syntax.AssignStmt:
		expr(n.LHS)
		expr(n.RHS)
	case *syntax.DefStmt:
		exprs(params(n.Params))
		stmts(n.Body)
	case *syntax.IfStmt:
		expr(n.Cond)
		stmts(n.True)
		stmts(n.False)
	case *syntax.ForStmt:
		expr(n.Vars)
		expr(n.X)
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
		for _, clause := range n.Clauses {
			visit(clause)
		}
		expr(n.Body)
	case *syntax.ForClause:
		expr(n.Vars)
		expr(n.X)
	case *syntax.IfClause:
		expr(n.Cond)
	case *syntax.DictExpr:
		exprs(n.List)
	case *syntax.DictEntry:
		expr(n.Key)
		expr(n.Value)
	case *syntax.LambdaExpr:
		exprs(params(n.Params))
		expr(n.Body)
	case *syntax.ListExpr:
		exprs(n.List)
	case *syntax.TupleExpr:
		exprs(n.List)
	case *syntax.CondExpr:
		expr(n.True)
		expr(n.Cond)
		expr(n.False)
	case *syntax.UnaryExpr:
		expr(n.X)
	case *syntax.BinaryExpr:
		expr(n.X)
		expr(n.Y)
	case *syntax.SliceExpr:
		expr(n.X)
		expr(n.Lo)
		expr(n.Hi)
		expr(n.Step)
	case *syntax.IndexExpr:
		expr(n.X)
		expr(n.Y)
	}
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
	var stack []syntax.Node
	var step func(syntax.Node)
	step = func(n syntax.Node) {
		if !visit(n, stack) {
			return
		}
		stack = append(stack, n)
		eachChild(n, step)
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
