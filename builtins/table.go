package builtins

import (
	"math/rand/v2"
	"slices"
	"time"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/runtime"
)

// Table is the language: every builtin, in the order of the reference. It is what
// registers, checks, helps and documents them.
func Table() []Builtin {
	return slices.Concat(
		declaring(), stepping(), branching(), waiting(),
		injecting(), targeting(), engines(),
		requesting(), calling(), trafficking(), probing(), calledProbes(), judging(), simulating(),
		Values(Hooks{Now: worldNow, Random: branchRand}),
	)
}

// Rows is the table as package dsl takes it.
func Rows() []dsl.Builtin {
	table := Table()
	rows := make([]dsl.Builtin, len(table))
	for i := range table {
		rows[i] = table[i].Builtin
	}
	return rows
}

// worldNow is the time of the thread's world; while a script only declares, there is
// no world yet and time stands at the beginning of the virtual one.
func worldNow(thread *starlark.Thread) time.Time {
	if t, ok := thread.Local(taskKey).(*task); ok && t.branch != nil {
		return t.branch.Now()
	}
	return runtime.VirtualOrigin
}

// branchRand is the random stream of the thread's branch.
func branchRand(thread *starlark.Thread) *rand.Rand {
	if t, ok := thread.Local(taskKey).(*task); ok && t.branch != nil {
		return t.branch.Rand()
	}
	return rand.New(rand.NewPCG(0, 0))
}
