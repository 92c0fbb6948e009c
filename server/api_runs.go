package server

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"

	"starquake/app"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/store"
)

// StartBody is what a run is started with.
type StartBody struct {
	Asked
	Labels  map[string]string `json:"labels,omitempty" doc:"What the run can be found by."`
	Targets []string          `json:"targets,omitempty" doc:"The targets that it is given; without it all that the server has."`
}

// RunPath is the run that a request is about.
type RunPath struct {
	ID string `path:"id" doc:"The run."`
}

func (s *Server) runRoutes() {
	const tag, base = "runs", "/api/v1/runs"
	type startOut struct {
		Status   int
		Location string `header:"Location" doc:"Where the run is."`
		Body     Run
	}
	huma.Register(s.api, queues(created(op("POST", base, "start-run", Operator, "Start a run; status 202 says that it waits for its turn, as too many go on. With an Idempotency-Key that was used for the same request it is the run that was started then, with status 200.", tag))), func(ctx context.Context, in *struct {
		Key  string `header:"Idempotency-Key" maxLength:"200" doc:"Makes asking twice one start. Kept with the run."`
		Body StartBody
	}) (*startOut, error) {
		l, content, err := in.Body.find(s)
		if err != nil {
			return nil, asProblem(err)
		}
		id, fresh, err := s.start(&starting{
			loaded: l, content: content, params: in.Body.Params, seed: (*uint64)(in.Body.Seed), labels: in.Body.Labels,
			targets: in.Body.Targets, key: in.Key, request: digest(in.Body), who: whoOf(ctx), patient: true, name: in.Body.Orchestration,
		})
		if err != nil {
			return nil, asProblem(err)
		}
		r, _, err := s.look(id)
		if err != nil {
			return nil, asProblem(err)
		}
		r.Report = reportPath(id)
		out := &startOut{Status: http.StatusOK, Location: base + "/" + id, Body: r}
		switch {
		case fresh && r.Status == statusQueued:
			out.Status = http.StatusAccepted
		case fresh:
			out.Status = http.StatusCreated
		}
		return out, nil
	})
	s.readRuns(tag, base)
	s.reportRoute(tag, base)
	s.steerRuns(tag, base)
}

// Listing is one page of runs.
type Listing struct {
	Runs []Run `json:"runs" nullable:"false" doc:"The newest first."`
	// Next is "" on the last page.
	Next string `json:"next_cursor,omitempty" doc:"The cursor of the next page; absent on the last one."`
}

// RunDetail is a run with all that there is to see of it.
type RunDetail struct {
	Run
	View *view.Run `json:"view" doc:"Steps, faults, checks, guards, log; times in nanoseconds."`
}

// listing selects runs.
type listing struct {
	Status  string   `query:"status" enum:"queued,running,ended,interrupted" doc:"Only runs that are so; running includes paused ones."`
	Verdict string   `query:"verdict" doc:"Only runs that ended so."`
	Name    string   `query:"name" doc:"Only runs of the orchestration of that name."`
	Label   []string `query:"label,explode" doc:"Only runs with this label, as NAME=VALUE; may be repeated."`
	Since   string   `query:"since" format:"date-time" doc:"Only runs that began then or later."`
	Cursor  string   `query:"cursor" doc:"Where the page begins: next_cursor of the one before."`
	Limit   int      `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many at most."`
}

func (q *listing) filter() (store.Filter, error) {
	f := store.Filter{
		Status: store.Status(q.Status), Verdict: journal.Verdict(q.Verdict), Name: q.Name, Before: q.Cursor,
		Limit: q.Limit + 1, // one more tells that there is a next page
	}
	if q.Since != "" {
		var err error
		if f.Since, err = time.Parse(time.RFC3339, q.Since); err != nil {
			return f, problemf(400, "invalid_request", "since: %v", err)
		}
	}
	for _, label := range q.Label {
		name, value, ok := strings.Cut(label, "=")
		if !ok || name == "" {
			return f, problemf(400, "invalid_request", "label %q: expected NAME=VALUE", label)
		}
		if f.Labels == nil {
			f.Labels = map[string]string{}
		}
		f.Labels[name] = value
	}
	return f, nil
}

