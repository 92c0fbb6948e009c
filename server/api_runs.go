package server

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/store"
)

// StartBody is what a run is started with.
type StartBody struct {
	Asked
	Labels  map[string]string `json:"labels,omitempty" doc:"What the run can be found by."`
	Targets []string          `json:"targets,omitzero" doc:"The targets that it is given, none with an empty list; without it all that the server has."`
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
	huma.Register(s.api, queues(created(op("POST", base, "start-run", Operator, "Start a run; status 202 says that it waits for its turn, as too many go on.", tag), "The run that was started when this Idempotency-Key came first.")), func(ctx context.Context, in *struct {
		Key  string `header:"Idempotency-Key" maxLength:"200" doc:"Makes asking twice one start, of the same person: the same request with the same key answers with the run that was started then, another request with it is a 422. Keys of different people have nothing to do with each other. It is kept with the run."`
		Body StartBody
	}) (*startOut, error) {
		l, _, err := in.Body.find(s)
		if err != nil {
			return nil, asProblem(err)
		}
		id, fresh, err := s.start(&starting{
			loaded: l, params: in.Body.Params, seed: (*uint64)(in.Body.Seed), labels: in.Body.Labels,
			targets: in.Body.Targets, key: in.Key, request: digest(in.Body), who: whoOf(ctx), patient: true, name: in.Body.Orchestration,
		})
		if err != nil {
			return nil, asProblem(err)
		}
		r, _, err := s.look(id)
		if err != nil {
			return nil, asProblem(err)
		}
		r.Report = s.reportOf(&r)
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
	Runs []RunItem `json:"runs" nullable:"false" doc:"The newest first."`
	// Next is "" on the last page.
	Next string `json:"next_cursor,omitempty" doc:"The cursor of the next page; absent on the last one."`
}

// RunItem is a run in a list. What only a journal says is left out of those that this server
// does not have in hand: a list reads no journals.
type RunItem struct {
	Run
	Iteration   *int     `json:"current_iteration,omitempty" doc:"The turn of its outermost loop, from 1. Absent, as are the next ones, of a run that has ended or goes on elsewhere: its status has them."`
	CurrentStep *int     `json:"current_step,omitempty" doc:"The number of the step that began last, from 1; 0 before the first."`
	FailedSteps []string `json:"failed_steps,omitzero" doc:"The names of steps that failed and were not tolerated."`
	FaultsOn    *int     `json:"faults_on,omitempty" doc:"How many faults are on now, those that may be since the run could not take them off (unclean) among them. While they are lifted, in a pause or an approval, they are not."`
	Events      *int     `json:"events,omitempty" doc:"How many records its journal has; the last one's number."`
}

// item is a run of which all is known.
func item(r Run) RunItem {
	return RunItem{Run: r, Iteration: &r.Iteration, CurrentStep: &r.CurrentStep, FailedSteps: r.FailedSteps, FaultsOn: &r.FaultsOn, Events: &r.Events}
}

// RunDetail is a run with all that there is to see of it.
type RunDetail struct {
	Run
	// Warnings are those of the summary and of reports.
	Warnings []string  `json:"warnings" nullable:"false" doc:"What one should know of the run although nothing failed, such as that no request met any fault."`
	View     *view.Run `json:"view" doc:"Steps, faults, checks, guards, log; times in nanoseconds. Its faults_on is how many of its faults have the state on, those that are lifted among them: faults_on beside it leaves these out."`
}

// listing selects runs.
type listing struct {
	Status  string   `query:"status" enum:"queued,running,ended,interrupted" doc:"Only runs that are so; running includes paused ones."`
	Verdict string   `query:"verdict" enum:"passed,failed,invalid,aborted,errored,unclean,inconclusive,stopped" doc:"Only runs that ended so."`
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
		if err == nil {
			err = s.isCursor(q.Cursor)
		}
		if err != nil {
			return nil, asProblem(err)
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
		return &one{RunDetail{r, append([]string{}, v.Warnings()...), v}}, nil
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
	journalOp := op("GET", base+"/{id}/journal", "download-journal", Viewer, "A run as JSON lines: what was asked, then its journal, as starquake runs import takes it. Of one that waits for its turn there is none: 409 run_queued, whose help names the calls that tell when; nor of one that never began: 409 run_ended.", tag)
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

// ownID is the form of the ids of runs that were not imported.
var ownID = regexp.MustCompile(`^[0-9]{8}-[0-9]{6}-[0-9a-f]{8}$`)

// isCursor refuses a cursor that no page has ended with: it is the id of a run, which may be
// gone by now.
func (s *Server) isCursor(cursor string) error {
	if cursor == "" || ownID.MatchString(cursor) {
		return nil
	}
	ids, err := s.runs.ids()
	if err == nil && !slices.Contains(ids, cursor) {
		return problemf(400, "invalid_request", "cursor %q: expected the next_cursor of a page before", cut(cursor, maxQuoted))
	}
	return err
}

// maxQuoted bounds what an error shows of a request, in bytes.
const maxQuoted = 60

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// list gives runs as clients see them, the newest first.
func (s *Server) list(f store.Filter) ([]RunItem, error) {
	ids, err := s.runs.ids()
	if err != nil {
		return nil, err
	}
	out := []RunItem{}
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
func (s *Server) entry(id string) (RunItem, store.Entry, bool) {
	if run, ok := s.runs.queued(id); ok {
		e := store.Entry{Info: store.Info{ID: id, Name: run.Name, Started: run.Started, Labels: run.Labels, By: run.By}, Status: store.Status(run.Status)}
		if run.Ended != nil {
			e.End = &store.End{Verdict: run.Verdict}
		}
		return item(run), e, true
	}
	if r := s.runs.find(id); r != nil {
		run := shown(r.View(), r.Planned(), r.About(), true)
		e := store.Entry{Info: *r.About(), Status: store.Running}
		if e.Name = run.Name; run.Ended != nil {
			e.Status, e.End = store.Ended, &store.End{Verdict: run.Verdict}
		}
		return item(run), e, true
	}
	if s.runs.store == nil {
		return RunItem{}, store.Entry{}, false
	}
	e, err := s.runs.store.Entry(id)
	if err != nil {
		return RunItem{}, e, false // it was pruned, or is no run
	}
	return RunItem{Run: listed(&e)}, e, true
}
