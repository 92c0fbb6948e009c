package proxy

import (
	"context"
	"sync"
	"time"
)

// What may wait in delay lines. With 256 MiB a line carries 2.6 GB/s at 100 ms; all
// lines of a proxy share a budget, and beyond that each has only the least.
const (
	lineMost   = 256 << 20
	lineLeast  = 64 << 10
	lineBudget = 320 << 20
	// chunkCost is what a chunk takes besides its bytes.
	chunkCost = 256
)

// line holds the chunks of one stream back, each for its own time, in their order. It
// does not sleep for each chunk: those that arrive together leave together, so that
// the throughput stays what it was.
type line struct {
	s    stream        // a view of its own: of the faults when a chunk leaves
	done chan struct{} // closed when the writer has ended

	mu     sync.Mutex
	cond   sync.Cond
	queue  []lineChunk
	size   int  // of the queue and of what is being written
	room   int  // how much may wait
	ended  bool // nothing is pushed any more
	broken bool // the connection is over
}

// lineChunk is a chunk and when it came; or the end of the stream.
type lineChunk struct {
	b      []byte
	pooled *[]byte // b is in it, unless it is nil
	held   *pipe   // with the bytes, in place of b; or nil
	at     time.Time
	delays []delay
	end    bool
}

// size is how many bytes the chunk still has.
func (chunk *lineChunk) size() int {
	if chunk.held != nil {
		return chunk.held.n
	}
	return len(chunk.b)
}

// release gives back what the chunk was kept in.
func (chunk *lineChunk) release(p *Proxy) {
	if chunk.pooled != nil {
		p.buffers.Put(chunk.pooled)
	}
	if chunk.held != nil {
		chunk.held.close()
	}
}

func newLine(s *stream) *line {
	l := &line{s: stream{c: s.c, dst: s.dst, src: s.src, out: writer{dst: s.dst}, way: s.way, snap: s.snap, met: s.met, frames: s.frames, struck: s.struck}, done: make(chan struct{})}
	l.s.met.flow.chunks = 0 // counted by the one who pushes
	l.cond.L = &l.mu
	go l.write()
	return l
}

// push adds a chunk, and waits while more than room is in the line. It returns false
// once the connection is over.
func (l *line) push(chunk lineChunk, room int) bool {
	for i := range chunk.delays {
		chunk.delays[i].by.delayed.Add(uint64(chunk.size()))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.room = room
	for l.size >= l.limit() && !l.broken {
		l.cond.Wait()
	}
	if l.broken {
		chunk.release(l.s.c.p)
		return false
	}
	l.queue = append(l.queue, chunk)
	l.grow(chunk.size() + chunkCost)
	l.cond.Broadcast()
	return true
}

func (l *line) limit() int {
	if l.s.c.p.queued.Load() > lineBudget {
		return lineLeast
	}
	return l.room
}

// left returns how much may be pushed without waiting.
func (l *line) left() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limit() - l.size
}

func (l *line) grow(n int) {
	l.size += n
	l.s.c.p.queued.Add(int64(n))
}

// empty reports whether all that was pushed has been written.
func (l *line) empty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size == 0
}

// end waits until all has been written, or the connection is over.
func (l *line) end() {
	l.mu.Lock()
	l.ended = true
	l.cond.Broadcast()
	l.mu.Unlock()
	<-l.done
}

// breakOff ends the line, since the connection is over.
func (l *line) breakOff() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = true
	l.cond.Broadcast()
}

// write sends the chunks when they are due.
func (l *line) write() {
	defer close(l.done)
	stop := context.AfterFunc(l.s.c.ctx, l.breakOff)
	defer stop()
	for {
		chunk, ok := l.next()
		if !ok {
			break
		}
		size := chunk.size()
		if !l.s.c.hold(chunk.at, chunk.delays) || !l.send(&chunk) {
			l.breakOff()
		}
		chunk.release(l.s.c.p)
		l.mu.Lock()
		l.grow(-size - chunkCost)
		l.cond.Broadcast()
		l.mu.Unlock()
	}
	l.mu.Lock()
	for i := range l.queue { // what was not sent
		l.queue[i].release(l.s.c.p)
	}
	l.queue = nil
	l.grow(-l.size)
	l.mu.Unlock()
}

// next takes the oldest chunk, waiting for one. It returns false at the end.
func (l *line) next() (lineChunk, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.ended && !l.broken {
		l.cond.Wait()
	}
	if len(l.queue) == 0 || l.broken {
		return lineChunk{}, false
	}
	chunk := l.queue[0]
	l.queue[0] = lineChunk{}
	l.queue = l.queue[1:]
	return chunk, true
}

// send writes a chunk that is due, as the faults that are on now want it.
func (l *line) send(chunk *lineChunk) bool {
	for s := &l.s; ; {
		if s.refresh(); len(s.met.fates) > 0 && !s.c.suffer(s.met.fates, nil) {
			return false
		}
		s.c.lastByte.Store(time.Now().UnixNano())
		if chunk.end {
			return s.finish() == nil
		}
		if chunk.held == nil {
			return l.sendBytes(chunk.b)
		}
		if !l.sendHeld(chunk.held) {
			return false
		}
		if chunk.held.n == 0 {
			return true
		}
	}
}

// sendBytes sends what is in memory.
func (l *line) sendBytes(b []byte) bool {
	s := &l.s
	s.met.flow.alter(b)
	_, err := s.c.send(&s.met.flow, &s.out, s.met.flow.kept(b))
	if err == errLimit {
		s.c.endGently()
	}
	s.pair(err)
	return err == nil
}

// sendHeld sends what the kernel has held, until the faults change; a buffer of it if by
// now more is done to it than that it waits.
func (l *line) sendHeld(held *pipe) bool {
	s := &l.s
	if s.met.flow.size() == len(s.met.flow.delays) {
		err := held.pour(socketOf(s.dst), &s.rush, func() bool { return s.c.p.faults.Load() == s.snap })
		s.pair(err)
		return err == nil
	}
	buffer := s.c.p.buffer()
	defer s.c.p.buffers.Put(buffer)
	n, err := held.Read(*buffer)
	return err == nil && l.sendBytes((*buffer)[:n])
}