func (s *Server) readRuns(tag, base string) {
	type list struct{ Body Listing }
	huma.Register(s.api, op("GET", base, "list-runs", Viewer, "The runs, the newest first.", tag), func(_ context.Context, q *listing) (*list, error) {
		f, err := q.filter()
		if err != nil {
			return nil, err
		}
		runs, err := s.list(f)
		if err != nil {
			return nil, asProblem(err)
		}
		out := &list{Listing{Runs: runs}}
		if len(runs) > q.Limit {
			out.Body.Runs = runs[:q.Limit]
			out.Body.Next = runs[q.Limit-1].ID
		}
		return out, nil
	})
	type one struct{ Body RunDetail }
	huma.Register(s.api, op("GET", base+"/{id}", "get-run", Viewer, "A run as it stands.", tag), func(_ context.Context, in *RunPath) (*one, error) {
		r, v, err := s.look(in.ID)
		if err != nil {
			return nil, asProblem(err)
		}
		return &one{RunDetail{r, v}}, nil
	})
	type statusOut struct{ Body Run }
	huma.Register(s.api, op("GET", base+"/{id}/status", "get-run-status", Viewer, "How a run stands, in a few lines.", tag), func(_ context.Context, in *RunPath) (*statusOut, error) {
		r, _, err := s.look(in.ID)
		if err != nil {
			return nil, asProblem(err)
		}
		return &statusOut{r}, nil
	})
	s.eventRoutes(tag, base)
	journalOp := op("GET", base+"/{id}/journal", "download-journal", Viewer, "A run as JSON lines: what was asked, then its journal, as starquake runs import takes it.", tag)
	journalOp.Responses["200"] = &huma.Response{Description: "The lines.", Content: map[string]*huma.MediaType{"application/x-ndjson": {Schema: &huma.Schema{Type: huma.TypeString}}}}
	huma.Register(s.api, journalOp, func(_ context.Context, in *RunPath) (*huma.StreamResponse, error) {
		if err := s.runs.notBegun(in.ID); err != nil {
			return nil, asProblem(err)
		}
		if _, _, err := s.look(in.ID); err != nil {
			return nil, asProblem(err)
		}
		return s.streamed("application/x-ndjson", func(c *client) {
			if err := s.export(in.ID, c); err != nil {
				s.logger.Debug("a journal was not downloaded to its end", "run", in.ID, "error", err)
				_ = c.conn.Close() // the client must not take half of it for all
			}
		}), nil
	})
}

// export writes a run as JSON lines.
func (s *Server) export(id string, out *client) error {
	var err error
	if s.runs.store != nil {
		err = s.runs.store.Export(id, out)
	} else if r := s.runs.find(id); r != nil {
		err = journal.Write(out, r.Records(0))
	}
	if err == nil {
		err = out.flush()
	}
	return err
}

// streamed is an answer that a function writes after the handler has returned.
func (s *Server) streamed(contentType string, write func(*client)) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", contentType)
		ctx.SetStatus(http.StatusOK)
		c := humafiber.Unwrap(ctx).Context()
		conn := c.Conn()
		c.SetBodyStreamWriter(func(out *bufio.Writer) {
			defer func() { // nobody else would, and the process would end
				if p := recover(); p != nil {
					s.logger.Error("a stream failed: internal error", "panic", p, "stack", string(debug.Stack()))
					_ = conn.Close() // the client must not take a part for all
				}
			}()
			reader := &client{s.ctx, conn, out}
			defer context.AfterFunc(s.ctx, reader.cut)()
			write(reader)
		})
	}}
}

// list gives runs as clients see them, the newest first.
func (s *Server) list(f store.Filter) ([]Run, error) {
	ids, err := s.runs.ids()
	if err != nil {
		return nil, err
	}
	out := []Run{}
	for _, id := range slices.Backward(s.runs.withWaiting(ids)) {
		if f.Before != "" && id >= f.Before {
			continue
		}
		run, e, ok := s.entry(id)
		if !ok || !f.Fits(&e) {
			continue
		}
		if out = append(out, run); len(out) == f.Limit {
			break
		}
	}
	return out, nil
}

