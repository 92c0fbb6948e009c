package h2

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"starquake/internal/alarm"
)

// Config says what a Relay relays.
type Config struct {
	// Client and Upstream are connected. Run closes them.
	Client, Upstream net.Conn
	// ClientHead and UpstreamHead have been read from them already.
	ClientHead, UpstreamHead []byte
	Hooks                    Hooks
	// Clock is what held frames wait on.
	Clock *alarm.Clock
}

// direction is the way that frames go.
type direction uint8

const (
	toUpstream direction = iota // requests
	toClient                    // responses
)

// Relay relays one connection. All but Run may be called from any goroutine.
type Relay struct {
	hooks Hooks
	clock *alarm.Clock

	// mu guards all that follows and everything that it leads to. Only flush gives it
	// up in between, while it writes.
	mu    sync.Mutex
	cond  *sync.Cond // a sink has become emptier, a queue has, or the relay has ended
	ways  [2]way     // by where frames go; the source of each is the other's sink
	sinks [2]sink

	table // of streams
	calm  calm
	// bursts counts what has been read, of both ways.
	bursts uint64
	req    Request // for Hooks

	// altered: the two sides no longer agree about every stream, because something was
	// taken out. Frames of streams that are not in the table are then taken out, too.
	altered bool
	// gated: something that the windows do not provide for is on its way.
	gated [2]bool
	// Since the client's last PING, arrived: the upstream has sent a message's part;
	// released: the client was sent one that had been held or put in.
	arrived, released bool
	// held is how many bytes, with overhead, wait in queues; queues how many queues.
	held   [2]int
	queues [2]int
	// collecting is how many bytes of requests are collected.
	collecting int
	// blocked are the queues that wait for a window.
	blocked [2][]*queue

	due  dueList
	bell chan struct{} // wakes the goroutine of release
	// kicked: Kick was called since that goroutine last looked.
	kicked atomic.Bool

	// ending: the client gets nothing more, and what it sends is thrown away.
	ending bool
	// left: it was the client that ended first.
	left atomic.Bool
	// over: both connections are closed.
	over bool
	err  error // why
}

// New makes a relay; Run runs it.
func New(c Config) *Relay {
	r := &Relay{hooks: c.Hooks, clock: c.Clock, bell: make(chan struct{}, 1)}
	r.cond = sync.NewCond(&r.mu)
	r.sinks[toUpstream].conn = c.Upstream
	r.sinks[toClient].conn = c.Client
	r.sinks[toClient].corked = true
	r.ways[toUpstream].init(r, toUpstream, c.Client, c.ClientHead)
	r.ways[toClient].init(r, toClient, c.Upstream, c.UpstreamHead)
	r.table.init()
	return r
}

// Run relays until either side ends, breaks the protocol, or ctx is done; then it
// closes both connections. An end that one side wanted is no error.
func (r *Relay) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { r.end(context.Cause(ctx)) })
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { r.serve(toClient) })
	wg.Go(r.release)
	r.serve(toUpstream)
	r.end(nil)
	wg.Wait()

	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.streams {
		s.out.Reset, s.out.Code, s.out.Left = true, Cancel, r.left.Load()
		r.drop(s)
	}
	return r.err
}

// serve runs one way to its end, and says what that means for the connection.
func (r *Relay) serve(d direction) {
	err := r.ways[d].run()
	var broken *violation
	switch {
	case errors.As(err, &broken):
		r.goAway(broken)
	case d == toClient && r.upstreamLeaves(err):
		r.upstreamEnd()
	case !r.isEnding():
		// A client that ends its side wants nothing more: servers take it so, too.
		r.mu.Lock()
		if d == toUpstream && !r.over {
			r.left.Store(true)
		}
		r.endNow(r.parting(err))
		r.mu.Unlock()
	}
	if d == toUpstream && r.isEnding() {
		// What the client still sends is read for a while: closing at once would send
		// a RST for it, which can take the last answer from the client.
		_, _ = io.CopyN(io.Discard, r.sinks[toClient].conn, lingerBytes)
	}
}

// How long and how much a client is read after its end.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
	// partingTime is how long the last frames may take to be written.
	partingTime = time.Second
)

func (r *Relay) isEnding() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ending
}

// parting turns a reset of a connection on which nothing is under way into an end. Who
// closes before everything was read sends a RST, and after the last answer only frames
// that nobody misses can be unread: a GOAWAY, a PING, its answer (RFC 9113, 6.8 and 9.1).
// mu is held.
func (r *Relay) parting(err error) error {
	if len(r.streams) == 0 && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
		return io.EOF
	}
	return err
}

