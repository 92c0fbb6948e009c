package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"time"
)

// serveStream relays a connection that is not parsed, from the client's side.
func (c *conn) serveStream(in *reader) {
	if !c.enterStream() {
		return
	}
	l := c.connect()
	<-l.dialed
	if l.err != nil {
		c.unreachable(l.err)
		return
	}
	c.lastByte.Store(time.Now().UnixNano())
	c.relay(l.up, in, toUpstream, nil)
}

// enterStream lets the faults act on a connection before its upstream is called. It
// reports whether the connection goes on.
func (c *conn) enterStream() bool {
	c.lastByte.Store(time.Now().UnixNano())
	snap := c.p.faults.Load()
	met := c.meet(snap, toUpstream)
	// Where the other way goes on the upstream is needed: relay lets this one hang.
	fates := slices.DeleteFunc(met.fates, func(f fate) bool { return f.oneWay() })
	return len(fates) == 0 || c.suffer(fates, c.watch)
}

// stream is one way of a connection that is relayed chunk by chunk.
type stream struct {
	c        *conn
	dst, src side
	in       *reader
	way      direction
	snap     *snapshot
	met      streamFaults // of snap
	frames   *frames      // of a WebSocket; met is of its struck fates too
	struck   uint32
	out      writer // to dst
	line     *line  // nil while nothing is delayed
	rush     rush   // of what the kernel relays
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
func (c *conn) relay(dst side, in *reader, way direction, err error) {
	s := &stream{c: c, dst: dst, src: in.src, in: in, way: way, out: writer{dst: dst}}
	s.refresh()
	if len(s.met.fates) > 0 && err == nil && !s.pass() {
		err = net.ErrClosed
	} else if first := in.bytes(); len(first) > 0 {
		in.take(len(first)) // they stay where they are until fill
		now := time.Now()
		if way == toClient { // what a client has sent by now is counted: see came
			s.moved(len(first), now)
		}
		if !s.chunkAfter(first, nil, now) {
			err = net.ErrClosed
		}
	}
	for err == nil {
		if s.bulk >= spliceAfter && splices(s.dst, s.src) {
			s.dropLine()
			if s.untouched() {
				in.release()
				err = s.splice()
				continue
			}
			var taken bool
			if taken, err = s.siphon(); taken || err != nil {
				continue
			}
		}
		err = in.fill()
		if b := in.bytes(); len(b) > 0 {
			in.take(len(b))
			if !s.chunk(b) {
				err = net.ErrClosed
			}
		} else if isTimeout(err) && c.woke(way) && s.pass() {
			err = nil
		}
	}
	s.end(err)
}

// untouched reports whether no fault does anything to this way.
func (s *stream) untouched() bool {
	return s.line == nil && s.met.flow.size() == 0 && len(s.met.fates) == 0
}

// refresh looks whether the faults have changed.
func (s *stream) refresh() {
	snap := s.c.p.faults.Load()
	struck := s.struck
	if s.frames != nil {
		struck = s.frames.struck.Load()
	}
	if snap != s.snap || struck != s.struck {
		s.snap, s.struck, s.met = snap, struck, s.c.meet(snap, s.way).after(&s.met)
	}
}

// after continues the counts of what was there before.
func (m streamFaults) after(old *streamFaults) streamFaults {
	m.flow.chunks, m.flow.pieces, m.flow.offset = old.flow.chunks, old.flow.pieces, old.flow.offset
	return m
}

// pass waits until the faults let anything pass, and reports whether the stream goes on.
func (s *stream) pass() bool {
	for s.refresh(); len(s.met.fates) > 0; s.refresh() {
		var held func(func() bool) func()
		if s.way == toUpstream {
			held = s.c.watch
		}
		before := s.snap
		if !s.c.suffer(s.met.fates, held) {
			return false
		}
		if s.c.p.faults.Load() == before {
			break
		}
	}
	return true
}

// chunk sends b on, at once or later, and reports whether the stream goes on.
func (s *stream) chunk(b []byte) bool {
	now := time.Now()
	s.moved(len(b), now)
	return s.chunkAfter(b, nil, now)
}

// chunkAfter is chunk of what is counted already, with delays besides those of the stream.
func (s *stream) chunkAfter(b []byte, more []delay, now time.Time) bool {
	if !s.pass() {
		return false
	}
	if len(more) == 0 {
		s.dropLine()
	}
	if s.line == nil {
		if s.met.flow.size()+len(more) == 0 {
			_, err := s.out.Write(b)
			s.pair(err)
			return err == nil
		}
		s.line = newLine(s)
	}
	delays := append(s.met.flow.due(now), more...)
	chunk := lineChunk{at: now, delays: delays}
	if chunk.pooled = s.in.detach(b); chunk.pooled != nil {
		chunk.b = b
	} else {
		chunk.b = bytes.Clone(b)
	}
	return s.line.push(chunk, s.met.flow.room(now, delays))
}

// dropLine ends the line if it is empty and nothing is to be delayed any more.
func (s *stream) dropLine() {
	if s.line != nil && s.met.flow.size() == 0 && s.line.empty() {
		s.line.end()
		s.line = nil
	}
}

// siphon has the kernel hold what has come, if there is much and all that happens to it
// is that it waits in the line. It reports whether it did.
func (s *stream) siphon() (bool, error) {
	if s.line == nil || len(s.met.fates) > 0 || !s.met.flow.holds() {
		return false, nil
	}
	held, err := s.c.p.pipes.siphon(socketOf(s.src), s.line.left())
	if held == nil {
		return false, err
	}
	now := time.Now()
	s.moved(held.n, now)
	if !s.pass() {
		held.close()
		return false, net.ErrClosed
	}
	delays := s.met.flow.due(now)
	if !s.line.push(lineChunk{held: held, at: now, delays: delays}, s.met.flow.room(now, delays)) {
		return false, net.ErrClosed
	}
	return true, nil
}

// moved counts bytes.
func (s *stream) moved(n int, now time.Time) {
	if now.Sub(s.last) > splicePause {
		s.bulk = 0
	}
	s.bulk += int64(n)
	s.last = now
	s.c.lastByte.Store(now.UnixNano())
	s.c.p.window.moved(now, s.way, n)
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

	n, err := spliceN(socketOf(s.dst), socketOf(s.src), spliceUnit, &s.rush)

	s.c.mu.Lock()
	s.c.splicing[s.way] = false
	s.c.mu.Unlock()
	s.moved(int(n), time.Now())
	if isTimeout(err) && s.c.woke(s.way) {
		err = nil
	}
	if !s.pass() {
		return net.ErrClosed
	}
	return err
}

// end passes the end of the source on, after all that is still on its way.
func (s *stream) end(err error) {
	s.refresh()
	if errors.Is(err, io.EOF) {
		err = s.endOfSource()
	}
	if err != nil && !s.c.over() {
		s.pair(err)
		s.c.cut()
	}
	if s.line != nil {
		s.line.end()
	}
}

// pair sees to it that a connection that one side has reset is reset on the other, too,
// when it is cut.
func (s *stream) pair(err error) {
	if errors.Is(err, syscall.ECONNRESET) {
		_, _ = s.dst.SetLinger(0), s.src.SetLinger(0)
	}
}

// resetPatience bounds how long the way that was told of a reset takes to cut the connection.
const resetPatience = time.Second

// endOfSource passes a FIN on when that is due. Of a reset the system tells one of those who use a connection:
// if that is the one who writes, the end that is read here is none.
func (s *stream) endOfSource() error {
	if writes := !s.c.finished[1-s.way].Load(); writes && toldOther(s.src) {
		select {
		case <-s.c.ctx.Done():
		case <-time.After(resetPatience):
		}
	}
	if s.c.ctx.Err() != nil { // it is cut, which may be how its source came to its end
		return net.ErrClosed
	}
	if s.way == toUpstream {
		now := time.Now()
		hangs, _ := next(s.met.fates, now)
		far, _ := next(s.met.far, now)
		if hangs || far {
			return errLeft
		}
	}
	if !s.pass() {
		return net.ErrClosed
	}
	now := time.Now()
	delays := append(s.met.flow.due(now), s.c.closeDelays(now, s.way)...)
	if s.line == nil && len(delays) > 0 {
		s.line = newLine(s)
	}
	if s.line == nil {
		return s.finish()
	}
	s.line.push(lineChunk{at: now, delays: delays, end: true}, lineMost)
	return nil
}

// finish passes a FIN on.
func (s *stream) finish() error {
	s.c.finished[s.way].Store(true)
	return s.dst.CloseWrite()
}

// errLeft ends a connection whose client leaves while a fault lets nothing pass.
var errLeft = errors.New("the client has left")

// closeDelays returns by how much the end of a way of the connection is held back. Each
// end is a draw of its own.
func (c *conn) closeDelays(now time.Time, way direction) []delay {
	var delays []delay
	for _, a := range c.p.faults.Load().order {
		if a.acts.closing == nil || a.acts.lets[way] || !a.matcher.FitsConn(c.source) {
			continue
		}
		h := hit{by: a, c: c, now: now, elapsed: a.clock.Load().elapsed(now)}
		if !a.fault.ActiveAt(h.elapsed) {
			continue
		}
		var drawn bool
		if h.n, drawn = a.meets(h.elapsed); drawn {
			a.strikes(c)
			delays = append(delays, delay{by: a, d: a.acts.closing(&h), n: h.n, what: "close"})
			c.felt.Add(1)
		}
	}
	return delays
}
