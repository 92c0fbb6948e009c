package proxy

import (
	"time"

	"starquake/chaos"
	"starquake/chaos/proxy/ws"
)

// handshake is the request that a WebSocket began with, in a copy for one way.
type handshake struct {
	req  chaos.Request
	what string // for the log of hits
}

func newHandshake(r *chaos.Request) handshake {
	req := *cloneRequest(r)
	return handshake{req, "WS " + string(req.Target[:min(len(req.Target), hitsRequest)])}
}

// socketMessage is what the faults do to one message of a WebSocket, from when its
// first frame has come.
type socketMessage struct {
	f   *frames
	way direction
	// fixed: it can be neither changed nor left out, see frames.
	fixed bool

	passes limitsPassed
	fates  []fate
	delays []delay
	// end ends the connection in its place; close closes it, after the message if
	// after is set and in its place otherwise.
	end   ending
	close *socketClose
	after bool
	// drop leaves it out, alters change it, and it is sent once more for each of copies.
	drop   bool
	dropBy *active
	alters []messageAlter
	copies []*active // by whom

	// first is the head of the first frame, and offset how much of the message came.
	first  ws.Head
	offset int64
	// cut is how much of the payload of the frame at hand still passes.
	cut int64
	// sent is what has been sent of it, for copies; raw what was not sent yet, and
	// payload its content unmasked, if it is unpacked to be altered.
	sent, raw, payload []byte
	unpack             bool
}

// messageAlter changes a message.
type messageAlter struct {
	by *active
	n  uint64
	c  *chaos.Corrupt
}

// keep returns how much of n bytes passes, and counts the others.
func (a *messageAlter) keep(n int64) int64 {
	kept := a.c.Keep(n)
	a.by.dropped.Add(uint64(n - kept))
	return kept
}

// answered reports whether the message is not what happens.
func (m *socketMessage) answered() bool { return m.end != endNever || m.close != nil && !m.after }

// meetMessage asks the faults about the message that begins with a frame of that head. nil
// lets it pass.
func (s *socket) meetMessage(head ws.Head) *socketMessage {
	m := s.spare
	if m == nil {
		m = new(socketMessage)
	}
	s.spare = nil
	*m = socketMessage{f: s.f, way: s.way, first: head, fixed: s.f.fixed(s.way, head.Reserved)}
	now := time.Now()
	touched := false
	rank := rankConnection
	for _, a := range s.plan {
		if m.answered() && a.row.rank != rank {
			break
		}
		rank = a.row.rank
		h := hit{by: a, c: s.c, now: now, elapsed: a.clock.Load().elapsed(now), req: &s.request.req}
		if !a.fault.ActiveAt(h.elapsed) || a.acts.awaits != nil && a.acts.awaits(m, &h) {
			continue
		}
		var drawn bool
		if h.n, drawn = a.meets(h.elapsed); !drawn {
			continue
		}
		before := len(m.delays)
		did := a.acts.message != nil && a.acts.message(m, &h)
		if a.acts.fate != nil {
			m.fates = append(m.fates, a.fateOf(&h))
			did = true
		}
		for i := before; i < len(m.delays); i++ {
			m.delays[i].what = s.request.what
		}
		if did {
			s.count(&h)
		}
		touched = touched || did || m.close != nil
	}
	if !touched {
		s.spare = m
		return nil
	}
	m.unpack = len(m.alters) > 0 && !m.drop && m.first.Reserved&ws.Compressed != 0
	return m
}

// began handles a frame whose head is whole.
func (s *socket) began() bool {
	head := &s.scan.Head
	if s.headSent > 0 { // a part of it has passed
		s.out = append(s.out, s.scan.Raw()[s.headSent:]...)
		s.headSent = 0
		return true
	}
	if head.Op.IsControl() {
		s.out = append(s.out, s.scan.Raw()...)
		return true
	}
	if head.Op != ws.Continuation {
		if s.msg, s.ahead = s.ahead, nil; s.msg == nil {
			s.msg = s.meetMessage(*head)
		}
		if s.msg != nil && !s.enter() {
			return false
		}
	}
	m := s.msg
	switch {
	case m == nil:
		s.out = append(s.out, s.scan.Raw()...)
	case m.drop || m.answered():
	case m.unpack:
		m.raw = append(m.raw, s.scan.Raw()...)
	default:
		m.cut = head.Length
		for _, a := range m.alters {
			m.cut = a.keep(m.cut)
		}
		short := *head
		if short.Length = m.cut; short == *head {
			s.emit(s.scan.Raw()) // as it came
		} else {
			s.emit(short.Append(nil))
		}
	}
	return true
}

