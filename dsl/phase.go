package dsl

import (
	"fmt"

	"go.starlark.net/syntax"
)

// phase checks that a builtin is called where it may be.
func (c *checker) phase(f *facts, call *syntax.CallExpr, e *entry, parents []syntax.Node) {
	name := e.sig.Name
	switch inside := inFunction(parents); {
	case e.Phase == Declaring && inside:
		c.report(atNode(call, "declared_in_function", "%s declares, and stands at the top level only", name).
			help("write it at the top level and use its value here"))
	case e.Phase == Acting && !inside:
		c.actsTooEarly(f, call, name+" acts")
	}
}

// topLevelHelper reports a call at the top level of a function of the script that acts.
func (c *checker) topLevelHelper(f *facts, call *syntax.CallExpr, parents []syntax.Node) {
	if inFunction(parents) {
		return
	}
	if id, ok := unparen(call.Fn).(*syntax.Ident); ok && id.Name == "main" && f.module.HasMain && f.module == c.unit.Main {
		c.report(atNode(call, "calls_main", "main() is called by itself, when the run starts").help("leave the call out"))
		return
	}
	for _, fn := range c.defined(f, call.Fn) {
		if by := c.graph.acts(fn); by != "" {
			c.actsTooEarly(f, call, fmt.Sprintf("%s calls %s, which acts", sourceName(call.Fn), by))
			return
		}
	}
}

func (c *checker) actsTooEarly(f *facts, call *syntax.CallExpr, what string) {
	switch {
	case f.module != c.unit.Main:
		c.report(atNode(call, "acts_at_load", "%s, and the top level of a loaded module never does", what).
			help("put it into a function, which the script that loads it can call"))
	case f.module.HasMain:
		c.report(atNode(call, "acts_before_main", "%s, and the top level of a script with main() only declares", what).
			help("move it into main()"))
	}
}

// callGraph says which functions of a unit call which, as far as the text shows it.
type callGraph struct {
	// order holds the functions in the order of the text.
	order []syntax.Node
	edges map[syntax.Node][]edge
	// direct is the first acting builtin that a function calls itself.
	direct map[syntax.Node]string
	known  map[syntax.Node]string // memo of acts
}

// edge is one call, or one function handed to a builtin that will call it.
type edge struct {
	to syntax.Node
	at syntax.Expr
}

func (c *checker) newCallGraph() *callGraph {
	g := &callGraph{edges: map[syntax.Node][]edge{}, direct: map[syntax.Node]string{}, known: map[syntax.Node]string{}}
	for _, m := range c.unit.Order {
		f := c.facts[m.Name]
		if f == nil {
			continue
		}
		for _, fn := range f.written {
			g.order = append(g.order, fn)
			body, _ := functionBody(fn)
			for _, b := range body {
				c.follow(g, f, fn, b)
			}
		}
	}
	return g
}

// follow notes the calls in a part of the body of fn. A function written inside is
// followed only where it is handed to a builtin.
func (c *checker) follow(g *callGraph, f *facts, fn, part syntax.Node) {
	walk(part, func(n syntax.Node, _ []syntax.Node) bool {
		if _, isFunction := functionBody(n); isFunction {
			return false
		}
		call, ok := n.(*syntax.CallExpr)
		if !ok {
			return true
		}
		for _, to := range c.defined(f, call.Fn) {
			g.edges[fn] = append(g.edges[fn], edge{to, call})
		}
		name, e := c.table.callee(call.Fn)
		if e != nil && e.Phase == Acting && g.direct[fn] == "" {
			g.direct[fn] = name
		}
		if name != "" {
			for _, arg := range call.Args {
				c.handed(g, f, fn, argValue(arg))
			}
		}
		return true
	})
}

// handed notes the functions in an argument of a builtin, which will call them.
func (c *checker) handed(g *callGraph, f *facts, fn syntax.Node, arg syntax.Expr) {
	switch a := unparen(arg).(type) {
	case *syntax.Ident:
		for _, to := range c.defined(f, a) {
			g.edges[fn] = append(g.edges[fn], edge{to, a})
		}
	case *syntax.LambdaExpr:
		g.edges[fn] = append(g.edges[fn], edge{a, a})
	case *syntax.ListExpr:
		for _, x := range a.List {
			c.handed(g, f, fn, x)
		}
	case *syntax.Comprehension:
		c.handed(g, f, fn, a.Body)
	}
}

// acts returns an acting builtin that fn calls, itself or through others, or "".
func (g *callGraph) acts(fn syntax.Node) string {
	if by, ok := g.known[fn]; ok {
		return by
	}
	g.known[fn] = "" // ends recursion
	by := g.direct[fn]
	for _, e := range g.edges[fn] {
		if by != "" {
			break
		}
		by = g.acts(e.to)
	}
	g.known[fn] = by
	return by
}

// recursion reports functions that call themselves, also through others and
// through builtins such as parallel.
func (c *checker) recursion() {
	const (
		unseen = iota
		active
		done
	)
	state := map[syntax.Node]int{}
	depth := map[syntax.Node]int{}
	var path []syntax.Node
	var visit func(fn syntax.Node)
	visit = func(fn syntax.Node) {
		state[fn], depth[fn] = active, len(path)
		path = append(path, fn)
		for _, e := range c.graph.edges[fn] {
			switch state[e.to] {
			case unseen:
				visit(e.to)
			case active:
				if !c.full() {
					c.recursive(path[depth[e.to]:], e)
				}
			}
		}
		path = path[:len(path)-1]
		state[fn] = done
	}
	for _, fn := range c.graph.order {
		if state[fn] == unseen {
			visit(fn)
		}
	}
}

// recursive reports one cycle; its last function does e.
func (c *checker) recursive(cycle []syntax.Node, e edge) {
	var names string
	first := ""
	for i, fn := range cycle {
		if i == 8 {
			names += "… → "
			break
		}
		if def, ok := fn.(*syntax.DefStmt); ok {
			if first == "" {
				first = def.Name.Name
			}
			names += def.Name.Name + " → "
		}
	}
	if first == "" {
		first, names = "lambda", "lambda → "
	}
	c.report(atNode(e.at, "recursion", "recursion is off: %s%s", names, first).
		help("write loop(body, until = …) or for … in …; both end"))
}
