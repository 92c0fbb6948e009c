package server

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"syscall"
	"time"
)

// lingering is a listener whose connections are not cut while their client still sends: an
// answer that comes before the end of the request, as that of a body which is too long,
// would be lost on its way.
type lingering struct {
	net.Listener
	logger *slog.Logger
}

// How long is waited where there is no room for another connection.
const (
	firstWait = 5 * time.Millisecond
	mostWait  = time.Second
)

// Accept gives the next connection. An error ends the server and with it all runs: that there
// is no room for a connection now is none.
func (l lingering) Accept() (net.Conn, error) {
	for wait := time.Duration(0); ; {
		conn, err := l.Listener.Accept()
		if passes(err) {
			if wait == 0 {
				l.logger.Warn("a connection has to wait", "error", err)
			}
			wait = min(max(2*wait, firstWait), mostWait)
			time.Sleep(wait)
			continue
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			return lingers{tcp}, err
		}
		return conn, err
	}
}

// passes reports whether an error of a listener is one of the moment.
func passes(err error) bool {
	for _, is := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

type lingers struct{ *net.TCPConn }

// lingerTime is for how long what a client still sends is taken and thrown away.
const lingerTime = time.Second

// Close ends the connection: at once for the server, and for the client when it has
// stopped sending, or after a second.
func (l lingers) Close() error {
	err := l.CloseWrite()
	if err != nil {
		_ = l.TCPConn.Close() // it is gone already
		return err
	}
	go func() {
		_ = l.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.Copy(io.Discard, struct{ io.Reader }{l.TCPConn}) // until it has stopped, or the deadline
		_ = l.TCPConn.Close()
	}()
	return nil
}
