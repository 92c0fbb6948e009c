package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// conn is one client connection and its upstream connection. Two goroutines serve it:
// one reads from the client, and the link's reads from the upstream. Each writes to
// the other side; on HTTP both may write to the client, see pending.
type conn struct {
	p      *Proxy
	client *net.TCPConn
	// ctx ends when the connection is cut; it frees what is held in a delay.
	ctx    context.Context
	cancel context.CancelFunc

	// speaks is what the client speaks. Once decided it stays.
	speaks atomic.Int32
	// links counts the goroutines of links.
	links sync.WaitGroup
	// lastByte is when a stream last moved a byte, in Unix nanoseconds.
	lastByte atomic.Int64

	mu   sync.Mutex
	cond *sync.Cond // pending, or one of the flags, has changed
	// link is nil until the upstream is needed.
	link *link
	// pending are the requests sent upstream and not yet answered, oldest first.
	// While there are any only the link's goroutine writes to the client, while there
	// are none only the client's does.
	pending []pending
	// busy is set from a request's head to the end of its body or its answer.
	busy bool
	// clientDone: the client has ended its side.
	clientDone bool
	// ending: the client has been sent all that it gets, and a FIN.
	ending bool
	// tunnel: the upstream has agreed to speak something else.
	tunnel bool
	// failure is answered to the oldest pending request once the link ends.
	failure *answer
	// splicing says which ways are relayed by the kernel; kick ends that.
	splicing [2]bool
	// met is what each fault drew for this connection, as a stream.
	met map[*Applied]meeting
}

// What a client speaks.
const (
	undecided int32 = iota
	speaksHTTP
	speaksStream
)

// link is one connection to the upstream, or the attempt.
type link struct {
	dialed chan struct{} // closed when up and err are set
	up     *net.TCPConn
	err    error

	// Guarded by conn.mu.
	gone     bool // it has ended while nothing was pending
	answered bool // a response has come over it
}

func newConn(p *Proxy, client *net.TCPConn) *conn {
	c := &conn{p: p, client: client}
	c.cond = sync.NewCond(&c.mu)
	c.ctx, c.cancel = context.WithCancel(p.ctx)
	return c
}

// serve handles the connection until both sides have ended.
func (c *conn) serve() {
	defer c.links.Wait() // after cut, which ends them
	defer c.cut()
	in := newReader(c.p, c.client)
	defer in.free()
	switch c.p.config.Protocol {
	case "tcp":
		c.decide(speaksStream)
	case "http":
		c.decide(speaksHTTP)
	default:
		if !c.sniff(in) {
			return
		}
	}
	if c.speaks.Load() == speaksHTTP {
		for c.nextRequest(in) {
		}
	} else {
		c.serveStream(in)
	}
	c.links.Wait()
	c.linger()
}

// decide settles what the client speaks, unless that is settled, and returns it.
func (c *conn) decide(speaks int32) int32 {
	c.speaks.CompareAndSwap(undecided, speaks)
	return c.speaks.Load()
}

// cut ends both sides at once. It may be called by anyone, more than once.
func (c *conn) cut() {
	c.cancel()
	_ = c.client.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link != nil {
		c.link.close()
	}
	c.cond.Broadcast()
}

// close ends the link if it is dialled; if it is not, the dial ends with conn.ctx.
func (l *link) close() {
	select {
	case <-l.dialed:
		if l.up != nil {
			_ = l.up.Close()
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
		l = &link{dialed: make(chan struct{})}
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
	if !c.dial(l) {
		return
	}
	in := newReader(c.p, l.up)
	defer in.free()
	err := in.fill()
	// A server that speaks before its client does not speak HTTP.
	if c.decide(speaksStream) == speaksStream {
		c.relay(c.client, in, toClient, err)
		return
	}
	c.serveResponses(l, in, err)
}

func (c *conn) dial(l *link) bool {
	defer close(l.dialed)
	dialer := net.Dialer{Timeout: c.p.config.DialTimeout}
	up, err := dialer.DialContext(c.ctx, "tcp", c.p.config.Upstream)
	if err == nil && c.ctx.Err() != nil {
		// cut may have come between, and found nothing to close.
		err = errors.Join(c.ctx.Err(), up.Close())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		l.err, l.gone = err, true
		if c.speaks.Load() == undecided {
			// The client may yet turn out to speak HTTP, and then gets an answer.
			_ = c.client.SetReadDeadline(time.Now().Add(sniffPatience))
		}
		return false
	}
	l.up = up.(*net.TCPConn)
	return true
}

// endGently ends the connection so that the client gets what was written: it sends a
// FIN, and what the client still sends is thrown away for a while (linger).
func (c *conn) endGently() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = true
	c.lastByte.Store(time.Now().UnixNano())
	_ = c.client.CloseWrite()
	_ = c.client.SetReadDeadline(time.Now()) // wakes the client's goroutine
	if c.link != nil {
		c.link.close()
	}
	c.cond.Broadcast()
}

// How long and how much linger reads.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// linger reads what a client sends after its connection has ended gently. Closing at
// once would send a RST for it, which can take the last answer from the client.
func (c *conn) linger() {
	c.mu.Lock()
	ending := c.ending
	c.mu.Unlock()
	if !ending || c.ctx.Err() != nil || c.client.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.client, lingerBytes) // however it ends, the connection is closed next
}

// restTime is how long a stream moves no byte before Close may end it.
const restTime = 100 * time.Millisecond

// atRest reports whether ending the connection now would interrupt nothing.
func (c *conn) atRest() bool {
	if c.speaks.Load() == speaksStream {
		return time.Since(time.Unix(0, c.lastByte.Load())) > restTime
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// A client that has been sent all that it gets, and a FIN, need not be waited for
	// any longer than it takes to read it.
	if c.tunnel || c.ending && len(c.pending) == 0 {
		return time.Since(time.Unix(0, c.lastByte.Load())) > restTime
	}
	return !c.busy && len(c.pending) == 0 && !c.ending
}

// kick makes the ways that the kernel relays come back, since the faults have changed.
func (c *conn) kick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	past := time.Unix(1, 0)
	if c.splicing[toUpstream] {
		_ = c.client.SetReadDeadline(past)
	}
	if c.splicing[toClient] {
		_ = c.link.up.SetReadDeadline(past)
	}
}
