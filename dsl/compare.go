package dsl

import (
	"fmt"
	"maps"
	"strings"

	"go.starlark.net/syntax"

	"starquake/units"
)

// durationFigures are attributes that are durations wherever they occur.
var durationFigures = map[string]bool{
	"p50": true, "p90": true, "p95": true, "p99": true, "p999": true, "longest_outage": true, "elapsed": true,
}

// comparison reports a duration compared with a string or a number, which Starlark
// cannot do.
func (c *checker) comparison(f *facts, e *syntax.BinaryExpr) {
	ordered := false
	switch e.Op {
	case syntax.LT, syntax.GT, syntax.LE, syntax.GE:
		ordered = true
	case syntax.EQL, syntax.NEQ:
	default:
		return
	}
	for _, side := range [][2]syntax.Expr{{e.X, e.Y}, {e.Y, e.X}} {
		other, lit := side[0], side[1]
		v := c.valueOf(f, lit)
		dot, _ := unparen(other).(*syntax.DotExpr)
		figure := dot != nil && durationFigures[dot.Name.Name]
		switch {
		case v.kind == "string" && looksLikeDuration(v.text) && (figure || ordered && !c.maybeString(f, other)):
			c.report(atNode(lit, "compared_with_string", "a duration cannot be compared with a string").
				help("write duration(%q)", v.text))
			return
		case (v.kind == "int" || v.kind == "float") && figure:
			text := "1s"
			if d, err := units.Seconds(v.number); err == nil {
				text = units.FormatDuration(d)
			}
			c.report(atNode(lit, "compared_with_number", "%s is a duration and cannot be compared with a number", dot.Name.Name).
				help("write duration(%q)", text))
			return
		}
	}
}

// looksLikeDuration tells whether a string is a duration with a unit.
func looksLikeDuration(s string) bool {
	_, err := units.ParseDuration(s)
	return err == nil && strings.ContainsAny(s, "dhms")
}

// maybeString tells whether an expression may well be a string: anything but an
// attribute, an arithmetic expression, or a name bound to one of these.
func (c *checker) maybeString(f *facts, e syntax.Expr) bool {
	switch e := unparen(e).(type) {
	case *syntax.DotExpr:
		return e.Name.Name == "name" || e.Name.Name == "text" || e.Name.Name == "value" || e.Name.Name == "status"
	case *syntax.BinaryExpr:
		return c.maybeString(f, e.X) && c.maybeString(f, e.Y)
	case *syntax.CallExpr:
		name := c.table.callee(e.Fn)
		return name != "now" && name != "elapsed" && name != "duration"
	case *syntax.Ident:
		if v := variable(e); v != nil && f.values[v] != nil {
			if _, again := unparen(f.values[v]).(*syntax.Ident); !again {
				return c.maybeString(f, f.values[v])
			}
		}
	case *syntax.Literal:
		return e.Token == syntax.STRING
	}
	return true
}

// printStatement reports print >> x.
func (c *checker) printStatement(e *syntax.BinaryExpr) {
	if e.Op == syntax.GTGT && isName(e.X, "print") {
		c.report(atNode(e, "print_statement", "print is a function").help("write print(…), or log(message)"))
	}
}

// stepNames warns of one constant step name at two places of one body. The arms of
// an if exclude each other and are no two places.
func (c *checker) stepNames(f *facts, body []syntax.Stmt) {
	c.stepNamesIn(f, body, map[string]syntax.Node{})
}

func (c *checker) stepNamesIn(f *facts, body []syntax.Stmt, seen map[string]syntax.Node) {
	for _, s := range body {
		switch s := s.(type) {
		case *syntax.DefStmt:
		case *syntax.IfStmt:
			c.stepNamesOf(s.Cond, seen)
			yes, no := maps.Clone(seen), maps.Clone(seen)
			c.stepNamesIn(f, s.True, yes)
			c.stepNamesIn(f, s.False, no)
			maps.Copy(seen, no)
			maps.Copy(seen, yes)
		case *syntax.ForStmt:
			c.stepNamesIn(f, s.Body, seen)
		default:
			c.stepNamesOf(s, seen)
		}
	}
}

// stepNamesOf looks at the steps that n makes itself, not in a function.
func (c *checker) stepNamesOf(n syntax.Node, seen map[string]syntax.Node) {
	walk(n, func(n syntax.Node, _ []syntax.Node) bool {
		if _, inner := functionBody(n); inner {
			return false
		}
		call, ok := n.(*syntax.CallExpr)
		if !ok || c.table.callee(call.Fn) != "step" || len(call.Args) == 0 {
			return true
		}
		name, ok := unparen(argValue(call.Args[0])).(*syntax.Literal)
		if !ok || name.Token != syntax.STRING {
			return true
		}
		text := name.Value.(string)
		if first := seen[text]; first != nil {
			c.report(sameStep(text, first, name))
		} else {
			seen[text] = name
		}
		return true
	})
}

func sameStep(name string, first, again syntax.Node) Diagnostic {
	return atNode(again, "repeated_step", "another step here is called %q; this one will be shown as %q", name, fmt.Sprintf("%s#2", name)).
		as(Warning).help("give it a name of its own").note(syntax.Start(first), "the other one")
}
