package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"starquake/app"
	"starquake/runtime/view"
)

// LegacyStatus is the answer of /api/chaos/orchestration/status.
type LegacyStatus struct {
	Running   bool       `json:"is_running" doc:"Whether it goes on."`
	Name      *string    `json:"name" doc:"The orchestration's; null before anything was started."`
	Progress  *float64   `json:"progress" doc:"Elapsed over planned, at most 0.99 until the end; null where it has no planned end."`
	RunID     string     `json:"run_id,omitempty" doc:"The run."`
	Iteration int        `json:"current_iteration" doc:"The turn of its outermost loop, from 1."`
	Step      int        `json:"current_step" doc:"The number of the step that began last, from 1."`
	Steps     int        `json:"total_steps" doc:"How many steps a turn has."`
	Started   *time.Time `json:"started_at" doc:"When it began."`
	Failed    []string   `json:"failed_steps" nullable:"false" doc:"The names of the steps that failed."`
	Verdict   *string    `json:"verdict" doc:"How it ended; null until then."`
}

// LegacyDone says what was done with a run.
type LegacyDone struct {
	Message string `json:"message" doc:"What was done."`
	RunID   string `json:"run_id" doc:"The run."`
	Report  string `json:"report,omitempty" doc:"Of a start: where the report of the run is, as it stands and when it has ended."`
}

// LegacyExport is an orchestration as text.
type LegacyExport struct {
	Content string `json:"content" doc:"The orchestration's text."`
	Format  string `json:"format" doc:"Its format."`
}

// legacy are the calls that users of orchestration files know. They speak of the newest
// run where they name none.
func (s *Server) legacy() {
	const tag, base = "chaos", "/api/chaos/orchestration"
	type importOut struct{ Body Imported }
	huma.Register(s.api, op("POST", base+"/import", "chaos-import", Operator, "Keep an orchestration, by the name that it gives itself.", tag), func(ctx context.Context, in *struct{ Body Source }) (*importOut, error) {
		kept, err := s.keep(&importing{definition: in.Body.definition(), by: whoOf(ctx)})
		if err != nil {
			return nil, asProblem(err)
		}
		return &importOut{kept.answer(in.Body.Content)}, nil
	})
	type startOut struct {
		Status int
		Body   LegacyDone
	}
	legacyStart := queues(op("POST", base+"/start", "chaos-start", Operator, "Start the orchestration that is the body, or one that is kept: {\"name\": …, \"params\": …}. Status 202 says that it waits for its turn, as too many runs go on.", tag))
	legacyStart.DefaultStatus = http.StatusOK
	huma.Register(s.api, legacyStart, func(ctx context.Context, in *struct {
		Key  string `header:"Idempotency-Key" maxLength:"200" doc:"Makes asking twice one start, of the same person."`
		Body json.RawMessage
	}) (*startOut, error) {
		asked, err := s.legacyStart(in.Body)
		if err != nil {
			return nil, asProblem(err)
		}
		asked.key, asked.request, asked.who, asked.patient = in.Key, digest(in.Body), whoOf(ctx), true
		id, _, err := s.start(asked)
		if err != nil {
			return nil, asProblem(err)
		}
		r, _, err := s.look(id)
		if err != nil {
			return nil, asProblem(err)
		}
		if r.Status == statusQueued {
			return &startOut{http.StatusAccepted, LegacyDone{fmt.Sprintf("Orchestration '%s' waits for its turn, at position %d", r.Name, r.QueuePosition), id, s.reportOf(&r)}}, nil
		}
		done := fmt.Sprintf("Orchestration '%s' started successfully", r.Name)
		if err := s.runs.notBegun(id); err != nil { // what this Idempotency-Key started was taken out of the queue
			done = fmt.Sprintf("Orchestration '%s' never began: %s", r.Name, r.Message)
		}
		return &startOut{http.StatusOK, LegacyDone{done, id, s.reportOf(&r)}}, nil
	})
	type statusOut struct{ Body LegacyStatus }
	status := func(context.Context, *struct{}) (*statusOut, error) {
		out, err := s.legacyStatus()
		if err != nil {
			return nil, asProblem(err)
		}
		return &statusOut{*out}, nil
	}
	huma.Register(s.api, op("GET", base+"/status", "chaos-orchestration-status", Viewer, "How the newest run stands.", tag), status)
	huma.Register(s.api, op("GET", "/api/chaos/status", "chaos-status", Viewer, "How the newest run stands.", tag), status)
	s.legacySteering(tag, base)
	type exportOut struct{ Body LegacyExport }
	huma.Register(s.api, op("GET", base+"/export", "chaos-export", Viewer, "A kept orchestration as text.", tag), func(ctx context.Context, in *struct {
		Name   string `query:"name" doc:"The orchestration; without it that of the newest run."`
		Format string `query:"format" enum:"yaml,json,starlark,star" default:"yaml" doc:"The format of the text."`
	}) (*exportOut, error) {
		name := in.Name
		if name == "" {
			st, err := s.legacyStatus()
			if err != nil {
				return nil, asProblem(err)
			}
			if st.Name == nil {
				return nil, problemf(404, "orchestration_not_found", "nothing was started; give a name")
			}
			name = *st.Name
		}
		d, _, err := s.definition(name, 0)
		if err != nil {
			return nil, asProblem(err)
		}
		var out exportOut
		in.Format = formatNamed(in.Format)
		out.Body.Format = in.Format
		if out.Body.Content, err = s.in(d, in.Format, whoOf(ctx)); err != nil {
			return nil, asProblem(err)
		}
		return &out, nil
	})
}

