package dsl

import (
	"fmt"
	"slices"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// checker is one check under way.
type checker struct {
	unit  *Unit
	table *table
	// facts holds those of each module by name.
	facts map[string]*facts
	// graph is who calls whom, over all modules.
	graph *callGraph
	diags Diagnostics
	// firstChaos is the first call that puts chaos on, guarded says that there is a guard.
	firstChaos *syntax.CallExpr
	guarded    bool
	// budget is how many more nodes the rules may visit that look at some nodes more
	// than once; without it a hostile script makes them quadratic. When it is used
	// up they say nothing more.
	budget int
}

func newChecker(u *Unit, t *table) *checker {
	c := &checker{unit: u, table: t, facts: map[string]*facts{}, budget: 5_000_000}
	for _, m := range u.Order {
		if m.File != nil {
			c.facts[m.Name] = gather(m)
		}
	}
	c.graph = c.newCallGraph()
	return c
}

// check runs the static checks on a unit whose modules parse and resolve.
func check(u *Unit, t *table) Diagnostics {
	c := newChecker(u, t)
	for _, m := range u.Order {
		if f := c.facts[m.Name]; f != nil {
			c.module(f)
		}
	}
	c.recursion()
	c.nothingRuns()
	c.chaosWithoutGuard()
	return c.diags
}

func (c *checker) report(d Diagnostic) { c.diags = append(c.diags, d) }

// full tells that there are more diagnostics than anybody will read.
func (c *checker) full() bool { return len(c.diags) > 10*maxProblems }

// spend uses up one visit of a node and tells whether there was one left.
func (c *checker) spend() bool {
	c.budget--
	return c.budget >= 0
}

// module checks one module. Each rule has a method of its own.
func (c *checker) module(f *facts) {
	c.shadows(f)
	c.mainFunction(f)
	c.stepNames(f.module.File.Stmts)
	walk(f.module.File, func(n syntax.Node, parents []syntax.Node) bool {
		if c.full() {
			return false
		}
		switch n := n.(type) {
		case *syntax.CallExpr:
			c.call(f, n, parents)
		case *syntax.DotExpr:
			c.member(n)
			c.uncalled(n.X, memberText(n.X, n.Name.Name))
		case *syntax.IndexExpr:
			c.uncalled(n.X, indexText(n.Y))
		case *syntax.BinaryExpr:
			c.comparison(f, n)
			c.printStatement(n)
		case *syntax.ForStmt:
			c.mutated(n)
		case *syntax.DefStmt:
			c.captures(f, n, parents)
			c.stepNames(n.Body)
		case *syntax.LambdaExpr:
			c.captures(f, n, parents)
		}
		return true
	})
}

// shadows reports names that hide one of the language's.
func (c *checker) shadows(f *facts) {
	seen := map[*syntax.Ident]bool{}
	for _, b := range f.binders {
		v := variable(b.id)
		if v == nil || seen[v] {
			continue
		}
		seen[v] = true
		name := b.id.Name
		topLevel := b.kind == bindsLoad || scope(b.id) == resolve.Global
		_, universal := starlark.Universe[name]
		if !c.table.top[name] && !(universal && topLevel) {
			continue
		}
		d := atNode(b.id, "shadows_builtin", "the name %s hides the builtin %s", name, name)
		if b.kind == bindsLoad {
			d.Help = fmt.Sprintf("load it under another name: load(…, my_%s = %q)", name, name)
		} else {
			d.Help = fmt.Sprintf("choose another name, for example my_%s", name)
		}
		if !topLevel && b.kind != bindsFunction {
			d.Severity = Warning
		}
		c.report(d)
	}
}

// mainFunction checks that main can be called.
func (c *checker) mainFunction(f *facts) {
	if f.module != c.unit.Main {
		return
	}
	for _, fn := range f.functions[f.exported["main"]] {
		def, ok := fn.(*syntax.DefStmt)
		if !ok {
			continue
		}
		for _, p := range def.Params {
			if id, required := p.(*syntax.Ident); required {
				c.report(atNode(id, "main_parameter", "main is called without arguments, and %s needs one", id.Name).
					help("write %s = param(%q) at the top level", id.Name, id.Name))
				break
			}
		}
	}
}

// member checks that a namespace has the member that is asked for.
func (c *checker) member(dot *syntax.DotExpr) {
	x, ok := unparen(dot.X).(*syntax.Ident)
	if !ok || scope(x) != resolve.Predeclared {
		return
	}
	members := c.table.members[x.Name]
	if len(members) == 0 || slices.Contains(members, dot.Name.Name) {
		return
	}
	if c.table.byName[x.Name] != nil {
		return // a builtin of its own, whose value may have attributes
	}
	d := atNode(dot.Name, "unknown_member", "%s has no %s", x.Name, dot.Name.Name)
	if help := unknownMembers[x.Name+"."+dot.Name.Name]; help != "" {
		d.Help = help
	} else if n := near(dot.Name.Name, members); n != "" {
		d.Help = fmt.Sprintf("did you mean %s.%s?", x.Name, n)
	} else {
		d.Help = didYouMean(dot.Name.Name, members, "members of "+x.Name)
	}
	c.report(d)
}

// inFunction tells whether the innermost node of parents is inside a def or lambda.
func inFunction(parents []syntax.Node) bool {
	return slices.ContainsFunc(parents, func(n syntax.Node) bool {
		switch n.(type) {
		case *syntax.DefStmt, *syntax.LambdaExpr:
			return true
		}
		return false
	})
}
