package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"starquake/chaos"
)

// pending is a request that was sent upstream.
type pending struct {
	started time.Time
	delays  []delay // of the response
	hit     bool    // a fault touched it
	head    bool    // it was a HEAD: the response has no body
	connect bool    // it was a CONNECT
	upgrade bool    // it asked for another protocol
}

// maxPending bounds the requests of one connection that wait for their responses.
const maxPending = 64

// nextRequest handles one request of the client and reports whether more may come.
func (c *conn) nextRequest(in *reader) bool {
	h, err := c.readRequest(in)
	if err != nil {
		c.requestEnd(err)
		return false
	}
	c.mu.Lock()
	c.busy = true
	c.mu.Unlock()

	started := time.Now()
	v := c.p.decide(&chaos.Request{Method: h.method, Target: h.target})
	if len(v.request) > 0 && !c.p.hold(started, v.request, c.ctx.Done()) {
		return false
	}
	if v.answer.status != 0 {
		return c.answerRequest(in, &h, &v, &v.answer, started)
	}
	p := pending{started: started, delays: v.response, hit: v.hit,
		head: string(h.method) == "HEAD", connect: string(h.method) == "CONNECT", upgrade: h.upgrade}
	for {
		l := c.connect()
		<-l.dialed
		if l.err != nil {
			a := badGateway(c.p, l.err)
			return c.answerRequest(in, &h, &v, &a, started)
		}
		if ok, gone := c.push(l, p); ok {
			return c.forward(l, in, &h, p)
		} else if !gone {
			return false
		}
	}
}

// readRequest reads a request's head, which stays in the reader: size says how much.
func (c *conn) readRequest(in *reader) (head, error) {
	for seen := 0; ; {
		b := in.bytes()
		if len(b) >= 2 && b[0] == '\r' && b[1] == '\n' {
			in.take(2) // old clients send an empty line after a body (RFC 9112, 2.2)
			continue
		}
		if n := headEnd(b, seen); n > 0 && n <= c.p.config.MaxHead {
			return parseRequest(b[:n])
		}
		if seen = len(b); seen > c.p.config.MaxHead {
			return head{}, &headError{http.StatusRequestHeaderFieldsTooLarge,
				fmt.Sprintf("its head is longer than %d bytes", c.p.config.MaxHead)}
		}
		if err := in.fill(); err != nil {
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
		c.mu.Lock()
		ending := c.ending
		c.mu.Unlock()
		if !ending { // otherwise it is endGently that woke us
			c.cut()
		}
	}
}

// clientEnd passes the client's FIN on. Responses that are due still come.
func (c *conn) clientEnd() {
	c.mu.Lock()
	c.clientDone, c.busy = true, false
	idle := len(c.pending) == 0
	l := c.link
	c.mu.Unlock()
	if idle || l == nil {
		c.cut()
		return
	}
	<-l.dialed
	if l.up != nil {
		_ = l.up.CloseWrite() // if it fails, the link's goroutine sees why
	}
}

// forward sends a request, which is pending as p, upstream as it came.
func (c *conn) forward(l *link, in *reader, h *head, p pending) bool {
	body := newBody(h)
	n, err := body.feed(in.bytes()[h.size:])
	for skip := h.size; ; skip = 0 {
		if err != nil {
			return c.abandon(l, err)
		}
		written, werr := l.up.Write(in.bytes()[:skip+n])
		c.p.window.at(time.Now()).bytesIn.Add(uint64(written))
		if werr != nil {
			return false // a response may have come; the link's goroutine ends the connection
		}
		in.take(skip + n)
		if body.done {
			break
		}
		if body.left >= spliceBody && len(in.bytes()) == 0 {
			err = c.spliceBody(l.up, c.client, &body)
		} else {
			err = in.fill()
		}
		if err != nil {
			c.requestEnd(err)
			return false
		}
		n, err = body.feed(in.bytes())
	}
	if p.connect || p.upgrade {
		return c.awaitTunnel(l, in)
	}
	return c.requestDone()
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
		return c.requestDone()
	}
	c.relay(l.up, in, toUpstream, nil)
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

// requestDone ends a request on the client's side.
func (c *conn) requestDone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = false
	return !c.ending
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

// body finds the end of a message's body.
type body struct {
	done   bool
	left   int64 // of a body with a length; -1 until the connection ends
	chunks *chunkReader
}

func newBody(h *head) body {
	switch {
	case h.chunked:
		return body{chunks: new(chunkReader)}
	case h.length > 0:
		return body{left: h.length}
	}
	return body{done: true}
}

// feed returns how many bytes of b belong to the body.
func (y *body) feed(b []byte) (n int, err error) {
	switch {
	case y.done:
		return 0, nil
	case y.chunks != nil:
		n, y.done, err = y.chunks.feed(b)
		return n, err
	case y.left < 0:
		return len(b), nil
	}
	n = int(min(y.left, int64(len(b))))
	y.left -= int64(n)
	y.done = y.left == 0
	return n, nil
}

// spliceBody is from which length on the rest of a body is left to the kernel.
const spliceBody = 128 << 10

// spliceBody relays the rest of a body of known length.
func (c *conn) spliceBody(dst, src *net.TCPConn, y *body) error {
	for y.left > 0 {
		n, err := io.CopyN(dst, src, min(y.left, spliceUnit))
		y.left -= n
		if dst == c.client {
			c.p.window.at(time.Now()).bytesOut.Add(uint64(n))
		} else {
			c.p.window.at(time.Now()).bytesIn.Add(uint64(n))
		}
		if err != nil {
			return err
		}
	}
	y.done = true
	return nil
}
