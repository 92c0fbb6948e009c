package proxy

import (
	"net/http"
	"sync/atomic"

	"starquake/chaos"
)

// The kinds that act on messages of a WebSocket, and what others do to them.

func prepareWSClose(f *chaos.Fault) acts {
	w := chaos.NewWSClose(f)
	passed := func(h *hit) *atomic.Int64 { return keep(h.c, h.by, func() *atomic.Int64 { return new(atomic.Int64) }) }
	return acts{
		ways: eachWay(true, true),
		// Messages that are to pass before it do not meet it.
		awaits: func(_ *socketMessage, h *hit) bool {
			return passed(h).Add(1) < int64(w.After(h.elapsed))
		},
		message: func(m *socketMessage, h *hit) bool {
			return m.give(&socketClose{code: w.Code(h.by.draws, h.n), reason: w.Reason}, w.After(h.elapsed) > 0)
		},
	}
}

func prepareWSDrop(f *chaos.Fault) acts {
	w := chaos.NewWSEach(f)
	return acts{ways: eachWay(w.Request, w.Response), editsMessages: true, message: func(m *socketMessage, h *hit) bool {
		if m.cannotChange(h) || m.drop { // or an older fault has it
			return false
		}
		m.drop, m.dropBy = true, h.by
		return true
	}}
}

func prepareWSDuplicate(f *chaos.Fault) acts {
	w := chaos.NewWSEach(f)
	return acts{ways: eachWay(w.Request, w.Response), editsMessages: true, message: func(m *socketMessage, h *hit) bool {
		if m.cannotChange(h) {
			return false
		}
		m.copies = append(m.copies, h.by)
		return true
	}}
}

func prepareWSCorrupt(f *chaos.Fault) acts {
	c := chaos.NewCorrupt(f)
	return acts{ways: eachWay(c.Request, c.Response), editsMessages: true, message: alterMessage(&c)}
}

func prepareWSDelay(f *chaos.Fault) acts {
	l := chaos.NewWSDelay(f)
	return acts{ways: eachWay(l.Request, l.Response), message: delayMessage(&l)}
}

// eachWay indexes by direction.
func eachWay(request, response bool) [2]bool { return [2]bool{toUpstream: request, toClient: response} }

func alterMessage(c *chaos.Corrupt) func(*socketMessage, *hit) bool {
	return func(m *socketMessage, h *hit) bool {
		if m.cannotChange(h) {
			return false
		}
		m.alters = append(m.alters, messageAlter{h.by, h.n, c})
		return true
	}
}

func delayMessage(l *chaos.Latency) func(*socketMessage, *hit) bool {
	return func(m *socketMessage, h *hit) bool {
		// Each way has draws of its own, as those of requests.
		m.delays = append(m.delays, delay{by: h.by, n: h.n, d: l.Delay(h.by.draws, 2*h.n+uint64(m.way), h.elapsed)})
		return true
	}
}

// limitMessages closes for what comes above a rate.
func limitMessages(l *chaos.RateLimit) func(*socketMessage, *hit) bool {
	return func(m *socketMessage, h *hit) bool {
		if m.answered() {
			return false // an older limit closes
		}
		ok, _ := m.passes.allow(l, h)
		code, _ := chaos.WSCode(http.StatusTooManyRequests)
		return !ok && m.give(&socketClose{code: code, reason: "rate limit"}, false)
	}
}

// failMessage ends the connection with a message.
func failMessage(a answer) func(*socketMessage, *hit) bool {
	return func(m *socketMessage, _ *hit) bool {
		if a.end == endNever {
			code, _ := chaos.WSCode(a.status)
			return m.give(&socketClose{code: code}, false)
		}
		if m.end != endNever || m.close != nil {
			return false
		}
		m.end = a.end
		return true
	}
}

// give closes the connection with the message, unless a fault does already. A connection
// is closed once, and so counted, though messages of both ways may ask for it: the other
// way hears of a close only when the message before it has gone on.
func (m *socketMessage) give(cl *socketClose, after bool) bool {
	if m.close != nil || m.end != endNever {
		return false
	}
	m.close, m.after = cl, after
	return m.f.closes.CompareAndSwap(false, true)
}

// cannotChange reports whether the message can be neither changed nor left out, which
// is counted once for its connection.
func (m *socketMessage) cannotChange(h *hit) bool {
	if !m.fixed {
		return false
	}
	told := keep(h.c, h.by, func() *atomic.Bool { return new(atomic.Bool) })
	if told.CompareAndSwap(false, true) {
		h.by.inapplicable.Add(1)
	}
	return true
}

// meetsMessages reports whether messages of a WebSocket meet the fault on some way.
func (a *acts) meetsMessages() bool { return a.message != nil || a.fate != nil }

// meetsMessagesOf reports whether those of a way do.
func (a *acts) meetsMessagesOf(way direction) bool {
	return a.fate != nil && !a.lets[way] || a.ways[way]
}
