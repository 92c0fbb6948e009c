package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"starquake/chaos"
)

// pending is a request that was sent upstream.
type pending struct {
	started time.Time
	verdict *verdict       // nil if no fault has anything to do with it
	gen     uint64         // the faults that it has met
	felt    uint32         // what its connection had felt when it came, see touched
	req     *chaos.Request // of one that may begin a tunnel
	head    bool           // it was a HEAD: the response has no body
	connect bool           // it was a CONNECT
	upgrade bool           // it asked for another protocol
	socket  bool           // which is WebSocket, and relayed frame by frame
	offered bool           // and whose extensions were changed
	told    bool           // its answer has been given and counted
}

// maxPending bounds the requests of one connection that wait for their responses.
const maxPending = 64

// nextRequest handles one request of the client and reports whether more may come.
func (c *conn) nextRequest(in *reader) bool {
	if c.p.faults.Load().gen != c.struck && !c.strike() {
		return false
	}
	if len(in.bytes()) == 0 {
		c.req, c.query = chaos.Request{}, nil // they point into a buffer that others get
		if err := c.fillClientOr(in, c.courier()); err != nil {
			c.requestEnd(err)
			return false
		}
	}
	if c.halfway.size > 0 {
		return c.finish(in)
	}
	return c.takeRequest(in)
}

// takeRequest handles the request that has begun to come, and reports whether more may. As
// oneResponse it is a function of its own for the sake of those that wait.
func (c *conn) takeRequest(in *reader) bool {
	h, err := c.readRequest(in)
	if err != nil {
		c.requestEnd(err)
		return false
	}
	c.mu.Lock()
	c.busy = true
	c.mu.Unlock()

	started, felt := time.Now(), c.felt.Load()
	snap := c.p.faults.Load()
	c.socket = c.p.relaysFrames() && asksForWebSocket(&h)
	var v *verdict
	if len(snap.order) > 0 {
		c.countInapplicable(false)
		c.request(&h)
		invited, err := c.peekOperations(in, &h, snap)
		if err != nil {
			c.requestEnd(err)
			return false
		}
		v = c.p.decide(c, &c.req)
		if invited {
			v = v.withoutExpect()
		}
	}
	p := pending{started: started, verdict: v, gen: snap.gen, felt: felt, socket: c.socket}
	if c.socket {
		p.verdict, p.offered = c.offer(v, &h)
	}
	if v = p.verdict; v == nil {
		return c.pass(in, &h, p)
	}
	if !c.enter(v, started) {
		c.unanswered(&p)
		return false
	}
	if v.answer.given() {
		return c.answerRequest(in, &h, &p, &v.answer)
	}
	if len(v.edits[toUpstream])+len(v.cuts[toUpstream]) > 0 && !c.changeRequest(in, &h, v) {
		v.done(c.noAnswer())
		return false
	}
	return c.pass(in, &h, p)
}

// request fills c.req in for matchers.
func (c *conn) request(h *head) {
	c.query = nil
	c.req = chaos.Request{Method: h.method, Target: h.target, Host: h.hostValue, HeaderLines: h.lines,
		Source: c.source, ContentLength: max(0, h.length), Chunked: h.chunked}
}

// pass sends a request upstream. It reports whether more may come.
func (c *conn) pass(in *reader, h *head, p pending) bool {
	p.head, p.connect, p.upgrade = string(h.method) == "HEAD", string(h.method) == "CONNECT", h.upgrade
	if p.connect || p.upgrade {
		c.request(h)
		p.req = cloneRequest(&c.req)
	}
	for {
		l := c.connect()
		<-l.dialed
		if l.err != nil {
			a := badGateway(c.p, l.err)
			return c.answerRequest(in, h, &p, &a)
		}
		if ok, gone := c.push(l, p); ok {
			return c.forward(l, in, h, &p)
		} else if !gone {
			p.verdict.done(c.noAnswer())
			return false
		}
	}
}

// cloneRequest copies what is in the reader.
func cloneRequest(r *chaos.Request) *chaos.Request {
	return &chaos.Request{Method: bytes.Clone(r.Method), Target: bytes.Clone(r.Target), Host: bytes.Clone(r.Host),
		HeaderLines: bytes.Clone(r.HeaderLines), Source: r.Source, ContentLength: r.ContentLength, Chunked: r.Chunked}
}

// readRequest reads a request's head, which stays in the reader: size says how much.
func (c *conn) readRequest(in *reader) (head, error) {
	for seen := 0; ; {
		in.skipLines()
		b := in.bytes()
		if n := headEnd(b, seen); n > 0 && n <= c.p.config.MaxHead {
			return parseRequest(b[:n])
		}
		if seen = len(b); seen > c.p.config.MaxHead {
			return head{}, &headError{http.StatusRequestHeaderFieldsTooLarge,
				fmt.Sprintf("its head is longer than %d bytes", c.p.config.MaxHead)}
		}
		if err := c.fillClient(in); err != nil {
			return head{}, err
		}
	}
}

