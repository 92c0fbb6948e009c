package server

import (
	"context"
	"maps"

	"starquake/app"
	"starquake/server/auth"
	"starquake/server/schedule"
)

// scheduled are this server's runs as schedules see them.
type scheduled struct{ server *Server }

// Start begins a run as somebody below admin, whoever wrote the schedule: its script has a
// process of its own.
func (d scheduled) Start(_ context.Context, start schedule.Start) (string, error) {
	s := d.server
	l, _, err := (&Asked{Orchestration: start.Definition.Orchestration}).find(s)
	if err != nil {
		return "", err
	}
	labels := map[string]string{schedule.LabelSchedule: start.Schedule}
	maps.Copy(labels, start.Definition.Labels)
	id, _, err := s.start(&starting{
		loaded: l, params: start.Definition.Params, labels: labels,
		key: start.Key, request: digest(start.Key), who: Who{Name: signature(start), Role: auth.Operator, Kind: kindSchedule}, patient: true,
	})
	return id, err
}

// kindSchedule is the kind of who starts runs at their times.
const kindSchedule = "schedule"

// signature is what the run of a schedule is signed with: the schedule's name, in a form
// that nobody else's has, or who triggered it.
func signature(start schedule.Start) string {
	if start.Key == "" {
		return start.By
	}
	return kindSchedule + ":" + start.Schedule
}

// Started gives the run that a start has begun.
func (d scheduled) Started(start schedule.Start) (string, bool) {
	m := d.server.runs
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.keys[startKey{signature(start), start.Key}]
	if was == nil {
		return "", false
	}
	select {
	case <-was.done:
		return was.id, was.id != ""
	default:
		return "", false
	}
}

// Active reports whether a run goes on in this server.
func (d scheduled) Active(run string) bool {
	if d.server.runs.waitsFor(run) {
		return true
	}
	r := d.server.runs.find(run)
	return r != nil && !ended(r)
}

// Stop stops a run and waits for its end. One that waits for its turn never begins.
func (d scheduled) Stop(ctx context.Context, run, why string) error {
	if out, err := d.server.runs.cancel(ctx, run, kindSchedule, why); out || err != nil {
		if p := asProblem(err); p != nil && p.Code == codeRunEnded {
			return nil
		}
		return err
	}
	r := d.server.runs.find(run)
	if r == nil {
		return nil // it has ended
	}
	if _, err := r.Do(ctx, &app.ControlRequest{Op: "stop", By: kindSchedule, Comment: why}); err != nil {
		select {
		case <-r.Done():
			return nil
		default:
			return err
		}
	}
	select {
	case <-r.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
