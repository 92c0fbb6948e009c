package dsl

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"go.starlark.net/syntax"
)

// userPrefix begins the names of the modules of a library of the user's own.
const userPrefix = "@library/"

// A Scenario is a set of faults of a user's library: a function at the top level of one
// of its modules that can be called without arguments. Its name is that of the function.
type Scenario struct {
	Name string
	// Module is the canonical name of its module.
	Module string
	// Doc is the function's docstring.
	Doc string
	// Params are the function's parameters as its text has them: "loss = 5".
	Params []string
	// Line is where it is defined.
	Line int
}

// userLibrary loads every module of the user's library, whether the script loads it or
// not: any of them may have the scenario that it names.
func (l *loader) userLibrary() {
	names, err := userNames(l.opt.UserLibrary)
	if err != nil {
		l.diags = append(l.diags, fileProblem(strings.TrimSuffix(userPrefix, "/"), err))
	}
	for _, name := range append(names, l.opt.userModules...) {
		if m := l.unit.Modules[name]; m != nil { // another one has loaded it
			l.scenarios(m)
			continue
		}
		text, err := l.readUser(name)
		if err != nil {
			l.diags = append(l.diags, fileProblem(name, err))
			continue
		}
		if len(l.unit.Modules) >= l.opt.maxModules() {
			l.diags = append(l.diags, Diagnostic{Severity: Error, Code: "too_many_modules", File: name,
				Message: fmt.Sprintf("the library has more than %d modules, which is the limit", l.opt.maxModules())})
			return
		}
		l.scenarios(l.module(&Module{Name: name, Text: text}))
	}
}

// readUser reads a module of the user's library.
func (l *loader) readUser(name string) ([]byte, error) {
	text, err := l.read(name)
	if isMissing(err) && l.opt.UserLibrary != nil {
		return folder{l.opt.UserLibrary, l.opt.maxFile()}.read(strings.TrimPrefix(name, userPrefix))
	}
	return text, err
}

// userNames lists the modules of a library's folder: its .star files but the tests.
// Folders in it are the library's own affair.
func userNames(library fs.FS) ([]string, error) {
	if library == nil {
		return nil, nil
	}
	entries, err := fs.ReadDir(library, ".")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".star") && !strings.HasSuffix(name, "_test.star") && !e.IsDir() {
			names = append(names, userPrefix+name)
		}
	}
	return names, nil
}

// scenarios notes the scenarios of a module. A name stands for one of them only.
func (l *loader) scenarios(m *Module) {
	if m.File == nil {
		return
	}
	for _, stmt := range m.File.Stmts {
		def, ok := stmt.(*syntax.DefStmt)
		if !ok || def.Name.Name[0] == '_' {
			continue
		}
		params, ok := optional(m, def.Params)
		if !ok {
			continue // a function for others to call
		}
		name := def.Name.Name
		if first, twice := l.unit.Scenarios[name]; twice {
			l.diags = append(l.diags, atNode(def.Name, "scenario_twice", "the library has a scenario %s in %s already: scenario(%q) could be either", name, first.Module, name).
				help("rename one, or begin the name of a helper with _"))
			continue
		}
		if l.unit.Scenarios == nil {
			l.unit.Scenarios = map[string]Scenario{}
		}
		l.unit.Scenarios[name] = Scenario{Name: name, Module: m.Name, Doc: docstringOf(def), Params: params, Line: int(def.Name.NamePos.Line)}
	}
}

// Parameters gives the parameters of the functions at the top level of a module that can
// be called without arguments, as its text has them.
func Parameters(m *Module) map[string][]string {
	all := map[string][]string{}
	if m == nil || m.File == nil {
		return all
	}
	for _, stmt := range m.File.Stmts {
		if def, ok := stmt.(*syntax.DefStmt); ok {
			if params, ok := optional(m, def.Params); ok {
				all[def.Name.Name] = params
			}
		}
	}
	return all
}

// optional gives parameters as the text has them; ok is false if one must be given.
func optional(m *Module, list []syntax.Expr) (params []string, ok bool) {
	lines := newLineIndex(m.Text)
	for _, p := range list {
		switch p := p.(type) {
		case *syntax.BinaryExpr:
			params = append(params, p.X.(*syntax.Ident).Name+" = "+lines.oneLine(p.Y))
		case *syntax.UnaryExpr: // *, *args or **kwargs
			name := ""
			if id, ok := p.X.(*syntax.Ident); ok {
				name = id.Name
			}
			params = append(params, p.Op.String()+name)
		default:
			return nil, false
		}
	}
	return params, true
}

// oneLine is the text of an expression, on one line.
func (x *lineIndex) oneLine(e syntax.Expr) string {
	start, end := e.Span()
	return clean(strings.Join(strings.Fields(x.span(int(start.Line), int(start.Col), int(end.Line), int(end.Col))), " "))
}

// docstringOf is the docstring of a function, its lines without their indentation.
func docstringOf(def *syntax.DefStmt) string {
	if len(def.Body) == 0 {
		return ""
	}
	stmt, ok := def.Body[0].(*syntax.ExprStmt)
	if !ok {
		return ""
	}
	lit, ok := stmt.X.(*syntax.Literal)
	if !ok {
		return ""
	}
	text, _ := lit.Value.(string)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(slices.Compact(lines), "\n")
}
