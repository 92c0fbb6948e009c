package proxy

import (
	"container/heap"
	"sync"
	"time"
)

// clock wakes those who wait for a time, more exactly than time.Timer does in a
// process that is otherwise idle: there the runtime's poller sleeps whole milliseconds.
// Measured on Linux 6.18, two idle cores, the median of how late it was:
//
//	             1 ms     20 ms    50.3 ms
//	time.Timer   0.11 ms  0.35 ms  1.13 ms
//	timerfd      0.08 ms  0.19 ms  0.22 ms
//
// It is one heap of alarms on one timer of the system.
type clock struct {
	mu     sync.Mutex
	alarms alarms
	closed bool
	timer  *sysTimer
	ended  chan struct{}
}

// alarm is one time that somebody waits for.
type alarm struct {
	due   time.Time
	c     chan struct{} // closed when due has come
	index int           // in the heap; -1 when it is not there
}

func newClock() (*clock, error) {
	t, err := newSysTimer()
	if err != nil {
		return nil, err
	}
	c := &clock{timer: t, ended: make(chan struct{})}
	go c.run()
	return c, nil
}

// at returns an alarm for due. The caller calls stop when it waits no longer.
func (c *clock) at(due time.Time) *alarm {
	a := &alarm{due: due, c: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	heap.Push(&c.alarms, a)
	if a.index == 0 && !c.closed {
		c.timer.set(time.Until(due))
	}
	return a
}

// stop takes an alarm back; one that has gone off is left alone.
func (c *clock) stop(a *alarm) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.index >= 0 {
		heap.Remove(&c.alarms, a.index)
	}
}

// close ends the clock's goroutine. Alarms that are set never go off.
func (c *clock) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.timer.close()
	<-c.ended
}

func (c *clock) run() {
	defer close(c.ended)
	for c.timer.wait() {
		c.mu.Lock()
		now := time.Now()
		for len(c.alarms) > 0 && !c.alarms[0].due.After(now) {
			close(heap.Pop(&c.alarms).(*alarm).c)
		}
		if len(c.alarms) > 0 && !c.closed {
			c.timer.set(c.alarms[0].due.Sub(now))
		}
		c.mu.Unlock()
	}
}

// alarms is a heap by due time.
type alarms []*alarm

func (h alarms) Len() int           { return len(h) }
func (h alarms) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h alarms) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *alarms) Push(x any) {
	a := x.(*alarm)
	a.index = len(*h)
	*h = append(*h, a)
}

func (h *alarms) Pop() any {
	last := len(*h) - 1
	a := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	a.index = -1
	return a
}
