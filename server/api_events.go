package server

import (
	"bufio"
	"context"
	"net/http"
	"reflect"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"

	"starquake/runtime/journal"
	"starquake/runtime/view"
)

const eventStream = "text/event-stream"

// EventPage are some of a run's events.
type EventPage struct {
	Events []Event `json:"events" nullable:"false" doc:"In their order."`
	Next   int     `json:"next" doc:"What after is for the events behind these."`
	Ended  bool    `json:"ended" doc:"Whether the run has ended and these are the last."`
}

// eventRoutes are those of a run's records.
func (s *Server) eventRoutes(tag, base string) {
	o := op("GET", base+"/{id}/events", "get-events", Viewer, "The records of a run's journal: a page of them as JSON, or with Accept: text/event-stream all as they come, until the run has ended. The id of an event is its number; with Last-Event-ID a stream goes on behind it. A stream of a run that waits for its turn waits with it; a page of one has no events yet.", tag)
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
		r, _, err := s.look(in.ID)
		if err == nil && r.Status != statusQueued {
			err = s.runs.notBegun(in.ID) // and never will
		}
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
		if r.Status == statusQueued {
			return s.page(&p), nil
		}
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
		return s.page(&p), nil
	})
}

// page is an answer with some events.
func (s *Server) page(p *EventPage) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", "application/json")
		ctx.SetStatus(http.StatusOK)
		if err := s.api.Marshal(ctx.BodyWriter(), "application/json", p); err != nil {
			panic(err) // into memory, of plain data
		}
	}}
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
