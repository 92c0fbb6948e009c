package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// errNoResponse is why a request gets 502: the upstream ended without a response.
var errNoResponse = errors.New("it closed the connection without a response")

// serveResponses relays the upstream's responses, each to the oldest pending request.
// err is that of the first read.
func (c *conn) serveResponses(l *link, in *reader, err error) {
	for err == nil {
		var h head
		if h, err = c.readResponse(in); err != nil {
			break
		}
		more, p := c.relayResponse(l, in, &h)
		if !more {
			return
		}
		if h.status >= 200 && !c.pop(&h, &p) {
			return
		}
		if len(in.bytes()) == 0 {
			err = in.fill()
		}
	}
	c.linkEnd(l, err)
}

// readResponse reads a response's head, which stays in the reader.
func (c *conn) readResponse(in *reader) (head, error) {
	for seen := 0; ; {
		b := in.bytes()
		if n := headEnd(b, seen); n > 0 && n <= c.p.config.MaxHead {
			return parseResponse(b[:n])
		}
		if seen = len(b); seen > c.p.config.MaxHead {
			return head{}, badHead("its head is longer than %d bytes", c.p.config.MaxHead)
		}
		if err := in.fill(); err != nil {
			if seen > 0 {
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
	if (!interim || tunnel) && len(p.delays) > 0 && !c.p.hold(time.Now(), p.delays, c.ctx.Done()) {
		return false, p
	}
	if tunnel {
		return false, c.startTunnel(l, in, h, p)
	}
	y := responseBody(h, &p)
	if !c.relayBody(l, in, h, &y) {
		return false, p
	}
	if !interim {
		c.p.window.request(time.Now(), p.started, h.status, p.hit)
	}
	if y.left < 0 { // it ended with the connection
		c.endGently()
		return false, p
	}
	return true, p
}

// responseBody is what follows a response's head (RFC 9112, 6.3).
func responseBody(h *head, p *pending) body {
	switch {
	case p.head, h.status < 200, h.status == http.StatusNoContent, h.status == http.StatusNotModified:
		return body{done: true}
	case h.chunked, h.length >= 0:
		return newBody(h)
	}
	return body{left: -1}
}

// relayBody relays head and body to the client. Where it fails it ends the connection:
// the client has got a part and must not take it for the whole.
func (c *conn) relayBody(l *link, in *reader, h *head, y *body) bool {
	n, err := y.feed(in.bytes()[h.size:])
	for skip := h.size; ; skip = 0 {
		written, werr := c.client.Write(in.bytes()[:skip+n])
		c.p.window.at(time.Now()).bytesOut.Add(uint64(written))
		if werr != nil {
			c.cut()
			return false
		}
		in.take(skip + n)
		if y.done {
			return true
		}
		if err == nil {
			if y.left >= spliceBody && len(in.bytes()) == 0 {
				err = c.spliceBody(c.client, l.up, y)
			} else {
				err = in.fill()
			}
		}
		if y.left < 0 && errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			c.endGently() // a length or a last chunk is missing, which the client sees
			return false
		}
		n, err = y.feed(in.bytes())
	}
}

// startTunnel hands the connection over to what both sides have agreed on.
func (c *conn) startTunnel(l *link, in *reader, h *head, p pending) pending {
	if _, err := c.client.Write(in.bytes()[:h.size]); err != nil {
		c.cut()
		return p
	}
	c.p.window.request(time.Now(), p.started, h.status, p.hit)
	in.take(h.size)
	c.lastByte.Store(time.Now().UnixNano())
	c.mu.Lock()
	c.tunnel = true
	c.pending = c.pending[:0]
	c.cond.Broadcast()
	c.mu.Unlock()
	c.relay(c.client, in, toClient, nil)
	return p
}

// pop takes the oldest request off, which h has answered, and reports whether the
// connection goes on.
func (c *conn) pop(h *head, p *pending) bool {
	c.mu.Lock()
	c.pending = append(c.pending[:0], c.pending[1:]...) // short, and keeps its memory
	over := c.clientDone && len(c.pending) == 0
	c.cond.Broadcast()
	c.mu.Unlock()
	switch {
	case h.close && !p.head || h.saidClose:
		c.endGently()
		return false
	case over:
		c.cut()
		return false
	}
	return true
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
	c.endGently()
}

// writeFailure answers the oldest pending request in place of the upstream.
func (c *conn) writeFailure(a *answer, head bool) {
	c.mu.Lock()
	p := c.pending[0]
	c.mu.Unlock()
	c.write(a, head, false)
	c.p.window.request(time.Now(), p.started, a.status, p.hit)
}
