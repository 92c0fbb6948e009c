package proxy

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"starquake/chaos/proxy/ws"
)

// frames is what both ways of a WebSocket connection share.
type frames struct {
	agreed ws.Agreement
	// fates are those that messages have met, guarded by conn.mu; struck counts them.
	fates  []fate
	struck atomic.Uint32
	// met is the generation of the faults that have acted on the connection as one that
	// was open when they went on. Guarded by conn.mu.
	met uint64
	// closes is set once a message has met a fault that closes the connection, and closing
	// once that is to be done.
	closes  atomic.Bool
	closing atomic.Pointer[socketClose]
}

// relaysFrames reports whether WebSocket connections are relayed frame by frame. On
// targets of another declared protocol they are streams: none of their faults is one
// that knows messages.
func (p *Proxy) relaysFrames() bool {
	return p.config.Protocol == "ws" || p.config.Protocol == "auto"
}

// asksForWebSocket reports whether a request asks to speak WebSocket from then on.
func asksForWebSocket(h *head) bool {
	if !h.upgrade || string(h.method) != http.MethodGet {
		return false
	}
	for _, value := range fieldValues(h.lines, "Upgrade") {
		if strings.EqualFold(value, "websocket") {
			return true
		}
	}
	return false
}

// fieldValues returns the values of all fields of a name.
func fieldValues(lines []byte, name string) (values []string) {
	for line := range bytes.SplitSeq(lines, []byte("\r\n")) {
		if isField(line, name) {
			values = append(values, string(bytes.Trim(line[len(name)+1:], " \t")))
		}
	}
	return values
}

// offer sees to it that messages of a WebSocket that faults may change or leave out
// stand for themselves, by changing what the client offers: on a target that is
// declared to speak WebSocket always, since such a fault may come later, otherwise if
// one is on that fits. It returns v, or a new verdict if there was none, and whether
// the offer was changed.
func (c *conn) offer(v *verdict, h *head) (*verdict, bool) {
	values := fieldValues(h.lines, ws.Field)
	c.request(h)
	if len(values) == 0 || c.p.config.Protocol != "ws" && !c.mayEdit() {
		return v, false
	}
	v = v.orNew()
	text := ws.Offer(values)
	v.edits[toUpstream] = append(v.edits[toUpstream], edit{head: func(m *message) {
		m.remove(ws.Field)
		if text != "" {
			m.set(ws.Field, text)
		}
	}})
	return v, true
}

// mayEdit reports whether a fault is on that may change messages of the WebSocket that
// the request at hand asks for.
func (c *conn) mayEdit() bool {
	for _, a := range c.p.faults.Load().order {
		if a.acts.editsMessages && a.matcher.Fits(&c.req) && !a.spares(c) {
			return true
		}
	}
	return false
}

// agree looks at the answer to a request for WebSocket, and returns the head that the
// client gets.
func (c *conn) agree(text []byte, p *pending) []byte {
	if !p.socket {
		return text
	}
	var m message
	m.parse(text)
	lines := bytes.Join(m.lines, []byte("\r\n"))
	values := fieldValues(lines, ws.Field)
	if p.offered && len(values) > 0 {
		m.set(ws.Field, ws.Accept(values))
		values = fieldValues(bytes.Join(m.lines, []byte("\r\n")), ws.Field)
		_, text = m.encode(toClient)
	}
	c.mu.Lock()
	c.frames = &frames{agreed: ws.Agreed(values), met: p.gen}
	c.mu.Unlock()
	return text
}

// fixed reports whether a message of a way, whose first frame has these bits, can be
// neither changed nor left out.
func (f *frames) fixed(way direction, reserved byte) bool {
	if f.agreed.Opaque {
		return true
	}
	if reserved&ws.Compressed == 0 {
		return false
	}
	if way == toUpstream {
		return !f.agreed.ClientForgets
	}
	return !f.agreed.ServerForgets
}

// strikeSocket adds fates, which both ways meet from their next byte on.
func (c *conn) strikeSocket(fates []fate) {
	c.mu.Lock()
	c.frames.add(fates)
	c.mu.Unlock()
	for _, f := range fates {
		c.doom(f)
	}
}

// add has both ways meet fates. The caller holds conn.mu.
func (f *frames) add(fates []fate) {
	if len(fates) > 0 {
		f.fates = append(f.fates, fates...)
		f.struck.Add(1)
	}
}