// entry gives a run as a list has it, and as filters look at it.
func (s *Server) entry(id string) (Run, store.Entry, bool) {
	if run, ok := s.runs.queued(id); ok {
		e := store.Entry{Info: store.Info{ID: id, Name: run.Name, Started: run.Started, Labels: run.Labels, By: run.By}, Status: store.Status(run.Status)}
		if run.Ended != nil {
			e.End = &store.End{Verdict: run.Verdict}
		}
		return run, e, true
	}
	if r := s.runs.find(id); r != nil {
		run := shown(r.View(), r.Planned(), r.About())
		e := store.Entry{Info: *r.About(), Status: store.Running}
		if e.Name = run.Name; run.Ended != nil {
			e.Status, e.End = store.Ended, &store.End{Verdict: run.Verdict}
		}
		return run, e, true
	}
	if s.runs.store == nil {
		return Run{}, store.Entry{}, false
	}
	e, err := s.runs.store.Entry(id)
	if err != nil {
		return Run{}, e, false // it was pruned, or is no run
	}
	return listed(&e), e, true
}

// EventPage are some of a run's events.
type EventPage struct {
	Events []Event `json:"events" nullable:"false" doc:"In their order."`
	Next   int     `json:"next" doc:"What after is for the events behind these."`
	Ended  bool    `json:"ended" doc:"Whether the run has ended and these are the last."`
}

// eventRoutes are those of a run's records.
func (s *Server) eventRoutes(tag, base string) {
	o := op("GET", base+"/{id}/events", "get-events", Viewer, "The records of a run's journal: a page of them as JSON, or with Accept: text/event-stream all as they come, until the run has ended. The id of an event is its number; with Last-Event-ID a stream goes on behind it.", tag)
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[EventPage](), true, "EventPage")
	o.Responses["200"] = &huma.Response{Description: "The events.", Content: map[string]*huma.MediaType{
		"application/json": {Schema: schema}, eventStream: {Schema: &huma.Schema{Type: huma.TypeString}},
	}}
	huma.Register(s.api, o, func(ctx context.Context, in *struct {
		RunPath
		After  int    `query:"after" minimum:"0" doc:"Only events behind this number."`
		Limit  int    `query:"limit" minimum:"1" maximum:"10000" default:"1000" doc:"How many at most, of a page."`
		Last   string `header:"Last-Event-ID" doc:"What a stream goes on behind; it wins over after."`
		Accept string `header:"Accept" doc:"text/event-stream for a stream."`
	}) (*huma.StreamResponse, error) {
		if err := s.runs.notBegun(in.ID); err != nil {
			return nil, asProblem(err)
		}
		r, _, err := s.look(in.ID)
		if err != nil {
			return nil, asProblem(err)
		}
		after := in.After
		if in.Last != "" {
			if after, err = strconv.Atoi(in.Last); err != nil || after < 0 {
				return nil, problemf(400, "invalid_request", "Last-Event-ID %q: expected the number of an event", in.Last)
			}
		}
		if strings.Contains(in.Accept, eventStream) {
			return s.streamed(eventStream, func(c *client) { s.streamEvents(c, in.ID, after) }), nil
		}
		p := EventPage{Events: []Event{}, Next: after, Ended: r.Status == string(view.Ended)}
		err = s.past(in.ID, after, in.Limit, func(first int, recs []journal.Record) {
			for i, rec := range recs {
				p.Events = append(p.Events, event(first+i, rec))
			}
			p.Next = first + len(recs) - 1
		})
		if err != nil {
			return nil, asProblem(err)
		}
		p.Ended = p.Ended && p.Next >= r.Events
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			ctx.SetHeader("Content-Type", "application/json")
			ctx.SetStatus(http.StatusOK)
			if err := s.api.Marshal(ctx.BodyWriter(), "application/json", p); err != nil {
				panic(err) // into memory, of plain data
			}
		}}, nil
	})
}