// upstreamLeaves reports whether the upstream has ended its side and owes no answer.
func (r *Relay) upstreamLeaves(err error) bool {
	if !errors.Is(err, syscall.ECONNRESET) {
		return err == io.EOF
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.streams {
		if !s.detached && !s.ended[toClient] {
			return false
		}
	}
	return true
}

// upstreamEnd lets responses that are held run out, and ends the client.
func (r *Relay) upstreamEnd() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sinks[toUpstream].shutDown()
	for r.queues[toClient] > 0 && !r.over && !r.ending {
		r.cond.Wait()
	}
	r.endGently(nil)
}

// goAway ends the connection because of what one side sent.
func (r *Relay) goAway(v *violation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ending || r.over {
		return
	}
	client, up := &r.sinks[toClient], &r.sinks[toUpstream]
	if v.from == toUpstream {
		client.buf = appendGoAway(client.add(), r.highest, v.code, v.what)
	} else {
		up.buf = appendGoAway(up.add(), 0, v.code, v.what)
		_ = up.conn.SetWriteDeadline(time.Now().Add(partingTime))
		r.flush(up)
		client.buf = appendGoAway(client.add(), r.highest, InternalError, v.Error())
	}
	r.endGently(v)
}

// endGently ends the connection so that the client gets what was written. mu is held.
func (r *Relay) endGently(err error) {
	if r.ending || r.over {
		return
	}
	r.ending, r.err = true, err
	s := &r.sinks[toClient]
	_ = s.conn.SetWriteDeadline(time.Now().Add(partingTime))
	s.corked = false
	r.flush(s)
	for s.writing && !r.over {
		r.cond.Wait()
	}
	s.shutDown()
	r.cond.Broadcast()
	half, ok := s.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		_ = s.conn.Close()
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(lingerTime))
	_ = r.sinks[toUpstream].conn.Close()
	r.sinks[toUpstream].shutDown()
	r.ring()
}

// end closes both connections at once. A reset of one is passed on to the other.
func (r *Relay) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endNow(err)
}

func (r *Relay) endNow(err error) {
	if r.over {
		return
	}
	r.over = true
	if !r.ending && err != io.EOF {
		r.err = err
	}
	reset := !r.ending && errors.Is(err, syscall.ECONNRESET)
	for i := range r.sinks {
		s := &r.sinks[i]
		s.shutDown()
		if c, ok := s.conn.(interface{ SetLinger(int) error }); ok && reset {
			_ = c.SetLinger(0)
		}
		_ = s.conn.Close()
	}
	r.cond.Broadcast()
	r.ring()
}

// writeFailed notes that a side cannot be written to. Why is seen by who reads from it.
func (r *Relay) writeFailed(s *sink, err error) {
	s.shutDown()
	if s == &r.sinks[toClient] && !r.ending {
		if !r.over {
			r.left.Store(true)
		}
		r.endNow(r.parting(err))
	}
}

// Streams returns how many streams are open.
func (r *Relay) Streams() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.streams)
}

// AtRest reports whether no stream is open, and the client has been sent the end of the last
// one too, which may still have to be written when that is over.
func (r *Relay) AtRest() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.sinks[toClient]
	return len(r.streams) == 0 && (s.corked || len(s.buf) == 0 && len(s.tail) == 0 && !s.writing)
}

// Drain tells the client to open no more streams on this connection. Those that are
// open go on; the owner waits until it is AtRest and ends the context of Run. It does not
// wait for the client to read: the goroutine of release writes.
func (r *Relay) Drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining || r.ending || r.over || !r.ways[toClient].begun {
		return
	}
	r.draining, r.altered = true, true
	s := &r.sinks[toClient]
	s.buf = appendGoAway(s.add(), r.highest, NoError, "")
	r.ring()
}

// Kick makes the relay ask anew when delays are over, and what else happens to the
// streams that are open. Unlike the others it may be called by Hooks.
func (r *Relay) Kick() {
	r.kicked.Store(true)
	r.ring()
}

// changed does what Kick asks for.
func (r *Relay) changed() {
	if !r.kicked.Swap(false) {
		return
	}
	for _, s := range r.streams {
		if s.hooked {
			r.alter(s, r.hooks.Changed(s.plan.State))
		}
		for _, q := range [...]*queue{s.queue[toUpstream], s.queue[toClient], s.fate} {
			if q != nil {
				r.due.add(q)
			}
		}
	}
}

// alter does what else is to happen to a stream.
func (r *Relay) alter(s *stream, c Change) {
	if c.Hold != nil {
		for d := range s.queue {
			if direction(d) == toClient || !s.detached {
				r.push(s, direction(d), item{kind: itemGate, hold: c.Hold})
			}
		}
	}
	for d := range s.body {
		s.alterBody(direction(d), &c)
	}
	if c.Reset != nil {
		r.resetAfter(s, c.Reset)
	}
}