// socketFates returns the fates that still may rule. The caller holds c.mu.
func (c *conn) socketFates() []fate {
	kept := c.frames.fates[:0]
	for _, f := range c.frames.fates {
		if !f.by.off.Load() {
			kept = append(kept, f)
		}
	}
	c.frames.fates = kept
	return append([]fate(nil), kept...)
}

// socket is one way of a WebSocket connection.
type socket struct {
	stream
	f    *frames
	scan ws.Scanner
	// plan is the faults of planned that meet messages of this way.
	plan    []*active
	planned *snapshot
	request handshake
	// msg is what the faults do to the message at hand; nil lets it pass. ahead is what they
	// do to the one that comes next, if they were asked already, and spare is for another.
	msg, ahead, spare *socketMessage
	// headSent is how much of the head at hand has been sent before it was whole.
	headSent int
	// out is what goes on next, after delays.
	out    []byte
	delays []delay
	// broken: what comes is no WebSocket, and passes as it is.
	broken bool
	// said: a fault has closed the connection, and its close frame was sent this way.
	said bool
}

// relayFrames relays one way of a WebSocket connection until it ends.
func (c *conn) relayFrames(f *frames, dst side, in *reader, way direction) {
	s := &socket{stream: stream{c: c, dst: dst, src: in.src, in: in, way: way, frames: f, out: writer{dst: dst}}, f: f}
	s.request = newHandshake(c.upgraded)
	s.refresh()
	s.replan()
	var by courier
	if splices(dst, in.src) {
		by = s
	}
	var err error
	ok := true
	for ok && err == nil {
		if len(in.bytes()) == 0 {
			err = c.fill(in, way, by)
			s.came(len(in.bytes()))
		}
		if err == errUnsent {
			ok, err = s.flush(), nil
			continue
		}
		if b := in.bytes(); len(b) > 0 {
			in.take(len(b)) // they stay where they are until fill
			ok = s.feed(b)
		} else if isTimeout(err) && c.woke(way) {
			ok, err = s.wake(), nil
		} else {
			// A side that has been told to close may end before the other way has
			// looked: who is there hears of the close all the same.
			ok = s.closeIfAsked(nil)
		}
	}
	if !ok {
		err = net.ErrClosed
	}
	if !s.said {
		s.end(err)
	}
}

// wake looks at the faults while nothing comes.
func (s *socket) wake() bool {
	if s.planned != s.c.p.faults.Load() {
		s.replan()
	}
	return s.pass() && s.closeIfAsked(nil)
}

// feed sends on what has come, as the faults want it.
func (s *socket) feed(b []byte) bool {
	if s.planned != s.c.p.faults.Load() {
		s.replan()
	}
	if s.broken {
		return s.send(b, nil)
	}
	if s.calm() {
		s.skip(b)
		return s.send(b, nil)
	}
	for more := true; more; {
		if !s.closeIfAsked(b) {
			return false
		}
		event, n, err := s.scan.Next(b)
		if err != nil {
			s.broken = true
			s.out = append(append(s.out, s.scan.Raw()[s.headSent:]...), b...)
			break
		}
		part := b[:n]
		b = b[n:]
		switch event {
		case ws.Began:
			if !s.began() {
				return false
			}
			continue // its payload may be empty
		case ws.Part, ws.Ended:
			s.payload(part)
			if event == ws.Ended && !s.ended() {
				return false
			}
		}
		more = len(b) > 0
	}
	return s.flush() && s.closeIfAsked(nil)
}

// came counts what has been read of a client, whose messages may be changed or left out.
func (s *socket) came(n int) {
	if s.way == toUpstream && n > 0 {
		s.moved(n, time.Now())
	}
}

// send sends b on after delays, and counts it if it goes to a client.
func (s *socket) send(b []byte, delays []delay) bool {
	now := time.Now()
	if s.way == toClient {
		s.moved(len(b), now)
	}
	return s.chunkAfter(b, delays, now)
}

// skip follows the frames of what passes as it is.
func (s *socket) skip(b []byte) {
	s.broken = s.scan.Skip(b) != nil
	s.headSent = 0
	if s.scan.InHead() {
		s.headSent = len(s.scan.Raw())
	}
}

