package proxy

import (
	"slices"
	"time"

	"starquake/chaos/proxy/h2"
)

// What an HTTP/2 stream waits for, as the relay asks for it: no goroutine waits. When
// the faults change the relay is kicked, and asks again.

// delayHold is a number of delays, which began with the hold unless since is set.
type delayHold struct {
	p      *Proxy
	delays []delay
	since  time.Time
	// reached is when all that was before had gone.
	reached time.Time
	served  bool
}

// Due implements h2.Hold.
func (h *delayHold) Due(start time.Time) time.Time {
	if h.since.IsZero() {
		h.since = start
	}
	if h.reached.IsZero() {
		h.reached = time.Now()
		h.delays = slices.DeleteFunc(h.delays, func(d delay) bool { return d.paced && d.by.off.Load() })
	}
	return due(h.since, h.delays)
}

// waited returns the delays as they count: of one that is paced what was left of it when
// its turn came, and nothing if that was nothing.
func (h *delayHold) waited() []delay {
	left := due(h.since, h.delays).Sub(h.reached)
	for i := range h.delays {
		if h.delays[i].paced {
			h.delays[i].d = min(h.delays[i].d, left)
		}
	}
	return slices.DeleteFunc(h.delays, func(d delay) bool { return d.paced && d.d <= 0 })
}

// Served implements h2.Hold.
func (h *delayHold) Served(late time.Duration) {
	if !h.served {
		h.served = true
		h.p.account(h.waited(), h.since, late)
	}
}

// abandon counts the delays of a stream that has ended. h may be nil.
func (h *delayHold) abandon() {
	if h == nil || h.served {
		return
	}
	for i := range h.delays {
		h.delays[i].by.released.Add(1)
	}
}

// holdFor returns a hold for delays, or nil without any.
func (p *Proxy) holdFor(delays []delay) h2.Hold {
	if len(delays) == 0 {
		return nil
	}
	return &delayHold{p: p, delays: delays}
}

// fateHold holds a stream for as long as it hangs.
type fateHold struct{ fates []fate }

// Due implements h2.Hold.
func (h *fateHold) Due(start time.Time) time.Time {
	now := time.Now()
	if hangs, _ := next(h.fates, now); hangs {
		return now.Add(forever)
	}
	return start
}

// Served implements h2.Hold.
func (h *fateHold) Served(time.Duration) {}

// endHold is over when a stream is to end.
type endHold struct{ fates []fate }

// Due implements h2.Hold.
func (h *endHold) Due(start time.Time) time.Time {
	now := time.Now()
	if _, end := next(h.fates, now); end != nil {
		return end.due
	}
	return now.Add(forever)
}

// Served implements h2.Hold.
func (h *endHold) Served(time.Duration) {}

// endOf returns the reset that one of fates brings, or nil if none does.
func endOf(fates []fate) *h2.Reset {
	for i := range fates {
		if fates[i].end != endNever {
			return &h2.Reset{Code: h2.InternalError, After: &endHold{fates}}
		}
	}
	return nil
}

// entryHold is what a request meets before it goes on: it may hang, queue, and be
// delayed, in that order.
type entryHold struct {
	fate   fateHold
	queues []*queue
	delay  delayHold
	// full: it has waited in a queue for too long.
	full bool
}

// Due implements h2.Hold.
func (h *entryHold) Due(start time.Time) time.Time {
	if until := h.fate.Due(start); until.After(start) {
		return until
	}
	for _, q := range h.queues {
		if !q.passed() {
			return q.until // if that is over, so is the waiting for all the others
		}
	}
	return h.delay.Due(start)
}

// Served implements h2.Hold.
func (h *entryHold) Served(late time.Duration) {
	for _, q := range h.queues {
		if h.full = !q.finish(); h.full {
			h.delay.served = true // there are none: it is answered
			return
		}
	}
	h.delay.Served(late)
}

// abandon leaves the queues of a stream that has ended. h may be nil.
func (h *entryHold) abandon() {
	if h == nil || h.delay.served {
		return
	}
	for _, q := range h.queues {
		q.quit()
	}
	h.delay.abandon()
}

// passed reports whether nothing keeps the request in the queue any more.
func (q *queue) passed() bool {
	select {
	case <-q.admitted:
		return true
	default:
		return q.hit.by.off.Load()
	}
}

// finish ends the wait in the queue, and reports whether the request goes on.
func (q *queue) finish() bool {
	if q.hit.by.off.Load() {
		q.quit()
		q.hit.by.released.Add(1)
		return true
	}
	q.served(q.hit.now)
	return !q.quit() // a place was given, if only at the last moment
}
