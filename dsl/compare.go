package dsl

import (
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
		name, _ := c.table.callee(e.Fn)
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
