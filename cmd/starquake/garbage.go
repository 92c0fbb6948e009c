package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// heapFloor is how much memory a command that ends soon takes before it looks for what
// it can give back. Reading and planning a file of ten thousand steps makes some 400 MB
// in a second: collecting it whenever the heap has doubled takes a quarter of that, and
// with a higher floor fresh memory takes more than collecting.
const heapFloor = 160 << 20

// largeFile is the size from which on it pays to prepare the heap.
const largeFile = 256 << 10

// endsSoon lets the heap of a command that reads a file grow to its floor before any of
// it is collected. Above that all is as usual, so that what takes long does not take more
// memory than it would.
func endsSoon(file string) {
	percent := debug.SetGCPercent(-1)
	if percent != 100 || debug.SetMemoryLimit(-1) != math.MaxInt64 { // somebody has set it up, who knows better
		debug.SetGCPercent(percent)
		return
	}
	if info, err := os.Stat(file); err == nil && info.Size() >= largeFile {
		hugePages(heapFloor + heapFloor/2) // the heap grows while it is collected
	}
	holdFloor(new(sentinel))
}

// sentinel becomes garbage with every collection.
type sentinel struct{ _ *int }

// holdFloor sets when the next collection begins, and does it again after each.
func holdFloor(s *sentinel) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	// What the first is measured by is the heap's least size, which is 4 MiB at 100 %.
	percent := heapFloor * 100 / max(live[0].Value.Uint64(), 4<<20)
	debug.SetGCPercent(max(100, int(percent)-100))
	runtime.SetFinalizer(s, holdFloor)
}
