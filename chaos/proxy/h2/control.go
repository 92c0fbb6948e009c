package h2

import (
	"encoding/binary"
	"time"
)

// reset handles RST_STREAM: at once from the client, behind what is held from the
// upstream.
func (w *way) reset(h head, f []byte) error {
	r := w.r
	s := r.find(w.d, h.stream)
	if s == nil {
		if w.d == toUpstream {
			delete(r.drains, h.stream)
		}
		w.passUnknown(f)
		return nil
	}
	code := Code(binary.BigEndian.Uint32(f[headLen:]))
	if w.d == toUpstream {
		if !s.begun && !r.calm.reset(time.Now()) {
			return w.broken(EnhanceYourCalm, "too many streams opened and reset at once")
		}
		if s.known && !s.detached {
			setStream(f, s.up)
			w.pass(f)
		}
		s.out.Reset, s.out.Code, s.out.Left = true, code, true
		r.drop(s)
		return nil
	}
	if s.detached {
		return nil
	}
	r.gate(s)
	r.forget(s)
	if s.holding(toClient) {
		r.altered = true // the client goes on with the stream for a while
		r.push(s, toClient, item{kind: itemReset, code: code})
		return nil
	}
	setStream(f, s.id)
	w.pass(f)
	s.out.Reset, s.out.Code = true, code
	r.drop(s)
	return nil
}

// goAway handles GOAWAY. Once ids are translated, the upstream's says nothing to the
// client about which streams were looked at: those that were not are refused one by one.
func (w *way) goAway(f []byte) {
	r := w.r
	if w.d == toClient {
		last := binary.BigEndian.Uint32(f[headLen:]) & maxID
		r.last = min(r.last, last)
		if r.byUp != nil && last < maxID {
			for _, s := range r.byUp {
				if s.up > last && !s.detached {
					r.fail(s, RefusedStream)
				}
			}
			last = r.highest
		}
		if r.draining {
			last = min(last, r.highest) // it must not rise
		}
		binary.BigEndian.PutUint32(f[headLen:], last)
	}
	w.pass(f)
}

// ping relays PING, except where a server would punish the client for what the relay did:
// clients that measure the connection ping when they get data, and servers count pings
// that come without their having sent any. So a ping that only what was held or put in
// can have caused is answered here.
func (w *way) ping(h head, f []byte) {
	r := w.r
	if w.d == toUpstream && h.flags&flagAck == 0 {
		answer := r.released && !r.arrived
		r.released, r.arrived = false, false
		if answer {
			sink := &r.sinks[toClient]
			sink.buf = append(appendHead(sink.add(), h.length, framePing, flagAck, 0), f[headLen:]...)
			return
		}
	}
	w.pass(f)
}

// passUnknown relays a frame of a stream that is not open, if both sides agree about it.
func (w *way) passUnknown(f []byte) {
	if !w.r.altered {
		w.pass(f)
	}
}

// other handles the frames that change nothing: priorities and extensions. What speaks
// of streams is taken out once the sides may not agree about them; all of it may be
// ignored by whom it is for.
func (w *way) other(h head, f []byte) {
	if h.stream == 0 && h.kind != framePriorityUpdate {
		w.pass(f)
		return
	}
	w.passUnknown(f)
}