const eventStream = "text/event-stream"

// Because is what may be said of anything that is asked of a run.
type Because struct {
	Comment string `json:"comment,omitempty" maxLength:"4000" doc:"Why, for whoever reads the journal."`
}

// Steered says what came of asking something of a run.
type Steered struct {
	Message string `json:"message" doc:"What was done, for people."`
	Run     Run    `json:"run" doc:"The run as it stands."`
}

func (s *Server) steerRuns(tag, base string) {
	type done struct{ Body Steered }
	steer := func(ctx context.Context, id string, ask *app.ControlRequest) (*done, error) {
		message, err := s.steer(ctx, id, ask)
		if err != nil {
			return nil, asProblem(err)
		}
		var out done
		out.Body.Message = message
		if out.Body.Run, _, err = s.look(id); err != nil {
			return nil, asProblem(err)
		}
		return &out, nil
	}
	type pause struct {
		Because
		Lift bool `json:"lift_faults,omitempty" doc:"Take the faults off for the length of the pause."`
	}
	huma.Register(s.api, op("POST", base+"/{id}/pause", "pause-run", Operator, "Hold a run; its guards stay live.", tag), func(ctx context.Context, in *struct {
		RunPath
		Body *pause
	}) (*done, error) {
		b := orZero(in.Body)
		return steer(ctx, in.ID, &app.ControlRequest{Op: "pause", Comment: b.Comment, Lift: b.Lift})
	})
	for _, verb := range []struct{ op, summary string }{
		{"resume", "End a pause."},
		{"stop", "Stop a run. The answer comes when it has ended and every fault is off."},
	} {
		huma.Register(s.api, op("POST", base+"/{id}/"+verb.op, verb.op+"-run", Operator, verb.summary, tag), func(ctx context.Context, in *struct {
			RunPath
			Body *Because
		}) (*done, error) {
			return steer(ctx, in.ID, &app.ControlRequest{Op: verb.op, Comment: orZero(in.Body).Comment})
		})
	}
	type skip struct {
		Because
		Path string `json:"path,omitempty" maxLength:"4000" doc:"The path of the step; without it the only one that runs."`
	}
	huma.Register(s.api, op("POST", base+"/{id}/skip", "skip-step", Operator, "End a running step as skipped.", tag), func(ctx context.Context, in *struct {
		RunPath
		Body *skip
	}) (*done, error) {
		b := orZero(in.Body)
		return steer(ctx, in.ID, &app.ControlRequest{Op: "skip", Comment: b.Comment, Path: b.Path})
	})
	type answer struct {
		Because
		Question string `json:"question,omitempty" maxLength:"4000" doc:"The id of the approval; without it the only one that waits."`
	}
	for _, verb := range []struct{ op, summary string }{
		{"approve", "Let a run go on that waits in approve()."},
		{"reject", "Stop a run that waits in approve()."},
	} {
		huma.Register(s.api, op("POST", base+"/{id}/"+verb.op, verb.op+"-run", Operator, verb.summary, tag), func(ctx context.Context, in *struct {
			RunPath
			Body *answer
		}) (*done, error) {
			b := orZero(in.Body)
			return steer(ctx, in.ID, &app.ControlRequest{Op: verb.op, Comment: b.Comment, Question: b.Question})
		})
	}
}

// steer asks something of a run.
func (s *Server) steer(ctx context.Context, id string, ask *app.ControlRequest) (string, error) {
	if ask.Op == "stop" {
		if out, err := s.runs.cancel(ctx, id, whoOf(ctx).Name, ask.Comment); err != nil || out {
			return "taken out of the queue; it never began", err
		}
	}
	r, err := s.runs.steered(id)
	if err != nil {
		return "", err
	}
	ask.By = whoOf(ctx).Name
	message, err := r.Do(ctx, ask)
	if err != nil {
		return "", fmt.Errorf("run %s: %w", id, err)
	}
	return message, nil
}

// orZero is what a body that may be absent says.
func orZero[T any](body *T) T {
	if body == nil {
		var zero T
		return zero
	}
	return *body
}
