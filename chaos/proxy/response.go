package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"
)

// errNoResponse is why a request gets 502: the upstream ended without a response.
var errNoResponse = errors.New("it closed the connection without a response")

// errUnasked is why a connection ends on which the upstream sends what nobody asked for.
var errUnasked = errors.New("nobody asked for what it sends")

// unaskedFor reports whether what is left in the reader behind an answer was there before the
// next request was sent, and is no answer to that one then, whenever it comes.
func (c *conn) unaskedFor(in *reader) bool { return in.asked == c.answers }

// serveResponses relays the upstream's responses, each to the oldest pending request.
// err is that of the first read.
func (c *conn) serveResponses(l *link, in *reader, err error) {
	var by courier
	if splices(l.up, c.client) {
		by = l
	}
	for err == nil {
		var more bool
		if more, err = c.oneResponse(l, in); err != nil {
			break
		}
		if !more {
			return
		}
		if len(in.bytes()) == 0 {
			err = c.fillUpstreamOr(in, by)
		}
	}
	if err == errAnswered {
		c.cut()
		return
	}
	c.linkEnd(l, err)
}

// oneResponse relays the next response, and reports whether others may follow. It is a
// function of its own since who waits for the next one keeps its stack: small, if it can.
func (c *conn) oneResponse(l *link, in *reader) (more bool, err error) {
	h, err := c.readResponse(l, in)
	if err == errUnasked {
		c.endGently()
		return false, nil
	}
	if err != nil {
		return false, err
	}
	more, p := c.relayResponse(l, in, &h)
	return more && (h.status < 200 || c.pop(&h, &p)), nil
}

// readResponse reads a response's head, which stays in the reader.
func (c *conn) readResponse(l *link, in *reader) (head, error) {
	for seen := 0; ; {
		b := in.bytes()
		if len(b) > 0 && l.answered && c.unaskedFor(in) {
			return head{}, errUnasked
		}
		if n := headEnd(b, seen); n > 0 && n <= c.p.config.MaxHead {
			return parseResponse(b[:n])
		}
		if seen = len(b); seen > c.p.config.MaxHead {
			return head{}, badHead("its head is longer than %d bytes", c.p.config.MaxHead)
		}
		if err := c.fillUpstream(in); err != nil {
			if seen > 0 && errors.Is(err, io.EOF) {
				err = badHead("it ends inside its head")
			}
			return head{}, err
		}
	}
}

// relayResponse relays one response, interim ones included, and reports whether the
// connection goes on after it. p is the request that it answers.
func (c *conn) relayResponse(l *link, in *reader, h *head) (more bool, p pending) {
	c.mu.Lock()
	if len(c.pending) == 0 {
		c.mu.Unlock()
		c.endGently() // nobody asked: were it relayed, the next request would get it
		return false, p
	}
	p = c.pending[0]
	l.answered = true
	c.mu.Unlock()

	interim := h.status < 200
	tunnel := h.status == http.StatusSwitchingProtocols && p.upgrade || p.connect && !interim && h.status < 300
	if h.status == http.StatusSwitchingProtocols && !tunnel {
		c.p.config.Logger.Warn("the upstream changed protocols without being asked", "proxy", c.p.config.Name)
		c.endGently()
		return false, p
	}
	if v := p.verdict; v != nil && (!interim || tunnel) && !c.holdResponse(v.response) {
		return false, p
	}
	if tunnel {
		return false, c.startTunnel(l, in, h, p)
	}
	y := responseBody(h, p.head)
	var f *flow
	if v := p.verdict; v != nil && !interim {
		err := c.change(in, h, &y, v, toClient, p.head, func() error { return c.fillUpstream(in) })
		if err != nil {
			c.responseFailed(err)
			return false, p
		}
		f = v.flow(toClient, &y)
	}
	if !c.relayBody(l, in, h, &y, &p, f) {
		return false, p
	}
	if interim {
		return true, p
	}
	p.verdict.done(h.status)
	last := y.left < 0
	if last { // it ends with the connection, whose end may be held back
		c.told()
		c.endSlowly()
	}
	c.p.window.request(time.Now(), p.started, h.status, c.touched(&p))
	return !last, p
}

// holdResponse holds a response back. A client that has ended its side by then, or
// does so meanwhile, is taken to have left if it is for long.
func (c *conn) holdResponse(delays []delay) bool {
	if len(delays) == 0 {
		return true
	}
	now := time.Now()
	until := due(now, delays)
	c.mu.Lock()
	c.heldUntil = until
	left := c.clientDone
	c.mu.Unlock()
	if left && until.Sub(now) > patience {
		c.leave()
		return false
	}
	ok := c.hold(now, delays)
	c.mu.Lock()
	c.heldUntil = time.Time{}
	c.mu.Unlock()
	return ok
}

// fillUpstream reads more of a response.
func (c *conn) fillUpstream(in *reader) error { return c.fillUpstreamOr(in, nil) }

// fillUpstreamOr is fillUpstream between two responses, which by may carry.
func (c *conn) fillUpstreamOr(in *reader, by courier) error {
	for {
		if err := c.fill(in, toClient, by); !isTimeout(err) || !c.woke(toClient) {
			return err
		}
	}
}

// endSlowly ends the connection gently, after the delays of its end.
func (c *conn) endSlowly() {
	now := time.Now()
	if delays := c.closeDelays(now, toClient); len(delays) > 0 && !c.hold(now, delays) {
		return
	}
	c.endGently()
}

