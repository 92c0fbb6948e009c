package h2

import (
	"strings"
)

// clientHeader handles a header block of the client: a request or its trailers.
func (r *Relay) clientHeader(m *message) error {
	w := &r.ways[toUpstream]
	if s := r.streams[m.id]; s != nil {
		r.clientTrailers(s, m)
		return nil
	}
	if m.id%2 == 0 {
		return w.broken(ProtocolError, "a request on stream %d, expected an odd number", m.id)
	}
	if m.id <= r.highest || r.draining {
		w.extraBlock(nil, m)
		return nil
	}
	r.highest = m.id
	s := r.newStream(m.id)
	s.ended[toUpstream] = m.end
	if len(r.streams) > maxStreams {
		w.encode()
		r.fail(s, RefusedStream)
		return nil
	}
	r.req.read(m)
	r.hooks.Request(&r.req, &s.plan)
	s.hooked = true
	if s.plan.Collect != nil && !m.end {
		r.collect(s, m)
		return nil
	}
	r.begin(s, m)
	return nil
}

// read fills in what hooks get to see.
func (q *Request) read(m *message) {
	*q = Request{Fields: m.fields, End: m.end}
	for i := range m.fields {
		f := &m.fields[i]
		switch f.Name {
		case ":method":
			q.Method = f.Value
		case ":scheme":
			q.Scheme = f.Value
		case ":authority":
			q.Authority = f.Value
		case ":path":
			q.Path = f.Value
		case "content-type":
			q.GRPC = strings.HasPrefix(f.Value, "application/grpc")
		}
	}
}

// begin does what a new stream's plan says.
func (r *Relay) begin(s *stream, m *message) {
	p := &s.plan
	if p.Reset != nil && r.resetAfter(s, p.Reset) {
		r.ways[toUpstream].encode()
		return
	}
	if p.Answer != nil {
		r.ways[toUpstream].encode()
		r.answer(s)
		return
	}
	s.prepareBodies()
	if p.Hold[toUpstream] != nil {
		r.push(s, toUpstream, item{kind: itemGate, hold: p.Hold[toUpstream]})
	}
	switch {
	case s.gone || s.detached: // answered late, but at once
		r.ways[toUpstream].encode()
	case s.body[toUpstream] != nil:
		r.alterHeader(s, toUpstream, m)
	default:
		r.relayBlock(s, toUpstream, m, false)
	}
}

// resetAfter resets a stream when it is time to, and reports whether it was already.
func (r *Relay) resetAfter(s *stream, reset *Reset) bool {
	if reset.After == nil {
		r.fail(s, reset.Code)
		return true
	}
	r.clear(s.fate)
	s.fate = r.newQueue(s, toClient)
	s.fate.fate = reset
	r.advance(s.fate)
	return s.gone
}

// clientTrailers handles a second header block of a request.
func (r *Relay) clientTrailers(s *stream, m *message) {
	switch {
	case s.detached || s.ended[toUpstream]:
		r.ways[toUpstream].extraBlock(s, m)
	case s.request != nil:
		r.collectTrailers(s, m)
	default:
		s.ended[toUpstream] = m.end
		r.relayTrailers(s, toUpstream, m)
	}
}

// relayTrailers relays the header block that ends a message.
func (r *Relay) relayTrailers(s *stream, d direction, m *message) {
	if s.body[d] != nil {
		r.alterTrailers(s, d, m)
		return
	}
	r.relayBlock(s, d, m, false)
}

// relayBlock relays a header block, behind what is held. The stream may be gone
// afterwards.
func (r *Relay) relayBlock(s *stream, d direction, m *message, changed bool) {
	w := &r.ways[d]
	held := s.holding(d)
	if held || changed {
		w.encode()
	}
	if held {
		r.push(s, d, item{kind: itemBlock, fields: append([]Field(nil), m.fields...), end: m.end})
		return
	}
	if d == toUpstream && !s.known && !r.open(s) {
		w.encode()
		return
	}
	if w.encoder.on {
		w.writeBlock(s.idOn(d), m.fields, m.end)
	} else {
		w.passBlock(m, s.idOn(d))
	}
	if m.end {
		r.wroteEnd(s, d)
	}
}

// extraBlock handles a header block that comes when the stream is over on this way:
// taken out, unless both sides still agree about all streams.
func (w *way) extraBlock(s *stream, m *message) {
	if s == nil && !w.r.altered {
		w.passBlock(m, m.id)
		return
	}
	if s != nil && !s.detached && !w.r.altered {
		w.passBlock(m, s.idOn(w.d))
		return
	}
	w.encode()
	if s != nil && m.end {
		s.ended[w.d] = true
	}
	if s == nil && w.d == toUpstream {
		w.r.drained(m.id, 0, m.end)
	}
}