// legacySteering are the calls that steer a run.
func (s *Server) legacySteering(tag, base string) {
	type body struct {
		RunID string `json:"run_id,omitempty" maxLength:"100" doc:"The run; without it the newest that goes on."`
		Path  string `json:"path,omitempty" maxLength:"4000" doc:"Of skip: the path of the step."`
	}
	type done struct{ Body LegacyDone }
	for _, verb := range []struct{ op, message, summary string }{
		{"stop", "Orchestration stopped", "Stop a run. The answer comes when every fault is gone."},
		{"pause", "Orchestration paused", "Hold a run; its guards stay live."},
		{"resume", "Orchestration resumed", "End a pause."},
		{"skip", "Step skipped", "End a running step as skipped."},
	} {
		huma.Register(s.api, op("POST", base+"/"+verb.op, "chaos-"+verb.op, Operator, verb.summary, tag), func(ctx context.Context, in *struct{ Body *body }) (*done, error) {
			b := orZero(in.Body)
			if b.RunID == "" {
				if b.RunID = s.runs.newestLive(); b.RunID == "" {
					return nil, problemf(409, "nothing_runs", "no orchestration is running")
				}
			}
			if _, err := s.steer(ctx, b.RunID, &app.ControlRequest{Op: verb.op, Path: b.Path}); err != nil {
				return nil, asProblem(err)
			}
			return &done{LegacyDone{Message: verb.message, RunID: b.RunID}}, nil
		})
	}
}

// legacyStart reads the body of a start: the name of an orchestration that is kept, or an
// orchestration itself.
func (s *Server) legacyStart(raw json.RawMessage) (*starting, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return nil, problemf(400, "invalid_request", "expected a JSON object: an orchestration, or the name of one that is kept")
	}
	var out starting
	params, hasParams := keys["params"]
	if hasParams {
		if err := json.Unmarshal(params, &out.params); err != nil {
			return nil, problemf(400, "invalid_request", "params: expected an object with a value for each name")
		}
	}
	var name string
	named := json.Unmarshal(keys["name"], &name) == nil && name != ""
	if delete(keys, "params"); named && len(keys) == 1 {
		asked := Asked{Orchestration: name}
		out.name = name
		var err error
		out.loaded, _, err = asked.find(s)
		return &out, err
	}
	if hasParams { // the format has no such key: what is left is the orchestration
		var err error
		if raw, err = json.MarshalIndent(keys, "", "  "); err != nil {
			return nil, err
		}
	}
	var err error
	out.loaded, err = s.scripts.load(formatJSON, string(raw), false)
	return &out, err
}

// legacyStatus is how the newest run stands.
func (s *Server) legacyStatus() (*LegacyStatus, error) {
	out := &LegacyStatus{Failed: []string{}}
	s.runs.mu.Lock()
	id := s.runs.newest
	s.runs.mu.Unlock()
	if id == "" {
		return out, nil
	}
	r, _, err := s.look(id)
	if p := asProblem(err); p != nil && p.Status == 404 {
		return out, nil // it was pruned
	}
	if err != nil {
		return nil, err
	}
	out.Running = r.Status != string(view.Ended) && r.Status != "interrupted"
	out.Name, out.Progress, out.RunID, out.Started = &r.Name, r.Progress, r.ID, &r.Started
	out.Iteration, out.Step, out.Steps, out.Failed = r.Iteration, r.CurrentStep, r.TotalSteps, r.FailedSteps
	if r.Verdict != "" {
		verdict := string(r.Verdict)
		out.Verdict = &verdict
	}
	return out, nil
}
