package main

import (
	"math"
	"runtime"
	"runtime/debug"
)

// firstGarbage is how much memory a command that ends soon takes before it looks for what
// it can give back. Reading and planning a file of ten thousand steps makes some 250 MB
// in a second: collecting it again and again would take a fifth of that.
const firstGarbage = 240 << 20

// endsSoon puts the first collection off. From then on all is as usual, so that what
// takes long does not take more memory than it would.
func endsSoon() {
	percent := debug.SetGCPercent(-1)
	limit := debug.SetMemoryLimit(firstGarbage)
	if limit != math.MaxInt64 || percent != 100 { // somebody has set it up, who knows better
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
		return
	}
	type sentinel struct{ _ *int }
	runtime.SetFinalizer(new(sentinel), func(*sentinel) { // the first collection is over
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	})
}
