package app

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"go.starlark.net/starlark"

	"starquake/builtins"
	"starquake/dsl"
	"starquake/dsl/files"
)

// language is the table of builtins, compiled once a process: it is immutable.
var language = sync.OnceValues(func() (starlark.StringDict, error) {
	return builtins.Compile(builtins.Table(), builtins.Constants())
})

// rows is the table of builtins as package dsl takes it.
var rows = sync.OnceValue(builtins.Rows)

// Script is an orchestration that was read and checked.
type Script struct {
	Unit *dsl.Unit
	// Path is the file it was read from, "" for one that came as text.
	Path string
	// Warnings are what the checks say besides errors.
	Warnings dsl.Diagnostics
	// Report is where an orchestration file asks for a report of its runs; nil if it does
	// not, or is a script.
	Report *ReportPath
	loader Loader
	names  starlark.StringDict
	texts  func() map[string]string // of every module, for the journals of all runs
	steps  func() int               // written in it
}

// A Loader reads scripts and orchestration files. The zero value reads strictly.
type Loader struct {
	// Lenient makes warnings of the keys of an orchestration file that its schema does
	// not know, which are otherwise errors.
	Lenient bool
	// Library is the folder of the user's own scenarios, "" without one: its modules are
	// part of every script, and scenario(name) finds what they define.
	Library string
	// ParamAs is how people give parameters to the scripts, for help: a text with NAME and
	// VALUE in it; "" for the flag of the command line.
	ParamAs string
}

// Load reads and checks the file at path, a script with every module it loads or an
// orchestration file, strictly. Where the diagnostics hold an error there is no script;
// its Unit still serves the sources.
func Load(path string) (*Script, dsl.Diagnostics) { return Loader{}.Load(path) }

// LoadText is Load for a script that is not a file; it can load only from the
// standard library. The name tells what it is, as that of a file does.
func LoadText(name string, text []byte) (*Script, dsl.Diagnostics) {
	return Loader{}.LoadText(name, text)
}

// Load reads and checks the file at path; see the function Load.
func (l Loader) Load(path string) (*Script, dsl.Diagnostics) {
	var report *ReportPath
	unit, diags := dsl.Load(path, l.options(path, &report))
	s, diags := l.script(unit, path, diags)
	s.Report = report
	return s, append(diags, report.check()...)
}

// LoadText reads and checks a script that is not a file; see the function LoadText.
func (l Loader) LoadText(name string, text []byte) (*Script, dsl.Diagnostics) {
	var report *ReportPath
	unit, diags := dsl.LoadText(name, text, l.options(name, &report))
	s, diags := l.script(unit, "", diags)
	s.Report = report
	return s, diags
}

func (l Loader) script(unit *dsl.Unit, path string, diags dsl.Diagnostics) (*Script, dsl.Diagnostics) {
	s, diags := newScript(unit, path, diags)
	s.loader = l
	return s, diags
}

// options say how the file of a name is read, and where it asks for a report.
func (l Loader) options(name string, report **ReportPath) dsl.Options {
	opt := dsl.Options{Builtins: rows()}
	if l.Library != "" {
		opt.UserLibrary = os.DirFS(l.Library)
	}
	if IsOrchestrationFile(name) {
		opt.Transpile, opt.MaxFile = l.transpileTo(report), files.MaxSize
	}
	return opt
}