// carry sends on what has come if nothing is done to it, see carry.go.
func (s *socket) carry(in *reader) error {
	snap := s.c.p.faults.Load()
	if s.planned != snap || s.snap != snap || s.struck != s.f.struck.Load() || s.broken || !s.untouched() {
		return nil
	}
	b, calm := in.bytes(), s.calm()
	if !calm {
		b = b[:s.look(b)]
	}
	if len(b) == 0 {
		return nil
	}
	n := s.stream.out.now(b)
	if calm {
		b = b[:n]
		s.skip(b)
	}
	in.take(len(b))
	moved := n
	if s.way == toUpstream { // see came
		moved = len(b)
	}
	s.moved(moved, time.Now())
	if !in.armed {
		s.c.mu.Lock()
		s.c.arm(in, s.way)
		s.c.mu.Unlock()
	}
	if n < len(b) {
		s.out = append(s.out, b[n:]...)
		return errUnsent
	}
	return nil
}

// errUnsent ends a wait: what has been looked at is to be sent.
var errUnsent = errors.New("there is something to be sent")

// look returns how much of b is whole frames that no fault does anything to, and goes past
// them. The faults have been asked about the message behind them if that is ahead.
func (s *socket) look(b []byte) (n int) {
	if !s.scan.AtRest() || s.msg != nil || s.ahead != nil || len(s.out) > 0 || s.f.closing.Load() != nil {
		return 0
	}
	for scan := s.scan; n < len(b); s.scan = scan {
		event, size, err := scan.Next(b[n:])
		if err != nil || event != ws.Began || scan.Head.Length > int64(len(b)-n-size) {
			return n
		}
		if !scan.Head.Op.IsControl() && scan.Head.Op != ws.Continuation {
			if s.ahead = s.meetMessage(scan.Head); s.ahead != nil {
				return n
			}
		}
		_, rest, _ := scan.Next(b[n+size:]) // the head was right, and all of its payload is there
		n += size + rest
	}
	return n
}

// calm reports whether what comes passes as it is, whatever it may be.
func (s *socket) calm() bool {
	return len(s.plan) == 0 && s.msg == nil && s.ahead == nil && s.f.closing.Load() == nil && (s.headSent > 0 || !s.scan.InHead())
}

// flush sends what is to go on.
func (s *socket) flush() bool {
	if len(s.out) == 0 {
		return true
	}
	ok := s.send(s.out, s.delays)
	s.out, s.delays = s.out[:0], nil
	if cap(s.out) > maxEdit || s.plan == nil {
		s.out = nil
	}
	return ok
}

// replan looks which faults meet messages from now on.
func (s *socket) replan() {
	c := s.c
	snap := c.p.faults.Load()
	s.planned, s.plan = snap, nil
	for _, a := range snap.order {
		if a.acts.meetsMessagesOf(s.way) && !a.spares(c) && a.matcher.Fits(&s.request.req) {
			s.plan = append(s.plan, a)
		}
	}
	s.strike(snap)
}

// strike lets faults act that act on connections that are open. The first way to see them
// does it for both, so that no byte of the other slips by.
func (s *socket) strike(snap *snapshot) {
	c := s.c
	var fates []fate
	c.mu.Lock()
	before := s.f.met
	s.f.met = max(before, snap.gen)
	for _, a := range snap.order {
		if a.acts.fate == nil || a.gen <= before || a.spares(c) || !a.matcher.Fits(&s.request.req) {
			continue
		}
		h := hit{by: a, c: c, now: time.Now(), req: &s.request.req}
		if h.elapsed = a.clock.Load().elapsed(h.now); !a.fault.ActiveAt(h.elapsed) {
			continue
		}
		var drawn bool
		if h.n, drawn = a.meets(h.elapsed); drawn {
			s.count(&h)
			fates = append(fates, a.fateOf(&h))
		}
	}
	s.f.add(fates)
	c.mu.Unlock()
	for _, f := range fates {
		c.doom(f)
	}
}

// count counts a hit and writes it down.
func (s *socket) count(h *hit) {
	h.by.strikes(s.c)
	if h.by.row.rank != rankLatency { // delays write themselves down when they are over
		s.c.p.hits.add(&Hit{At: h.now, Fault: h.by.id, Kind: h.by.fault.Kind, N: h.n, Request: s.request.what})
	}
}
