package h2

import (
	"net"
)

// sink is what is to be written to one side. Everything in it is guarded by the relay's
// lock, which is given up only while the connection writes; who finds another writing
// leaves its frames to that one.
type sink struct {
	conn net.Conn
	// buf is written before tail. spare is the memory of the buffer written before.
	buf, spare []byte
	// tail are frames of the read buffer of the way that leads here. They are written
	// from there if nothing comes between.
	tail []byte
	// writing: a goroutine is writing, and will go on until buf is empty.
	writing bool
	// corked: nothing is written yet, because the first frame has to be one that has not
	// come: the upstream's SETTINGS.
	corked bool
	// shut: nothing is written any more.
	shut bool
}

const (
	// sinkHigh is from where on those who may wait do so before they add more.
	sinkHigh = 256 << 10
	// sinkMost is what those who may not wait can make of it; then the connection ends.
	sinkMost = 4 << 20
	// keepBuffer is the greatest buffer that is kept for the next write.
	keepBuffer = 64 << 10
)

// pass adds frames that stay valid until the next flush by the way that leads here.
func (s *sink) pass(f []byte) {
	if n := len(s.tail); n > 0 && cap(s.tail) > n && &s.tail[:n+1][n] == &f[0] {
		s.tail = s.tail[:n+len(f)]
		return
	}
	s.spill()
	s.tail = f
}

// spill copies tail, since something comes behind it that is not beside it.
func (s *sink) spill() {
	if len(s.tail) > 0 {
		s.buf = append(s.buf, s.tail...)
		s.tail = nil
	}
}

// add returns the buffer to append frames to; the caller assigns it to buf.
func (s *sink) add() []byte {
	s.spill()
	return s.buf
}

// full reports whether those who can wait should.
func (s *sink) full() bool { return len(s.buf) >= sinkHigh && !s.shut }

// flush writes what is there. The relay's lock is held, and given up meanwhile.
func (r *Relay) flush(s *sink) {
	if len(s.buf) == 0 && len(s.tail) == 0 {
		return
	}
	if s.shut {
		s.buf, s.tail = nil, nil
		return
	}
	if s.writing || s.corked {
		s.spill()
		return
	}
	s.writing = true
	for !s.shut && (len(s.buf) > 0 || len(s.tail) > 0) {
		b, borrowed := s.tail, true
		if len(s.buf) > 0 {
			s.spill()
			b, borrowed = s.buf, false
			s.buf, s.spare = s.spare[:0], nil
		}
		s.tail = nil
		r.mu.Unlock()
		_, err := s.conn.Write(b)
		r.mu.Lock()
		if !borrowed && cap(b) <= keepBuffer {
			s.spare = b[:0]
		}
		if err != nil {
			r.writeFailed(s, err)
		}
		r.cond.Broadcast()
	}
	s.writing = false
	r.cond.Broadcast()
}

// uncork lets the sink write, first f.
func (s *sink) uncork(f []byte) {
	s.corked = false
	s.buf = append(append([]byte(nil), f...), s.buf...)
}

// shutDown makes the sink swallow all that is still added.
func (s *sink) shutDown() { s.shut, s.buf, s.tail = true, nil, nil }
