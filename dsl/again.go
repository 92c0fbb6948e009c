package dsl

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// recompiled is the program of a module with an Origin, made of a copy of its tree whose
// places are those of the person's file; the checks need the tree in the places of its own
// text. It is made beside them: a file may have ten thousand steps.
type recompiled struct {
	module  *Module
	program *starlark.Program
	err     error
	done    chan struct{}
	// wanted says that the module resolves, so that the program is good.
	wanted bool
}

// compileAgain begins to make the program of m, of which file is the tree. That may be
// resolved meanwhile.
func (l *loader) compileAgain(m *Module, file *syntax.File) *recompiled {
	r := &recompiled{module: m, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		// Names that nobody defines are found in the first tree.
		r.program, r.err = starlark.FileProgram(m.relocated(file), func(name string) bool {
			return l.table.top[name] || !starlark.Universe.Has(name)
		})
	}()
	return r
}

// finishAgain waits for the program, and gives it to its module.
func (l *loader) finishAgain() {
	r := l.again
	if r == nil {
		return
	}
	<-r.done
	switch {
	case !r.wanted:
	case r.err != nil:
		l.diags = append(l.diags, resolveProblems(r.module, r.err)...)
	default:
		r.module.Program = r.program
	}
}
