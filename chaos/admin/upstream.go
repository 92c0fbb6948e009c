package admin

import (
	"context"
	"net"
	"net/netip"
	"sync"
)

// lookUps look up the upstreams of targets, beside all else.
type lookUps struct {
	ctx    context.Context // of which cancel is
	cancel context.CancelFunc
	all    sync.WaitGroup
	places chan struct{} // one for each that is made at once
}

// maxLookUps bounds the look-ups of upstreams that are made at once.
const maxLookUps = 8

func newLookUps() *lookUps {
	l := &lookUps{places: make(chan struct{}, maxLookUps)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// warnOf has it told if a target's upstream has no address. That is no error: what is started
// later may have its name only then, and each connection looks it up anew. Nothing waits for
// it. The caller holds mu, and the plane is not closed.
func (p *Plane) warnOf(t *target) {
	upstream := t.config.Upstream
	host, _, err := net.SplitHostPort(upstream)
	if err != nil {
		return
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return
	}
	l := p.lookUps
	l.all.Go(func() {
		select {
		case l.places <- struct{}{}:
			defer func() { <-l.places }()
		case <-l.ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(l.ctx, lookUpTimeout)
		defer cancel()
		if _, err := net.DefaultResolver.LookupIPAddr(ctx, host); err != nil && p.relaysTo(t, upstream) {
			p.logger.Warn("the upstream has no address: connections fail until its name has one", "target", t.Name(), "upstream", upstream, "error", err)
		}
	})
}

// relaysTo reports whether a target is still the plane's, and has this upstream.
func (p *Plane) relaysTo(t *target, upstream string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.closed && p.targets[t.Name()] == t && t.config.Upstream == upstream
}
