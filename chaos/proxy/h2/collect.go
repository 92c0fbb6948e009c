package h2

import (
	"slices"
	"strings"
)

// collected is the request of a stream whose plan is made when its body has come. Nothing
// of it has gone on yet.
type collected struct {
	ask    *Collect
	fields []Field
	body   []byte
}

// collectedMost bounds what is collected on one connection; what is beyond passes as if
// it were too long.
const collectedMost = 8 << 20

// collect begins to collect a request.
func (r *Relay) collect(s *stream, m *message) {
	r.ways[toUpstream].encode()
	s.request = &collected{ask: s.plan.Collect, fields: append([]Field(nil), m.fields...)}
	s.plan.Collect = nil
	if !m.end {
		s.request.fields = r.invite(s, s.request.fields)
	}
}

// invite tells a client that asks first, and may wait for it, to send the body that it has
// announced. It returns the fields of its request, which it may change, without the question:
// the upstream gets it with the body.
func (r *Relay) invite(s *stream, fields []Field) []Field {
	asks := func(f Field) bool { return f.Name == "expect" && strings.EqualFold(f.Value, "100-continue") }
	if !slices.ContainsFunc(fields, asks) {
		return fields
	}
	r.push(s, toClient, item{kind: itemBlock, fields: []Field{{Name: ":status", Value: "100"}}})
	return slices.DeleteFunc(fields, asks)
}

// collectData handles a DATA frame of a request that is collected.
func (r *Relay) collectData(s *stream, payload []byte, flow int64) {
	end := s.ended[toUpstream]
	r.ways[toUpstream].settle(flow)
	if !end && flow > 0 {
		r.grant(s, toUpstream, flow)
	}
	s.request.body = append(s.request.body, payload...)
	r.collecting += len(payload)
	switch {
	case len(s.request.body) > s.request.ask.Limit, r.collecting > collectedMost:
		r.decideCollected(s, false, nil)
	case end:
		r.decideCollected(s, true, nil)
	}
}

// collectTrailers handles the header block that ends a request that is collected.
func (r *Relay) collectTrailers(s *stream, m *message) {
	r.ways[toUpstream].encode()
	if !m.end {
		r.fail(s, ProtocolError)
		return
	}
	s.ended[toUpstream] = true
	r.decideCollected(s, true, append([]Field(nil), m.fields...))
}

// decideCollected has the plan made, and does what it says with what has come so far.
func (r *Relay) decideCollected(s *stream, whole bool, trailers []Field) {
	q := s.request
	r.dropCollected(s)
	q.ask.Plan(q.body, whole, &s.plan)
	end := s.ended[toUpstream] && trailers == nil
	r.begin(s, &message{id: s.id, fields: q.fields, end: end && len(q.body) == 0})
	if s.gone || s.detached {
		return
	}
	switch b := s.body[toUpstream]; {
	case len(q.body) == 0:
	case b == nil:
		r.push(s, toUpstream, item{kind: itemBody, bytes: q.body, end: end})
	default:
		r.alterCollected(s, b, q.body, end)
	}
	if trailers != nil && !s.gone && !s.detached {
		r.relayTrailers(s, toUpstream, &message{id: s.id, fields: trailers, end: true})
	}
}

// alterCollected is what alterData is for a frame.
func (r *Relay) alterCollected(s *stream, b *body, content []byte, end bool) {
	switch {
	case b.swallow:
		r.reap(s)
		return
	case b.collecting:
		b.collect(content)
		if end {
			r.complete(s, toUpstream, nil)
		} else if len(b.whole) > b.limit {
			r.giveUp(s, toUpstream)
		}
		return
	}
	b.alterPiece(content)
	n, cut := b.take(content)
	r.pushBody(s, toUpstream, content[:n], end && !cut)
	if cut && !s.gone {
		r.cutOff(s, toUpstream)
	}
}

// dropCollected forgets what has been collected of a request.
func (r *Relay) dropCollected(s *stream) {
	if s.request != nil {
		r.collecting -= len(s.request.body)
		s.request = nil
	}
}