// responseBody is what follows a response's head (RFC 9112, 6.3).
func responseBody(h *head, headOnly bool) body {
	switch {
	case headOnly, h.status < 200, h.status == http.StatusNoContent, h.status == http.StatusNotModified:
		return body{done: true}
	case h.chunked, h.length >= 0:
		return newBody(h)
	}
	return body{left: -1}
}

// relayBody relays head and body to the client, in the way f says. Where it fails it
// ends the connection: the client has got a part and must not take it for the whole.
func (c *conn) relayBody(l *link, in *reader, h *head, y *body, p *pending, f *flow) bool {
	f = c.midway(p, toClient, f, y)
	n, err := y.feed(in.bytes()[h.size:])
	for skip := h.size; ; skip = 0 {
		if y.done && h.status >= 200 {
			p.verdict.done(h.status) // before the client has it all, and may ask again
		}
		written, werr := c.sendBody(f, &l.toClient, in.bytes()[in.sent:skip+n])
		in.sent = 0
		c.p.window.moved(time.Now(), toClient, written)
		if werr == errLimit {
			c.end(endClose)
			return false
		}
		if werr != nil {
			if !c.over() {
				c.leave() // the client has
			}
			return false
		}
		in.take(skip + n)
		if y.done {
			return true
		}
		if err == nil {
			if y.left >= spliceBody && len(in.bytes()) == 0 && f == nil && splices(c.client, l.up) {
				err = c.spliceBody(c.client, l.up, y, toClient, p.gen)
			} else {
				err = c.fillUpstream(in)
			}
		}
		if y.left < 0 && errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			c.responseFailed(err)
			return false
		}
		if y.done {
			return true
		}
		f = c.midway(p, toClient, f, y)
		n, err = y.feed(in.bytes())
	}
}

// responseFailed ends the connection in the middle of a response, which the client
// notices by what is missing.
func (c *conn) responseFailed(err error) {
	if errors.Is(err, syscall.ECONNRESET) && !c.over() {
		c.reset()
		return
	}
	c.endGently()
}

// startTunnel hands the connection over to what both sides have agreed on.
func (c *conn) startTunnel(l *link, in *reader, h *head, p pending) pending {
	n, err := c.client.Write(c.agree(in.bytes()[:h.size], &p))
	c.p.window.moved(time.Now(), toClient, n)
	if err != nil {
		c.leave() // the client has
		return p
	}
	c.p.window.request(time.Now(), p.started, h.status, c.touched(&p))
	p.verdict.done(h.status)
	in.take(h.size)
	c.lastByte.Store(time.Now().UnixNano())
	c.mu.Lock()
	c.tunnel, c.upgraded = true, p.req
	c.pending = c.pending[:0]
	c.cond.Broadcast()
	c.mu.Unlock()
	c.relayTunnel(c.client, in, toClient)
	return p
}

// pop takes the oldest request off, which h has answered, and reports whether the
// connection goes on.
func (c *conn) pop(h *head, p *pending) bool {
	c.mu.Lock()
	over := c.popped()
	c.mu.Unlock()
	switch {
	case h.close && !p.head || h.saidClose:
		c.endSlowly()
		return false
	case over:
		c.cut()
		return false
	}
	return true
}

// popped takes the oldest request off, and reports whether it was the last of a client that
// has ended its side. The caller holds c.mu.
func (c *conn) popped() (over bool) {
	n := copy(c.pending, c.pending[1:]) // short, and keeps its memory
	c.pending[n] = pending{}
	c.pending = c.pending[:n]
	c.answers++
	c.cond.Broadcast()
	return c.clientDone && n == 0
}

// linkEnd ends the connection after the upstream did.
func (c *conn) linkEnd(l *link, err error) {
	c.mu.Lock()
	waiting, head := len(c.pending) > 0, false
	if waiting {
		head = c.pending[0].head
	} else {
		l.gone = true
	}
	busy, answered, failure := c.busy, l.answered, c.failure
	c.mu.Unlock()

	var bad *headError
	switch isBad := errors.As(err, &bad); {
	case !waiting && busy:
		// A request is held in a delay or answered by a fault; it connects anew.
		_ = l.up.Close()
		return
	case !waiting:
		// An idle connection that the server no longer wants: the client learns it.
	case failure != nil:
		c.writeFailure(failure, head)
	case isBad:
		a := badGateway(c.p, fmt.Errorf("its response cannot be read: %s", bad.what))
		c.writeFailure(&a, head)
	case !answered:
		a := badGateway(c.p, errNoResponse)
		c.writeFailure(&a, head)
	}
	// Otherwise a connection that was in use ended as the request came: without an
	// answer the client may send it again, as it would have without a proxy.
	if errors.Is(err, syscall.ECONNRESET) && waiting && answered && !c.over() {
		c.reset()
		return
	}
	c.endSlowly()
}

// writeFailure answers the oldest pending request in place of the upstream.
func (c *conn) writeFailure(a *answer, head bool) {
	c.mu.Lock()
	p := c.pending[0]
	c.uploading = true
	c.mu.Unlock()
	c.told()
	p.verdict.done(a.status) // before the client has it, and may ask again
	c.write(a, head, false)
	c.p.window.request(time.Now(), p.started, a.status, c.touched(&p))
}
