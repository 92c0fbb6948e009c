package proxy

import (
	"time"

	"starquake/internal/alarm"
)

// delay is what one fault adds to the time of a request or chunk.
type delay struct {
	by *active
	d  time.Duration
	// n and what are for the log of hits: the number of the request for the fault, and
	// the request. Without what it is not logged.
	n    uint64
	what string
	// paced: it counts from when the piece before has gone. Of a message that comes at once
	// the pieces wait for each other, and what is before them has counted its own part.
	paced bool
}

// soon is so near that it is now: setting a timer would take longer. It lets the
// chunks of a stream that is delayed evenly leave in one go.
const soon = 30 * time.Microsecond

// patience is how long a request is held for a client that has ended its side. Less is
// granted without a question: it may only have said all it had to say.
const patience = 5 * time.Second

// due returns start plus all delays whose faults are still on.
func due(start time.Time, delays []delay) time.Time {
	for i := range delays {
		if !delays[i].by.off.Load() {
			start = start.Add(delays[i].d)
		}
	}
	return start
}

// hold waits until start plus all delays whose faults are still on. It returns early
// when faults go off, and false when the connection is over.
func (c *conn) hold(start time.Time, delays []delay) bool {
	return c.p.hold(start, delays, c.ctx.Done())
}

// holdRequest is hold for the one who reads from the client: it notices that the
// client has left a request that is held for long.
func (c *conn) holdRequest(start time.Time, delays []delay) bool {
	if len(delays) == 0 {
		return true
	}
	if time.Until(due(start, delays)) > patience {
		defer c.watch(func() bool { return time.Now().Before(due(start, delays)) })()
	}
	return c.hold(start, delays)
}

func (p *Proxy) hold(start time.Time, delays []delay, done <-chan struct{}) bool {
	var bell *alarm.Alarm
	var rung chan struct{}
	var early time.Duration
	for {
		// The order matters: a fault is marked off before its snapshot is replaced,
		// so either the mark is seen here or changed gets closed below.
		snap := p.faults.Load()
		due := due(start, delays)
		now := time.Now()
		left := due.Sub(now)
		if left < max(soon, early) {
			p.account(delays, start, -left)
			return true
		}
		if bell == nil {
			bell, rung = newBell()
			defer p.clock.Stop(bell)
			early = p.clock.Early.By(left)
		}
		p.clock.Set(bell, due.Add(-early))
		select {
		case <-rung:
			p.clock.Early.Rang(time.Since(due) + early)
		case <-snap.changed:
		case <-done:
			for i := range delays {
				delays[i].by.released.Add(1)
			}
			return false
		}
	}
}

// account adds to the faults' counts what was served, late after it was due.
func (p *Proxy) account(delays []delay, start time.Time, late time.Duration) {
	for i := range delays {
		d := &delays[i]
		h := Hit{At: start, Fault: d.by.id, Kind: d.by.fault.Kind, N: d.n, Request: d.what, Asked: d.d}
		if h.Released = d.by.off.Load(); h.Released {
			d.by.released.Add(1)
		} else {
			h.Achieved = d.d + late
			d.by.asked.Add(int64(d.d))
			d.by.achieved.Add(int64(h.Achieved))
		}
		if d.what != "" {
			p.hits.add(&h)
		}
	}
}
