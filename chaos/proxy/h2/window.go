package h2

import "encoding/binary"

// windows are the flow control of one way for the connection as a whole.
type windows struct {
	// win is how much the receiver still takes, initial how much of a new stream.
	win, initial int64
	// debt is what was written to the receiver without the sender's being charged: its
	// grants for that are not for the sender. Invariant: debt >= 0, and the sender's
	// idea of the window is win + debt, less what is on its way to us or held.
	debt int64
	// owed is to be granted to the sender at the end of the burst.
	owed int64
	// advanced is how much is held that the sender was granted anew.
	advanced int64
}

// defaultWindow is what every window begins with (RFC 9113, 6.9.2).
const defaultWindow = 65535

// advanceMost is how much of what is held the sender gets its window back for; beyond
// it what is held fills the connection's window, and then the sender has to wait.
const advanceMost = 4 << 20

func (w *windows) init() { w.win, w.initial = defaultWindow, defaultWindow }

// settle is for n bytes that the sender is to get back: because the receiver granted
// them, or because they never get there.
func (w *windows) settle(n int64) {
	if w.debt -= n; w.debt < 0 {
		w.owed -= w.debt
		w.debt = 0
	}
}

// payOwed grants the senders what was found to be owed to them.
func (r *Relay) payOwed() {
	for d := range r.ways {
		w, sink := &r.ways[d], &r.sinks[1-d]
		for w.owed > 0 {
			n := min(w.owed, maxID)
			sink.buf = appendWindowUpdate(sink.add(), 0, n)
			w.owed -= n
		}
	}
}

// mayFlow reports whether n bytes of a stream may be written on way d.
func (r *Relay) mayFlow(s *stream, d direction, n int64) bool {
	return n == 0 || n <= r.ways[d].win && n <= s.win[d]
}

// flowed counts bytes of a stream that are written on way d.
func (r *Relay) flowed(s *stream, d direction, n int64) {
	r.ways[d].win -= n
	s.win[d] -= n
}

// windowUpdate handles a grant. It comes the way w and is for bytes of the other.
func (w *way) windowUpdate(h head, f []byte) error {
	r, o := w.r, 1-w.d
	n := int64(binary.BigEndian.Uint32(f[headLen:]) & maxID)
	if h.stream == 0 {
		other := &r.ways[o]
		if n == 0 {
			return w.broken(ProtocolError, "a WINDOW_UPDATE of 0")
		}
		if other.win += n; other.win > maxID {
			return w.broken(FlowControlError, "a window of %d bytes", other.win)
		}
		if other.debt == 0 {
			w.pass(f)
		} else {
			other.settle(n)
		}
		r.unblock(o)
		return nil
	}
	s := r.find(w.d, h.stream)
	if s == nil {
		w.passUnknown(f)
		return nil
	}
	if s.win[o] += n; n == 0 || s.win[o] > maxID {
		code := FlowControlError
		if n == 0 {
			code = ProtocolError
		}
		r.fail(s, code)
		return nil
	}
	r.unblock(o)
	paid := min(s.debt[o], n)
	s.debt[o] -= paid
	switch n -= paid; {
	case n == 0 || s.ended[o] || s.detached:
		// Its sender has nothing left to send.
	case paid == 0 && s.known:
		if r.byUp != nil {
			setStream(f, s.idOn(w.d))
		}
		w.pass(f)
	default:
		r.grant(s, o, n)
	}
	return nil
}

// grant grants a stream's sender on way d n more bytes.
func (r *Relay) grant(s *stream, d direction, n int64) {
	if d == toClient && !s.known {
		s.early += n
		return
	}
	sink := &r.sinks[1-d]
	sink.buf = appendWindowUpdate(sink.add(), s.idOn(1-d), n)
}
