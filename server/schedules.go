package server

import (
	"context"
	"maps"

	"starquake/app"
	"starquake/server/auth"
	"starquake/server/schedule"
	"starquake/store"
)

// scheduled are this server's runs as schedules see them.
type scheduled struct{ server *Server }

// Start begins a run as somebody below admin, whoever wrote the schedule: its script has a
// process of its own.
func (d scheduled) Start(_ context.Context, start schedule.Start) (string, error) {
	asked, err := d.server.scheduledStart(start)
	if err != nil {
		return "", err
	}
	id, _, err := d.server.start(asked)
	return id, err
}

// scheduledStart is what a schedule asks for.
func (s *Server) scheduledStart(start schedule.Start) (*starting, error) {
	l, _, err := (&Asked{Orchestration: start.Definition.Orchestration}).find(s)
	if err != nil {
		return nil, err
	}
	labels := map[string]string{schedule.LabelSchedule: start.Schedule}
	maps.Copy(labels, start.Definition.Labels)
	return &starting{
		loaded: l, params: start.Definition.Params, labels: labels,
		key: start.Key, request: digest(start.Key), who: Who{Name: signature(start), Role: auth.Operator, Kind: kindSchedule}, patient: true,
	}, nil
}

// Met counts what became of a time.
func (d scheduled) Met(o schedule.Outcome) { d.server.metrics.times.WithLabelValues(o.What).Inc() }

// schedulesOf are the names of the schedules that start an orchestration, also where another
// process serves them.
func (s *Server) schedulesOf(orchestration string) (names []string, err error) {
	docs, err := s.config.Store.Shelf(store.Schedules).List()
	for i := range docs {
		if d, err := schedule.Parse(docs[i].Body); err == nil && d.Orchestration == orchestration {
			names = append(names, docs[i].Name)
		}
	}
	return names, err
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
