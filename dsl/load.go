package dsl

import (
	"cmp"
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

// Options say what a script may use and how large it may be. The zero value knows
// no builtins but those of Starlark and its json, math and time.
type Options struct {
	// Builtins are the names of the language.
	Builtins []Builtin
	// Library serves load("@starquake/NAME.star") as NAME.star; nil stands for Library().
	Library fs.FS
	// Files serves the loads of LoadText; nil refuses them. Load uses the script's folder.
	Files fs.FS
	// MaxFile bounds the bytes of one module; 0 stands for 4 MiB.
	MaxFile int64
	// MaxModules bounds the modules of a script, the script itself included; 0 stands for 256.
	MaxModules int
	// NoCheck leaves out the static checks, for scripts that passed them before.
	NoCheck bool
}

// A Unit is a script with all modules that it loads.
type Unit struct {
	Main *Module
	// Modules holds every module by its canonical name, Main included.
	Modules map[string]*Module
	// Order holds them in the order in which they are to be executed: a module
	// stands behind those that it loads, Main is last.
	Order []*Module
}

// A Module is one file of a script.
type Module struct {
	// Name is the canonical name, which positions show: "checkout.star",
	// "lib/x.star", "@starquake/patterns.star".
	Name string
	Text []byte
	// File is the syntax tree, resolved; nil if the text has a syntax error.
	File *syntax.File
	// Program is ready to be executed; nil if the module has errors.
	Program *starlark.Program
	// HasMain says that the module defines main at its top level.
	HasMain bool
	// Loads gives the canonical name for each load statement's module as written.
	Loads map[string]string
}

// Sources gives the text of a module by its name, for Diagnostics.Render.
func (u *Unit) Sources(file string) []byte {
	if u == nil || u.Modules[file] == nil {
		return nil
	}
	return u.Modules[file].Text
}

// Texts gives the text of every module by its name, for the journal; see LoadModules.
func (u *Unit) Texts() map[string]string {
	texts := make(map[string]string, len(u.Modules))
	for name, m := range u.Modules {
		texts[name] = string(m.Text)
	}
	return texts
}

// Predeclared tells whether name is predeclared for a script, for starlark.Program.Init.
func Predeclared(builtins []Builtin) (func(name string) bool, error) {
	t, err := newTable(builtins)
	if err != nil {
		return nil, err
	}
	return func(name string) bool { return t.top[name] }, nil
}

// FileOptions is the dialect: LANGUAGE.md, "Dialect".
func FileOptions() *syntax.FileOptions {
	return &syntax.FileOptions{Set: true, TopLevelControl: true, GlobalReassign: true}
}

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
// positions are to show. Its loads are served by opt.Files.
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
	return load(main, []byte(text), opt, func(name string) ([]byte, error) {
		text, ok := modules[name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return []byte(text), nil
	})
}

func (o Options) maxFile() int64 {
	if o.MaxFile > 0 {
		return o.MaxFile
	}
	return 4 << 20
}

func (o Options) maxModules() int {
	if o.MaxModules > 0 {
		return o.MaxModules
	}
	return 256
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
}

func load(name string, text []byte, opt Options, read func(string) ([]byte, error)) (*Unit, Diagnostics) {
	l := &loader{opt: opt, read: read, unit: &Unit{Modules: map[string]*Module{}}}
	t, err := newTable(opt.Builtins)
	if err != nil {
		return l.unit, Diagnostics{{Severity: Error, Code: "bad_table", Message: "the table of builtins is wrong: " + err.Error()}}
	}
	l.table = t
	l.unit.Main = l.module(name, text)
	if !opt.NoCheck {
		l.diags = append(l.diags, check(l.unit, t)...)
	}
	return l.unit, finish(l.diags, name)
}

// finish orders diagnostics: the main script's first, each place and rule once.
func finish(ds Diagnostics, main string) Diagnostics {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		switch {
		case a.File == main && b.File != main:
			return -1
		case b.File == main && a.File != main:
			return 1
		}
		return strings.Compare(a.File, b.File)
	})
	ds.Sort()
	// Nobody but us can act on a warning about the standard library.
	ds = slices.DeleteFunc(ds, func(d Diagnostic) bool {
		return d.Severity != Error && strings.HasPrefix(d.File, libraryPrefix)
	})
	type spot struct {
		file, code string
		line, col  int
	}
	seen := map[spot]bool{}
	ds = slices.DeleteFunc(ds, func(d Diagnostic) bool {
		s := spot{d.File, d.Code, d.Line, d.Col}
		twice := seen[s]
		seen[s] = true
		return twice
	})
	if len(ds) > maxProblems {
		more := len(ds) - maxProblems
		// An error must not be lost behind a hundred warnings.
		slices.SortStableFunc(ds, func(a, b Diagnostic) int { return cmp.Compare(severityRank(a), severityRank(b)) })
		ds = append(ds[:maxProblems:maxProblems], Diagnostic{
			Severity: ds[maxProblems].Severity, Code: "too_many_problems", File: main,
			Message: fmt.Sprintf("and %d more", more),
		})
	}
	return ds
}

// maxProblems bounds the diagnostics of one Load; what follows is only counted.
const maxProblems = 200

func severityRank(d Diagnostic) int {
	return slices.Index([]Severity{Error, Warning, Hint}, d.Severity)
}

// module parses a module, loads those it loads, and resolves and compiles it.
func (l *loader) module(name string, text []byte) *Module {
	m := &Module{Name: name, Text: text, Loads: map[string]string{}}
	l.unit.Modules[name] = m
	file, diags := parse(m, l.opt.maxFile())
	l.diags = append(l.diags, diags...)
	if file != nil {
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
	return l.module(name, text)
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
		public := slices.DeleteFunc(globals, func(s string) bool { return s[0] == '_' })
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
func (l *loader) resolve(m *Module, file *syntax.File) {
	m.File = file
	program, err := starlark.FileProgram(file, func(name string) bool { return l.table.top[name] })
	if err != nil {
		l.diags = append(l.diags, resolveProblems(m, l.table, err)...)
	} else {
		m.Program = program
	}
	m.HasMain = slices.Contains(m.globals(), "main")
}
