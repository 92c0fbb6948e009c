package effects

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// probeConns are the connections that probes have open, by the address that they come
// from: a proxy of this process tells by it who has met a fault.
type probeConns struct {
	mu   sync.RWMutex // in place of a sync.Map, which allocates for each question
	from map[netip.AddrPort]*probeConn
}

// probeConn is one of them.
type probeConn struct {
	net.Conn
	of   *probeConns
	from netip.AddrPort
}

// add makes conn one of them until it is closed. Its request is sent after that, so that
// what meets it is told apart; what a proxy does to the bare connection may come before.
func (p *probeConns) add(conn net.Conn) net.Conn {
	addr, ok := conn.LocalAddr().(*net.TCPAddr)
	if !ok {
		return conn
	}
	from := netip.AddrPortFrom(addr.AddrPort().Addr().Unmap(), addr.AddrPort().Port())
	pc := &probeConn{conn, p, from}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.from == nil {
		p.from = map[netip.AddrPort]*probeConn{}
	}
	p.from[from] = pc
	return pc
}

// metLate is for how long a connection that was closed is remembered: a proxy may come to
// one that only connects after its end, and the port is not soon another's.
const metLate = time.Second

// Close implements net.Conn.
func (c *probeConn) Close() error {
	time.AfterFunc(metLate, c.forget)
	return c.Conn.Close()
}

func (c *probeConn) forget() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.of.from[c.from] == c { // the port may be another's by now
		delete(c.of.from, c.from)
	}
}

// IsProbe reports whether a connection from that address is one of a probe.
func (e *Effects) IsProbe(source netip.AddrPort) bool {
	p := &e.client.probed
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.from[source] != nil
}

type probeKey struct{}

// asProbe is the context of what a probe does, and probes tells it from others.
func asProbe(ctx context.Context) context.Context { return context.WithValue(ctx, probeKey{}, true) }

func probes(ctx context.Context) bool { return ctx.Value(probeKey{}) != nil }

// probesAs is ctx, of a probe if call is.
func probesAs(ctx, call context.Context) context.Context {
	if probes(call) {
		return asProbe(ctx)
	}
	return ctx
}
