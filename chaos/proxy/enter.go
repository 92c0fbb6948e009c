package proxy

import (
	"io"
	"net"
	"net/http"
	"time"
)

// enter lets the faults hold a request that has come, and reports whether it goes on.
// What it has not asked yet stays in the reader.
func (c *conn) enter(v *verdict, started time.Time) bool {
	if len(v.fates) > 0 {
		// Those before it have been let through, and get their answers.
		if !c.await(0) {
			return false
		}
		for _, f := range v.fates {
			c.doom(f)
		}
		if !c.suffer(v.fates, c.watch) {
			return false
		}
	}
	for _, q := range v.queues {
		switch q.wait(c) {
		case queueOver:
			return false
		case queueFull:
			v.give(&q.hit, answer{status: http.StatusServiceUnavailable})
			return true
		}
	}
	return c.holdRequest(started, v.request)
}

// noAnswer says how a request ended that got no answer: its client may have left.
func (c *conn) noAnswer() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return unknown
	}
	return noAnswer
}

// changeRequest applies what v changes of a request.
func (c *conn) changeRequest(in *reader, h *head, v *verdict) bool {
	if h.expect && !c.inviteBody(in, h, v) {
		return false
	}
	y := newBody(h)
	if err := c.change(in, h, &y, v, toUpstream, false, func() error { return c.fillClient(in) }); err != nil {
		c.requestEnd(err)
		return false
	}
	return true
}

// inviteBody answers "Expect: 100-continue" where the body has to be read first, and
// takes the field out.
func (c *conn) inviteBody(in *reader, h *head, v *verdict) bool {
	if c.invite() != nil {
		c.cut()
		return false
	}
	v.withoutExpect()
	return true
}

// invite tells the client to send the body that it has announced.
func (c *conn) invite() error {
	if !c.await(0) {
		return net.ErrClosed
	}
	_, err := io.WriteString(c.client, "HTTP/1.1 100 Continue\r\n\r\n")
	return err
}

// withoutExpect has the field taken out of a request whose client has been invited. It
// returns v, or a new verdict if there was none.
func (v *verdict) withoutExpect() *verdict {
	v = v.orNew()
	v.edits[toUpstream] = append(v.edits[toUpstream], edit{head: func(m *message) { m.remove("Expect") }})
	return v
}
