//go:build unix

package proxy

import (
	"net"
	"syscall"
)

// reserved is how many descriptors of a process its proxies leave to others at most, above
// all to the API that takes their faults off; where there are few, it is an eighth.
const reserved = 64

// keepUpTo returns the descriptor from which on a proxy keeps no connection: the system
// gives the lowest that is free, so that above it only the reserve is left.
func keepUpTo() uintptr {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return ^uintptr(0)
	}
	limit := uintptr(files.Cur)
	return limit - min(reserved, limit/8)
}

// scarce reports whether a connection that was just opened has a descriptor of the reserve.
func (p *Proxy) scarce(conn *net.TCPConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false // it is closed
	}
	scarce := false
	_ = raw.Control(func(fd uintptr) { scarce = fd >= p.keep }) // it fails where it is closed
	return scarce
}
