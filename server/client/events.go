package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"starquake/runtime/journal"
)

// The pace of a stream.
const (
	// silence is how long a stream may say nothing: the server sends a heartbeat every 15
	// seconds.
	silence = 50 * time.Second
	// cuts is how often in a row a stream may break without a record between.
	cuts = 8
	// maxEvent bounds one event; a record has at most a body of 1 MiB and what belongs to it.
	maxEvent = 16 << 20
)

// errCut is the end of a stream that is not the end of the run.
var errCut = errors.New("the stream of events was cut")

// Records calls fn with the records of a run that there are by now.
func (c *Client) Records(ctx context.Context, id string, fn func([]journal.Record) error) error {
	for after := 0; ; {
		var p struct {
			Events []journal.Record `json:"events"`
			Next   int              `json:"next"`
		}
		q := url.Values{"after": {strconv.Itoa(after)}, "limit": {"10000"}}
		if err := c.do(ctx, call{method: http.MethodGet, path: runPath(id, "events"), query: q, again: true}, &p); err != nil {
			return err
		}
		if len(p.Events) == 0 {
			return nil
		}
		if err := fn(p.Events); err != nil {
			return err
		}
		after = p.Next
	}
}

// Follow calls fn with the records of a run from the first on, as they come, until the
// run has ended. Where the connection is cut it goes on behind the last record that came.
func (c *Client) Follow(ctx context.Context, id string, fn func([]journal.Record) error) error {
	s := &stream{client: c, id: id, fn: fn}
	for failed := 0; ; {
		before := s.last
		err := s.read(ctx)
		var lost *Unreachable
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case s.failed || !errors.As(err, &lost):
			return err
		}
		if failed++; s.last > before {
			failed = 1
		}
		if failed == cuts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(between << (failed - 1)):
		}
	}
}

// stream is what is known of a run's events.
type stream struct {
	client *Client
	id     string
	fn     func([]journal.Record) error
	last   int  // the number of the last record
	failed bool // fn failed: that is no cut
}

// read reads one connection; nil means that the run has ended and all its records came.
func (s *stream) read(ctx context.Context) error {
	ctx, hangUp := context.WithCancel(ctx)
	defer hangUp()
	quiet := time.AfterFunc(silence, hangUp)
	defer quiet.Stop()
	ask := call{method: http.MethodGet, path: runPath(s.id, "events")}
	if s.last > 0 {
		ask.query = map[string][]string{"after": {strconv.Itoa(s.last)}}
	}
	resp, err := s.client.send(ctx, &ask, "text/event-stream")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxEvent)
	var e event
	for lines.Scan() {
		quiet.Reset(silence)
		if !e.line(lines.Bytes()) {
			continue
		}
		done := e
		e = event{}
		if done.name == "end" {
			return nil
		}
		if err := s.take(&done); err != nil {
			return err
		}
	}
	if err = lines.Err(); err == nil {
		err = io.ErrUnexpectedEOF
	}
	return &Unreachable{s.client.base, fmt.Errorf("%w: %w", errCut, err)}
}

// take gives one record on.
func (s *stream) take(e *event) error {
	if len(e.data) == 0 {
		return nil
	}
	id, err := strconv.Atoi(e.id)
	if err != nil || id != s.last+1 {
		return fmt.Errorf("run %s: event %q came behind event %d", s.id, e.id, s.last)
	}
	var rec journal.Record
	if err := json.Unmarshal(e.data, &rec); err != nil {
		return fmt.Errorf("run %s, event %d: %w", s.id, id, err)
	}
	s.last = id
	if err := s.fn([]journal.Record{rec}); err != nil {
		s.failed = true
		return err
	}
	return nil
}

// event is one event of text/event-stream, of which the server sends one data line.
type event struct {
	id, name string
	data     []byte
}

// line reads one line and reports whether the event is whole.
func (e *event) line(line []byte) bool {
	if len(line) == 0 {
		return e.data != nil
	}
	field, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "id":
		e.id = string(value)
	case "event":
		e.name = string(value)
	case "data":
		e.data = append([]byte{}, value...)
	}
	return false
}
