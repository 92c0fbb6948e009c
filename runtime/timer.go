package runtime

import (
	"time"

	"starquake/runtime/journal"
)

// timer is one entry of a clock: it makes fire happen at due. A branch that only
// sleeps uses the timer within it and costs no allocation.
type timer struct {
	due   time.Duration // on the timer's own clock
	seq   uint64        // request number: orders timers of one due time
	pos   int           // its index in the heap plus 1; 0 while not in it
	place journal.Place // where it is recorded that it fired
	// branch is woken if fire is nil.
	branch *Branch
	fire   func()
}

// clock is a heap of timers, four children a node: the shallower tree costs fewer
// cache misses than a binary one where thousands of branches sleep.
type clock struct {
	heap []*timer
}

func (a *timer) before(b *timer) bool {
	return a.due < b.due || a.due == b.due && a.seq < b.seq
}

func (c *clock) push(t *timer) {
	c.heap = append(c.heap, t)
	c.up(len(c.heap)-1, t)
}

func (c *clock) top() *timer {
	if len(c.heap) == 0 {
		return nil
	}
	return c.heap[0]
}

// remove takes t out; it is a no-op for a timer that fired or was never pushed.
func (c *clock) remove(t *timer) {
	i := t.pos - 1
	if i < 0 {
		return
	}
	t.pos = 0
	last := len(c.heap) - 1
	moved := c.heap[last]
	c.heap[last] = nil
	c.heap = c.heap[:last]
	if i == last {
		return
	}
	if i > 0 && moved.before(c.heap[(i-1)/4]) {
		c.up(i, moved)
	} else {
		c.down(i, moved)
	}
}

func (c *clock) up(i int, t *timer) {
	for i > 0 {
		parent := (i - 1) / 4
		if !t.before(c.heap[parent]) {
			break
		}
		c.heap[i] = c.heap[parent]
		c.heap[i].pos = i + 1
		i = parent
	}
	c.heap[i] = t
	t.pos = i + 1
}

func (c *clock) down(i int, t *timer) {
	for {
		least := t
		at := -1
		for child := 4*i + 1; child < len(c.heap) && child <= 4*i+4; child++ {
			if c.heap[child].before(least) {
				least, at = c.heap[child], child
			}
		}
		if at < 0 {
			break
		}
		c.heap[i] = least
		least.pos = i + 1
		i = at
	}
	c.heap[i] = t
	t.pos = i + 1
}
