package proxy

import (
	"crypto/rand"
	"time"

	"starquake/chaos/proxy/ws"
)

// socketClose is a close that a fault asks for: both sides get a close frame between
// two frames, what they say after that is not passed on, and when both have answered,
// or have had time to, the connection ends.
type socketClose struct {
	code   int
	reason string

	// Guarded by conn.mu, by way: who has been told, and whose answer has come.
	said, heard [2]bool
	timer       *time.Timer // ends the connection
}

// How long a side may take until it can be told, since there is something half sent to
// it, and how long to answer.
const (
	closeWait   = 5 * time.Second
	closeAnswer = 2 * time.Second
)

// askClose has both ways close, unless that is under way.
func (s *socket) askClose(cl *socketClose) {
	if !s.f.closing.CompareAndSwap(nil, cl) {
		return
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.c.ending || s.c.closed {
		return
	}
	if s.way == toClient {
		s.c.wake(toUpstream, s.c.client)
	} else if up := s.c.upstream(); up != nil {
		s.c.wake(toClient, up)
	}
}

// closeIfAsked closes this way if a fault has asked for that and it can be done now.
// It returns false once the way is over; rest is what has come and not been looked at.
func (s *socket) closeIfAsked(rest []byte) bool {
	cl := s.f.closing.Load()
	if cl == nil || !s.betweenFrames() {
		return true
	}
	s.said = true
	if s.scan.Closed {
		s.out = s.out[:0] // after a close frame nothing follows
	} else {
		var key [4]byte
		_, _ = rand.Read(key[:]) // never fails, see crypto/rand
		s.out = ws.AppendClose(s.out, cl.code, cl.reason, s.way == toUpstream, key)
	}
	sent := s.flush()
	if s.line != nil {
		s.line.end()
		s.line = nil
	}
	s.c.mark(cl, &cl.said[s.way], closeWait)
	if sent {
		s.listen(rest)
	}
	s.c.mark(cl, &cl.heard[s.way], closeAnswer)
	return false
}

// betweenFrames reports whether a frame may be put in on this way.
func (s *socket) betweenFrames() bool {
	switch {
	case s.broken:
		return false
	case s.scan.AtRest():
		return true
	case s.scan.InHead():
		return s.headSent == 0
	}
	m := s.msg // whose frame is at hand
	return m != nil && !s.scan.Head.Op.IsControl() && (m.drop || m.answered() || m.unpack)
}

// listen reads until the source has answered the close, or has ended.
func (s *socket) listen(b []byte) {
	for !s.scan.Closed {
		if s.broken {
			b = nil
		}
		for !s.broken && !s.scan.Closed {
			event, n, err := s.scan.Next(b)
			s.broken = err != nil
			if b = b[n:]; len(b) == 0 && event != ws.Began {
				break
			}
		}
		if s.scan.Closed {
			return
		}
		err := s.in.fill()
		b = s.in.bytes()
		s.in.take(len(b))
		s.came(len(b))
		if err != nil && !(isTimeout(err) && s.c.woke(s.way)) {
			return
		}
	}
}

// mark notes that a way has got on with a close, and ends the connection when both have
// done all, or in due time.
func (c *conn) mark(cl *socketClose, what *bool, wait time.Duration) {
	c.mu.Lock()
	*what = true
	over := cl.heard[toClient] && cl.heard[toUpstream]
	if cl.timer != nil {
		cl.timer.Stop()
	}
	if !over {
		if cl.said[toClient] && cl.said[toUpstream] {
			wait = closeAnswer
		}
		cl.timer = time.AfterFunc(wait, c.endGently)
	}
	c.mu.Unlock()
	if over {
		c.endGently()
	}
}
