package dsl

import (
	"io/fs"
	"unsafe"

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
	// UserLibrary is a folder of modules of the user's own: every one is part of the unit,
	// load("@library/NAME.star") serves it, and Scenarios lists what it defines. Nil: none.
	UserLibrary fs.FS
	// Files serves the loads of LoadText; nil refuses them. Load uses the script's folder.
	Files fs.FS
	// MaxFile bounds the bytes of one module; 0 stands for 4 MiB.
	MaxFile int64
	// MaxModules bounds the modules of a script, the script itself included; 0 stands for 256.
	MaxModules int
	// NoCheck leaves out the static checks, for scripts that passed them before.
	NoCheck bool
	// Transpile turns the main file, which is in another language, into a module: its text
	// and what that was made of, whose Text Load fills in. scenario tells whether the
	// user's library has a scenario of a name. Without an error in the diagnostics there
	// is an origin. Nil: the main file is Starlark.
	Transpile func(name string, text []byte, scenario func(name string) bool) (star []byte, origin *Origin, diags Diagnostics)

	userModules []string // where the modules of the user's library are given with the others
	ran         string   // where they are, what Transpile made of the main file then
}

// A Unit is a script with all modules that it loads.
type Unit struct {
	Main *Module
	// Modules holds every module by its canonical name, Main included.
	Modules map[string]*Module
	// Order holds them in the order in which they are to be executed: a module
	// stands behind those that it loads, Main is last.
	Order []*Module
	// Scenarios are those of the user's library by name.
	Scenarios map[string]Scenario
}

// A Module is one file of a script.
type Module struct {
	// Name is the canonical name, which positions show: "checkout.star",
	// "lib/x.star", "@starquake/patterns.star".
	Name string
	// Text is Starlark.
	Text []byte
	// Origin is what the text was made of; nil where a person wrote it.
	Origin *Origin
	// File is the syntax tree, resolved; nil if the text has a syntax error.
	File *syntax.File
	// Program is ready to be executed; nil if the module has errors.
	Program *starlark.Program
	// HasMain says that the module defines main at its top level.
	HasMain bool
	// Loads gives the canonical name for each load statement's module as written.
	Loads map[string]string
}

// Sources gives the text of a module by its name, for Diagnostics.Render: the one that
// a person wrote.
func (u *Unit) Sources(file string) []byte {
	if u == nil || u.Modules[file] == nil {
		return nil
	}
	if o := u.Modules[file].Origin; o != nil {
		return o.Text
	}
	return u.Modules[file].Text
}

// Texts gives the text of every module by its name, for the journal; see LoadModules.
// Of one with an Origin it gives the file under its name, and under the name of
// transpiledName what was made of it, which is what runs.
func (u *Unit) Texts() map[string]string {
	texts := make(map[string]string, len(u.Modules))
	for name, m := range u.Modules {
		if m.Origin == nil {
			texts[name] = asString(m.Text)
			continue
		}
		texts[name], texts[transpiledName(name)] = asString(m.Origin.Text), asString(m.Text)
	}
	return texts
}

// asString gives the text of a module, which nobody changes once it is loaded, without a
// copy of it: two of some megabytes take longer than the rest of what begins a run.
func asString(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) }

// transpiledName is the name under which the Starlark made of a file is kept.
func transpiledName(name string) string { return name + ".star" }

// FileOptions is the dialect: LANGUAGE.md, "Dialect".
func FileOptions() *syntax.FileOptions {
	return &syntax.FileOptions{Set: true, TopLevelControl: true, GlobalReassign: true}
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
