package proxy

import (
	"net/http"
	"time"

	"starquake/chaos"
)

// The kinds that act on whole connections.

// spared are the ways that the parameter direction leaves alone.
func spared(f *chaos.Fault) [2]bool {
	request, response := chaos.Ways(f)
	return [2]bool{toUpstream: !request, toClient: !response}
}

// prepareHang is for blackhole and partition: nothing passes.
func prepareHang(f *chaos.Fault) acts {
	return acts{lets: spared(f), fate: func(*hit) fate { return fate{hangs: true} }}
}

// prepareTimeout hangs, and then closes.
func prepareTimeout(f *chaos.Fault) acts {
	after := f.Number("after")
	return acts{lets: spared(f), fate: func(h *hit) fate {
		return fate{hangs: true, end: endClose, due: h.now.Add(after.Duration(h.elapsed))}
	}}
}

// prepareReset resets, at once or after the connection has gone well for a while.
func prepareReset(f *chaos.Fault) acts {
	after := f.Number("after")
	return acts{fate: func(h *hit) fate {
		return fate{end: endReset, due: h.now.Add(after.Duration(h.elapsed))}
	}}
}

// prepareRefuse has the listener refuse. With a probability or a match that cannot be:
// a connection is accepted to know whether it is hit, and then reset.
func prepareRefuse(f *chaos.Fault) acts {
	a := acts{refuses: true}
	if f.Counted() {
		a = acts{onlyOpen: true, accept: func(*hit, int) bool { return false }}
	}
	if openConnections(f.Text("open_connections")) != openKeep {
		// It meets those that are open only; others do not come to be.
		a.fate = func(*hit) fate { return fate{hangs: true} }
	}
	return a
}

func prepareSlowClose(f *chaos.Fault) acts {
	delay := f.Number("delay")
	return acts{lets: spared(f), closing: func(h *hit) time.Duration { return delay.Duration(h.elapsed) }}
}

func prepareMaxConnections(f *chaos.Fault) acts {
	m := chaos.NewMaxConnections(f)
	return acts{accept: func(h *hit, open int) bool { return m.Admits(open, h.elapsed) }}
}

func prepareConnectionError(f *chaos.Fault) acts {
	a := answer{status: http.StatusServiceUnavailable}
	switch f.Text("kind") {
	case "tcp_reset":
		a = answer{end: endReset}
	case "tcp_close":
		a = answer{end: endClose}
	}
	return acts{ways: eachWay(true, true), message: failMessage(a), request: func(v *verdict, h *hit) bool { return v.give(h, a) }}
}
