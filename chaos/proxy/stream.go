package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// serveStream relays a connection that is not parsed, from the client's side.
func (c *conn) serveStream(in *reader) {
	l := c.connect()
	<-l.dialed
	if l.err != nil {
		c.p.config.Logger.Warn("cannot reach the upstream", "proxy", c.p.config.Name, "upstream", c.p.config.Upstream, "error", l.err)
		return
	}
	c.lastByte.Store(time.Now().UnixNano())
	c.relay(l.up, in, toUpstream, nil)
}

// meeting is what one fault drew for one connection.
type meeting struct {
	n   uint64
	hit bool
}

// streamHit is a fault that acts on a stream.
type streamHit struct {
	*active
	n uint64 // the connection's number for the fault
}

// meet returns the faults of snap that act on this connection's chunks on a way. Each
// fault draws once for a connection, when it first meets it.
func (c *conn) meet(snap *snapshot, way direction) []streamHit {
	if len(snap.order) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tunnel {
		return nil // faults of streams end where a parsed protocol hands over
	}
	for a := range c.met {
		if a.gone.Load() {
			delete(c.met, a)
		}
	}
	if c.met == nil {
		c.met = make(map[*Applied]meeting)
	}
	var hits []streamHit
	for _, a := range snap.order {
		m, known := c.met[a.Applied]
		if !known {
			m = a.meetStream()
			c.met[a.Applied] = m
		}
		if m.hit && a.acts.ways[way] {
			hits = append(hits, streamHit{a, m.n})
		}
	}
	return hits
}

// meetStream draws for a connection that is not parsed.
func (a *active) meetStream() (m meeting) {
	if a.acts.chunk == nil || a.matcher.Parsed() {
		a.inapplicable.Add(1)
		return m
	}
	m.n, m.hit = a.meets(a.clock.Load().elapsed(time.Now()))
	if m.hit {
		a.hit.Add(1)
	}
	return m
}

// stream is one way of a connection that is relayed chunk by chunk.
type stream struct {
	c        *conn
	dst, src *net.TCPConn
	way      direction
	snap     *snapshot
	hits     []streamHit // of snap
	chunks   uint64
	line     *line // nil while nothing is delayed
	// bulk is how much came without a pause, last when the last of it did.
	bulk int64
	last time.Time
}

const (
	// spliceAfter is how much comes without a pause before the kernel relays: below
	// that, its pipe costs more than it saves.
	spliceAfter = 256 << 10
	// splicePause is a pause.
	splicePause = 5 * time.Millisecond
	// spliceUnit is how much the kernel relays before it is counted.
	spliceUnit = 1 << 20
)

// relay moves bytes from in to dst until in ends, and then ends dst on that way. err is
// that of the last fill of in, whose bytes go first. An error cuts the connection.
func (c *conn) relay(dst *net.TCPConn, in *reader, way direction, err error) {
	s := &stream{c: c, dst: dst, src: in.src, way: way}
	s.refresh()
	if first := in.bytes(); len(first) > 0 && !s.chunk(first) {
		err = net.ErrClosed
	}
	for err == nil {
		if s.bulk >= spliceAfter && s.line == nil && len(s.hits) == 0 {
			err = s.splice()
			continue
		}
		var n int
		n, err = s.src.Read(in.buf)
		if n > 0 && !s.chunk(in.buf[:n]) {
			err = net.ErrClosed
		}
	}
	s.end(err)
}

// refresh looks whether the faults have changed.
func (s *stream) refresh() {
	if snap := s.c.p.faults.Load(); snap != s.snap {
		s.snap, s.hits = snap, s.c.meet(snap, s.way)
	}
}

// chunk sends b on, at once or later, and reports whether the stream goes on.
func (s *stream) chunk(b []byte) bool {
	now := time.Now()
	s.moved(int64(len(b)), now)
	s.refresh()
	if s.line != nil && len(s.hits) == 0 && s.line.empty() {
		s.line.end()
		s.line = nil
	}
	if s.line == nil {
		if len(s.hits) == 0 {
			_, err := s.dst.Write(b)
			return err == nil
		}
		s.line = newLine(s.c, s.dst)
	}
	return s.line.push(b, now, s.delays(now), false)
}

// moved counts bytes.
func (s *stream) moved(n int64, now time.Time) {
	if now.Sub(s.last) > splicePause {
		s.bulk = 0
	}
	s.bulk += n
	s.last = now
	s.c.lastByte.Store(now.UnixNano())
	slot := s.c.p.window.at(now)
	if s.way == toUpstream {
		slot.bytesIn.Add(uint64(n))
	} else {
		slot.bytesOut.Add(uint64(n))
	}
}

// delays returns what the faults add to the next chunk.
func (s *stream) delays(now time.Time) []delay {
	var delays []delay
	for _, h := range s.hits {
		elapsed := h.clock.Load().elapsed(now)
		if !h.fault.ActiveAt(elapsed) {
			continue
		}
		n := h.n<<32 | s.chunks<<1&(1<<32-1) | uint64(s.way)
		if d := h.acts.chunk(h.active, n, elapsed); d > 0 {
			delays = append(delays, delay{h.active, d})
		}
	}
	s.chunks++
	return delays
}

// splice lets the kernel relay one unit. It comes back early when the source ends or
// the faults change: kick sets a read deadline that has passed, after which no byte is
// lost, since what was read has been written.
func (s *stream) splice() error {
	s.c.mu.Lock()
	if s.c.p.faults.Load() != s.snap {
		s.c.mu.Unlock()
		s.refresh()
		return nil
	}
	s.c.splicing[s.way] = true
	s.c.mu.Unlock()

	n, err := io.CopyN(s.dst, s.src, spliceUnit)

	s.c.mu.Lock()
	s.c.splicing[s.way] = false
	if errors.Is(err, os.ErrDeadlineExceeded) && s.c.ctx.Err() == nil {
		err = nil
	}
	if derr := s.src.SetReadDeadline(time.Time{}); err == nil {
		err = derr
	}
	s.c.mu.Unlock()
	s.moved(n, time.Now())
	s.refresh()
	return err
}

// end passes the end of the source on, after all that is still on its way.
func (s *stream) end(err error) {
	s.refresh()
	if errors.Is(err, io.EOF) {
		if s.line == nil && len(s.hits) > 0 {
			s.line = newLine(s.c, s.dst)
		}
		if s.line == nil {
			err = s.dst.CloseWrite()
		} else {
			now := time.Now()
			s.line.push(nil, now, s.delays(now), true)
			err = nil
		}
	}
	if s.line != nil {
		if err != nil {
			s.c.cut()
		}
		s.line.end()
	}
	if err == nil {
		return
	}
	if errors.Is(err, syscall.ECONNRESET) {
		_ = s.dst.SetLinger(0) // a reset is passed on as one
	}
	s.c.cut()
}