// IsOrchestrationFile tells by its name whether a file is an orchestration in YAML or
// JSON. Any other is taken for a script.
func IsOrchestrationFile(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// transpileTo gives what makes a script of an orchestration file, and tells where the file
// asks for a report.
func (l Loader) transpileTo(report **ReportPath) func(string, []byte, func(string) bool) ([]byte, *dsl.Origin, dsl.Diagnostics) {
	return func(name string, text []byte, scenario func(string) bool) ([]byte, *dsl.Origin, dsl.Diagnostics) {
		doc, diags := files.Read(name, text, files.ReadOptions{Lenient: l.Lenient, Scenario: scenario})
		if doc == nil {
			return nil, nil, diags
		}
		*report = reportPath(name, doc)
		star, origin, more := files.Transpile(doc)
		for _, d := range more {
			d.File = name
			diags = append(diags, d)
		}
		return star, origin, diags
	}
}

func newScript(unit *dsl.Unit, path string, diags dsl.Diagnostics) (*Script, dsl.Diagnostics) {
	names, err := language()
	if err != nil {
		return &Script{Unit: unit}, append(diags, dsl.Diagnostic{Severity: dsl.Error, Code: "internal_error", Message: err.Error()})
	}
	diags = append(diags, predefined(unit)...)
	return &Script{
		Unit: unit, Path: path, Warnings: diags, names: names,
		texts: sync.OnceValue(unit.Texts), steps: sync.OnceValue(func() int { return stepsIn(unit) }),
	}, diags
}

// Name is the orchestration's name as far as it can be known without running it: the
// file's.
func (s *Script) Name() string {
	return strings.TrimSuffix(filepath.Base(s.Unit.Main.Name), ".star")
}

// newEnv makes the surroundings of one run of the script.
func (s *Script) newEnv() *builtins.Env {
	scenarios := make(map[string]string, len(s.Unit.Scenarios))
	for name, own := range s.Unit.Scenarios {
		scenarios[name] = own.Module
	}
	return &builtins.Env{
		Names: s.names, Scenarios: scenarios, ParamAs: s.loader.ParamAs,
		Init: func(thread *starlark.Thread, name string) (starlark.StringDict, error) {
			m := s.Unit.Modules[name]
			if m == nil || m.Program == nil {
				return nil, fmt.Errorf("module %q was not loaded", name)
			}
			return m.Program.Init(thread, s.names)
		},
		Resolve: func(from, as string) (string, error) {
			m := s.Unit.Modules[from]
			if m == nil {
				return "", fmt.Errorf("module %q was not loaded", from)
			}
			if name, ok := m.Loads[as]; ok {
				return name, nil
			}
			return "", fmt.Errorf("module %q was not loaded", as)
		},
	}
}

// Declared is what a script says of itself without being run.
type Declared struct {
	Meta   builtins.Meta
	Params []builtins.Param
}

// Declare executes the top level of a script that has main(), which only declares,
// and gives what it said. Of a script without main() nothing is known beforehand.
// Parameters may be missing; params are those given.
func (s *Script) Declare(params map[string]builtins.GivenParam) (Declared, error) {
	if !s.Unit.Main.HasMain {
		return Declared{}, nil
	}
	env := s.newEnv()
	env.Params, env.AnyTarget, env.AnyParam = params, true, true
	turns := processWatch.over(nil, DefaultMemoryLimit, env, env.Interrupt)
	defer turns.leave()
	_, err := env.Declare(s.Unit.Main.Name)
	return Declared{env.Meta, env.Declared}, err
}

// seed is the default seed: a hash of the script's texts and the parameters. What the
// script's own file is called does not count; modules are loaded by their names.
func (s *Script) seed(params json.RawMessage) uint64 {
	h := fnv.New64a()
	write := func(name string, text []byte) {
		fmt.Fprintf(h, "%q %d\n", name, len(text))
		h.Write(text)
	}
	write("", s.Unit.Main.Text)
	for _, name := range slices.Sorted(maps.Keys(s.Unit.Modules)) {
		if m := s.Unit.Modules[name]; m != s.Unit.Main {
			write(name, m.Text)
		}
	}
	h.Write(params)
	return h.Sum64()
}

// SourceOf gives the text of a module, for diagnostics.
func (s *Script) SourceOf(file string) []byte { return s.Unit.Sources(file) }

// hasChaos says whether the script makes faults somewhere.
func (s *Script) hasChaos() bool {
	for call := range dsl.Calls(s.Unit, dsl.Options{Builtins: rows()}) {
		if strings.HasPrefix(call.Name, "fault.") || call.Name == "scenario" || call.Name == "profile" {
			return true
		}
	}
	return false
}

// Interpreter names what executes scripts, with its version: a journal is replayed
// by the same.
func Interpreter() string {
	const path = "go.starlark.net"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == path {
				return path + " " + dep.Version
			}
		}
	}
	return path
}
