package proxy

import (
	"errors"
	"time"

	"starquake/chaos"
)

// Most of what comes is a small message that nothing is done to. Whoever the poller has
// woken carries it on inside the wait, and the wait goes on: one that is left and entered
// again begins with a read that mostly finds nothing, since it cannot know whether anything
// has come meanwhile. Of six system calls for a request that saves two.
//
// Closing a connection takes until nobody waits inside. So who carries something neither
// waits for anything nor closes anything. The locks that it takes nobody keeps who waits
// for it: conn.mu is not held while a side that is being read is closed; and nobody else
// writes to where it writes, since on HTTP that is the link's goroutine as long as anything
// is pending, and on WebSocket each way has its own. Whatever needs more is left in the
// reader, for the one who gets it when the wait is over.

// courier carries on what a reader has.
type courier interface {
	// carry takes off the reader what can be sent on at once. An error ends the wait.
	carry(in *reader) error
}

// recheck is after how long a wait that was not left is left all the same, and begun again:
// a reset that came together with the message before is told of only by a read.
const recheck = time.Second

// arm has a wait end after a while. The caller holds c.mu.
func (c *conn) arm(in *reader, way direction) {
	if in.armed || c.woken[way] || c.ending || c.closed {
		return
	}
	in.armed = in.src.SetReadDeadline(time.Now().Add(c.p.recheck)) == nil
}

// disarm takes back what arm has done. It returns false if others have set deadlines since.
func (c *conn) disarm(in *reader, way direction) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	in.armed = false
	if c.woken[way] || c.ending || c.closed {
		return false
	}
	return in.src.SetReadDeadline(time.Time{}) == nil
}

// fill reads more of a way between two messages, which by may carry.
func (c *conn) fill(in *reader, way direction, by courier) error {
	for {
		err := in.fillOr(by)
		if in.armed && c.disarm(in, way) && isTimeout(err) {
			continue
		}
		return err
	}
}

// whole returns how many bytes of b are a message whose head is h, or 0 if it is not all
// there. A body that ends with the connection never is.
func (h *head) whole(b []byte, y body) int {
	rest := b[h.size:]
	switch {
	case y.done:
		return h.size
	case y.chunks != nil:
		var chunks chunkReader // of its own: y's goes on where this one has begun
		if n, done, err := chunks.feed(rest, nil); done && err == nil {
			return h.size + n
		}
	case y.left >= 0 && int64(len(rest)) >= y.left:
		return h.size + int(y.left)
	}
	return 0
}

// courier returns who may carry requests: nobody where either side is not plain TCP.
// Only the client's goroutine calls it.
func (c *conn) courier() courier {
	if up := c.upstream(); up != nil && splices(up, c.client) {
		return c
	}
	return nil
}

// halfway is a request that has been sent in part: sent bytes of size.
type halfway struct {
	l          *link
	size, sent int
}

// carry sends requests upstream, each if it is there whole and no fault asks about it.
func (c *conn) carry(in *reader) error {
	for len(in.bytes()) > 0 && c.carryRequest(in) {
	}
	c.req = chaos.Request{} // it points into the buffer, which others get
	return nil
}

func (c *conn) carryRequest(in *reader) bool {
	b := in.bytes()
	n := headEnd(b, 0)
	if n <= 0 || n > c.p.config.MaxHead {
		return false
	}
	h, err := parseRequest(b[:n])
	if err != nil || h.upgrade || h.expect || string(h.method) == "CONNECT" {
		return false
	}
	size := h.whole(b, newBody(&h))
	if size == 0 || !c.unasked(&h) {
		return false
	}
	now := time.Now()
	p := pending{started: now, gen: c.struck, felt: c.felt.Load(), head: string(h.method) == "HEAD"}
	l := c.pushNow(in, p)
	if l == nil {
		return false
	}
	if sent := l.toUp.now(b[:size]); sent < size {
		c.halfway = halfway{l, size, sent}
		return false
	}
	c.p.window.moved(now, toUpstream, size) // the rest: see came
	in.take(size)
	return true
}

// unasked reports whether no fault asks about a request, and none has to be told first that
// it cannot act here.
func (c *conn) unasked(h *head) bool {
	snap := c.p.faults.Load()
	if snap.gen != c.struck {
		return false
	}
	if len(snap.order) == 0 {
		return true
	}
	if snap.gen != c.counted || snap.operations {
		return false
	}
	c.request(h)
	return !snap.asks(&c.req)
}

// asks reports whether a fault asks about a request.
func (s *snapshot) asks(req *chaos.Request) bool {
	var buf [4]uint64 // as in decide
	may := s.index.May(req, buf[:0])
	for i := may.First(0); i >= 0; i = may.First(i + 1) {
		if s.order[i].asks(req) {
			return true
		}
	}
	return false
}

// pushNow adds a request that is about to be sent, and returns the link to send it over, or
// nil if that takes waiting.
func (c *conn) pushNow(in *reader, p pending) *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.upstream() == nil || c.link.gone || len(c.pending) >= maxPending || c.ending || c.closed {
		return nil
	}
	c.pending = append(c.pending, p)
	c.asks.Add(1)
	c.arm(in, toUpstream)
	return c.link
}

// finish sends the rest of a request of which a part was sent inside the wait. It reports
// whether another may come.
func (c *conn) finish(in *reader) bool {
	h := c.halfway
	c.halfway = halfway{}
	_, err := h.l.toUp.Write(in.bytes()[h.sent:h.size])
	in.take(h.size)
	if err != nil {
		return c.unsent()
	}
	return c.requestDone(h.l, in)
}

// errAnswered ends a wait for responses: the client, which has ended its side, has them all.
var errAnswered = errors.New("the client has all its responses")

// carry sends responses to the client, each if it is there whole and no fault has
// anything to do with it.
func (l *link) carry(in *reader) error {
	for len(in.bytes()) > 0 {
		if ok, err := l.c.carryResponse(l, in); !ok {
			return err
		}
	}
	return nil
}

func (c *conn) carryResponse(l *link, in *reader) (bool, error) {
	b := in.bytes()
	n := headEnd(b, 0)
	if n <= 0 || n > c.p.config.MaxHead {
		return false, nil
	}
	h, err := parseResponse(b[:n])
	if err != nil || h.status < 200 || h.close || h.saidClose {
		return false, nil
	}
	p, ok := c.awaited(l, in)
	if !ok || p.verdict != nil || p.connect || p.upgrade || p.gen != c.p.faults.Load().gen {
		return false, nil
	}
	size := h.whole(b, responseBody(&h, p.head))
	if size == 0 {
		return false, nil
	}
	in.sent = l.toClient.now(b[:size])
	now := time.Now()
	c.p.window.moved(now, toClient, in.sent)
	if in.sent < size {
		return false, nil // relayBody goes on there
	}
	in.sent = 0
	in.take(size)
	c.p.window.request(now, p.started, h.status, c.touched(&p))
	if c.popNow(in) {
		return false, errAnswered
	}
	return true, nil
}

// awaited returns the request that the next response of l, which in has, answers, unless there
// is none or the client's end has been seen.
func (c *conn) awaited(l *link, in *reader) (p pending, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == 0 || l.answered && c.unaskedFor(in) || c.clientDone || c.ending || c.closed {
		return p, false
	}
	l.answered = true
	return c.pending[0], true
}

// popNow is popped for one who waits on.
func (c *conn) popNow(in *reader) (over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arm(in, toClient)
	return c.popped()
}
