package server

import (
	"context"
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"starquake/app"
)

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
		{"stop", "Stop a run. The answer comes when it has ended and every fault is off; 409 unclean says that it has ended and a fault may still be on."},
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
			return steer(ctx, in.ID, &app.ControlRequest{Op: verb.op, Comment: b.Comment, Question: b.Question, QuestionAs: questionAs})
		})
	}
}

// questionAs is how the question of a run is named to a server, for help.
const questionAs = `"question": "ID" in the body (starquake approve and reject: --question ID)`

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