// requestEnd ends the client's side after what cannot be read.
func (c *conn) requestEnd(err error) {
	var refused *headError
	switch {
	case errors.As(err, &refused):
		if c.await(0) {
			a := refusal(c.p, refused)
			c.write(&a, false, false)
			c.p.window.request(time.Now(), time.Now(), a.status, false)
			c.endGently()
		}
	case errors.Is(err, io.EOF):
		c.clientEnd()
	default:
		if !c.over() { // otherwise it is endGently that woke us
			c.leave()
		}
	}
}

// clientEnd passes the client's FIN on. Responses that are due still come.
func (c *conn) clientEnd() {
	c.mu.Lock()
	c.clientDone, c.busy = true, false
	idle := len(c.pending) == 0
	l := c.link
	long := time.Until(c.heldUntil) > patience
	c.mu.Unlock()
	if idle && l != nil && !isDown(l) {
		now := time.Now()
		if delays := c.closeDelays(now, toUpstream); len(delays) > 0 {
			c.hold(now, delays)
		}
	}
	if idle || l == nil || long { // long: it is taken to have left
		c.leave()
		return
	}
	<-l.dialed
	if l.up != nil {
		_ = l.up.CloseWrite() // if it fails, the link's goroutine sees why
	}
}

// forward sends a request, which is pending as p, upstream as it came.
func (c *conn) forward(l *link, in *reader, h *head, p *pending) bool {
	body := newBody(h)
	f := p.verdict.flow(toUpstream, &body)
	n, err := body.feed(in.bytes()[h.size:])
	for skip := h.size; ; skip = 0 {
		if err != nil {
			return c.abandon(l, err)
		}
		if _, werr := c.sendBody(f, &l.toUp, in.bytes()[:skip+n]); werr != nil {
			if werr != errLimit {
				return c.unsent()
			}
			_ = l.up.CloseWrite()
			in.take(len(in.bytes())) // nobody gets the rest: it is no other request
			c.requestDone(l, in)     // the upstream says what it thinks of half a body
			return false
		}
		in.take(skip + n)
		if body.done {
			break
		}
		if body.left >= spliceBody && len(in.bytes()) == 0 && f == nil && splices(l.up, c.client) {
			err = c.spliceBody(l.up, c.client, &body, toUpstream, p.gen)
		} else {
			err = c.fillClient(in)
		}
		if err != nil {
			c.requestEnd(err)
			return false
		}
		if body.done {
			break
		}
		f = c.midway(p, toUpstream, f, &body)
		n, err = body.feed(in.bytes())
	}
	if p.connect || p.upgrade {
		return c.awaitTunnel(l, in)
	}
	return c.requestDone(l, in)
}

// unsent gives up a request that the upstream does not take. A response may have come; the
// link's goroutine ends the connection, and is woken, since it may have missed a reset.
func (c *conn) unsent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if up := c.upstream(); up != nil && !c.ending && !c.closed {
		c.wake(toClient, up)
	}
	return false
}

// awaitTunnel waits for the answer to a request to change protocols, since what the
// client sends next depends on it.
func (c *conn) awaitTunnel(l *link, in *reader) bool {
	if !c.await(0) {
		return false
	}
	c.mu.Lock()
	tunnel := c.tunnel
	c.mu.Unlock()
	if !tunnel {
		return c.requestDone(l, in)
	}
	c.relayTunnel(l.up, in, toUpstream)
	return false
}

// abandon gives up a request whose body is not what its head said.
func (c *conn) abandon(l *link, err error) bool {
	var refused *headError
	if !errors.As(err, &refused) || !c.await(1) { // 1: this one
		return false
	}
	a := refusal(c.p, refused)
	c.mu.Lock()
	c.failure = &a
	c.mu.Unlock()
	l.close()
	return false
}

// requestDone ends a request on the client's side, and reports whether another may come.
// l is the link that it was sent over, nil for one that was not. An upstream that answered
// before it had all of the request may have ended since: the client learns it now, unless it
// has sent another, which connects anew.
func (c *conn) requestDone(l *link, in *reader) bool {
	in.skipLines()
	another := headEnd(in.bytes(), 0) > 0
	c.mu.Lock()
	c.busy = another
	gone := l != nil && l.gone && len(c.pending) == 0
	more := !c.ending
	c.mu.Unlock()
	if more && gone && !another {
		c.endSlowly()
		return false
	}
	return more
}

// push adds a request to be sent over l, unless the connection is over or l has gone,
// which nobody would answer.
func (c *conn) push(l *link, p pending) (ok, gone bool) {
	if !c.await(maxPending - 1) {
		return false, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.gone {
		return false, true
	}
	c.pending = append(c.pending, p)
	c.asks.Add(1)
	return true, false
}

// await waits until at most n requests are pending. It returns false once the
// connection is over.
func (c *conn) await(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.pending) > n && c.ctx.Err() == nil && !c.ending {
		c.cond.Wait()
	}
	return c.ctx.Err() == nil && !c.ending
}
