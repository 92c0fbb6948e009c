package files

import (
	"fmt"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/chaos"
	"starquake/dsl"
)

// ExportOptions say what Export has to know of the language.
type ExportOptions struct {
	// Builtins are the names of the language.
	Builtins []dsl.Builtin
	// Scenario gives the faults of a scenario of the user's own; it may be nil.
	Scenario func(name string) ([]chaos.Fault, bool)
}

// Export gives a script as an orchestration file, where the schema can say it. It reads
// the syntax tree and computes what is constant in it: names, lists, loops over them and
// the script's own functions. What the schema cannot say is an error at its place, and
// all of them come at once; then there is no document.
//
// A document is not to be trusted before it has been transpiled and planned, and its plan
// compared with the script's: only that shows that nothing was lost.
func Export(unit *dsl.Unit, opt ExportOptions) (*Doc, dsl.Diagnostics) {
	x := &exporter{
		unit: unit, opt: opt, calls: map[*syntax.CallExpr]dsl.Call{}, args: map[*syntax.CallExpr]map[string]syntax.Expr{}, vars: map[*syntax.Ident]starlark.Value{},
		modules: map[string]bool{}, said: map[string]bool{}, into: &actions{},
	}
	for call := range dsl.Calls(unit, dsl.Options{Builtins: opt.Builtins}) {
		x.calls[call.Expr] = call
	}
	x.doc = &Doc{Format: "yaml", HasSteps: true}
	x.module(unit.Main)
	if unit.Main.HasMain {
		if main, ok := x.global(unit.Main, "main").(*function); ok {
			x.invoke(main, main.node, nil, nil)
		}
	}
	if x.doc.Name == nil {
		x.doc.Name = &Str{Value: strings.TrimSuffix(unit.Main.Name, ".star")}
	}
	x.finish()
	x.diags.Sort()
	if x.diags.HasErrors() {
		return nil, x.diags
	}
	x.comments()
	return x.doc, x.diags
}

// exporter is one Export under way. It executes the script's statements, but nothing
// that it calls acts: steps are noted.
type exporter struct {
	unit  *dsl.Unit
	opt   ExportOptions
	calls map[*syntax.CallExpr]dsl.Call
	args  map[*syntax.CallExpr]map[string]syntax.Expr // what their parameters are given
	// vars are the values of variables, by the identifier that first binds them. One map
	// serves all calls of a function: recursion is not part of the dialect.
	vars    map[*syntax.Ident]starlark.Value
	modules map[string]bool // executed, or being executed
	current *dsl.Module     // that of the statement being executed
	depth   int
	work    int

	doc  *Doc
	into *actions // what the statements being executed do

	diags dsl.Diagnostics
	said  map[string]bool // what has been said, and where
	hits  bool            // that min_hits is lost has been said, once for all steps
}

// actions are what a body does, in order.
type actions struct {
	steps []Step
	// whole is a parallel or a loop, which has to be all that a body does.
	whole *wholeAction
	// extra is the first action behind or before whole.
	extra syntax.Node
}

// wholeAction is a parallel or a loop.
type wholeAction struct {
	node     syntax.Node
	name     string
	branches []*actions // of a parallel
	body     *actions   // of a loop
	times    string     // of a loop; "0" is for ever
}

// problem says that something cannot be exported.
func (x *exporter) problem(n syntax.Node, help, format string, args ...any) starlark.Value {
	start, end := n.Span()
	d := dsl.Diagnostic{
		Severity: dsl.Error, Code: "not_exportable", File: start.Filename(), Line: int(start.Line), Col: int(start.Col),
		Message: fmt.Sprintf(format, args...), Help: help,
	}
	if end.Line > start.Line || end.Line == start.Line && end.Col > start.Col {
		d.EndLine, d.EndCol = int(end.Line), int(end.Col)
	}
	x.say(d)
	return unknown{}
}

// warn says what is lost although the export goes on.
func (x *exporter) warn(n syntax.Node, format string, args ...any) {
	start, end := n.Span()
	x.say(dsl.Diagnostic{
		Severity: dsl.Warning, Code: "not_exported", File: start.Filename(), Line: int(start.Line), Col: int(start.Col),
		EndLine: int(end.Line), EndCol: int(end.Col), Message: fmt.Sprintf(format, args...),
	})
}

// say keeps a diagnostic, unless the same was said at the same place: a body may be
// executed several times.
func (x *exporter) say(d dsl.Diagnostic) {
	key := d.String()
	if !x.said[key] {
		x.said[key] = true
		x.diags = append(x.diags, d)
	}
}

// module executes the top level of a module, once.
func (x *exporter) module(m *dsl.Module) {
	if m == nil || m.File == nil || x.modules[m.Name] {
		return
	}
	x.modules[m.Name] = true
	outer := x.current
	x.current = m
	x.exec(m.File.Stmts)
	x.current = outer
}

// global is the value of a module's global, None if it has none.
func (x *exporter) global(m *dsl.Module, name string) starlark.Value {
	if m != nil && m.File != nil {
		if info, ok := m.File.Module.(*resolve.Module); ok {
			for _, b := range info.Globals {
				if b.First.Name == name && x.vars[b.First] != nil {
					return x.vars[b.First]
				}
			}
		}
	}
	return starlark.None
}

// variableOf identifies the variable that an identifier denotes; nil for the names of the
// language.
func variableOf(id *syntax.Ident) *syntax.Ident {
	if b, ok := id.Binding.(*resolve.Binding); ok && b != nil {
		return b.First
	}
	return nil
}

// unparen takes the parentheses off an expression.
func unparen(e syntax.Expr) syntax.Expr {
	for {
		p, ok := e.(*syntax.ParenExpr)
		if !ok {
			return e
		}
		e = p.X
	}
}
