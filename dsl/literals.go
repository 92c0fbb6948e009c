package dsl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/syntax"

	"starquake/units"
)

// argument checks the value of one argument, as far as it is known.
func (c *checker) argument(f *facts, e *entry, a argument) {
	if slices.Contains(a.param.Types, "function") && c.calledTooEarly(f, e, a) {
		return
	}
	v := c.valueOf(f, a.value)
	if v.kind == "" || v.kind == "None" && (a.param.Default == "None" || slices.Contains(a.param.Types, "any")) {
		return
	}
	if v.kind == "ramp" && a.param.Ramp {
		return
	}
	base, why, ok := fits(a.param, v)
	if !ok {
		c.report(c.misfit(f, e, a, v, why))
		return
	}
	c.choices(f, e, a, v)
	if limits, bounded := e.Ranges[a.param.Name]; bounded && !a.rest && (v.kind == "int" || v.kind == "float" || v.kind == "string") {
		if base < limits[0] || base > limits[1] {
			d := atNode(a.value, "out_of_range", "%s of %s is %s, and must be %s",
				a.param.Name, e.sig.Name, v.source(), a.param.Within(limits[0], limits[1]))
			c.report(c.constantNote(f, a.value, d))
		}
	}
}

// Within words the range from lo to hi as values of the parameter are written: "from 1 to
// 10", "at least 1". A bound that no number of its type passes is none; "" without any.
func (p *Param) Within(lo, hi float64) string {
	const exact = 1 << 53 // up to which every whole number is a float64
	low, high := lo > -exact, hi < exact
	switch {
	case low && high:
		return "from " + p.inUnit(lo) + " to " + p.inUnit(hi)
	case low:
		return "at least " + p.inUnit(lo)
	case high:
		return "at most " + p.inUnit(hi)
	}
	return ""
}

