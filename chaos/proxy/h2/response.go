package h2

import "strconv"

// upstreamHeader handles a header block of the upstream: an interim response, the
// response, or its trailers.
func (r *Relay) upstreamHeader(m *message) error {
	r.calm.idle, r.arrived = 0, true
	w := &r.ways[toClient]
	s := r.find(toClient, m.id)
	if s == nil || s.detached || s.ended[toClient] {
		w.extraBlock(s, m)
		return nil
	}
	interim := s.note(m.fields) && !m.end
	first := !s.begun
	if first && !interim {
		s.begun = true
		r.gate(s)
	}
	s.ended[toClient] = m.end
	switch {
	case interim:
		r.holdBlock(s, toClient)
		r.relayBlock(s, toClient, m, false)
	case !first:
		r.relayTrailers(s, toClient, m)
	case s.body[toClient] != nil:
		r.alterHeader(s, toClient, m)
	default:
		s.headed = true
		r.relayBlock(s, toClient, m, false)
	}
	return nil
}

// note keeps what a header block says about the outcome, and reports whether it is that
// of an interim response.
func (s *stream) note(fields []Field) (interim bool) {
	for i := range fields {
		switch f := &fields[i]; f.Name {
		case ":status":
			if n, err := strconv.Atoi(f.Value); err == nil {
				s.out.Status = n
				interim = n < 200
			}
		case "grpc-status":
			if n, err := strconv.Atoi(f.Value); err == nil {
				s.out.GRPC = n
			}
		}
	}
	return interim
}
