package files

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// maxExportWork bounds the statements that are executed: a file of so many steps could
// not be read.
const maxExportWork = 200_000

// flow is how a statement ended.
type flow uint8

const (
	goesOn flow = iota
	breaks
	continues
	returns
)

// exec executes statements.
func (x *exporter) exec(stmts []syntax.Stmt) (flow, starlark.Value) {
	for _, s := range stmts {
		if x.work++; x.work > maxExportWork {
			if x.work == maxExportWork+1 {
				x.problem(s, "", "the script does more than %d things until here, which no file could say", maxExportWork)
			}
			return returns, unknown{}
		}
		if f, v := x.stmt(s); f != goesOn {
			return f, v
		}
	}
	return goesOn, starlark.None
}

func (x *exporter) stmt(s syntax.Stmt) (flow, starlark.Value) {
	switch s := s.(type) {
	case *syntax.ExprStmt:
		x.eval(s.X)
	case *syntax.AssignStmt:
		x.assign(s)
	case *syntax.DefStmt:
		x.vars[variableOf(s.Name)] = x.function(s, s.Params)
	case *syntax.LoadStmt:
		from := x.unit.Modules[x.current.Loads[s.ModuleName()]]
		x.module(from)
		for i, to := range s.To {
			x.vars[variableOf(to)] = x.global(from, s.From[i].Name)
		}
	case *syntax.IfStmt:
		return x.choose(s)
	case *syntax.ForStmt:
		return x.iterate(s)
	case *syntax.ReturnStmt:
		if s.Result == nil {
			return returns, starlark.None
		}
		return returns, x.eval(s.Result)
	case *syntax.BranchStmt:
		switch s.Token {
		case syntax.BREAK:
			return breaks, nil
		case syntax.CONTINUE:
			return continues, nil
		}
	}
	return goesOn, nil
}

// choose executes the arm of an if that is taken. Where that is known only at run time
// both are looked through for what else is wrong.
func (x *exporter) choose(s *syntax.IfStmt) (flow, starlark.Value) {
	cond := x.eval(s.Cond)
	if yes, known := x.truth(s.Cond, cond, "if"); known {
		if yes {
			return x.exec(s.True)
		}
		return x.exec(s.False)
	}
	x.exec(s.True)
	x.exec(s.False)
	return goesOn, nil
}

// truth is the truth of a condition, if it is known before the run.
func (x *exporter) truth(n syntax.Node, v starlark.Value, what string) (yes, known bool) {
	switch v := v.(type) {
	case unknown:
		return false, false
	case late:
		x.problem(n, "a file does the same steps in every run", "%s decides by %s, which is known only when it runs", what, v.what)
		return false, false
	}
	return bool(v.Truth()), true
}

func (x *exporter) iterate(s *syntax.ForStmt) (flow, starlark.Value) {
	items, ok := x.items(s.X)
	if !ok {
		x.bind(s.Vars, unknown{})
		x.exec(s.Body)
		return goesOn, nil
	}
	for _, item := range items {
		x.bind(s.Vars, item)
		switch f, v := x.exec(s.Body); f {
		case breaks:
			return goesOn, nil
		case returns:
			return f, v
		}
	}
	return goesOn, nil
}

// items evaluates what is iterated over.
func (x *exporter) items(e syntax.Expr) ([]starlark.Value, bool) {
	v := x.eval(e)
	if _, said := v.(unknown); said {
		return nil, false
	}
	if d, ok := v.(*starlark.Dict); ok {
		return d.Keys(), true
	}
	items, ok := elements(v)
	if !ok {
		x.problem(e, "", "what is iterated over is not constant")
	}
	return items, ok
}

func (x *exporter) assign(s *syntax.AssignStmt) {
	v := x.eval(s.RHS)
	if s.Op != syntax.EQ {
		op := s.Op - syntax.PLUS_EQ + syntax.PLUS
		v = x.binary(s, op, x.eval(s.LHS), v)
	}
	x.bind(s.LHS, v)
}

// bind gives variables their values.
func (x *exporter) bind(to syntax.Expr, v starlark.Value) {
	switch to := unparen(to).(type) {
	case *syntax.Ident:
		x.vars[variableOf(to)] = v
	case *syntax.TupleExpr:
		x.bindEach(to, to.List, v)
	case *syntax.ListExpr:
		x.bindEach(to, to.List, v)
	default:
		x.problem(to, "write the value where it is used", "a value that changes cannot be exported")
	}
}

func (x *exporter) bindEach(n syntax.Node, to []syntax.Expr, v starlark.Value) {
	items, ok := elements(v)
	if _, said := v.(unknown); !said && (!ok || len(items) != len(to)) {
		x.problem(n, "", "there are not as many values as names")
		ok = false
	}
	for i, e := range to {
		if ok && i < len(items) {
			x.bind(e, items[i])
		} else {
			x.bind(e, unknown{})
		}
	}
}

// function makes the value of a def or lambda.
func (x *exporter) function(n syntax.Node, params []syntax.Expr) *function {
	fn := &function{node: n, params: params, defaults: map[*syntax.Ident]starlark.Value{}}
	for _, p := range params {
		if def, ok := p.(*syntax.BinaryExpr); ok {
			fn.defaults[def.X.(*syntax.Ident)] = x.eval(def.Y)
		}
	}
	return fn
}

// maxExportDepth bounds calls within calls; recursion is not part of the dialect.
const maxExportDepth = 50

// invoke calls one of the script's own functions.
func (x *exporter) invoke(fn *function, at syntax.Node, args []starlark.Value, named map[string]starlark.Value) starlark.Value {
	if x.depth++; x.depth > maxExportDepth {
		x.depth--
		return x.problem(at, "", "functions call each other more than %d deep here", maxExportDepth)
	}
	defer func() { x.depth-- }()
	used := 0
	for _, p := range fn.params {
		id, ok := p.(*syntax.Ident)
		if def, has := p.(*syntax.BinaryExpr); has {
			id, ok = def.X.(*syntax.Ident), true
		}
		if star, is := p.(*syntax.UnaryExpr); is && star.X == nil { // the rest is given by name
			continue
		}
		if !ok {
			return x.problem(p, "", "a function with * or ** among its parameters cannot be exported")
		}
		switch v, byName := named[id.Name]; {
		case byName:
			x.vars[variableOf(id)] = v
			used++
		case len(args) > 0:
			x.vars[variableOf(id)], args = args[0], args[1:]
		case fn.defaults[id] != nil:
			x.vars[variableOf(id)] = fn.defaults[id]
		default:
			return x.problem(at, "", "the function needs a value for %s", id.Name)
		}
	}
	if len(args) > 0 || used < len(named) {
		return x.problem(at, "", "the function does not take these arguments")
	}
	switch n := fn.node.(type) {
	case *syntax.DefStmt:
		outer := x.current
		if m := x.unit.Modules[n.Def.Filename()]; m != nil {
			x.current = m
		}
		defer func() { x.current = outer }()
		if f, v := x.exec(n.Body); f == returns {
			return v
		}
	case *syntax.LambdaExpr:
		return x.eval(n.Body)
	}
	return starlark.None
}
