package proxy

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"starquake/chaos/proxy/pki"
)

// handshakePatience is how long a client has for its handshake.
const handshakePatience = 10 * time.Second

// clientHello is what a client has said in its handshake.
type clientHello struct {
	name   string   // that it asks for, "" if it is none that a host can have
	protos []string // that it offers, of ALPN
	alpn   string   // the one that was chosen
	// late ends a handshake that takes too long.
	late *time.Timer
	// secured: the handshake is done. Guarded by conn.mu.
	secured bool
}

// beginSecure shakes hands and settles what the client speaks inside. It returns false
// if the connection is over.
func (c *conn) beginSecure(in *reader) bool {
	s := c.client.(*secureSide)
	late := time.AfterFunc(handshakePatience, c.cut)
	c.hello.late = late
	s.wire.shaking = true
	err := s.Handshake()
	s.wire.shaking = false
	late.Stop()
	if err != nil {
		c.noHandshake(err)
		return false
	}
	state := s.ConnectionState()
	c.hello.alpn = state.NegotiatedProtocol
	protocol := c.p.config.Protocol
	sniffs := false
	switch {
	case protocol == "tcp", protocol == "tls":
		c.decide(speaksStream)
	case c.hello.alpn == "h2":
		c.decide(speaksHTTP2)
	case c.hello.alpn != "http/1.1":
		sniffs = true
	default:
		c.decide(speaksHTTP)
	}
	switch {
	case !c.secure():
		return false
	case !sniffs:
		return true
	case protocol != "auto":
		return c.beginHTTP(in)
	}
	if l := c.connect(); isDown(l) {
		// As in dial: it may yet turn out to speak HTTP, and then gets an answer.
		if err := c.client.SetReadDeadline(time.Now().Add(sniffPatience)); err != nil {
			return false
		}
	}
	return c.sniff(in)
}

// secure notes that the client's handshake is done: from now on the link's goroutine may
// write to the client. It returns false if the connection is over, of which awaitSecured
// then says the same: the one must not wait for what the other never does (handOver).
func (c *conn) secure() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hello.secured = !c.ending && !c.closed
	c.cond.Broadcast()
	return c.hello.secured
}

// isDown reports whether dialling has failed.
func isDown(l *link) bool {
	select {
	case <-l.dialed:
		return l.err != nil
	default:
		return false
	}
}

// awaitSecured waits until the client's handshake is done. It returns false if the
// connection was over before.
func (c *conn) awaitSecured() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.hello.secured && !c.ending && !c.closed {
		c.cond.Wait()
	}
	return c.hello.secured
}

// noHandshake ends a connection whose handshake has failed.
func (c *conn) noHandshake(err error) {
	if c.over() {
		return
	}
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, errFaulted):
	case errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader[:]) != speaksStream:
		a := answer{status: 400, body: fmt.Sprintf("starquake proxy %s: this is HTTP, and the target speaks TLS; use https://\n", c.p.config.Name)}
		n, _ := record.Conn.Write(a.encode(false, false)) // one who has left needs none
		c.p.window.moved(time.Now(), toClient, n)
	default:
		c.p.config.Logger.Debug("a TLS handshake has failed", "proxy", c.p.config.Name, "client", c.source, "error", err)
	}
	c.endGently()
	c.linger()
}

// errFaulted ends a handshake that a fault has failed.
var errFaulted = errors.New("a fault has failed the handshake")

// greet answers a client's hello with the configuration of the rest of the handshake. It
// calls the upstream first, since that chooses among the protocols that the client offers.
func (c *conn) greet(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if pki.IsHost(hello.ServerName) {
		c.hello.name = hello.ServerName
	}
	c.hello.protos = slices.Clone(hello.SupportedProtos)
	fault, goesOn := c.handshake()
	if !goesOn {
		return nil, net.ErrClosed
	}
	config := c.p.tls.serve.Clone()
	var err error
	switch fault {
	case "alert":
		return nil, c.failHandshake(alertRecord())
	case "old_version":
		if !slices.Contains(hello.SupportedVersions, tls.VersionTLS10) {
			return nil, c.failHandshake(oldHello(hello.CipherSuites))
		}
		config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
		err = c.p.tls.show(config, c.names(hello), pki.Sound)
	default:
		err = c.p.tls.show(config, c.names(hello), pki.Flaw(fault))
	}
	if err != nil {
		c.p.config.Logger.Error("there is no certificate to show", "proxy", c.p.config.Name, "error", err)
		return nil, err
	}
	// Who has resumed a session, or will, does not look at certificates.
	config.SessionTicketsDisabled = fault != ""
	if alpn := c.chooseProtocol(); alpn != "" {
		config.NextProtos = []string{alpn}
	}
	return config, nil
}

