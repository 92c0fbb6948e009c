package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"starquake/runtime/journal"
	"starquake/store"
)

// Event is a record of a run's journal.
type Event struct {
	ID    int          `json:"id" doc:"Its number in the journal, from 1."`
	At    int64        `json:"at" doc:"When it happened: nanoseconds from the run's beginning."`
	Kind  journal.Kind `json:"kind" doc:"What happened."`
	Place string       `json:"place" doc:"Where in the run: a branch and its operation."`
	Body  any          `json:"body,omitempty" doc:"What belongs to the kind."`
}

func event(id int, rec journal.Record) Event {
	return Event{id, int64(rec.At), rec.Kind, rec.Place.String(), rec.Body}
}

// errParting ends a stream of a run that the next server goes on with.
var errParting = errors.New("the server ends, the run does not")

// records follows a run: fn is called with its records behind number after, as they
// come, and with the number of the first of each call. It returns when the run has ended
// and all were given, when ctx is done, with the error of fn, or with errParting.
func (s *Server) records(ctx context.Context, id string, after int, fn func(first int, recs []journal.Record) error) error {
	if begun, err := s.runs.turnCame(ctx, id); err != nil || !begun {
		return err
	}
	r := s.runs.find(id)
	if r == nil {
		return s.kept(id, after, fn)
	}
	for {
		err := r.FollowFrom(ctx, after, func(recs []journal.Record) error {
			first := after + 1
			after += len(recs)
			return fn(first, recs)
		})
		if err != nil || !r.Parked() {
			return err
		}
		if r = s.runs.successor(r); r == nil {
			return s.runs.parting() // else it cannot be taken up
		}
	}
}

// kept is records of a run that is not in memory. It is read in pieces: somebody slow, and
// each of many, would have all of it in memory meanwhile.
func (s *Server) kept(id string, after int, fn func(first int, recs []journal.Record) error) error {
	if s.runs.store == nil {
		return noRun(id)
	}
	var status store.Status
	next := 1
	err := s.runs.store.Pieces(id, func(e store.Entry) error { status = e.Status; return nil }, func(recs []journal.Record) error {
		first := max(next, after+1)
		skip := min(first-next, len(recs))
		if next += len(recs); skip == len(recs) {
			return nil
		}
		return fn(first, recs[skip:])
	})
	if err == nil && status != store.Ended {
		err = s.runs.parting()
	}
	return err
}

// past gives the records of a run that there are by now, behind number after, at most
// limit of them.
func (s *Server) past(id string, after, limit int, fn func(first int, recs []journal.Record)) error {
	var recs []journal.Record
	if r := s.runs.find(id); r != nil {
		recs = r.Records(after)
	} else {
		defer s.runs.reading()()
		_, all, err := s.runs.read(id)
		if err != nil {
			return err
		}
		recs = all[min(after, len(all)):]
	}
	if recs = recs[:min(limit, len(recs))]; len(recs) > 0 {
		fn(after+1, recs)
	}
	return nil
}

// The pace of a stream.
const (
	heartbeat = 15 * time.Second
	// streamWrite is how long a client may take for one piece of a stream. What it has not
	// read waits in the run's own records, not in memory of its own.
	streamWrite = 20 * time.Second
	// streamPiece is after how many bytes a piece is sent.
	streamPiece = 32 << 10
)

// client is one who reads a stream.
type client struct {
	server context.Context // of the server: when it is done, so is the stream
	conn   net.Conn
	out    *bufio.Writer
}

// cutWithin is how long a piece may still take when the server ends.
const cutWithin = time.Second

// wait gives the client its time for the next piece.
func (c *client) wait() error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
		return err
	}
	if err := c.server.Err(); err != nil { // it may have ended just before: see cut
		c.cut()
		return err
	}
	return nil
}

// cut leaves the client little time for what it was sent.
func (c *client) cut() { _ = c.conn.SetWriteDeadline(time.Now().Add(cutWithin)) }

// Write implements io.Writer.
func (c *client) Write(p []byte) (int, error) {
	if err := c.wait(); err != nil {
		return 0, err
	}
	return c.out.Write(p)
}

// flush sends what was written.
func (c *client) flush() error {
	if err := c.wait(); err != nil {
		return err
	}
	return c.out.Flush()
}

// eventTexts are a run's last events as streams have them: many watch one run, and each event
// is written once for all of them.
type eventTexts struct {
	mu    sync.Mutex
	users int // streams of the run; Server.watchedMu guards it
	last  [64]eventText
}

type eventText struct {
	id   int
	text []byte // not changed
}

// of is an event as text of a stream.
func (e *eventTexts) of(id int, rec journal.Record) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	slot := &e.last[id%len(e.last)]
	if slot.id == id {
		return slot.text, nil
	}
	data, err := json.Marshal(event(id, rec))
	if err != nil {
		return nil, err
	}
	text := fmt.Appendf(nil, "id: %d\ndata: %s\n\n", id, data)
	if id > slot.id && len(text) <= streamPiece { // one who reads the past takes nothing from the others
		*slot = eventText{id, text}
	}
	return text, nil
}

// watched gives the texts of a run to a stream, which calls done at its end.
func (s *Server) watched(id string) (e *eventTexts, done func()) {
	s.watchedMu.Lock()
	defer s.watchedMu.Unlock()
	e = s.watchedRuns[id]
	if e == nil {
		e = new(eventTexts)
		s.watchedRuns[id] = e
	}
	e.users++
	return e, func() {
		s.watchedMu.Lock()
		defer s.watchedMu.Unlock()
		if e.users--; e.users == 0 {
			delete(s.watchedRuns, id)
		}
	}
}

// stream is a client that reads events.
type stream struct {
	*client
	texts *eventTexts
	mu    sync.Mutex // one writes: the run's records, or a heartbeat
}

// beat keeps the connection alive until ctx is done, and ends it when the client is gone.
func (st *stream) beat(ctx context.Context, gone context.CancelFunc) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			st.mu.Lock()
			_, _ = st.out.WriteString(": still here\n\n") // flush tells
			err := st.flush()
			st.mu.Unlock()
			if err != nil {
				gone()
				return
			}
		}
	}
}

// send writes records as events of text/event-stream.
func (st *stream) send(first int, recs []journal.Record) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	for i, rec := range recs {
		text, err := st.texts.of(first+i, rec)
		if err != nil {
			return err
		}
		_, _ = st.out.Write(text) // flush tells
		if st.out.Buffered() > streamPiece {
			if err := st.flush(); err != nil {
				return err
			}
		}
	}
	return st.flush()
}

// streamEvents sends the events of a run until it has ended, the client is gone, or the
// server ends. Only the end of the run is told as one: a stream that is cut is taken up
// again by its client, at the next server.
func (s *Server) streamEvents(c *client, id string, after int) {
	ctx, stop := context.WithCancel(s.ctx)
	texts, done := s.watched(id)
	defer done()
	st := &stream{client: c, texts: texts}
	_, _ = c.out.WriteString("retry: 1000\n\n") // while nobody else writes
	var beats sync.WaitGroup
	beats.Go(func() { st.beat(ctx, stop) })
	err := st.send(0, nil)
	if err == nil {
		err = s.records(ctx, id, after, st.send)
	}
	stop()
	beats.Wait()
	if err == nil {
		_, _ = c.out.WriteString("event: end\ndata: {}\n\n")
		err = st.flush()
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.logger.Debug("a stream ended", "run", id, "error", err)
	}
}
