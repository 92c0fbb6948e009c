package h2

import (
	"time"

	"starquake/internal/alarm"
)

// queue is what is held of one stream on one way, oldest first. Whatever comes on that
// way while something is in it goes behind.
type queue struct {
	r     *Relay
	s     *stream
	d     direction
	items []item
	// fate, in a queue without items, is a Reset that is to come; its time began at start.
	fate  *Reset
	start time.Time
	// blocked: it waits for a window.
	blocked bool
	alarm   alarm.Alarm
	// rings is what the alarm is set to, and early how long before its time; zero if it is not set.
	rings  time.Time
	early  time.Duration
	listed bool // is in a dueList, and guarded by it
}

// item is one thing in a queue.
type item struct {
	kind itemKind
	// hold is of a gate, and start when its time began: zero until it is the first,
	// unless it was set.
	hold  Hold
	start time.Time
	// fields are of a header block, with end for END_STREAM.
	fields []Field
	end    bool
	// bytes are a DATA frame, with flow as its part of the windows, or a body of our own.
	bytes []byte
	flow  int64
	// advanced: the sender of a DATA frame has been granted flow anew.
	advanced bool
	code     Code // of a reset
}

type itemKind uint8

const (
	itemGate  itemKind = iota // what is behind it waits for hold
	itemBlock                 // a header block
	itemData                  // a DATA frame of the sender
	itemBody                  // a body, or a part of one, that the relay puts in
	itemReset                 // RST_STREAM
)

const (
	// heldMost is how much of one way may be held; then its source is not read, which
	// holds the other streams up, too.
	heldMost = 16 << 20
	// itemCost is what an item takes besides its bytes.
	itemCost = 200
	// soon is so near that it is now: setting a timer would take longer.
	soon = 30 * time.Microsecond
)

func (it *item) cost() int {
	n := itemCost + len(it.bytes)
	for _, f := range it.fields {
		n += int(f.Size())
	}
	return n
}

// holding reports whether something is held on way d.
func (s *stream) holding(d direction) bool { return s.queue[d] != nil && len(s.queue[d].items) > 0 }

// newQueue makes an empty queue.
func (r *Relay) newQueue(s *stream, d direction) *queue {
	q := &queue{r: r, s: s, d: d}
	q.alarm.Ring = func() {
		r.due.add(q)
		r.ring()
	}
	return q
}

// push adds an item behind what is held, or carries it out at once if nothing is. The
// stream may be gone afterwards.
func (r *Relay) push(s *stream, d direction, it item) {
	q := s.queue[d]
	if q == nil {
		q = r.newQueue(s, d)
		s.queue[d] = q
	}
	first := len(q.items) == 0
	if it.kind == itemData {
		w := &r.ways[d]
		if !first && q.items[0].kind == itemGate && w.advanced+it.flow <= advanceMost {
			it.advanced = true
			r.gated[d] = true
			w.advanced += it.flow
			w.owed += it.flow
		}
	}
	q.items = append(q.items, it)
	r.held[d] += it.cost()
	if first {
		r.queues[d]++
		if !r.advance(q) {
			r.due.add(q)
			r.ring()
		}
	}
}

// gate holds the response back, once, if the plan says so.
func (r *Relay) gate(s *stream) {
	if hold := s.plan.Hold[toClient]; hold != nil {
		s.plan.Hold[toClient] = nil
		r.push(s, toClient, item{kind: itemGate, hold: hold})
	}
}

// advance carries out what a queue holds, up to what has to wait. It returns false if
// it stopped because enough is waiting to be written.
func (r *Relay) advance(q *queue) bool {
	if q.fate != nil && r.served(q, q.fate.After, &q.start) {
		r.fail(q.s, q.fate.Code)
	}
	for len(q.items) > 0 {
		it := &q.items[0]
		if it.kind != itemReset && r.sinks[q.d].full() {
			return false
		}
		switch it.kind {
		case itemGate:
			if !r.served(q, it.hold, &it.start) {
				return true
			}
		case itemData:
			if !r.mayFlow(q.s, q.d, it.flow) {
				r.block(q)
				return true
			}
		case itemBody:
			if !r.writeBody(q.s, q.d, it) {
				r.block(q)
				return true
			}
		}
		taken := q.pop()
		if taken.kind == itemGate {
			r.late(q)
			continue
		}
		r.carryOut(q.s, q.d, &taken)
	}
	return true
}

