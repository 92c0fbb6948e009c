package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"starquake/chaos"
	"starquake/chaos/proxy/pki"
)

// TLS says how a proxy terminates TLS.
type TLS struct {
	// Spec is what this was loaded from, for those who compare; see SameTLS.
	Spec chaos.TLS
	// Certificate is what clients are shown. Without one Authority makes one for the
	// name that each asks for.
	Certificate *tls.Certificate
	Authority   *pki.Authority
	// Plain says that the upstream is spoken to without TLS; then the rest counts for
	// nothing.
	Plain bool
	// Roots are the authorities whose certificates the upstream may show; nil are the
	// system's. Insecure trusts any.
	Roots    *x509.CertPool
	Insecure bool
	// ServerName is what the upstream is asked for and has to show; empty is the name
	// that the client asks for, or without one the upstream's host.
	ServerName string
	// ClientCertificate is shown to an upstream that asks for one; nil is none.
	ClientCertificate *tls.Certificate
}

// terminator is what a proxy keeps to terminate TLS.
type terminator struct {
	config *TLS
	// accept is what handshakes of clients begin with, and serve what greet makes their
	// configuration of. Session tickets go by the keys of accept, which changes them.
	accept, serve *tls.Config
	dial          *tls.Config

	// forger signs certificates with a flaw where there is no authority that clients know.
	forger     sync.Once
	forged     *pki.Authority
	forgeError error
}

// maxSessions bounds the sessions with the upstream that are kept to be resumed: one for
// each name that clients have asked for.
const maxSessions = 64

func newTerminator(config *TLS) *terminator {
	t := &terminator{config: config}
	// A record for each few bytes at the beginning of a connection helps browsers on slow
	// networks; here it would be a system call for each.
	t.serve = &tls.Config{DynamicRecordSizingDisabled: true}
	t.accept = &tls.Config{DynamicRecordSizingDisabled: true, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return hello.Conn.(*wire).c.greet(hello)
	}}
	t.dial = &tls.Config{
		DynamicRecordSizingDisabled: true, RootCAs: config.Roots, InsecureSkipVerify: config.Insecure,
		ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions),
	}
	if config.ClientCertificate != nil {
		t.dial.Certificates = []tls.Certificate{*config.ClientCertificate}
	}
	return t
}

// accepted makes the side of a client whose handshake is yet to come.
func (t *terminator) accepted(c *conn, client *net.TCPConn) *secureSide {
	c.hello = new(clientHello)
	w := &wire{TCPConn: client, c: c}
	return &secureSide{Conn: tls.Server(w, t.accept), wire: w}
}

// secureSide is a side that speaks TLS.
type secureSide struct {
	*tls.Conn
	wire *wire
	// writing is held while a Write goes on, which may take as long as the other end likes.
	writing sync.Mutex
	// reset: Close is to send a RST.
	reset atomic.Bool
	// silent: the other side has ended without a word, and so does this one: what is cut
	// short must not look whole.
	silent atomic.Bool
	// first is where a byte is waited for, for waitSecure.
	first [1]byte
}

// Write writes all of b.
func (s *secureSide) Write(b []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.Conn.Write(b)
}

// CloseWrite tells the other end that nothing follows, and ends the TCP connection's side.
func (s *secureSide) CloseWrite() error {
	s.notify()
	return s.wire.TCPConn.CloseWrite()
}

// SetLinger is that of the TCP connection.
func (s *secureSide) SetLinger(seconds int) error {
	if seconds == 0 {
		s.reset.Store(true)
	}
	return s.wire.SetLinger(seconds)
}

// Close ends the connection at once: unless it is reset with word that this is its end,
// if that can be said without waiting.
func (s *secureSide) Close() error {
	if !s.reset.Load() {
		s.notify()
	}
	return s.wire.Close()
}

// notify tells the other end that nothing follows. While a Write waits for the other end
// it is left out: the connection is then cut short, as it is on TCP.
func (s *secureSide) notify() {
	if !s.silent.Load() && s.writing.TryLock() {
		defer s.writing.Unlock()
		// A read may be answering a new key, to one who does not read: that ends too.
		_ = s.wire.SetWriteDeadline(time.Now().Add(notifyPatience))
		_ = s.Conn.CloseWrite() // before the handshake is done, or on a dead connection, there is nothing to say
	}
}

// wire is the TCP connection below TLS. crypto/tls may be woken in a read by a deadline,
// after which no byte is lost, but not while it shakes hands.
type wire struct {
	*net.TCPConn
	c   *conn
	way direction // of what is read from it
	// Of the goroutine that reads: it shakes hands; it reads what has come already.
	shaking, peeking bool
	// muted: what crypto/tls would say in a handshake that a fault has failed is not sent.
	muted bool
}

// Read reads, and again if a handshake was only woken to look at the faults.
func (w *wire) Read(b []byte) (int, error) {
	if w.peeking {
		return 0, errNotNow{}
	}
	for {
		n, err := w.TCPConn.Read(b)
		if err == io.EOF && !w.shaking {
			w.c.silence(w.way)
		}
		if n > 0 || !w.shaking || w.way != toUpstream || !isTimeout(err) || !w.c.woke(toUpstream) {
			return n, err
		}
		if !w.c.strike() {
			return 0, net.ErrClosed
		}
	}
}

// silence has the side that a way goes to end without a word, since the one that it comes
// from has: crypto/tls reads no further than to that word.
func (c *conn) silence(way direction) {
	to := c.client
	if way == toUpstream {
		c.mu.Lock()
		to = c.upstream()
		c.mu.Unlock()
	}
	if s, ok := to.(*secureSide); ok {
		s.silent.Store(true)
	}
}

// Write writes unless the wire is muted.
func (w *wire) Write(b []byte) (int, error) {
	if w.muted {
		return len(b), nil
	}
	return w.TCPConn.Write(b)
}

// notifyPatience is for how long the last word waits for room in the socket: who has
// none has not read for long.
const notifyPatience = 5 * time.Millisecond

// SetWriteDeadline bounds how long crypto/tls waits to send its last word.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if soonest := time.Now().Add(notifyPatience); t.After(soonest) {
		t = soonest
	}
	return w.TCPConn.SetWriteDeadline(t)
}

// errNotNow ends a read of what has come already. It is an error that crypto/tls goes on
// after, as after a deadline.
type errNotNow struct{}

func (errNotNow) Error() string   { return "nothing has come yet" }
func (errNotNow) Timeout() bool   { return true }
func (errNotNow) Temporary() bool { return true }

// waitSecure reads once, and takes a buffer only once there is something: it waits for
// one byte, and then takes what has come with it.
func (in *reader) waitSecure(s *secureSide) (int, error) {
	n, err := s.Conn.Read(s.first[:])
	if n == 0 {
		return 0, err
	}
	in.ensure()
	in.buf[0] = s.first[0]
	s.wire.peeking = true
	more, _ := s.Conn.Read(in.buf[1:]) // an error comes again
	s.wire.peeking = false
	return 1 + more, nil
}
