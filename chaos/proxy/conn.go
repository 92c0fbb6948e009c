package proxy

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"starquake/chaos"
	"starquake/chaos/proxy/graphql"
	"starquake/chaos/proxy/h2"
)

// conn is one client connection and its upstream connection. Two goroutines serve it:
// one reads from the client, and the link's reads from the upstream. Each writes to
// the other side; on HTTP both may write to the client, see pending.
type conn struct {
	p      *Proxy
	client side
	// ctx ends when the connection is ending or cut; it frees what is held in a delay.
	ctx    context.Context
	cancel context.CancelFunc
	// born is the generation of the faults when the connection came: those that went
	// on later found it open.
	born uint64
	// source is the client's address.
	source netip.Addr
	// peer is the same with its port.
	peer netip.AddrPort

	// speaks is what the client speaks. Once decided it stays.
	speaks atomic.Int32
	// relaying relays the connection once it is known to speak HTTP/2.
	relaying atomic.Pointer[h2.Relay]
	// links counts the goroutines of links, dooms those that end the connection later.
	links, dooms sync.WaitGroup
	// lastByte is when a stream last moved a byte, in Unix nanoseconds.
	lastByte atomic.Int64
	// felt counts what faults have done to all that was under way over a parsed connection:
	// see touched.
	felt atomic.Uint32

	// Of the client's goroutine: the generations of faults up to which those that
	// cannot act have been counted, and those that act on open connections have.
	counted, struck uint64
	// halfway is a request of which a part has been sent, see carry.go.
	halfway halfway
	// req is the request that the client's goroutine is at, query what it asks for: see
	// operations.go.
	req   chaos.Request
	query *graphql.Request
	// socket: it asks for WebSocket, which is relayed frame by frame.
	socket bool

	mu   sync.Mutex
	cond sync.Cond // pending, or one of the flags, has changed
	// link is nil until the upstream is needed.
	link *link
	// pending are the requests sent upstream and not yet answered, oldest first.
	// While there are any only the link's goroutine writes to the client, while there
	// are none only the client's does.
	pending []pending
	// asks is how many requests have been sent upstream, counted before they are.
	asks atomic.Uint32
	// answers is how many of them have got all of their answer. It is the link's goroutine's.
	answers uint32
	// busy is set from a request's head to the end of its body or its answer.
	busy bool
	// clientDone: the client has ended its side.
	clientDone bool
	// ending: the client has been sent all that it gets, and a FIN.
	ending bool
	// closed: the connection has been cut.
	closed bool
	// left: it was because the client had left.
	left bool
	// tunnel: the upstream has agreed to speak something else.
	tunnel bool
	// held says whether something still holds the client; nil unless watch goes on.
	held func() bool
	// woken: a read deadline has been set to have the faults looked at.
	woken [2]bool
	// splicing says which ways are relayed by the kernel; kick ends that.
	splicing [2]bool
	// finished says which ways of a stream have passed a FIN on.
	finished [2]atomic.Bool
	// heldUntil is until when a response is held in a delay.
	heldUntil time.Time
	// failure is answered to the oldest pending request once the link ends.
	failure *answer
	// uploading: the client may still be sending a request that has been answered here.
	uploading bool
	// hello is what a client whose TLS is terminated has said: written by its goroutine
	// before the upstream is called; nil for all others.
	hello *clientHello
	// upgraded is the request that a tunnel began with.
	upgraded *chaos.Request
	// frames is there once that is WebSocket, relayed frame by frame.
	frames *frames
	// met is what each fault drew for this connection, as a stream; kept is what
	// faults keep for it.
	met  map[*Applied]meeting
	kept map[*Applied]any
	// drawn is what faults drew for requests under way, see drawMidway.
	drawn []midwayDraw
}

// What a client speaks.
const (
	undecided int32 = iota
	speaksHTTP
	speaksHTTP2 // with prior knowledge: it begins with the preface
	speaksTLS
	speaksStream
)

func newConn(p *Proxy, client *net.TCPConn) *conn {
	c := &conn{p: p, client: client, born: p.faults.Load().gen}
	if p.config.TLS != nil {
		c.client = p.tls.accepted(c, client)
	}
	c.struck = c.born
	if addr, ok := client.RemoteAddr().(*net.TCPAddr); ok {
		c.peer = netip.AddrPortFrom(addr.AddrPort().Addr().Unmap(), addr.AddrPort().Port())
		c.source = c.peer.Addr()
	}
	c.cond.L = &c.mu
	c.ctx, c.cancel = context.WithCancel(p.ctx)
	return c
}

