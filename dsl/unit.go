package dsl

import (
	"io/fs"

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