// enter lets the faults hold the message that begins, or end the connection.
func (s *socket) enter() bool {
	m := s.msg
	if len(m.fates)+len(m.delays) > 0 || m.answered() {
		if !s.flush() {
			return false
		}
	}
	if len(m.fates) > 0 {
		s.c.strikeSocket(m.fates)
		if !s.pass() {
			return false
		}
	}
	switch {
	case m.end != endNever:
		s.c.end(m.end)
		return false
	case m.close != nil && !m.after:
		s.askClose(m.close)
		return true // closeIfAsked comes next
	}
	if !m.drop {
		s.delays = m.delays
	}
	return true
}

// emit adds b, which belongs to the message at hand, to what goes on.
func (s *socket) emit(b []byte) {
	s.out = append(s.out, b...)
	s.msg.record(b)
}

// record keeps b for copies of the message. One that is too long is not copied.
func (m *socketMessage) record(b []byte) {
	if len(m.copies) == 0 {
		return
	}
	if len(m.sent)+len(b) > maxEdit {
		for _, by := range m.copies {
			by.inapplicable.Add(1)
		}
		m.copies, m.sent = nil, nil
		return
	}
	m.sent = append(m.sent, b...)
}

// payload handles a part of the payload of the frame at hand.
func (s *socket) payload(b []byte) {
	head, m := &s.scan.Head, s.msg
	if m == nil || head.Op.IsControl() {
		s.out = append(s.out, b...)
		return
	}
	offset := m.offset
	m.offset += int64(len(b))
	switch {
	case m.drop:
		m.dropBy.dropped.Add(uint64(len(b)))
	case m.answered():
	case m.unpack:
		m.raw = append(m.raw, b...)
		at := len(m.payload)
		m.payload = append(m.payload, b...)
		if head.Masked {
			ws.Mask(head.Key, s.scan.Offset-int64(len(b)), m.payload[at:])
		}
		if len(m.raw) > maxEdit { // too long to be changed
			m.unaltered()
			m.unpack, m.alters = false, nil
			m.cut = head.Length - s.scan.Offset
			s.emit(m.raw)
			m.raw, m.payload = nil, nil
		}
	default:
		b = b[:min(int64(len(b)), m.cut)]
		m.cut -= int64(len(b))
		at := len(s.out)
		s.out = append(s.out, b...)
		total := int64(-1)
		if m.first.Fin {
			total = m.first.Length
		}
		for _, a := range m.alters {
			a.c.Apply(a.by.draws, a.n, offset, total, s.out[at:]) // which commutes with masking
		}
		m.record(s.out[at:])
	}
}

// ended handles the end of a frame.
func (s *socket) ended() bool {
	m := s.msg
	if m == nil || s.scan.Head.Op.IsControl() || !s.scan.Head.Fin {
		return true
	}
	if m.unpack {
		s.emit(m.repack())
	}
	for range m.copies {
		s.out = append(s.out, m.sent...)
	}
	s.msg = nil
	if m.close == nil || !m.after {
		return true
	}
	if !s.flush() {
		return false
	}
	s.askClose(m.close)
	return true
}

// unaltered counts a message that cannot be unpacked, or is too long for it: it passes.
func (m *socketMessage) unaltered() {
	for _, a := range m.alters {
		a.by.inapplicable.Add(1)
	}
}

// repack returns the frames of a message that was unpacked, altered: as one that is not
// compressed, which any may be.
func (m *socketMessage) repack() []byte {
	text, err := ws.Inflate(m.payload, maxEdit)
	if err != nil {
		m.unaltered()
		return m.raw
	}
	for _, a := range m.alters {
		a.c.Apply(a.by.draws, a.n, 0, int64(len(text)), text)
		text = text[:a.keep(int64(len(text)))]
	}
	head := m.first
	head.Fin, head.Reserved, head.Length = true, head.Reserved&^ws.Compressed, int64(len(text))
	if head.Masked {
		ws.Mask(head.Key, 0, text)
	}
	return append(head.Append(nil), text...)
}
