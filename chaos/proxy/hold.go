package proxy

import (
	"time"

	"starquake/internal/alarm"
)

// delay is what one fault adds to the time of a request or chunk.
type delay struct {
	by *active
	d  time.Duration
}

// soon is so near that it is now: setting a timer would take longer. It lets the
// chunks of a stream that is delayed evenly leave in one go.
const soon = 30 * time.Microsecond

// hold waits until start plus all delays whose faults are still on. It returns early
// when faults go off or done is closed, and false in the latter case.
func (p *Proxy) hold(start time.Time, delays []delay, done <-chan struct{}) bool {
	rung := make(chan struct{}, 1)
	bell := alarm.Alarm{Ring: func() {
		select {
		case rung <- struct{}{}:
		default: // rang for a time that was set before
		}
	}}
	defer p.clock.Stop(&bell)
	for {
		// The order matters: a fault is marked off before its snapshot is replaced,
		// so either the mark is seen here or changed gets closed below.
		snap := p.faults.Load()
		due := start
		for _, d := range delays {
			if !d.by.off.Load() {
				due = due.Add(d.d)
			}
		}
		now := time.Now()
		if due.Sub(now) < soon {
			account(delays, now.Sub(due))
			return true
		}
		p.clock.Set(&bell, due)
		select {
		case <-rung:
		case <-snap.changed:
		case <-done:
			return false
		}
	}
}

// account adds to the faults' counts what was served, late after it was due.
func account(delays []delay, late time.Duration) {
	for _, d := range delays {
		if d.by.off.Load() {
			d.by.released.Add(1)
			continue
		}
		d.by.asked.Add(int64(d.d))
		d.by.achieved.Add(int64(d.d + late))
	}
}
