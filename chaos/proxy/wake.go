package proxy

import (
	"errors"
	"net"
	"os"
	"time"
)

// A goroutine that waits in a read does not see that the faults have changed. That is
// no matter for most: they meet the next byte or request. Where it is, the reader is
// woken with a read deadline that has passed, after which no byte is lost.

// isTimeout reports whether a read has been woken or has passed another deadline: woke
// tells them apart.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// past is a deadline that has passed.
func past() time.Time { return time.Unix(1, 0) }

// kick makes the ways that the kernel relays come back, since the faults have changed,
// and with all every reader that waits.
func (c *conn) kick(all bool) {
	if c.relaying.Load() != nil {
		c.nudge()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending || c.closed {
		return
	}
	if c.splicing[toUpstream] || all {
		c.wake(toUpstream, c.client)
	}
	if c.splicing[toClient] || all && c.speaks.Load() != speaksHTTP || all && c.tunnel {
		if up := c.upstream(); up != nil {
			c.wake(toClient, up)
		}
	}
}

// wake wakes the reader of a way. The caller holds c.mu.
func (c *conn) wake(way direction, at side) {
	c.woken[way] = true
	_ = at.SetReadDeadline(past())
}

// woke reports whether a read of this way ended because it was woken, and lets reads
// wait again.
func (c *conn) woke(way direction) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.woken[way] || c.ending || c.closed {
		return false
	}
	c.woken[way] = false
	from := c.client
	if way == toClient {
		from = c.upstream()
	}
	return from.SetReadDeadline(time.Time{}) == nil
}

// upstream returns the connection to the upstream, or nil. The caller holds c.mu, or is the
// client's goroutine, which alone changes the link.
func (c *conn) upstream() side {
	if c.link == nil {
		return nil
	}
	select {
	case <-c.link.dialed:
		return c.link.up
	default:
		return nil
	}
}

// came counts what has been read of the client since in had so many bytes. What was carried
// its courier has counted.
func (c *conn) came(in *reader, had int) {
	if n := len(in.bytes()) - had; n > 0 {
		c.p.window.moved(time.Now(), toUpstream, n)
	}
}

// fillClient reads from the client of a parsed connection, and lets faults act that do not
// wait for the next request.
func (c *conn) fillClient(in *reader) error { return c.fillClientOr(in, nil) }

// fillClientOr is fillClient between two requests, which by may carry.
func (c *conn) fillClientOr(in *reader, by courier) error {
	for {
		had := len(in.bytes())
		err := c.fill(in, toUpstream, by)
		c.came(in, had)
		if err == nil || !isTimeout(err) || !c.woke(toUpstream) {
			return err
		}
		if !c.strike() {
			return net.ErrClosed
		}
	}
}
