package h2

import "strconv"

// Status is a gRPC status.
type Status struct {
	Code    int
	Message string
}

// trailers are the fields that end a gRPC response.
func (st Status) trailers() []Field {
	fields := []Field{{Name: "grpc-status", Value: strconv.Itoa(st.Code)}}
	if st.Message != "" {
		fields = append(fields, Field{Name: "grpc-message", Value: escape(st.Message)})
	}
	return fields
}

// Answer is a response that is nothing but the status: "trailers only".
func (st Status) Answer() *Answer {
	fields := []Field{{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"}}
	return &Answer{Fields: append(fields, st.trailers()...)}
}

// escape writes a gRPC status message as a header value: all but printable ASCII, and
// "%", in percent encoding.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b []byte
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// answer gives the plan's answer to a request that the upstream has not seen.
func (r *Relay) answer(s *stream) {
	s.detached, s.begun, s.headed, s.out.Injected = true, true, true, true
	a := s.plan.Answer
	s.note(a.Fields)
	if hold := s.plan.Hold[toUpstream]; hold != nil {
		r.push(s, toClient, item{kind: itemGate, hold: hold})
	}
	r.gate(s)
	if len(a.Fields) == 0 {
		r.push(s, toClient, item{kind: itemReset, code: a.Code})
		return
	}
	r.push(s, toClient, item{kind: itemBlock, fields: a.Fields, end: len(a.Body) == 0})
	if len(a.Body) > 0 {
		r.push(s, toClient, item{kind: itemBody, bytes: a.Body, end: true})
	}
}

// fail resets a stream for both sides, now. It is gone afterwards.
func (r *Relay) fail(s *stream, code Code) {
	s.out.Injected = true
	r.detach(s)
	r.clear(s.queue[toClient])
	r.push(s, toClient, item{kind: itemReset, code: code})
}

// cutOff ends a stream for both sides as the Cut of its body says, for the client behind what
// is held. way is that of the message that was cut.
func (r *Relay) cutOff(s *stream, way direction) {
	c := s.body[way].cut
	s.out.Injected = true
	if c.How == EndQuietly && way == toUpstream {
		s.body[toUpstream].swallow = true
		r.push(s, toUpstream, item{kind: itemBody, end: true})
		return
	}
	r.detach(s)
	switch c.How {
	case EndReset:
		r.gate(s)
		r.push(s, toClient, item{kind: itemReset, code: c.Code})
	case EndQuietly:
		r.push(s, toClient, item{kind: itemBody, end: true})
	case EndStatus:
		fields := c.Status.trailers()
		if !s.headed {
			s.begun, s.headed = true, true
			fields = c.Status.Answer().Fields
			r.gate(s)
		}
		s.note(fields)
		r.push(s, toClient, item{kind: itemBlock, fields: fields, end: true})
	}
}
