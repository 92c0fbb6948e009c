//go:build unix && !linux

package proxy

import "syscall"

func readNow(fd uintptr, b []byte) (int, syscall.Errno) { return readLong(fd, b) }

func writeNow(fd uintptr, b []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), b)
	if errno, ok := err.(syscall.Errno); ok {
		return 0, errno
	}
	return n, 0
}

// inbox would read from a socket that tells how much it still has: these do not.
type inbox struct{}

func (*inbox) tryRead(fd uintptr, b []byte) (n int, all, done bool, err error) {
	n, done, err = tryRead(fd, b, false)
	return n, false, done, err
}
