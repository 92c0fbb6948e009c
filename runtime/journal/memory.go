package journal

import (
	"io"
	"slices"
	"sync"
)

// chunk is how many records Memory keeps in one piece. Growing one slice copies
// every record once more on average, which cost more than all else about a timer.
const chunk = 1024

// Memory keeps records in memory. The zero value is ready; it may be read while it
// is written.
type Memory struct {
	mu     sync.Mutex
	chunks [][]Record // full but for the last
}

// Append keeps a copy of recs.
func (m *Memory) Append(recs []Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(recs) > 0 {
		last := len(m.chunks) - 1
		if last < 0 || len(m.chunks[last]) == chunk {
			size := chunk
			if last < 0 {
				size = 0 // most runs are short: the first piece grows as needed
			}
			m.chunks = append(m.chunks, make([]Record, 0, size))
			last++
		}
		n := min(len(recs), chunk-len(m.chunks[last]))
		m.chunks[last] = append(m.chunks[last], recs[:n]...)
		recs = recs[n:]
	}
	return nil
}

// Sync does nothing: memory is as durable as it gets.
func (m *Memory) Sync() error { return nil }

// Records gives what was appended so far, as a copy.
func (m *Memory) Records() []Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Concat(m.chunks...)
}

// RecordsFrom gives the records from number n on, counted from 0, as a copy.
func (m *Memory) RecordsFrom(n int) []Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	total := 0
	for _, piece := range m.chunks {
		total += len(piece)
	}
	out := make([]Record, 0, max(0, total-n))
	for _, piece := range m.chunks {
		if n < len(piece) {
			out = append(out, piece[n:]...)
			n = 0
		} else {
			n -= len(piece)
		}
	}
	return out
}

// Ends reports whether the last record is the end of a run.
func (m *Memory) Ends() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.chunks) == 0 {
		return false
	}
	last := m.chunks[len(m.chunks)-1]
	return last[len(last)-1].Kind == RunEnd
}

// Discard keeps nothing.
type Discard struct{}

// Append forgets recs.
func (Discard) Append([]Record) error { return nil }

// Sync does nothing.
func (Discard) Sync() error { return nil }

// Write writes records as JSON lines.
func Write(w io.Writer, recs []Record) error {
	var buf []byte
	for _, rec := range recs {
		var err error
		if buf, err = rec.AppendJSON(buf); err != nil {
			return err
		}
		buf = append(buf, '\n')
		if len(buf) > 1<<16 {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	_, err := w.Write(buf)
	return err
}
