package proxy

import (
	"net"
	"syscall"
)

// brief is how much is read or written without the scheduler's being told: the copying
// takes a microsecond or two.
const brief = 8 << 10

// writer writes to a connection on the way of small messages, with less ado than the
// connection itself, if that is one of TCP. One goroutine at a time uses it.
type writer struct {
	dst net.Conn

	raw   syscall.RawConn
	ready func(fd uintptr) bool
	once  bool   // it does not wait until there is room
	b     []byte // at hand, of which n bytes are written
	n     int
	err   error
}

// receiver reads likewise, into buffers of whom it is used by.
type receiver struct {
	src net.Conn

	raw   syscall.RawConn
	ready func(fd uintptr) bool
	b     []byte
	n     int
	err   error
}
