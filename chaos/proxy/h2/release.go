package h2

import "sync"

// block notes that a queue waits for a window.
func (r *Relay) block(q *queue) {
	if !q.blocked {
		q.blocked = true
		r.blocked[q.d] = append(r.blocked[q.d], q)
	}
}

// unblock lets the queues on way d look again whether the windows suffice.
func (r *Relay) unblock(d direction) {
	if len(r.blocked[d]) == 0 {
		return
	}
	for i, q := range r.blocked[d] {
		q.blocked = false
		r.due.add(q)
		r.blocked[d][i] = nil
	}
	r.blocked[d] = r.blocked[d][:0]
	r.ring()
}

// ring wakes the goroutine of release.
func (r *Relay) ring() {
	select {
	case r.bell <- struct{}{}:
	default: // it is about to wake
	}
}

// release carries out what is held when its time has come, until the relay ends.
func (r *Relay) release() {
	for range r.bell {
		r.mu.Lock()
		r.changed()
		for _, q := range r.due.take() {
			for !r.over && !r.ending && !r.advance(q) {
				r.payOwed()
				r.flush(&r.sinks[q.d])
				for r.sinks[q.d].full() && !r.over && !r.ending {
					r.cond.Wait()
				}
			}
		}
		r.payOwed()
		r.flush(&r.sinks[toClient])
		r.flush(&r.sinks[toUpstream])
		done := r.over || r.ending
		r.mu.Unlock()
		if done {
			return
		}
	}
}

// dueList is the queues that are to be looked at. It has a lock of its own because
// alarms ring with the clock's lock held, and the clock is set with the relay's.
type dueList struct {
	mu     sync.Mutex
	queues []*queue
}

func (l *dueList) add(q *queue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !q.listed {
		q.listed = true
		l.queues = append(l.queues, q)
	}
}

func (l *dueList) take() []*queue {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.queues
	l.queues = nil
	for _, q := range taken {
		q.listed = false
	}
	return taken
}
