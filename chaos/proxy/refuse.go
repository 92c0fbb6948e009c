package proxy

import (
	"slices"
	"time"
)

// listenOrNot makes the listener listen or refuse, as the faults that are on want it.
// The caller holds faultMu.
func (p *Proxy) listenOrNot(snap *snapshot) {
	if p.down {
		return // Up looks again
	}
	now := time.Now()
	wanted := slices.ContainsFunc(snap.order, func(a *active) bool {
		return a.acts.refuses && a.fault.ActiveAt(a.clock.Load().elapsed(now))
	})
	deaf := p.deaf.Load()
	switch {
	case wanted && deaf == nil:
		ends := make(chan struct{})
		p.deaf.Store(&ends) // before the accepting goroutine comes to know
		if err := deafen(p.listener.Load()); err != nil {
			p.config.Logger.Error("cannot refuse connections", "proxy", p.config.Name, "error", err)
		}
	case !wanted && deaf != nil:
		if !p.refuses { // else the listener is closed
			if err := undeafen(p.listener.Load()); err != nil {
				p.config.Logger.Error("cannot listen any more", "proxy", p.config.Name, "address", p.Addr(), "error", err)
			}
		}
		p.deaf.Store(nil)
		close(*deaf)
	}
}

// pulse publishes the faults anew at each edge of a's pulse, for those that wait to
// see it. It ends when a is removed.
func (p *Proxy) pulse(a *Applied) {
	bell, rung := newBell()
	defer p.clock.Stop(bell)
	period := a.fault.Pulse.On + a.fault.Pulse.Off
	for {
		at := a.clock.Load()
		if !at.since.IsZero() {
			now := time.Now()
			into := at.elapsed(now) % period
			wait := period - into
			if into < a.fault.Pulse.On {
				wait = a.fault.Pulse.On - into
			}
			p.clock.Set(bell, now.Add(wait))
		}
		select {
		case <-rung:
			p.faultMu.Lock()
			if !a.removed {
				p.publish()
			}
			p.faultMu.Unlock()
		case <-a.clockChanged:
			p.clock.Stop(bell)
		case <-a.removedCh:
			return
		}
	}
}
