package proxy

import "starquake/chaos"

// FaultNow is a fault that is on a proxy, with what it has done so far.
type FaultNow struct {
	ID    string
	Fault chaos.Fault
	Stats chaos.Stats
}

// Faults lists the faults that were applied and not removed, whoever did, the oldest first.
func (p *Proxy) Faults() []FaultNow {
	p.faultMu.Lock()
	defer p.faultMu.Unlock()
	out := make([]FaultNow, 0, len(p.applied))
	for _, a := range p.applied {
		out = append(out, FaultNow{a.id, a.fault, a.Stats()})
	}
	return out
}
