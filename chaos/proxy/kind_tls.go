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
		a.hit.Add(1)
		c.p.hits.add(&Hit{At: now, Fault: a.id, Kind: a.fault.Kind, N: n, Request: "handshake " + c.hello.name})
	}
	return hit
}
