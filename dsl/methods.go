package dsl

import (
	"fmt"
	"slices"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// methods are those whose result is read further, by names that no value has as a member.
var methods = []string{"json", "stats", "window"}

// uncalled reports a method of which something is read as if it were a member: r.json["x"].
// behind is what follows it, x the expression before that.
func (c *checker) uncalled(x syntax.Expr, behind string) {
	dot, ok := unparen(x).(*syntax.DotExpr)
	if !ok || !slices.Contains(methods, dot.Name.Name) {
		return
	}
	if space, ok := unparen(dot.X).(*syntax.Ident); ok && scope(space) == resolve.Predeclared {
		return // a namespace, whose members are known
	}
	c.report(atNode(dot.Name, "method_not_called", "%s is a method, which has to be called", dot.Name.Name).
		help("write .%s()%s", dot.Name.Name, behind))
}

// memberText is what stands behind a method's result of which a member is read. What json()
// gives are dicts, lists and strings, which have methods alone.
func memberText(of syntax.Expr, name string) string {
	dot, ok := unparen(of).(*syntax.DotExpr)
	if !ok || dot.Name.Name != "json" || slices.Contains(dictMethods, name) {
		return "." + name
	}
	return fmt.Sprintf("[%q]", name)
}

var dictMethods = new(starlark.Dict).AttrNames()

// indexText is what stands behind a value that is indexed.
func indexText(index syntax.Expr) string {
	if lit, ok := unparen(index).(*syntax.Literal); ok && len(lit.Raw) <= 40 {
		return "[" + clean(lit.Raw) + "]"
	}
	return "[…]"
}
