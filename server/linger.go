package server

import (
	"io"
	"net"
	"time"
)

// lingering is a listener whose connections are not cut while their client still sends: an
// answer that comes before the end of the request, as that of a body which is too long,
// would be lost on its way.
type lingering struct{ net.Listener }

func (l lingering) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		return lingers{tcp}, err
	}
	return conn, err
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
