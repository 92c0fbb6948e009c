package proxy

import (
	"fmt"

	"starquake/chaos"
)

// Disconnect ends the client connections that are open, with a RST or, where how is
// "fin", after what was written to them, and returns how many. Of a match only the source
// can be asked: a connection is not a request. Faults are left as they are.
func (p *Proxy) Disconnect(how string, m *chaos.Match) (int, error) {
	if err := chaos.CheckDisconnect(how, m); err != nil {
		return 0, fmt.Errorf("proxy %s: %w", p.config.Name, err)
	}
	matcher, err := m.Compile()
	if err != nil {
		return 0, fmt.Errorf("proxy %s: %w", p.config.Name, err)
	}
	n := 0
	for _, c := range p.openConns() {
		if c.over() || !matcher.FitsConn(c.source) {
			continue
		}
		n++
		if how == "fin" {
			c.end(endClose)
		} else {
			c.end(endReset)
		}
	}
	return n, nil
}
