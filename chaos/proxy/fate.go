package proxy

import (
	"time"

	"starquake/internal/alarm"
)

// fate is what a fault makes of a connection as a whole: it hangs, it ends, or it
// hangs and then ends. It holds while the fault is on.
type fate struct {
	by *active
	// hangs: no byte passes either way.
	hangs bool
	// lets are ways on which bytes pass all the same.
	lets [2]bool
	// end is what happens to the connection at due.
	end ending
	due time.Time
}

// ending is how a connection ends.
type ending uint8

const (
	endNever ending = iota
	endClose        // a FIN after what was written
	endReset        // a RST
)

// openConnections is what becomes of connections that are open when a fault goes on.
type openConnections string

// What open_connections may be; openMeets is that of kinds without the parameter.
const (
	openMeets  openConnections = ""
	openKeep   openConnections = "keep"
	openReset  openConnections = "reset"
	openClose  openConnections = "close"
	openFreeze openConnections = "freeze"
)

// wasOpen reports whether c was open before the fault went on. c may be nil.
func (a *active) wasOpen(c *conn) bool { return c != nil && c.born < a.gen }

// spares reports whether c is left alone: because it was open, or because it was not.
func (a *active) spares(c *conn) bool {
	if a.wasOpen(c) {
		return a.acts.open == openKeep
	}
	return a.acts.onlyOpen
}

// fateOf returns what the fault makes of the connection that h has hit.
func (a *active) fateOf(h *hit) fate {
	if a.wasOpen(h.c) {
		switch a.acts.open {
		case openReset:
			return fate{by: a, end: endReset, due: h.now}
		case openClose:
			return fate{by: a, end: endClose, due: h.now}
		}
	}
	f := a.acts.fate(h)
	f.by, f.lets = a, a.acts.lets
	return f
}

// of returns the fate as one way of the connection meets it.
func (f fate) of(way direction) fate {
	f.hangs = f.hangs && !f.lets[way]
	return f
}

// oneWay reports whether the fate hangs, but not both ways.
func (f *fate) oneWay() bool { return f.hangs && (f.lets[toUpstream] || f.lets[toClient]) }

// rules reports whether the fate holds now.
func (f *fate) rules(now time.Time) bool {
	return !f.by.off.Load() && f.by.fault.ActiveAt(f.by.clock.Load().elapsed(now))
}

// next returns what is to be done about fates now: whether anything hangs, and the
// first end with its time.
func next(fates []fate, now time.Time) (hangs bool, end *fate) {
	for i := range fates {
		f := &fates[i]
		if !f.rules(now) {
			continue
		}
		hangs = hangs || f.hangs
		if f.end != endNever && (end == nil || f.due.Before(end.due)) {
			end = f
		}
	}
	return hangs, end
}

// suffer waits until nothing of fates holds the connection, and ends it if one of them
// says so. It reports whether the connection goes on. held is called once when it
// begins to wait, with what says whether it has to; what it returns is called when it
// no longer does.
func (c *conn) suffer(fates []fate, held func(still func() bool) (release func())) bool {
	var bell *alarm.Alarm
	var rung chan struct{}
	var release func()
	defer func() {
		if bell != nil {
			c.p.clock.Stop(bell)
		}
		if release != nil {
			release()
		}
	}()
	for {
		snap := c.p.faults.Load() // before the fates are looked at: see hold
		now := time.Now()
		hangs, end := next(fates, now)
		if end != nil && !end.due.After(now) {
			c.end(end.end)
			return false
		}
		if !hangs {
			return c.ctx.Err() == nil
		}
		if release == nil && held != nil {
			release = held(func() bool {
				hangs, _ := next(fates, time.Now())
				return hangs
			})
		}
		if end != nil {
			if bell == nil {
				bell, rung = newBell()
			}
			c.p.clock.Set(bell, end.due)
		}
		select {
		case <-rung:
		case <-snap.changed:
		case <-c.ctx.Done():
			return false
		}
	}
}

// doom ends the connection later, as f says, if it goes on until then.
func (c *conn) doom(f fate) {
	if f.end == endNever || f.hangs || !f.due.After(time.Now()) {
		return // nothing, or what suffer does
	}
	f.hangs = true // so that suffer waits
	c.dooms.Go(func() { c.suffer([]fate{f}, nil) })
}

// newBell returns an alarm and the channel that it rings on.
func newBell() (*alarm.Alarm, chan struct{}) {
	rung := make(chan struct{}, 1)
	return &alarm.Alarm{Ring: func() {
		select {
		case rung <- struct{}{}:
		default: // rang for a time that was set before
		}
	}}, rung
}

// end ends the connection in the way that a fault says.
func (c *conn) end(how ending) {
	c.felt.Add(1)
	if how == endClose {
		c.endGently()
		return
	}
	c.reset()
}

// reset ends both sides with a RST.
func (c *conn) reset() {
	_ = c.client.SetLinger(0) // one that is closed already needs none
	c.mu.Lock()
	if c.link != nil {
		c.link.reset()
	}
	c.mu.Unlock()
	c.cut()
}

// watch cuts the connection when the client leaves while a fault holds it, so that
// nothing is kept for one that no longer waits. Leaving is a reset, and also a FIN: a
// client that gives up closes, and from here that looks like one that has only said
// all it had to say, as which it is taken where it is held for less long, and where it
// leaves when by then nothing still holds it. The caller, who is the one that reads from
// the client, must call the function returned.
func (c *conn) watch(still func() bool) (stop func()) {
	done := make(chan struct{})
	stopped := false // guarded by c.mu
	c.mu.Lock()
	c.held = still
	c.mu.Unlock()
	go func() {
		defer close(done)
		for !untilHangup(c.client) {
			c.mu.Lock()
			again := !stopped && c.woken[toUpstream] && !c.ending && !c.closed
			if again { // the faults are looked at when the hold is over
				c.woken[toUpstream] = false
				_ = c.client.SetReadDeadline(time.Time{})
			}
			c.mu.Unlock()
			if !again {
				return
			}
		}
		if still() {
			c.leave()
		}
	}()
	return func() {
		c.mu.Lock()
		c.held = nil
		stopped = true
		_ = c.client.SetReadDeadline(past())
		c.mu.Unlock()
		<-done
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.ending && !c.woken[toUpstream] {
			_ = c.client.SetReadDeadline(time.Time{})
		}
	}
}

// part does what watch does, now: for who is about to take a fault off, since a client
// that left before has left, whichever of the two the watching goroutine gets to know first.
func (c *conn) part() {
	c.mu.Lock()
	held := c.held
	c.mu.Unlock()
	if held != nil && hasHungUp(c.client) && held() {
		c.leave()
	}
}
