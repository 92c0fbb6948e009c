package dsl

import (
	"go.starlark.net/starlark"
)

// recompiled is the program of a module with an Origin, made of a second tree whose places
// are those of the person's file; the checks need the first, in the order of its own
// text. It is made beside them: a file may have ten thousand steps.
type recompiled struct {
	module  *Module
	program *starlark.Program
	err     error
	done    chan struct{}
	// wanted says that the module resolves, so that the program is good.
	wanted bool
}

// compileAgain begins to make the program of m.
func (l *loader) compileAgain(m *Module) *recompiled {
	r := &recompiled{module: m, done: make(chan struct{})}
	limit := l.opt.maxFile() * maxGrowth
	name, text := m.Name, m.Text
	go func() {
		defer close(r.done)
		if int64(len(text)) > limit {
			return // which is said of the first tree
		}
		file, err := FileOptions().Parse(name, text, 0)
		if err != nil || tooDeep(file) != nil {
			return // as well
		}
		m.relocate(file)
		// Names that nobody defines are found in the first tree.
		r.program, r.err = starlark.FileProgram(file, func(name string) bool {
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