// failHandshake sends b as the last of a handshake.
func (c *conn) failHandshake(b []byte) error {
	w := c.client.(*secureSide).wire
	_, err := w.Write(b)
	w.muted = true
	return errors.Join(errFaulted, err)
}

// alertRecord is a fatal alert: handshake_failure (RFC 8446, 6).
func alertRecord() []byte { return []byte{21, 3, 3, 0, 2, 2, 40} }

// oldHello is what a server that knows no later version than TLS 1.0 answers (RFC 2246,
// 7.4.1.3): its clients see the version first, and give up or do not mind.
func oldHello(offered []uint16) []byte {
	suite := tls.TLS_RSA_WITH_AES_128_CBC_SHA
	for _, s := range []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA} {
		if slices.Contains(offered, s) {
			suite = s
		}
	}
	const random, length = 32, 2 + 32 + 1 + 2 + 1
	b := []byte{22, 3, 1, 0, 4 + length, 2, 0, 0, length, 3, 1}
	b = append(b, make([]byte, random)...)
	_, _ = rand.Read(b[len(b)-random:]) // crypto/rand does not fail
	b = append(b, 0)                    // no session
	b = binary.BigEndian.AppendUint16(b, suite)
	return append(b, 0) // no compression
}

// names are whom a client expects: the one that it asks for, and the address that it has
// called.
func (c *conn) names(hello *tls.ClientHelloInfo) pki.Names {
	var n pki.Names
	if addr, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok {
		n.IP = append(n.IP, addr.IP)
	}
	if c.hello.name != "" {
		n.DNS = append(n.DNS, c.hello.name)
		return n
	}
	n.DNS = append(n.DNS, "localhost")
	if name := c.serverName(); pki.IsHost(name) && net.ParseIP(name) == nil {
		n.DNS = append(n.DNS, name)
	}
	return n
}

// show sets the certificate that a client is shown.
func (t *terminator) show(config *tls.Config, names pki.Names, flaw pki.Flaw) error {
	given := t.config.Certificate
	if given != nil && flaw == pki.Sound {
		config.Certificates = []tls.Certificate{*given}
		return nil
	}
	signer := t.config.Authority
	if given != nil {
		// Its authority does not sign for us: one of that name does, which clients do not
		// know, but what is wrong with the certificate itself is what the fault says.
		names = pki.Names{DNS: given.Leaf.DNSNames, IP: given.Leaf.IPAddresses}
		t.forger.Do(func() { t.forged, t.forgeError = pki.New(given.Leaf.Issuer) })
		if t.forgeError != nil {
			return t.forgeError
		}
		signer = t.forged
	}
	cert, err := signer.Mint(names, flaw)
	if err != nil {
		return err
	}
	config.Certificates = []tls.Certificate{*cert}
	return nil
}

// chooseProtocol gives the protocol of ALPN that client and upstream both speak, "" for
// none. A client that offers some gets one although the upstream cannot be reached, so
// that it can be told.
func (c *conn) chooseProtocol() string {
	offers := func(proto string) bool { return slices.Contains(c.hello.protos, proto) }
	// The client is not to blame for the time that this takes, which has its own bound.
	c.hello.late.Stop()
	l := c.connect()
	<-l.dialed
	c.hello.late.Reset(handshakePatience)
	switch {
	case l.err == nil && !c.p.config.TLS.Plain:
		return l.alpn
	case offers("h2") && (c.p.config.Protocol == "grpc" || !offers("http/1.1")):
		return "h2"
	case offers("http/1.1"):
		return "http/1.1"
	}
	return ""
}

// serverName is the name that the upstream is asked for.
func (c *conn) serverName() string {
	if name := c.p.config.TLS.ServerName; name != "" {
		return name
	}
	if c.hello.name != "" {
		return c.hello.name
	}
	host, _, _ := net.SplitHostPort(c.p.Upstream()) // checked by complete
	return host
}

// secureUpstream shakes hands with the upstream.
func (c *conn) secureUpstream(l *link, tcp *net.TCPConn) (side, error) {
	config := c.p.tls.dial.Clone()
	config.ServerName = c.serverName()
	config.NextProtos = c.hello.protos
	if c.hello.alpn != "" {
		config.NextProtos = []string{c.hello.alpn} // which the client speaks by now
	}
	w := &wire{TCPConn: tcp, c: c, way: toClient, shaking: true}
	s := &secureSide{Conn: tls.Client(w, config), wire: w}
	ctx, cancel := context.WithTimeout(c.ctx, c.p.config.DialTimeout)
	defer cancel()
	if err := s.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil && c.ctx.Err() == nil {
			err = fmt.Errorf("no TLS handshake within %v", c.p.config.DialTimeout)
		}
		return nil, errors.Join(err, ignoreClosed(tcp.Close()))
	}
	w.shaking = false
	l.alpn = s.ConnectionState().NegotiatedProtocol
	return s, nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
