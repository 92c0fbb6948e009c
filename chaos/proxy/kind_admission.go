package proxy

import (
	"net/http"
	"time"

	"starquake/chaos"
)

// The kinds that let only some requests in.

func prepareRateLimit(f *chaos.Fault) acts {
	l := chaos.NewRateLimit(f)
	return acts{ways: eachWay(true, false), message: limitMessages(l), request: func(v *verdict, h *hit) bool {
		if v.answer.given() {
			return false // an older limit answers
		}
		ok, retry := v.passes.allow(l, h)
		return !ok && v.give(h, answer{status: http.StatusTooManyRequests, headers: map[string]string{"Retry-After": chaos.RetryAfter(retry)}})
	}}
}

// limitsPassed are the limits that have let one request or message pass so far.
type limitsPassed []*chaos.RateLimit

// allow asks one more. What does not pass takes nothing from the others: of several limits
// the lowest holds, and not what all of them let pass by chance.
func (ps *limitsPassed) allow(l *chaos.RateLimit, h *hit) (ok bool, retry time.Duration) {
	if ok, retry = l.Allow(h.req, h.now, h.elapsed); ok {
		*ps = append(*ps, l)
		return true, 0
	}
	for _, passed := range *ps {
		passed.Return(h.req)
	}
	*ps = nil
	return false, retry
}

func prepareCircuitBreaker(f *chaos.Fault) acts {
	b := chaos.NewCircuitBreaker(f)
	return acts{request: func(v *verdict, h *hit) bool {
		passage, ok := b.Enter(h.now, h.elapsed)
		if !ok {
			return v.give(h, answer{status: http.StatusServiceUnavailable})
		}
		by := h.by
		v.watchers = append(v.watchers, func(status int) {
			now := time.Now()
			b.Done(passage, outcome(status), now, by.clock.Load().elapsed(now))
		})
		return false
	}}
}

// outcome is what a status says of the server.
func outcome(status int) chaos.Outcome {
	switch {
	case status == unknown:
		return chaos.Unknown
	case status == noAnswer, status >= 500:
		return chaos.Failed
	}
	return chaos.Succeeded
}

func prepareBulkhead(f *chaos.Fault) acts {
	b := chaos.NewBulkhead(f)
	return acts{request: func(v *verdict, h *hit) bool {
		if v.answer.given() {
			return false // an older one is full
		}
		q := &queue{bulkhead: b, hit: *h, admitted: make(chan struct{})}
		admission, waiter := b.Enter(h.elapsed, func() {
			close(q.admitted)
			h.c.nudge()
		})
		switch admission {
		case chaos.Full:
			v.quitQueues() // it need not wait to be answered
			return v.give(h, answer{status: http.StatusServiceUnavailable})
		case chaos.Admitted:
			q.running = true
		case chaos.Queued:
			q.waiter, q.until = waiter, h.now.Add(b.QueueTimeout(h.elapsed))
			v.queues = append(v.queues, q)
		}
		v.watchers = append(v.watchers, func(int) { q.leave() })
		return admission == chaos.Queued
	}}
}

// quitQueues leaves the queues that the request would wait in.
func (v *verdict) quitQueues() {
	for _, q := range v.queues {
		q.quit()
	}
	v.queues = nil
}

// queue is a request in a bulkhead.
type queue struct {
	bulkhead *chaos.Bulkhead
	hit      hit
	waiter   *chaos.Waiter
	until    time.Time
	admitted chan struct{} // closed when a place is free
	running  bool          // it has a place
	out      bool          // it has neither a place nor waits for one any more
}

// How waiting in a queue ends.
type queueEnd int

const (
	queuePassed queueEnd = iota
	queueFull            // it has waited too long
	queueOver            // the connection is over
)

// wait waits for a place. The fault's end lets all pass.
func (q *queue) wait(c *conn) queueEnd {
	bell, rung := newBell()
	defer c.p.clock.Stop(bell)
	defer c.watch(func() bool { return !q.hit.by.off.Load() })()
	start := time.Now()
	c.p.clock.Set(bell, q.until)
	for {
		snap := c.p.faults.Load()
		if q.hit.by.off.Load() {
			q.quit()
			q.hit.by.released.Add(1)
			return queuePassed
		}
		select {
		case <-q.admitted:
			q.running = true
			q.served(start)
			return queuePassed
		case <-rung:
			if q.quit() {
				q.served(start)
				return queueFull
			}
			q.running = true // at the last moment
			return queuePassed
		case <-c.ctx.Done():
			q.quit()
			return queueOver
		case <-snap.changed:
		}
	}
}

// served counts the time in the queue: what was asked for is what it took.
func (q *queue) served(start time.Time) {
	took := int64(time.Since(start))
	q.hit.by.asked.Add(took)
	q.hit.by.achieved.Add(took)
}

// quit leaves the queue, and reports false if a place has been given meanwhile.
func (q *queue) quit() bool {
	if q.out || q.running {
		return q.out
	}
	quit, others := q.bulkhead.Quit(q.waiter, q.hit.by.clock.Load().elapsed(time.Now()))
	for _, o := range others {
		o.Wake()
	}
	q.running, q.out = !quit, quit
	return quit
}

// leave gives the place back, or no longer waits for one: another queue has taken too long.
func (q *queue) leave() {
	if q.out || !q.running && (q.waiter == nil || q.quit()) {
		return
	}
	q.running, q.out = false, true
	for _, o := range q.bulkhead.Leave(q.hit.by.clock.Load().elapsed(time.Now())) {
		o.Wake()
	}
}
