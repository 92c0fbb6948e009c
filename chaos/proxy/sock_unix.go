//go:build unix

package proxy

import (
	"io"
	"net"
	"syscall"
)

// waitRead reads once, like in.src.Read, and takes a buffer only once there is
// something to read: an idle connection has none. It makes the system calls that Read
// makes, no more.
func (in *reader) waitRead() (n int, err error) {
	if in.raw == nil {
		tcp, ok := in.src.(*net.TCPConn)
		if !ok {
			return in.waitSecure(in.src.(*secureSide))
		}
		if in.raw, err = tcp.SyscallConn(); err != nil {
			return 0, err
		}
		in.ready = in.tryRead // made once: a method value is an allocation
	}
	if err := in.raw.Read(in.ready); err != nil {
		return 0, err
	}
	return in.n, in.err
}

// tryRead reports whether the read is done; if not it is called again when there is
// something to read.
func (in *reader) tryRead(fd uintptr) bool {
	in.ensure()
	for {
		in.n, in.err = syscall.Read(int(fd), in.buf)
		switch {
		case in.err == syscall.EINTR:
			continue
		case in.err == syscall.EAGAIN:
			in.release()
			return false
		case in.err == nil && in.n == 0:
			in.err = io.EOF
		case in.err != nil:
			in.n = 0
		}
		return true
	}
}
