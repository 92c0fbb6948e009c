package dsl

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Load reads the script at path and every module that it loads, from its folder
// and below. The unit holds what could be read even where there are errors, for
// Sources; execute it only if the diagnostics hold none.
func Load(path string, opt Options) (*Unit, Diagnostics) {
	name := filepath.Base(path)
	text, err := readPath(path, opt.maxFile())
	if err != nil {
		return &Unit{Modules: map[string]*Module{}}, Diagnostics{fileProblem(path, err)}
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return &Unit{Modules: map[string]*Module{}}, Diagnostics{fileProblem(path, err)}
	}
	defer root.Close()
	return load(name, text, opt, folder{root.FS(), opt.maxFile()}.read)
}

// LoadText loads a script that is not a file of its own, under the name that
// positions are to show. Its loads are served by opt.Files. text is the unit's from then on.
func LoadText(name string, text []byte, opt Options) (*Unit, Diagnostics) {
	return load(name, text, opt, folder{opt.Files, opt.maxFile()}.read)
}

// LoadModules loads a script from the texts of its modules, as Unit.Texts gave them.
// A module of the standard library is taken from modules as well, so that a run
// that is recovered meets the text with which it began.
func LoadModules(main string, modules map[string]string, opt Options) (*Unit, Diagnostics) {
	text, ok := modules[main]
	if !ok {
		return &Unit{Modules: map[string]*Module{}}, Diagnostics{{
			Severity: Error, Code: "missing_file", File: main,
			Message: fmt.Sprintf("the text of %q is not among the %d modules given", main, len(modules)),
		}}
	}
	for name := range modules {
		if strings.HasPrefix(name, userPrefix) {
			opt.userModules = append(opt.userModules, name)
		}
	}
	slices.Sort(opt.userModules)
	read := func(name string) ([]byte, error) {
		text, ok := modules[name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return []byte(text), nil
	}
	opt.ran = modules[transpiledName(main)]
	return load(main, []byte(text), opt, read)
}

// loader is one Load under way.
type loader struct {
	opt   Options
	table *table
	// read gives the text of a module by its canonical name.
	read func(name string) ([]byte, error)
	unit *Unit
	// path holds the modules that are being loaded, outermost first.
	path  []string
	diags Diagnostics
	full  bool // too many modules; said once
	// again is the program of a module with an Origin, which is compiled beside the rest;
	// nil without one.
	again *recompiled
}

func load(name string, text []byte, opt Options, read func(string) ([]byte, error)) (*Unit, Diagnostics) {
	l := &loader{opt: opt, read: read, unit: &Unit{Modules: map[string]*Module{}}}
	t, err := newTable(opt.Builtins)
	if err != nil {
		return l.unit, Diagnostics{{Severity: Error, Code: "bad_table", Message: "the table of builtins is wrong: " + err.Error()}}
	}
	l.table = t
	l.userLibrary()
	transpiled := l.main(name, text)
	if !opt.NoCheck {
		l.diags = append(l.diags, check(l.unit, t)...)
	}
	l.finishAgain()
	// What was said of the file itself is in its own places.
	return l.unit, finish(append(transpiled, l.unit.locateAll(l.diags)...), name)
}

// main loads the main module. The diagnostics that it returns are those of a file in
// another language; those of the module made of it join the others.
func (l *loader) main(name string, text []byte) Diagnostics {
	if l.opt.Transpile == nil {
		l.unit.Main = l.module(&Module{Name: name, Text: text})
		return nil
	}
	star, origin, diags := l.opt.Transpile(name, text, func(scenario string) bool {
		_, ok := l.unit.Scenarios[scenario]
		return ok
	})
	if l.opt.ran != "" && l.opt.ran != string(star) {
		// Another version made it: what ran is what counts, without places in the file.
		l.unit.Main = l.module(&Module{Name: transpiledName(name), Text: []byte(l.opt.ran)})
		return nil
	}
	m := &Module{Name: name, Text: star, Origin: origin}
	if diags.HasErrors() {
		m.Origin = new(Origin) // for Sources
		l.unit.Modules[name] = m
	}
	m.Origin.Text = bytes.TrimPrefix(text, utf8BOM)
	if l.unit.Main = m; !diags.HasErrors() {
		l.module(m)
	}
	return diags
}

// module parses a module, loads those it loads, and resolves and compiles it.
func (l *loader) module(m *Module) *Module {
	name := m.Name
	m.Loads = map[string]string{}
	l.unit.Modules[name] = m
	limit := l.opt.maxFile()
	if m.Origin != nil {
		limit *= maxGrowth
	}
	file, diags := parse(m, limit)
	l.diags = append(l.diags, diags...)
	if file != nil {
		if m.Origin != nil {
			l.again = l.compileAgain(m, file)
		}
		l.path = append(l.path, name)
		for _, stmt := range file.Stmts {
			if load, ok := stmt.(*syntax.LoadStmt); ok {
				l.load(m, load)
			}
		}
		l.path = l.path[:len(l.path)-1]
		l.resolve(m, file)
	}
	l.unit.Order = append(l.unit.Order, m)
	return m
}

// load makes sure that the module of a load statement is loaded.
func (l *loader) load(m *Module, stmt *syntax.LoadStmt) {
	written := stmt.ModuleName()
	name, err := canonical(written)
	if err != nil {
		l.diags = append(l.diags, atNode(stmt.Module, "bad_load", "cannot load %q: %v", written, err).
			help("paths are relative to the folder of the main script, for example load(\"lib/x.star\", \"f\")"))
		return
	}
	m.Loads[written] = name
	if i := slices.Index(l.path, name); i >= 0 {
		cycle := append(slices.Clone(l.path[i:]), name)
		l.diags = append(l.diags, atNode(stmt.Module, "load_cycle", "load cycle: %s", strings.Join(cycle, " → ")).
			help("move what both need into a module of its own"))
		return
	}
	other := l.unit.Modules[name]
	if other == nil {
		if other = l.fetch(name, stmt); other == nil {
			return
		}
	}
	l.exports(other, stmt)
}

// fetch reads and loads a module for the first time; nil if it cannot be read.
func (l *loader) fetch(name string, stmt *syntax.LoadStmt) *Module {
	if len(l.unit.Modules) >= l.opt.maxModules() {
		if !l.full {
			l.full = true
			l.diags = append(l.diags, atNode(stmt.Module, "too_many_modules",
				"the script loads more than %d modules, which is the limit", l.opt.maxModules()))
		}
		return nil
	}
	text, err := l.read(name)
	if strings.HasPrefix(name, userPrefix) {
		text, err = l.readUser(name)
	}
	if library, ok := strings.CutPrefix(name, libraryPrefix); ok && isMissing(err) {
		text, err = folder{l.library(), l.opt.maxFile()}.read(library)
	}
	if err != nil {
		d := fileProblem(name, err)
		place := atNode(stmt.Module, d.Code, "cannot load %q: %s", stmt.ModuleName(), d.Message)
		place.Help = l.whatIsThere(name, err)
		l.diags = append(l.diags, place)
		return nil
	}
	return l.module(&Module{Name: name, Text: text})
}

func (l *loader) library() fs.FS {
	if l.opt.Library != nil {
		return l.opt.Library
	}
	return Library()
}

// exports checks that a module defines what is loaded from it.
func (l *loader) exports(m *Module, stmt *syntax.LoadStmt) {
	if m.File == nil {
		return // it has a syntax error of its own
	}
	globals := m.globals()
	for _, from := range stmt.From {
		if from.Name == "" || from.Name[0] == '_' || slices.Contains(globals, from.Name) {
			continue // the resolver speaks of the first two
		}
		end := from.NamePos
		end.Col += int32(len([]rune(from.Name)))
		d := at(from.NamePos, end, "unknown_name", "%s defines no %s", m.Name, from.Name)
		public := slices.DeleteFunc(slices.Clone(globals), func(s string) bool { return s[0] == '_' })
		l.diags = append(l.diags, d.help("%s", didYouMean(from.Name, public, "it defines")))
	}
}

// globals are the names that a module defines itself; what it loads is not passed on.
func (m *Module) globals() []string {
	var names []string
	if module, ok := m.File.Module.(*resolve.Module); ok {
		for _, b := range module.Globals {
			names = append(names, b.First.Name)
		}
	}
	return names
}

// resolve binds the names of a module and compiles it.
//
// Names that nobody defines are let through and reported here: the resolver would
// compare each of them with every name of the module.
func (l *loader) resolve(m *Module, file *syntax.File) {
	m.File = file
	unknown := map[string]bool{}
	predeclared := func(name string) bool {
		if !l.table.top[name] && !starlark.Universe.Has(name) {
			unknown[name] = true
		}
		return l.table.top[name] || unknown[name]
	}
	if m.Origin != nil { // its program is made of another tree: see compileAgain
		if err := resolve.File(file, predeclared, starlark.Universe.Has); err != nil {
			l.diags = append(l.diags, resolveProblems(m, err)...)
		} else {
			l.again.wanted = len(unknown) == 0
		}
	} else if program, err := starlark.FileProgram(file, predeclared); err != nil {
		l.diags = append(l.diags, resolveProblems(m, err)...)
	} else if len(unknown) == 0 {
		m.Program = program
	}
	l.diags = append(l.diags, undefinedNames(m, l.table, unknown)...)
	m.HasMain = slices.Contains(m.globals(), "main")
}

// maxGrowth is how many times longer than the limit for files a program may be that is
// made of one.
const maxGrowth = 4
