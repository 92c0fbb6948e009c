package proxy

import (
	"context"
	"net"
	"sync"
	"time"
)

// What may wait in delay lines. With 16 MiB a line carries 160 MB/s at 100 ms; all
// lines of a proxy share a budget, and beyond that each has only the least.
const (
	lineMost   = 16 << 20
	lineLeast  = 64 << 10
	lineBudget = 256 << 20
	// chunkCost is what a chunk takes besides its bytes.
	chunkCost = 256
)

// line holds the chunks of one stream back, each for its own time, in their order. It
// does not sleep for each chunk: those that arrive together leave together, so that
// the throughput stays what it was.
type line struct {
	c    *conn
	dst  *net.TCPConn
	done chan struct{} // closed when the writer has ended

	mu     sync.Mutex
	cond   *sync.Cond
	queue  []lineChunk
	size   int  // of the queue and of what is being written
	ended  bool // nothing is pushed any more
	broken bool // the connection is over
}

// lineChunk is a chunk and when it came; or the end of the stream.
type lineChunk struct {
	b      []byte
	at     time.Time
	delays []delay
	end    bool
}

func newLine(c *conn, dst *net.TCPConn) *line {
	l := &line{c: c, dst: dst, done: make(chan struct{})}
	l.cond = sync.NewCond(&l.mu)
	go l.write()
	return l
}

// push adds a copy of b, or the end, and waits while the line is full. It returns
// false once the connection is over.
func (l *line) push(b []byte, at time.Time, delays []delay, end bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.size >= l.limit() && !l.broken {
		l.cond.Wait()
	}
	if l.broken {
		return false
	}
	l.queue = append(l.queue, lineChunk{append([]byte(nil), b...), at, delays, end})
	l.grow(len(b) + chunkCost)
	l.cond.Broadcast()
	return true
}

func (l *line) limit() int {
	if l.c.p.queued.Load() > lineBudget {
		return lineLeast
	}
	return lineMost
}

func (l *line) grow(n int) {
	l.size += n
	l.c.p.queued.Add(int64(n))
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
	stop := context.AfterFunc(l.c.ctx, l.breakOff)
	defer stop()
	for {
		chunk, ok := l.next()
		if !ok {
			break
		}
		if !l.c.p.hold(chunk.at, chunk.delays, l.c.ctx.Done()) || !l.send(&chunk) {
			l.breakOff()
		}
		l.mu.Lock()
		l.grow(-len(chunk.b) - chunkCost)
		l.cond.Broadcast()
		l.mu.Unlock()
	}
	l.mu.Lock()
	l.grow(-l.size) // what was not sent
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

func (l *line) send(chunk *lineChunk) bool {
	l.c.lastByte.Store(time.Now().UnixNano())
	if chunk.end {
		return l.dst.CloseWrite() == nil
	}
	_, err := l.dst.Write(chunk.b)
	return err == nil
}
