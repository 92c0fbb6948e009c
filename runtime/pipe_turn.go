package runtime

import (
	"sync"
	"time"
)

// TurnTimer bounds what another process computes, in processor time where that is known:
// on a busy machine a process may wait for long and compute little. Make it with its
// fields set; Begin, End, and what Late calls may be on different goroutines.
type TurnTimer struct {
	// Limit is for how long the process may compute. It is given as much on the clock.
	Limit time.Duration
	// Used is how much processor time the process has used up so far; nil where nobody
	// knows, and the clock alone counts.
	Used func() time.Duration
	// Late is called when the turn has taken too long, and has not ended.
	Late func()

	mu    sync.Mutex
	timer *time.Timer
	on    bool // a turn goes on
	began time.Time
	used  time.Duration // at began
}

// stuckFactor is how many times its limit on the clock a process has that gets no
// processor, or does not want it: it will not be heard of any more.
const stuckFactor = 30

// Begin begins a turn.
func (t *TurnTimer) Begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.on, t.began = true, time.Now()
	if t.Used != nil {
		t.used = t.Used()
	}
	if t.timer == nil {
		t.timer = time.AfterFunc(t.Limit, t.ring)
	} else {
		t.timer.Reset(t.Limit)
	}
}

// End ends a turn. It reports whether that comes in time: false if Late was called.
func (t *TurnTimer) End() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	inTime := t.on
	t.on = false
	t.timer.Stop()
	return inTime
}

// ring looks whether the turn is over its limit, and again later if it is not. It may
// come late, and belong to a turn before.
func (t *TurnTimer) ring() {
	t.mu.Lock()
	left := t.left()
	if left > 0 && t.on {
		t.timer.Reset(left)
	}
	late := left <= 0 && t.on
	if late {
		t.on = false
	}
	t.mu.Unlock()
	if late {
		t.Late()
	}
}

// left is after what time at the earliest the turn is over its limit.
func (t *TurnTimer) left() time.Duration {
	took := time.Since(t.began)
	if took < t.Limit || t.Used == nil {
		return t.Limit - took
	}
	return min(t.Limit-(t.Used()-t.used), stuckFactor*t.Limit-took)
}
