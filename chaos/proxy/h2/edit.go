package h2

import (
	"strconv"
	"time"
)

// body is what is done to a message whose plan has an Edit, a Cut or a Flow for it, any
// of which may be nil.
type body struct {
	edit *Edit
	cut  *Cut
	flow Flow
	// collecting: the message is kept back, header in fields and body in whole, until
	// it is complete.
	collecting bool
	limit      int
	// blind: the body is thrown away as it comes, instead of being kept in whole.
	blind  bool
	fields []Field
	whole  []byte
	// left is how many bytes, messages how many gRPC messages still go through before
	// the cut; -1 for any number.
	left     int64
	messages int
	scan     scanner
	// swallow: the receiver gets nothing more of it.
	swallow bool
	// asked is the burst in which flow was asked last, headed: about a header block.
	asked  uint64
	headed bool
}

// collectMost is up to where a body without a content-length is collected for a Cut.
const collectMost = 1 << 20

// prepareBodies makes ready what the plan says about bodies.
func (s *stream) prepareBodies() {
	p := &s.plan
	for d := range s.body {
		if p.Edit[d] != nil || p.Cut[d] != nil || p.Flow[d] != nil {
			s.body[d] = &body{edit: p.Edit[d], cut: p.Cut[d], flow: p.Flow[d], left: -1, messages: -1}
		}
	}
}

// alterBody prepares for what else is to happen to the rest of a message.
func (s *stream) alterBody(d direction, c *Change) {
	if c.Flow[d] == nil && c.Edit[d] == nil && c.Cut[d] == nil {
		return
	}
	if s.body[d] == nil {
		s.body[d] = &body{left: -1, messages: -1}
	}
	b := s.body[d]
	if c.Flow[d] != nil {
		b.flow = c.Flow[d]
	}
	if c.Edit[d] != nil {
		edit := Edit{}
		if b.edit != nil {
			edit = *b.edit
		}
		edit.Data = c.Edit[d]
		b.edit = &edit
	}
	if cut := c.Cut[d]; cut != nil && (!b.cutting() || b.left > cut.Bytes) {
		b.cut, b.left = cut, cut.Bytes
	}
}

// alterHeader handles a message's header.
func (r *Relay) alterHeader(s *stream, d direction, m *message) {
	b := s.body[d]
	b.begin(m.fields)
	if b.messages == 0 && b.cutting() {
		r.ways[d].encode()
		r.cutOff(s, d)
		return
	}
	if b.collecting {
		r.ways[d].encode()
		b.fields = append([]Field(nil), m.fields...)
		if m.end {
			r.complete(s, d, nil)
		} else if d == toUpstream {
			b.fields = r.invite(s, b.fields)
		}
		return
	}
	s.headed = s.headed || d == toClient
	changed := false
	if b.edit != nil && b.edit.Head != nil {
		changed = true
		m.fields = b.edit.Head(m.fields)
	}
	r.holdBlock(s, d)
	r.relayBlock(s, d, m, changed)
	if b.left == 0 && !m.end && !s.gone && b.cutting() {
		r.cutOff(s, d)
	}
}

// begin decides, with the header known, how the body is handled.
func (b *body) begin(fields []Field) {
	length := contentLength(fields)
	if b.edit != nil {
		if b.edit.Length != nil {
			b.edit.Length(length)
		}
		if b.edit.Whole != nil && (b.edit.Wants == nil || b.edit.Wants(fields)) {
			b.collecting, b.limit = true, b.edit.Limit
			b.blind = b.edit.Replaces != nil && b.edit.Replaces(fields)
		}
	}
	switch {
	case b.cut == nil:
	case b.cut.Messages != nil:
		b.messages = *b.cut.Messages
	case b.cut.Keep != nil && length >= 0:
		b.left = b.cut.Keep(length)
	case b.cut.Keep != nil:
		b.collecting, b.limit = true, max(b.limit, collectMost)
	default:
		b.left = b.cut.Bytes
	}
}

// contentLength returns the length that a header announces, or -1.
func contentLength(fields []Field) int64 {
	for i := range fields {
		if fields[i].Name == "content-length" {
			if n, err := strconv.ParseInt(fields[i].Value, 10, 64); err == nil && n >= 0 {
				return n
			}
		}
	}
	return -1
}

// collect keeps a piece of a body that is collected, unless nobody wants it.
func (b *body) collect(piece []byte) {
	if !b.blind {
		b.whole = append(b.whole, piece...)
	}
}

// alterData handles a DATA frame: f, with the content payload.
func (r *Relay) alterData(s *stream, d direction, f, payload []byte, flow int64) {
	b, w := s.body[d], &r.ways[d]
	end := s.ended[d]
	if b.swallow || b.collecting {
		w.settle(flow)
		if !end && flow > 0 {
			r.grant(s, d, flow)
		}
	}
	switch {
	case b.swallow:
		r.reap(s)
		return
	case b.collecting:
		b.collect(payload)
		if end {
			r.complete(s, d, nil)
		} else if len(b.whole) > b.limit {
			r.giveUp(s, d)
		}
		return
	}
	b.alterPiece(payload)
	n, cut := b.take(payload)
	if !cut && b.flow == nil {
		r.relayData(s, d, f, flow, end)
		return
	}
	w.settle(flow - int64(n)) // of padding, too
	if !cut && int(flow) > n && !end {
		r.grant(s, d, flow-int64(n))
	}
	r.relayPieces(s, d, payload[:n], end && !cut)
	if cut && !s.gone {
		r.cutOff(s, d)
	}
}

