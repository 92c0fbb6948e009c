package proxy

import (
	"time"

	"starquake/chaos"
)

// prepareTLSFault has handshakes fail in one way.
func prepareTLSFault(f *chaos.Fault) acts { return acts{handshake: f.Text("kind")} }

// stall is the kind of tls_fault that never answers; the others say what is answered.
const stall = "stall"

// handshake lets the faults act on the client's handshake. It returns what the first that
// hits makes of it, "" for nothing, after what stalls it: a handshake goes on when the
// fault that has stalled it is gone. goesOn is false if the connection is over.
func (c *conn) handshake() (kind string, goesOn bool) {
	if fates := c.handshakeFates(); len(fates) > 0 {
		c.hello.late.Stop()
		if !c.suffer(fates, c.watch) {
			return "", false
		}
		c.hello.late.Reset(handshakePatience)
	}
	for _, a := range c.p.faults.Load().order {
		if a.acts.handshake == "" || !c.meetsHandshake(a) {
			continue
		}
		if a.acts.handshake != stall {
			return a.acts.handshake, true
		}
		c.hello.late.Stop()
		if !c.suffer([]fate{{by: a, hangs: true}}, c.watch) {
			return "", false
		}
		c.hello.late.Reset(handshakePatience)
		return "", true
	}
	return "", true
}

// handshakeFates are those of faults that let nothing pass: a server that never answers
// does not shake hands either. Those that hit only some, or that ask about
// requests or count them, and those that leave a way open, wait for what comes inside.
func (c *conn) handshakeFates() []fate {
	var fates []fate
	for _, a := range c.p.faults.Load().order {
		if a.acts.fate == nil || a.acts.refuses || a.acts.lets != [2]bool{} || !a.hitsAll() || !a.matcher.FitsConn(c.source) || a.spares(c) {
			continue
		}
		h := hit{by: a, c: c, now: time.Now()}
		h.elapsed = a.clock.Load().elapsed(h.now)
		if !a.fault.ActiveAt(h.elapsed) {
			continue
		}
		f := a.fateOf(&h)
		if !f.hangs {
			continue // a reset is one of what comes inside: of HTTP/2 of a stream
		}
		h.n, _ = a.meets(h.elapsed)
		c.handshakeHit(a, h.now, h.n)
		c.mu.Lock()
		if c.met == nil {
			c.met = make(map[*Applied]meeting)
		}
		c.met[a.Applied] = meeting{n: h.n, hit: true, at: h.now} // a stream inside has met it
		c.mu.Unlock()
		fates = append(fates, f)
	}
	return fates
}

// hitsAll reports whether the fault hits each connection of the sources that it fits.
func (a *Applied) hitsAll() bool {
	m := a.fault.Match
	return a.fault.Probability == chaos.Const(1) && !a.matcher.Parsed() && (m == nil || m.After == 0 && m.First == 0 && m.Every == 0)
}

// handshakeHit counts that the handshake is hit.
func (c *conn) handshakeHit(a *active, at time.Time, n uint64) {
	a.strikes(c)
	c.p.hits.add(&Hit{At: at, Fault: a.id, Kind: a.fault.Kind, N: n, Request: "handshake " + c.hello.name})
}

// meetsHandshake draws for one handshake, whose name is the host that a match asks about.
func (c *conn) meetsHandshake(a *active) bool {
	now := time.Now()
	elapsed := a.clock.Load().elapsed(now)
	req := chaos.Request{Host: []byte(c.hello.name), Source: c.source}
	if !a.fault.ActiveAt(elapsed) || !a.matcher.Fits(&req) {
		return false
	}
	n, hit := a.meets(elapsed)
	if hit {
		c.handshakeHit(a, now, n)
	}
	return hit
}