// inUnit writes a limit as a value of the parameter is written.
func (p *Param) inUnit(n float64) string {
	switch p.Types[0] {
	case "duration":
		if d, err := units.Seconds(n); err == nil {
			return strconv.Quote(units.FormatDuration(d))
		}
	case "size":
		if n >= 1000 {
			return strconv.Quote(units.FormatSize(int64(n)))
		}
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// fits tries the types of a parameter in turn.
func fits(p *Param, v value) (base float64, why error, ok bool) {
	for _, t := range p.Types {
		ok, n, err := accepts(t, v)
		if ok {
			return n, nil, true
		}
		if err != nil && why == nil {
			why = err
		}
	}
	return 0, why, false
}

// misfit is the diagnostic for a value of the wrong type, or one that cannot be read.
func (c *checker) misfit(f *facts, e *entry, a argument, v value, why error) Diagnostic {
	what := fmt.Sprintf("%s of %s", a.param.Name, e.sig.Name)
	if a.rest {
		what = "an argument of " + e.sig.Name
	}
	if why != nil {
		d := atNode(a.value, "bad_value", "%s: %v", what, why)
		if percent := e.sig.param(a.param.Name + "_percent"); percent != nil && strings.HasSuffix(v.text, "%") {
			d = d.help("write %s = %s", percent.Name, strings.TrimSuffix(v.text, "%"))
		}
		return c.constantNote(f, a.value, d)
	}
	d := atNode(a.value, "wrong_type", "%s expects %s, not %s", what, expected(a.param), v)
	takes := func(t string) bool { return slices.Contains(a.param.Types, t) }
	switch {
	case v.kind == "ramp":
		d.Help = "this one cannot change with time: write a plain value"
	case v.kind == "string" && (takes("target") || takes("targets")):
		d.Help = fmt.Sprintf("write target(%q), or the value that proxy(%q, …) returned", v.text, v.text)
	case v.kind == "string" && (takes("fault") || takes("faults")):
		d.Help = fmt.Sprintf("write fault.KIND(…), scenario(%q) or profile(%q)", v.text, v.text)
	case v.kind == "string" && takes("probe"):
		d.Help = fmt.Sprintf("write probe.http(%q)", v.text)
	case v.kind == "string" && takes("traffic"):
		d.Help = fmt.Sprintf("write traffic.http(%q, rate = …)", v.text)
	case v.kind == "string" && takes("number") && takes("list"):
		d.Help = "write a number, without quotes and unit"
	case v.kind == "string" && takes("int") && isNumber(v.text):
		d.Help = fmt.Sprintf("write %s, without quotes", v.text)
	case v.kind == "string" && a.param.Name == "argv" && len(strings.Fields(v.text)) > 1:
		d.Help = fmt.Sprintf(`write ["%s"]: no shell takes it apart`, strings.Join(strings.Fields(v.text), `", "`))
	case v.kind == "string" && takes("list"):
		d.Help = fmt.Sprintf("write [%q]", v.text)
	case v.kind == "string" && takes("bool"):
		d.Help = "write True or False, without quotes"
	case v.kind == "string" && (takes("int") || takes("float") || takes("number")):
		d.Help = "write the number without quotes"
	case v.kind == "string" && takes("percent"):
		d.Help = "write a plain number, for example 5 for five per cent"
	case takes("function"):
		d.Help = "write the name of a function, or lambda: …"
	}
	return c.constantNote(f, a.value, d)
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

// constantNote adds where the name is assigned through which a value came.
func (c *checker) constantNote(f *facts, e syntax.Expr, d Diagnostic) Diagnostic {
	if id, ok := unparen(e).(*syntax.Ident); ok {
		if v := variable(id); v != nil && f.values[v] != nil {
			return d.note(syntax.Start(f.values[v]), "%s is assigned here", id.Name)
		}
	}
	return d
}

// choices checks a string, or the strings of a list, against those that the
// parameter knows.
func (c *checker) choices(f *facts, e *entry, a argument, v value) {
	known := e.Choices[a.param.Name]
	if len(known) == 0 || a.rest {
		return
	}
	check := func(at syntax.Expr, v value) {
		if v.kind != "string" || slices.Contains(known, v.text) {
			return
		}
		d := atNode(at, "unknown_choice", "%s of %s knows no %q", a.param.Name, e.sig.Name, v.text)
		if n := near(v.text, known); n != "" {
			d.Help = fmt.Sprintf("did you mean %q?", n)
		} else {
			d.Help = fmt.Sprintf("one of %s", quoted(known))
		}
		c.report(c.constantNote(f, at, d))
	}
	check(a.value, v)
	for _, item := range v.items {
		check(item, c.valueOf(f, item))
	}
}

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ", ")
}

// calledTooEarly reports step("x", f()), where f itself is meant. It speaks only
// where the result can be seen to be no function.
func (c *checker) calledTooEarly(f *facts, e *entry, a argument) bool {
	call, ok := unparen(a.value).(*syntax.CallExpr)
	if !ok {
		return false
	}
	name := sourceName(call.Fn)
	if inner := c.table.called(call); inner != nil {
		// A builtin that acts may still be meant for its value, where a value is taken.
		if inner.Phase != Acting || !onlyFunction(a.param) {
			return false
		}
		c.report(atNode(a.value, "call_for_function", "%s is called here, before %s begins", name, e.sig.Name).
			help("write lambda: %s(…)", name))
		return true
	}
	fns := c.defined(f, call.Fn)
	if len(fns) == 0 || slices.Contains(a.param.Types, "any") || slices.ContainsFunc(fns, returnsValue) {
		return false
	}
	d := atNode(a.value, "call_for_function", "%s is called here, before %s begins, and returns nothing", name, e.sig.Name)
	if len(call.Args) == 0 {
		d.Help = fmt.Sprintf("write %s without (), or lambda: %s()", name, name)
	} else {
		d.Help = fmt.Sprintf("write lambda: %s(…)", name)
	}
	c.report(d)
	return true
}

func onlyFunction(p *Param) bool {
	return !slices.ContainsFunc(p.Types, func(t string) bool { return t != "function" && t != "None" })
}

// returnsValue tells whether a function may return something.
func returnsValue(fn syntax.Node) bool {
	def, ok := fn.(*syntax.DefStmt)
	if !ok {
		return true
	}
	found := false
	for _, s := range def.Body {
		walk(s, func(n syntax.Node, _ []syntax.Node) bool {
			if r, ok := n.(*syntax.ReturnStmt); ok && r.Result != nil && !isName(r.Result, "None") {
				found = true
			}
			_, inner := functionBody(n)
			return !inner && !found
		})
	}
	return found
}

// sourceName is the name of what is called, for messages.
func sourceName(fn syntax.Expr) string {
	switch fn := unparen(fn).(type) {
	case *syntax.Ident:
		return fn.Name
	case *syntax.DotExpr:
		return sourceName(fn.X) + "." + fn.Name.Name
	}
	return "f"
}
