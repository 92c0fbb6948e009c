package proxy

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"starquake/chaos"
)

// flow is what the faults do to the bytes of one way: of a connection that is not
// parsed, or of one request or response. The zero flow lets them pass.
type flow struct {
	way direction
	// delays hold a chunk back; on a stream others are on their way meanwhile.
	delays []chunkDelay
	// paces limit the speed: the lowest wins.
	paces []pace
	// edits change bytes without changing how many they are.
	edits []byteEdit
	// keeps lets the beginning of each chunk pass only.
	keeps []keepPart
	// slices cut chunks small.
	slices []slice
	// limits end the connection after so much: the lowest wins.
	limits []*limit

	chunks, pieces uint64 // that have passed
	offset, total  int64  // bytes of content that have been edited, and -1 or all there are
}

// chunkDelay returns by how much the n-th chunk of the way is held back.
type chunkDelay struct {
	by   *active
	wait func(n uint64, elapsed time.Duration) time.Duration
	// bulky: chunks may be as large as they come. Of what is lost that would be too much.
	bulky bool
}

// pace limits the speed to a rate in bytes per second.
type pace struct {
	by    *active
	rate  func(elapsed time.Duration) float64
	pacer *chaos.Pacer
}

// byteEdit changes b, which begins at offset of total bytes; total is -1 if not known.
type byteEdit struct {
	by   *active
	edit func(b []byte, offset, total int64)
}

// keepPart returns how many of the bytes of a chunk pass.
type keepPart struct {
	by   *active
	keep func(total int64) int64
}

// slice returns the size of the next piece and the pause before it.
type slice struct {
	by   *active
	next func(n uint64, elapsed time.Duration) (size int, pause time.Duration)
}

// limit is how many bytes may pass. Both ways of a connection may share one.
type limit struct {
	by   *active
	left atomic.Int64
}

// size counts what is done.
func (f *flow) size() int {
	return len(f.delays) + len(f.paces) + len(f.edits) + len(f.keeps) + len(f.slices) + len(f.limits)
}

// holds reports whether bytes are at most held back, in chunks of any size: then the
// kernel can hold them.
func (f *flow) holds() bool {
	for i := range f.delays {
		if !f.delays[i].bulky {
			return false
		}
	}
	return f.size() == len(f.delays)
}

// writes reports whether sending differs from a plain write.
func (f *flow) writes() bool {
	return len(f.paces)+len(f.slices)+len(f.limits) > 0
}

// state returns the time on a fault's clock, and whether the fault is on.
func (a *active) state(now time.Time) (elapsed time.Duration, on bool) {
	if a.off.Load() {
		return 0, false
	}
	elapsed = a.clock.Load().elapsed(now)
	return elapsed, a.fault.ActiveAt(elapsed)
}

// alter edits content in place.
func (f *flow) alter(b []byte) {
	now := time.Now()
	for i := range f.edits {
		e := &f.edits[i]
		if _, on := e.by.state(now); on {
			e.edit(b, f.offset, f.total)
		}
	}
	f.offset += int64(len(b))
}

// due returns the delays of the next chunk.
func (f *flow) due(now time.Time) []delay {
	var delays []delay
	for i := range f.delays {
		d := &f.delays[i]
		elapsed, on := d.by.state(now)
		if !on {
			continue
		}
		if wait := d.wait(f.chunks, elapsed); wait > 0 {
			delays = append(delays, delay{by: d.by, d: wait})
		}
	}
	f.chunks++
	return delays
}

// roomTime is for how long what waits in a line may keep it busy.
const roomTime = 100 * time.Millisecond

// room returns how much may wait in a line: of one whose speed is limited what passes
// in roomTime and in the delays, or its sender would learn late that it is slow.
func (f *flow) room(now time.Time, delays []delay) int {
	lag := due(now, delays).Sub(now) + roomTime
	room := lineMost
	for i := range f.paces {
		p := &f.paces[i]
		if elapsed, on := p.by.state(now); on {
			room = min(room, max(chunkCost, int(p.rate(elapsed)*lag.Seconds())))
		}
	}
	return room
}

// errLimit ends a way that a limit has cut off.
var errLimit = errors.New("a fault has limited how much passes")

// send writes b to dst as the faults want. f may be nil.
func (c *conn) send(f *flow, dst io.Writer, b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	if f == nil || !f.writes() {
		return dst.Write(b)
	}
	b, over := f.within(b)
	for len(b) > 0 {
		now := time.Now()
		size, pauses, delays := f.piece(now, len(b))
		delays = append(delays, pauses...)
		if len(delays) > 0 && !c.hold(now, delays) {
			return n, net.ErrClosed
		}
		k, err := dst.Write(b[:size])
		n += k
		if err != nil {
			return n, err
		}
		b = b[size:]
	}
	if over != nil {
		return n, errLimit
	}
	return n, nil
}

// sendBody writes a chunk of a body to dst, after what holds it back.
func (c *conn) sendBody(f *flow, dst io.Writer, b []byte) (n int, err error) {
	if f == nil || len(b) == 0 {
		return c.send(f, dst, b)
	}
	now := time.Now()
	if delays := f.due(now); len(delays) > 0 {
		for i := range delays {
			delays[i].by.delayed.Add(uint64(len(b)))
		}
		held := c.hold
		if f.way == toUpstream {
			held = c.holdRequest
		}
		if !held(now, delays) {
			return 0, net.ErrClosed
		}
	}
	return c.send(f, dst, b)
}

// within cuts off what a limit does not let pass, and returns the limit that did.
func (f *flow) within(b []byte) ([]byte, *limit) {
	var over *limit
	whole := len(b)
	now := time.Now()
	for _, l := range f.limits {
		if _, on := l.by.state(now); !on {
			continue
		}
		if left := l.left.Load(); int64(len(b)) >= left {
			b, over = b[:max(0, left)], l
		}
	}
	for _, l := range f.limits {
		l.left.Add(-int64(len(b)))
	}
	if over != nil {
		over.by.dropped.Add(uint64(whole - len(b)))
	}
	return b, over
}

// piece returns how many of n bytes go next, and what holds them back: pauses from when
// the piece before has gone, delays from now.
func (f *flow) piece(now time.Time, n int) (size int, pauses, delays []delay) {
	size = n
	for i := range f.slices {
		s := &f.slices[i]
		if elapsed, on := s.by.state(now); on {
			most, pause := s.next(f.pieces, elapsed)
			size = max(1, min(size, most))
			if pause > 0 {
				pauses = append(pauses, delay{by: s.by, d: pause})
			}
		}
	}
	f.pieces++
	for i := range f.paces {
		p := &f.paces[i]
		if elapsed, on := p.by.state(now); on {
			size = min(size, chaos.Piece(p.rate(elapsed)))
		}
	}
	// The slowest says how long: the others' time passes meanwhile.
	var longest delay
	for i := range f.paces {
		p := &f.paces[i]
		if elapsed, on := p.by.state(now); on {
			if wait := p.pacer.Take(size, p.rate(elapsed), now); wait > longest.d {
				longest = delay{by: p.by, d: wait, paced: true}
			}
		}
	}
	if longest.d > 0 {
		delays = append(delays, longest)
	}
	return size, pauses, delays
}

// kept returns what passes of a chunk.
func (f *flow) kept(b []byte) []byte {
	now := time.Now()
	for i := range f.keeps {
		k := &f.keeps[i]
		if _, on := k.by.state(now); on {
			n := k.keep(int64(len(b)))
			k.by.dropped.Add(uint64(int64(len(b)) - n))
			b = b[:n]
		}
	}
	return b
}
