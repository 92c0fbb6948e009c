// Package lines writes a log that nobody may read: whoever logs does not wait for it.
//
// Standard error can be a pipe whose reader sleeps. A write to it then takes until that one
// wakes, and who waits for it meanwhile may be what takes a fault off.
package lines

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// most is how much waits to be written, in bytes. What exceeds it is dropped.
	most = 4 << 20
	// patience is how long Flush waits.
	patience = 2 * time.Second
)

// Writer writes lines in a goroutine of its own, which is there while there are some, in the
// order in which they came. Its methods may be called from any goroutine.
type Writer struct {
	w      io.Writer
	format func(io.Writer) slog.Handler
	stuck  atomic.Bool // Flush has waited in vain, and nothing was written since

	mu      sync.Mutex
	queue   [][]byte
	size    int           // of queue, in bytes
	dropped int           // since the last line of queue
	writing bool          // the goroutine is there
	done    chan struct{} // closed when all that came so far is written; nil before the first
}

// New makes a writer of lines to w. A handler that format makes says how many were dropped.
func New(w io.Writer, format func(io.Writer) slog.Handler) *Writer {
	return &Writer{w: w, format: format}
}

// Logger makes a logger with a handler that format makes, and the writer of its lines, which
// is to be flushed before the program ends.
func Logger(w io.Writer, format func(io.Writer) slog.Handler) (*slog.Logger, *Writer) {
	l := New(w, format)
	return slog.New(format(l)), l
}

// Write takes what is one line, or some that belong together. It never waits, and never fails.
func (l *Writer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) > 0 && (l.dropped > 0 || l.size+len(p) > most) {
		l.dropped++
		return len(p), nil
	}
	if len(l.queue) == 0 {
		l.done = make(chan struct{})
	}
	l.queue = append(l.queue, bytes.Clone(p))
	l.size += len(p)
	if !l.writing {
		l.writing = true
		go l.write()
	}
	return len(p), nil
}

// write writes until there is nothing left. Each line is one Write, which a pipe does not mix
// with what other processes write to it.
func (l *Writer) write() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > 0 {
		queue, dropped, done := l.queue, l.dropped, l.done
		l.queue, l.size, l.dropped = nil, 0, 0
		l.mu.Unlock()
		for _, line := range queue {
			_, _ = l.w.Write(line) // nobody can be told that the log is gone
			l.stuck.Store(false)
		}
		if dropped > 0 {
			_, _ = l.w.Write(l.tell(dropped))
		}
		close(done)
		l.mu.Lock()
	}
	l.writing = false
}

// tell is the line that says how many were dropped.
func (l *Writer) tell(dropped int) []byte {
	what := "a line was dropped, since nobody read the log"
	if dropped > 1 {
		what = fmt.Sprintf("%d lines were dropped, since nobody read the log", dropped)
	}
	var line bytes.Buffer
	// Whatever level is asked for: what is missing may have been of it.
	_ = l.format(&line).Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelWarn, what, 0))
	return line.Bytes()
}

// CatchUp is Flush for somebody who goes on: where that was in vain it does not wait again
// before somebody reads.
func (l *Writer) CatchUp() {
	if !l.stuck.Load() {
		l.Flush()
	}
}

// Flush waits until what came so far is written, for two seconds at most.
func (l *Writer) Flush() {
	l.mu.Lock()
	done := l.done
	l.mu.Unlock()
	if done == nil {
		return
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		l.stuck.Store(true)
	}
}
