package main

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// hugePages lets the kernel back the next size bytes of the heap with huge pages. The
// heap keeps the memory of what it has given up, so a block that is asked for, marked,
// never touched and collected is where it allocates from next. Where the kernel does
// not want to, all is as it was.
func hugePages(size int) {
	block := make([]byte, size)
	_ = unix.Madvise(block, unix.MADV_HUGEPAGE)
	runtime.KeepAlive(block)
	block = nil
	runtime.GC()
}
