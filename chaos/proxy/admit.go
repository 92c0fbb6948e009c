package proxy

import "time"

// admitted asks the faults that act on a connection as it is accepted. open counts the
// connections there are, with this one.
func (c *conn) admitted(open int) bool {
	now := time.Now()
	for _, a := range c.p.faults.Load().order {
		if a.acts.accept == nil || !a.matcher.FitsConn(c.source) {
			continue
		}
		h := hit{by: a, c: c, now: now, elapsed: a.clock.Load().elapsed(now)}
		if !a.fault.ActiveAt(h.elapsed) {
			continue
		}
		var drawn bool
		if h.n, drawn = a.meets(h.elapsed); !drawn || a.acts.accept(&h, open) {
			continue
		}
		a.strikes(c)
		c.p.hits.add(&Hit{At: now, Fault: a.id, Kind: a.fault.Kind, N: h.n})
		return false
	}
	return true
}
