package proxy

import "net"

// side is the connection to the client or to the upstream: TCP, or TLS on TCP that is
// terminated here. All engines relay between sides, whichever they are.
type side interface {
	net.Conn
	// CloseWrite ends what is sent. It does not wait for the other end.
	CloseWrite() error
	// SetLinger with 0 makes Close send a RST.
	SetLinger(seconds int) error
}

// socketOf gives the socket below a side.
func socketOf(s side) *net.TCPConn {
	if secure, ok := s.(*secureSide); ok {
		return secure.wire.TCPConn
	}
	return s.(*net.TCPConn)
}

// splices reports whether the kernel can relay between two sides.
func splices(a, b side) bool {
	_, plain := a.(*net.TCPConn)
	if plain {
		_, plain = b.(*net.TCPConn)
	}
	return plain
}