// serve handles the connection until both sides have ended.
func (c *conn) serve() {
	defer c.dooms.Wait() // after cut, which ends them
	defer c.links.Wait()
	defer c.cut()
	in := newReader(c.p, c.client)
	defer in.release()
	if !c.begin(in) {
		return
	}
	switch c.speaks.Load() {
	case speaksHTTP:
		for c.nextRequest(in) {
		}
	case speaksHTTP2:
		c.serveHTTP2(in)
	case speaksTLS:
		c.serveTLS(in)
	default:
		c.serveStream(in)
	}
	c.links.Wait()
	c.settle()
	c.linger()
}

// settle tells of the requests that got no whole answer.
func (c *conn) settle() {
	for i := range c.pending {
		if p := &c.pending[i]; !p.told {
			c.unanswered(p)
		}
	}
}

// unanswered tells faults, and whoever reads the figures, of a request that got no whole
// answer.
func (c *conn) unanswered(p *pending) {
	status := c.noAnswer()
	p.verdict.done(status)
	if status == noAnswer && c.p.ctx.Err() == nil { // or it is the proxy that ends
		c.p.window.request(time.Now(), p.started, noAnswer, c.touched(p))
	}
}

// told notes that the oldest pending request has got its answer, though the connection
// does not go on after it.
func (c *conn) told() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) > 0 {
		c.pending[0].told = true
	}
}

// serveTLS handles a connection whose client begins a TLS handshake. It is relayed as
// a stream: what needs its requests is counted as inapplicable.
func (c *conn) serveTLS(in *reader) { c.serveStream(in) }

// decide settles what the client speaks, unless that is settled, and returns it.
func (c *conn) decide(speaks int32) int32 {
	if c.speaks.CompareAndSwap(undecided, speaks) {
		c.mu.Lock()
		c.cond.Broadcast()
		c.mu.Unlock()
	}
	return c.speaks.Load()
}

// cut ends both sides at once. It may be called by anyone, more than once.
func (c *conn) cut() {
	c.cancel()
	c.mu.Lock()
	c.closed = true // first, or who reads from the client would take it to have left
	l := c.link
	c.cond.Broadcast()
	c.mu.Unlock()
	l.close()
	_ = c.client.Close()
}

// leave cuts the connection since its client has left.
func (c *conn) leave() {
	c.mu.Lock()
	c.left = true
	c.mu.Unlock()
	c.cut()
}

// endGently ends the connection so that the client gets what was written: it sends a
// FIN, and what the client still sends is thrown away for a while (linger).
func (c *conn) endGently() {
	c.mu.Lock()
	if c.ending || c.closed {
		c.mu.Unlock()
		return
	}
	c.ending = true
	c.lastByte.Store(time.Now().UnixNano())
	_ = c.client.CloseWrite()
	_ = c.client.SetReadDeadline(time.Now()) // wakes the client's goroutine
	l := c.link
	c.cancel()
	c.cond.Broadcast()
	c.mu.Unlock()
	l.close()
}

// over reports whether the connection is ending or has ended.
func (c *conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending || c.closed
}

// How long linger waits for how much, and how long it reads in all.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
	lingerMost  = 30 * time.Second
)

// linger reads what a client sends after its connection has ended gently. Closing at
// once would send a RST for it, which can take the last answer from the client. Of a request
// that has been answered it reads the rest, however large, as long as that keeps coming: many
// clients send all of it before they read.
func (c *conn) linger() {
	until := time.Now().Add(lingerMost)
	for first := true; c.lingers(first, until); first = false {
		n, err := io.CopyN(io.Discard, socketOf(c.client), lingerBytes)
		if c.hello == nil { // inside TLS it would have been less
			c.p.window.moved(time.Now(), toUpstream, int(n))
		}
		if err != nil {
			return // however it ended, the connection is closed next
		}
	}
}

// lingers reports whether there is something to linger for, and gives the client time for it.
func (c *conn) lingers(first bool, until time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ending || c.closed || !first && !c.uploading || time.Now().After(until) {
		return false
	}
	if c.p.ctx.Err() == nil {
		_ = c.client.SetReadDeadline(time.Now().Add(lingerTime))
	}
	return true
}

// restTime is how long a stream moves no byte before Close may end it.
const restTime = 100 * time.Millisecond

// atRest reports whether ending the connection now would interrupt nothing.
func (c *conn) atRest() bool {
	if relay := c.relaying.Load(); relay != nil {
		relay.Drain()
		return relay.AtRest()
	}
	still := time.Since(time.Unix(0, c.lastByte.Load())) > restTime
	if s := c.speaks.Load(); s != speaksHTTP && s != undecided {
		return still
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// A client that has been sent all that it gets, and a FIN, need not be waited for
	// any longer than it takes to read it.
	if c.tunnel || c.ending && len(c.pending) == 0 {
		return still
	}
	return !c.busy && len(c.pending) == 0 && !c.ending
}
