package dsl

import (
	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// facts is what the checks know of a module before they begin.
type facts struct {
	module *Module
	// functions holds the defs and lambdas that each variable is bound to.
	functions map[*syntax.Ident][]syntax.Node
	// values holds what a variable is bound to where it is bound exactly once, by a
	// plain assignment.
	values map[*syntax.Ident]syntax.Expr
	// bound counts the bindings of each variable.
	bound map[*syntax.Ident]int
	// loaded says where a variable comes from that a load statement binds.
	loaded map[*syntax.Ident]origin
	// exported holds the variables of the top level by name.
	exported map[string]*syntax.Ident
	// binders are all identifiers that bind a name, in the order of the text.
	binders []binder
	// written are all defs and lambdas, in the order of the text.
	written []syntax.Node
}

// origin is a name of another module.
type origin struct{ module, name string }

// binder is an identifier that binds a name.
type binder struct {
	id   *syntax.Ident
	kind binderKind
}

type binderKind uint8

const (
	bindsValue binderKind = iota
	bindsFunction
	bindsParam
	bindsLoad
)

func newFacts(m *Module) *facts {
	return &facts{
		module:    m,
		functions: map[*syntax.Ident][]syntax.Node{},
		values:    map[*syntax.Ident]syntax.Expr{},
		bound:     map[*syntax.Ident]int{},
		loaded:    map[*syntax.Ident]origin{},
		exported:  map[string]*syntax.Ident{},
	}
}

func gather(m *Module) *facts {
	f := newFacts(m)
	walk(m.File, func(n syntax.Node, _ []syntax.Node) bool {
		f.node(n)
		return true
	})
	for v, n := range f.bound {
		if n > 1 {
			delete(f.values, v)
		}
	}
	return f
}

// node notes what one statement or expression binds.
func (f *facts) node(n syntax.Node) {
	switch n := n.(type) {
	case *syntax.AssignStmt:
		f.target(n.LHS)
		id, plain := unparen(n.LHS).(*syntax.Ident)
		if !plain || n.Op != syntax.EQ {
			break
		}
		if v := variable(id); v != nil {
			f.values[v] = n.RHS
			if lambda, ok := unparen(n.RHS).(*syntax.LambdaExpr); ok {
				f.functions[v] = append(f.functions[v], lambda)
			}
		}
	case *syntax.ForStmt:
		f.target(n.Vars)
	case *syntax.ForClause:
		f.target(n.Vars)
	case *syntax.DefStmt:
		f.written = append(f.written, n)
		f.bind(n.Name, bindsFunction)
		if v := variable(n.Name); v != nil {
			f.functions[v] = append(f.functions[v], n)
		}
		f.params(n.Params)
	case *syntax.LambdaExpr:
		f.written = append(f.written, n)
		f.params(n.Params)
	case *syntax.LoadStmt:
		for i, id := range n.To {
			f.bind(id, bindsLoad)
			if v := variable(id); v != nil {
				f.loaded[v] = origin{f.module.Loads[n.ModuleName()], n.From[i].Name}
			}
		}
	}
}

// target notes the names on the left of an assignment or behind a for.
func (f *facts) target(e syntax.Expr) {
	for _, id := range targetNames(e) {
		f.bind(id, bindsValue)
	}
}

// targetNames are the names on the left of an assignment.
func targetNames(e syntax.Expr) []*syntax.Ident {
	switch e := e.(type) {
	case *syntax.Ident:
		return []*syntax.Ident{e}
	case *syntax.ParenExpr:
		return targetNames(e.X)
	case *syntax.TupleExpr:
		return manyTargets(e.List)
	case *syntax.ListExpr:
		return manyTargets(e.List)
	}
	return nil
}

func manyTargets(list []syntax.Expr) []*syntax.Ident {
	var ids []*syntax.Ident
	for _, x := range list {
		ids = append(ids, targetNames(x)...)
	}
	return ids
}

func (f *facts) params(list []syntax.Expr) {
	for _, id := range paramNames(list) {
		f.bind(id, bindsParam)
	}
}

// paramNames are the names that a parameter list binds.
func paramNames(list []syntax.Expr) []*syntax.Ident {
	var ids []*syntax.Ident
	for _, p := range list {
		switch p := p.(type) {
		case *syntax.Ident:
			ids = append(ids, p)
		case *syntax.BinaryExpr:
			ids = append(ids, p.X.(*syntax.Ident))
		case *syntax.UnaryExpr:
			if id, ok := p.X.(*syntax.Ident); ok {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

func (f *facts) bind(id *syntax.Ident, kind binderKind) {
	f.binders = append(f.binders, binder{id, kind})
	v := variable(id)
	if v == nil {
		return
	}
	f.bound[v]++
	if scope(id) == resolve.Global {
		f.exported[id.Name] = v
	}
}

// constant follows a name to the literal it stands for, if it is bound once to one.
func (f *facts) constant(e syntax.Expr) syntax.Expr {
	e = unparen(e)
	if id, ok := e.(*syntax.Ident); ok {
		if v := variable(id); v != nil && f.values[v] != nil {
			switch value := unparen(f.values[v]).(type) {
			case *syntax.Literal, *syntax.UnaryExpr:
				return value
			}
		}
	}
	return e
}

// defined returns the defs and lambdas that an expression denotes, in this module
// or in one that it loads.
func (c *checker) defined(f *facts, e syntax.Expr) []syntax.Node {
	id, ok := unparen(e).(*syntax.Ident)
	if !ok {
		return nil
	}
	v := variable(id)
	if v == nil {
		return nil
	}
	if from, ok := f.loaded[v]; ok {
		if other := c.facts[from.module]; other != nil {
			return few(other.functions[other.exported[from.name]])
		}
		return nil
	}
	return few(f.functions[v])
}

// few keeps a name that is defined over and over from making the checks slow: of
// such a name nothing is said.
func few(functions []syntax.Node) []syntax.Node {
	if len(functions) > 8 {
		return nil
	}
	return functions
}
