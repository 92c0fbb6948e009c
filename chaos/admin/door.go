package admin

import (
	"context"

	"starquake/chaos/proxy"
)

// door is where a target listens and relays to. A target of the plane's gets another one
// with both doors and mu held, so that either suffices to read it.
type door struct {
	config proxy.Config
	// enabled: it is up. listen is where it listens, or will, as that was asked for; at is the
	// same looked up.
	enabled    bool
	listen, at string
}

// anyPort is where those listen that Toxiproxy's clients say nothing of.
const anyPort = ":0"

// up lets a proxy listen here.
func (d *door) up(ctx context.Context, p *proxy.Proxy) error {
	if err := p.Up(ctx, d.at, d.config.Upstream); err != nil {
		return err
	}
	d.enabled, d.listen, d.at = true, p.Addr(), p.Addr()
	return nil
}

// down ends a proxy's connections and its listening; what is on it stays. It waits until
// they have ended.
func (d *door) down(p *proxy.Proxy) {
	p.Down()
	d.enabled = false
}

// setDoor sets a target's door. The caller holds doors.
func (p *Plane) setDoor(t *target, d door) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t.door = d
}
