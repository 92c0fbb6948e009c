package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// link is one connection to the upstream, or the attempt.
type link struct {
	c      *conn
	dialed chan struct{} // closed when up and err are set
	up     side
	err    error
	alpn   string       // what a TLS upstream has chosen to be spoken to in
	handed chan *reader // see handOver
	// toUp writes requests, of the client's goroutine; toClient responses, of the link's.
	toUp, toClient writer

	// Guarded by conn.mu.
	gone     bool // it has ended while nothing was pending
	answered bool // a response has come over it
}

// close ends the link, if there is one, if it is dialled; if it is not, the dial ends with
// conn.ctx. The caller does not hold conn.mu: see carry.go.
func (l *link) close() {
	if l == nil {
		return
	}
	select {
	case <-l.dialed:
		if l.up != nil {
			_ = l.up.Close()
		}
	default:
	}
}

// reset makes close send a RST.
func (l *link) reset() {
	select {
	case <-l.dialed:
		if l.up != nil {
			_ = l.up.SetLinger(0)
		}
	default:
	}
}

// connect returns the link to the upstream, and dials if there is none that lives.
// Only the client's goroutine calls it.
func (c *conn) connect() *link {
	c.mu.Lock()
	l := c.link
	if l == nil || l.gone {
		l = &link{c: c, dialed: make(chan struct{}), handed: make(chan *reader, 1)}
		c.link = l
		c.links.Add(1)
		go c.runLink(l)
	}
	c.mu.Unlock()
	return l
}

// runLink dials the upstream and relays what comes from it.
func (c *conn) runLink(l *link) {
	defer c.links.Done()
	if !c.dial(l) || c.hello != nil && !c.awaitSecured() {
		return
	}
	in := newReader(c.p, l.up)
	in.asks = &c.asks
	var err error
	for c.speaks.Load() != speaksHTTP2 {
		if err = in.fill(); !isTimeout(err) || !c.woke(toClient) {
			break
		}
		if c.speaks.Load() == speaksStream { // what is new may end it, which the other way may be too stuck to see
			err = nil
			break
		}
	}
	if err == nil && isSettings(in.bytes()) {
		c.awaitClient()
	}
	// A server that speaks before its client does not speak HTTP/1.
	switch c.decide(speaksStream) {
	case speaksHTTP:
		c.serveResponses(l, in, err)
	case speaksHTTP2:
		l.handed <- in
		return
	default:
		c.relay(c.client, in, toClient, err)
	}
	in.release()
}

// awaitClient waits until it is known what the client speaks, of which the server has
// given a hint. A client that says nothing for long does not speak HTTP/2.
func (c *conn) awaitClient() {
	patience := time.AfterFunc(sniffPatience, func() { c.decide(speaksStream) })
	defer patience.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.speaks.Load() == undecided && !c.ending && !c.closed {
		c.cond.Wait()
	}
}

// handOver makes the link's goroutine end and returns its side, for an engine that
// relays both ways itself. It is for connections that speak HTTP/2; the caller
// releases the reader.
func (c *conn) handOver() (*reader, error) {
	l := c.connect()
	<-l.dialed
	if l.err != nil {
		return nil, l.err
	}
	c.mu.Lock()
	c.wake(toClient, l.up)
	c.mu.Unlock()
	in := <-l.handed
	c.woke(toClient) // unless that was what ended its read
	return in, nil
}

// unreachable tells that the upstream cannot be reached.
func (c *conn) unreachable(err error) {
	c.p.config.Logger.Warn("cannot reach the upstream", "proxy", c.p.config.Name, "upstream", c.p.Upstream(), "error", err)
}

func (c *conn) dial(l *link) bool {
	dialer := net.Dialer{Timeout: c.p.config.DialTimeout}
	if permit := c.p.config.Permit; permit != nil {
		dialer.Control = func(_, to string, _ syscall.RawConn) error {
			addr, err := netip.ParseAddrPort(to)
			if err != nil {
				return fmt.Errorf("%q is no address that could be permitted", to)
			}
			return permit(addr)
		}
	}
	var up side
	tcp, err := dialer.DialContext(c.ctx, "tcp", c.p.Upstream())
	if err == nil && c.p.scarce(tcp.(*net.TCPConn)) {
		err = errors.Join(errScarce, tcp.Close())
	}
	if err == nil {
		up = tcp.(*net.TCPConn)
		if c.p.tls != nil && !c.p.config.TLS.Plain {
			up, err = c.secureUpstream(l, tcp.(*net.TCPConn))
		}
	}
	// Under the lock: whoever ends the connection has either cancelled it by now, or finds
	// the link dialled and closes it.
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(l.dialed)
	if err == nil && c.ctx.Err() != nil {
		err = errors.Join(c.ctx.Err(), up.Close())
	}
	if err != nil {
		l.err, l.gone = err, true
		if c.speaks.Load() == undecided && c.hello == nil {
			// The client may yet turn out to speak HTTP, and then gets an answer.
			_ = c.client.SetReadDeadline(time.Now().Add(sniffPatience))
		}
		return false
	}
	l.up = up
	l.toUp.dst, l.toClient.dst = l.up, c.client
	return true
}
