package dsl

import (
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"starquake/units"
)

// special holds the rules of single builtins that no signature can say.
func (c *checker) special(f *facts, call *syntax.CallExpr, e *entry, args *arguments) {
	switch e.sig.Name {
	case "loop":
		c.loopBound(call, args)
	case "step":
		c.stepChaos(call, args)
		c.boundTwice(args)
	case "apply_chaos":
		c.boundTwice(args)
	}
	if strings.HasPrefix(e.sig.Name, "fault.") {
		c.manySeconds(f, args)
	}
}

// manySeconds hints at a delay that is a plain number, and as one of seconds so long that
// milliseconds may be meant.
func (c *checker) manySeconds(f *facts, args *arguments) {
	const many = 30
	for _, a := range args.list {
		if a.param.Name != "delay" && a.param.Name != "jitter" || !slices.Contains(a.param.Types, "duration") {
			continue
		}
		v := c.valueOf(f, a.value)
		d, err := units.Seconds(v.number)
		if v.kind != "int" && v.kind != "float" || v.number <= many || err != nil {
			continue
		}
		c.report(c.constantNote(f, a.value, atNode(a.value, "many_seconds", "%s is a number of seconds: %s", v.source(), units.FormatDuration(d)).as(Hint).
			help("write \"%sms\" if milliseconds are meant, and \"%s\" if not", v.source(), units.FormatDuration(d))))
	}
}

// loopBound reports a loop that nothing ends.
func (c *checker) loopBound(call *syntax.CallExpr, args *arguments) {
	if args.open || args.given("times") || args.given("duration") || args.given("until") {
		return
	}
	if forever := args.get("forever"); forever != nil && !isName(forever, "False") {
		return
	}
	c.report(atNode(call.Fn, "endless_loop", "nothing ends this loop").
		help("write times = …, duration = … or until = …; or forever = True if that is meant"))
}

// stepChaos reports chaos with nothing during which it could be on.
func (c *checker) stepChaos(call *syntax.CallExpr, args *arguments) {
	if args.open || !args.given("chaos") {
		return
	}
	if args.given("run") || args.given("traffic") || args.given("duration") {
		return
	}
	c.report(atNode(call.Fn, "chaos_without_time", "the step has chaos, but neither run, traffic nor duration: the chaos would be on for no time").
		help("write duration = …, or run = a function during which it is on"))
}

// boundTwice reports a fault with .on(…) beside on = ….
func (c *checker) boundTwice(args *arguments) {
	if !args.given("on") {
		return
	}
	for _, a := range args.list {
		if a.param.Name != "chaos" && a.param.Name != "faults" {
			continue
		}
		call, ok := unparen(a.value).(*syntax.CallExpr)
		if !ok {
			continue
		}
		if dot, ok := unparen(call.Fn).(*syntax.DotExpr); ok && dot.Name.Name == "on" {
			c.report(atNode(dot.Name, "bound_twice", "the fault is bound to its target by .on(…) and by on = …").
				help("leave one of them out"))
		}
	}
}

// noteChaos notes for chaosWithoutGuard what a call says of chaos and guards.
func (c *checker) noteChaos(f *facts, call *syntax.CallExpr, e *entry, args *arguments) {
	if strings.HasPrefix(f.module.Name, libraryPrefix) {
		return
	}
	switch e.sig.Name {
	case "guard":
		c.guarded = true
	case "apply_chaos":
		c.firstChaos = earlier(c.firstChaos, call)
	case "step":
		if args.given("chaos") {
			c.firstChaos = earlier(c.firstChaos, call)
		}
	}
}

// chaosWithoutGuard hints at the first chaos of a script that has no guard anywhere.
func (c *checker) chaosWithoutGuard() {
	first := c.firstChaos
	// A builtin that the table lacks cannot be asked for.
	if first == nil || c.guarded || c.table.byName["guard"] == nil {
		return
	}
	help := `write guard("the service is there", probe.tcp(target.upstream), breaches = 3) before it: look at the service itself, not through the fault`
	if start := syntax.Start(first); c.unit.origin(start.Filename()) != nil {
		help = "an orchestration file has no guards: starquake import makes a script of it, to which one can be added"
	}
	c.report(atNode(first.Fn, "no_guard", "this script injects chaos without a guard: nothing stops it if it does more harm than meant").as(Hint).help("%s", help))
}

func earlier(first, call *syntax.CallExpr) *syntax.CallExpr {
	if first == nil {
		return call
	}
	return first
}

// mutators are the methods that change a list, dict or set.
var mutators = []string{"append", "insert", "extend", "remove", "pop", "popitem", "clear", "update", "setdefault", "add", "discard"}

// mutated reports a list, dict or set that is changed while a for walks over it.
func (c *checker) mutated(loop *syntax.ForStmt) {
	over, ok := unparen(loop.X).(*syntax.Ident)
	if !ok || variable(over) == nil {
		return
	}
	same := func(e syntax.Expr) bool {
		id, ok := unparen(e).(*syntax.Ident)
		return ok && variable(id) == variable(over)
	}
	for _, s := range loop.Body {
		walk(s, func(n syntax.Node, _ []syntax.Node) bool {
			if _, inner := functionBody(n); inner || !c.spend() {
				return false // called later, perhaps
			}
			var changed syntax.Node
			switch n := n.(type) {
			case *syntax.CallExpr:
				if dot, ok := n.Fn.(*syntax.DotExpr); ok && same(dot.X) && slices.Contains(mutators, dot.Name.Name) {
					changed = n
				}
			case *syntax.AssignStmt:
				index, indexed := unparen(n.LHS).(*syntax.IndexExpr)
				_, list := n.RHS.(*syntax.ListExpr)
				if indexed && same(index.X) || n.Op == syntax.PLUS_EQ && same(n.LHS) && list {
					changed = n.LHS
				}
			}
			if changed != nil && !c.rebound(loop, over) {
				c.report(atNode(changed, "mutated_while_iterated", "%s cannot be changed while a for walks over it", over.Name).
					help("write for … in list(%s), which walks over a copy", over.Name))
			}
			return true
		})
	}
}

// rebound tells whether the loop's body gives the name another value.
func (c *checker) rebound(loop *syntax.ForStmt, name *syntax.Ident) bool {
	found := false
	for _, s := range loop.Body {
		walk(s, func(n syntax.Node, _ []syntax.Node) bool {
			if assign, ok := n.(*syntax.AssignStmt); ok && assign.Op == syntax.EQ {
				for _, id := range targetNames(assign.LHS) {
					found = found || variable(id) == variable(name)
				}
			}
			return !found && c.spend()
		})
	}
	return found
}