// relayPieces relays content, in frames of its own.
func (r *Relay) relayPieces(s *stream, d direction, content []byte, end bool) {
	for len(content) > 0 || end {
		size := r.nextPiece(s, d, len(content))
		flags := uint8(0)
		last := size == len(content)
		if last && end {
			flags = flagEndStream
		}
		piece := append(appendHead(nil, size, frameData, flags, 0), content[:size]...)
		r.push(s, d, item{kind: itemData, bytes: piece, flow: int64(size), end: last && end})
		if content = content[size:]; last {
			return
		}
	}
}

// pushBody relays content that was collected.
func (r *Relay) pushBody(s *stream, d direction, content []byte, end bool) {
	for {
		size := r.nextPiece(s, d, len(content))
		last := size == len(content)
		r.push(s, d, item{kind: itemBody, bytes: content[:size], end: last && end})
		if content = content[size:]; last {
			return
		}
	}
}

// nextPiece returns how many of n bytes go next, and holds them back as the plan says.
func (r *Relay) nextPiece(s *stream, d direction, n int) int {
	b := s.body[d]
	if b.flow == nil || n == 0 {
		return n
	}
	size, hold, pause := b.flow.Piece(n, b.headed && b.asked == r.bursts)
	b.asked, b.headed = r.bursts, false
	if hold != nil {
		r.push(s, d, item{kind: itemGate, hold: hold, start: time.Now()})
	}
	if pause != nil {
		r.push(s, d, item{kind: itemGate, hold: pause})
	}
	return max(1, min(size, n))
}

// holdBlock holds the header block that is next back as the plan says. What has come in one
// burst is held back once.
func (r *Relay) holdBlock(s *stream, d direction) {
	b := s.body[d]
	if b == nil || b.flow == nil || b.asked == r.bursts {
		return
	}
	b.asked, b.headed = r.bursts, true
	if hold := b.flow.Block(); hold != nil {
		r.push(s, d, item{kind: itemGate, hold: hold})
	}
}

// alterTrailers handles the header block that ends a message.
func (r *Relay) alterTrailers(s *stream, d direction, m *message) {
	b := s.body[d]
	switch {
	case b.swallow:
		r.ways[d].encode()
		r.reap(s)
	case b.collecting:
		r.ways[d].encode()
		r.complete(s, d, append([]Field(nil), m.fields...))
	default:
		r.holdBlock(s, d)
		r.relayBlock(s, d, m, false)
	}
}

// complete sends on a message that was collected, with trailers if there are any.
func (r *Relay) complete(s *stream, d direction, trailers []Field) {
	b := s.body[d]
	b.collecting = false
	if b.edit != nil && b.edit.Whole != nil {
		b.fields, b.whole = b.edit.Whole(b.fields, b.whole)
	}
	content := b.whole
	b.whole = nil
	b.alterPiece(content)
	n, cut := b.takeWhole(content)
	content = content[:n]
	s.headed = s.headed || d == toClient
	bare := len(content) == 0 && trailers == nil && !cut
	r.holdBlock(s, d)
	r.push(s, d, item{kind: itemBlock, fields: b.fields, end: bare})
	if bare || s.gone {
		return
	}
	r.pushBody(s, d, content, trailers == nil && !cut)
	switch {
	case s.gone:
	case cut:
		r.cutOff(s, d)
	case trailers != nil:
		r.push(s, d, item{kind: itemBlock, fields: trailers, end: true})
	}
}

// alterPiece changes a piece of the body in place.
func (b *body) alterPiece(piece []byte) {
	if b.edit != nil && b.edit.Data != nil {
		b.edit.Data(piece)
	}
}

// cutting reports whether the plan still cuts the message.
func (b *body) cutting() bool {
	if b.cut != nil && b.cut.On != nil && !b.cut.On() {
		b.cut, b.left, b.messages = nil, -1, -1
	}
	return b.cut != nil
}

// giveUp sends on a message that is too long to be collected, as it is.
func (r *Relay) giveUp(s *stream, d direction) {
	b := s.body[d]
	b.collecting = false
	if b.edit != nil && b.edit.Head != nil {
		b.fields = b.edit.Head(b.fields)
	}
	s.headed = s.headed || d == toClient
	r.holdBlock(s, d)
	r.push(s, d, item{kind: itemBlock, fields: b.fields})
	if s.gone {
		return
	}
	content := b.whole
	b.whole = nil
	b.alterPiece(content)
	n, cut := b.takeWhole(content)
	r.pushBody(s, d, content[:n], false)
	if cut && !s.gone {
		r.cutOff(s, d)
	}
}
