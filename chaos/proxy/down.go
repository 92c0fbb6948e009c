package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"starquake/internal/alarm"
)

// place is where a proxy listens and relays to, which changes while it is down.
type place struct {
	// life is held by whoever opens or closes the listener.
	life   sync.Mutex
	closed bool // guarded by life

	listener       atomic.Pointer[net.TCPListener] // nil before the first Up
	addr, upstream atomic.Pointer[string]
}

// Prepare makes a proxy that is down: it does not listen before Up. Faults can be put on.
func Prepare(config Config) (*Proxy, error) {
	if err := config.complete(); err != nil {
		return nil, fmt.Errorf("proxy %s: %w", config.Name, err)
	}
	clock, err := alarm.New()
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", config.Name, err)
	}
	p := &Proxy{config: config, clock: clock, conns: make(map[*conn]struct{}), closing: true, keep: keepUpTo(), pipes: pipes{most: mostPipes()}, recheck: recheck}
	if config.TLS != nil {
		p.tls = newTerminator(config.TLS)
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.addr.Store(&config.Listen)
	p.upstream.Store(&config.Upstream)
	p.down = true
	p.faults.Store(&snapshot{changed: make(chan struct{})})
	return p, nil
}

// errUp is returned by Up on a proxy that is not down.
var errUp = errors.New("the proxy is up")

// Up lets a proxy that is down listen, here and for this upstream. Its faults, with their
// counts, and its figures are what they were. ctx bounds the opening only.
func (p *Proxy) Up(ctx context.Context, listenOn, upstream string) error {
	p.life.Lock()
	defer p.life.Unlock()
	config := p.config
	config.Listen, config.Upstream = listenOn, upstream
	err := config.complete()
	switch {
	case p.closed:
		err = ErrClosed
	case err == nil && !p.isDown():
		err = errUp
	}
	if err != nil {
		return fmt.Errorf("proxy %s: %w", p.config.Name, err)
	}
	l, err := listen(ctx, listenOn)
	if err != nil {
		return fmt.Errorf("proxy %s: cannot listen on %s: %w; free the address, or take another port (0 for any)", p.config.Name, listenOn, err)
	}
	addr := l.Addr().String()
	p.listener.Store(l)
	p.addr.Store(&addr)
	p.upstream.Store(&upstream)
	p.connMu.Lock()
	p.closing = false
	p.connMu.Unlock()
	p.faultMu.Lock()
	p.down = false
	p.listenOrNot(p.faults.Load())
	p.faultMu.Unlock()
	p.wg.Add(1)
	go p.accept(l)
	return nil
}

// Down closes the listener and cuts all connections. Faults, counts and figures stay, and
// Up goes on from there. One that is down already is left alone.
func (p *Proxy) Down() {
	p.life.Lock()
	defer p.life.Unlock()
	if p.closed || p.isDown() {
		return
	}
	p.stopListening()
	for _, c := range p.openConns() {
		c.cut()
	}
	p.wg.Wait()
}

// isDown reports whether there is no listener.
func (p *Proxy) isDown() bool {
	p.faultMu.Lock()
	defer p.faultMu.Unlock()
	return p.down
}

// stopListening closes the listener, if there is one, and takes no connection any more.
func (p *Proxy) stopListening() {
	p.connMu.Lock()
	p.closing = true
	p.connMu.Unlock()
	p.faultMu.Lock()
	defer p.faultMu.Unlock()
	if p.down {
		return
	}
	p.down = true
	_ = p.listener.Load().Close() // a listener that is closed already is as good
	if deaf := p.deaf.Swap(nil); deaf != nil {
		close(*deaf)
	}
}
