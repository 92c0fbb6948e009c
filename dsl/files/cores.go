package files

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// onEachCore calls do for each number below n, on every core where they are many. What it
// does for one number must not touch what it does for another.
func onEachCore(n int, do func(i int)) {
	const worth = 64 // of which one takes some microseconds
	var taken atomic.Int64
	work := func() {
		for i := int(taken.Add(1)) - 1; i < n; i = int(taken.Add(1)) - 1 {
			do(i)
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0)-1, n/worth) {
		others.Go(work)
	}
	work()
	others.Wait()
}
