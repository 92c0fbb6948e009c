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