// served reports whether a delay that began at start is over; otherwise it sets the alarm.
func (r *Relay) served(q *queue, hold Hold, start *time.Time) bool {
	now := time.Now()
	if start.IsZero() {
		*start = now
	}
	due := hold.Due(*start)
	left := due.Sub(now)
	if left >= max(soon, q.early) {
		q.early = r.clock.Early.By(left)
		q.rings = due.Add(-q.early)
		r.clock.Set(&q.alarm, q.rings)
		return false
	}
	if !q.rings.IsZero() && !now.Before(q.rings) {
		r.clock.Early.Rang(now.Sub(q.rings))
	}
	q.rings, q.early = time.Time{}, 0
	hold.Served(-left)
	return true
}

// late asks, when a request's delay is over, whether it is answered after all.
func (r *Relay) late(q *queue) {
	s := q.s
	if q.d == toClient || s.known || s.plan.Late == nil {
		return
	}
	answer := s.plan.Late()
	s.plan.Late = nil
	if answer != nil {
		s.plan.Answer, s.plan.Hold[toUpstream] = answer, nil
		r.ways[toUpstream].encode()
		r.clear(q)
		r.answer(s)
	}
}

// pop takes the first item.
func (q *queue) pop() item {
	it := q.items[0]
	q.items[0] = item{}
	q.items = q.items[1:]
	q.account(&it)
	if len(q.items) == 0 {
		q.items = nil
		q.emptied()
	}
	return it
}

// account takes an item off the sums.
func (q *queue) account(it *item) {
	q.r.held[q.d] -= it.cost()
	if it.advanced {
		q.r.ways[q.d].advanced -= it.flow
	}
}

func (q *queue) emptied() {
	q.r.queues[q.d]--
	q.r.cond.Broadcast() // for those who wait for queues or for what is held
}

// clear throws away what is held.
func (r *Relay) clear(q *queue) {
	if q == nil {
		return
	}
	r.clock.Stop(&q.alarm)
	q.fate = nil
	if len(q.items) == 0 {
		return
	}
	for i := range q.items {
		it := &q.items[i]
		q.account(it)
		if !it.advanced {
			r.ways[q.d].settle(it.flow)
		}
	}
	q.items = nil
	q.emptied()
}

// carryOut writes an item whose time has come.
func (r *Relay) carryOut(s *stream, d direction, it *item) {
	sink := &r.sinks[d]
	r.released = r.released || d == toClient
	switch it.kind {
	case itemBlock:
		if d == toUpstream && !s.known && !r.open(s) {
			return
		}
		r.ways[d].writeBlock(s.idOn(d), it.fields, it.end)
		if d == toUpstream && s.early > 0 {
			r.grant(s, toClient, s.early)
			s.early = 0
		}
	case itemData:
		r.flowed(s, d, it.flow)
		if it.advanced {
			r.ways[d].debt += it.flow
		}
		setStream(it.bytes, s.idOn(d))
		sink.buf = append(sink.add(), it.bytes...)
	case itemReset:
		sink.buf = appendReset(sink.add(), s.idOn(d), it.code)
		s.out.Reset, s.out.Code = true, it.code
		r.drop(s)
		return
	}
	if it.end {
		r.wroteEnd(s, d)
	}
}

// wroteEnd notes that END_STREAM was written.
func (r *Relay) wroteEnd(s *stream, d direction) {
	s.sent[d] = true
	if d == toClient && s.detached && !s.ended[toUpstream] {
		r.drain(s)
	}
	r.reap(s)
}

// writeBody writes as much of a body of our own as the windows allow, and reports
// whether that was all.
func (r *Relay) writeBody(s *stream, d direction, it *item) bool {
	w, sink := &r.ways[d], &r.sinks[d]
	for {
		n := max(0, min(int64(len(it.bytes)), defaultMaxFrame, w.win, s.win[d]))
		last := n == int64(len(it.bytes))
		if n == 0 && !last {
			return false
		}
		flags := uint8(0)
		if last && it.end {
			flags = flagEndStream
		}
		if n > 0 || it.end {
			b := appendHead(sink.add(), int(n), frameData, flags, s.idOn(d))
			sink.buf = append(b, it.bytes[:n]...)
		}
		// Nobody granted this to the sender, so the receiver's grants for it are ours.
		r.gated[d] = true
		r.flowed(s, d, n)
		w.debt += n
		s.debt[d] += n
		r.held[d] -= int(n)
		it.bytes = it.bytes[n:]
		if last {
			return true
		}
	}
}
