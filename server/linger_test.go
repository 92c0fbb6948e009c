package server

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
)

// scarce is a listener that gives an error, so often, before a connection.
type scarce struct {
	net.Listener
	errs []error
	conn net.Conn
}

func (s *scarce) Accept() (net.Conn, error) {
	if len(s.errs) > 0 {
		err := s.errs[0]
		s.errs = s.errs[1:]
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	if s.conn == nil {
		return nil, net.ErrClosed
	}
	defer func() { s.conn = nil }()
	return s.conn, nil
}

// TestTooManyFiles: that there are too many open files for a while, or a client has hung up
// before it was taken, does not end the server.
func TestTooManyFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := net.Pipe()
		defer other.Close()
		defer one.Close()
		l := lingering{&scarce{errs: []error{syscall.EMFILE, syscall.EMFILE, syscall.ECONNABORTED, syscall.ENFILE}, conn: one}, slog.New(slog.DiscardHandler)}
		if conn, err := l.Accept(); err != nil || conn != one {
			t.Errorf("it gave %v, %v", conn, err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed one gave %v", err)
		}
		l.Listener = &scarce{errs: []error{syscall.EINVAL}}
		if _, err := l.Accept(); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("one that is broken gave %v", err)
		}
	})
}
