package dsl

import (
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"starquake/internal/nearest"
)

// nothingRuns reports a script whose functions would act, and which calls none of them: it
// has no main(), and its top level does nothing. Such a run passes whatever the system does.
// A module that others load is such a script, too; so it is an error only where a function
// was meant to be main.
func (c *checker) nothingRuns() {
	main := c.unit.Main
	f := c.facts[main.Name]
	if f == nil || main.HasMain || strings.HasSuffix(main.Name, "_test.star") || c.topLevelActs(f) {
		return
	}
	var idle, near, misspelled *syntax.DefStmt
	for _, s := range main.File.Stmts {
		def, ok := s.(*syntax.DefStmt)
		if !ok || c.graph.acts(def) == "" {
			continue
		}
		if idle == nil {
			idle = def
		}
		if len(def.Params) > 0 || nearest.Within(def.Name.Name, []string{"main"}, 1) == "" {
			continue
		}
		if near == nil {
			near = def
		}
		if misspelled == nil && lettersOfMain(def.Name.Name) {
			misspelled = def
		}
	}
	const what = "nothing in this script runs: it has no main(), its top level does nothing, and nobody calls %s"
	switch {
	case misspelled != nil:
		name := misspelled.Name
		c.report(atNode(name, "nothing_runs", what, name.Name).help("did you mean main?"))
	case near != nil:
		name := near.Name
		c.report(atNode(name, "nothing_runs", what, name.Name).as(Warning).
			help("did you mean main? A module that others load needs none"))
	case idle != nil:
		name := idle.Name
		c.report(atNode(name, "nothing_runs", what, name.Name).as(Warning).
			help("name the function main that the run begins with; a module that others load needs none"))
	}
}

// lettersOfMain reports whether a name has the letters of main, in another order or case, and
// no other. Such a one is a slip; one that is as near but has other letters, such as mail or
// drain, may well be what a module's function is called.
func lettersOfMain(name string) bool {
	letters := []byte(strings.ToLower(name))
	slices.Sort(letters)
	return string(letters) == "aimn"
}

// topLevelActs reports whether the top level of a module does something, itself or through
// a function.
func (c *checker) topLevelActs(f *facts) bool {
	acts := false
	walk(f.module.File, func(n syntax.Node, _ []syntax.Node) bool {
		if _, function := functionBody(n); function {
			return false
		}
		call, ok := n.(*syntax.CallExpr)
		if !ok {
			return !acts
		}
		if e := c.table.called(call); e != nil && e.Phase == Acting {
			acts = true
		}
		for _, fn := range c.defined(f, call.Fn) {
			acts = acts || c.graph.acts(fn) != ""
		}
		return !acts
	})
	return acts
}
