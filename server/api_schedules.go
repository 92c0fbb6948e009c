package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"starquake/server/schedule"
	"starquake/store"
)

// Schedule is a schedule as clients see it.
type Schedule struct {
	Name       string              `json:"name" doc:"The schedule."`
	Version    int                 `json:"version" doc:"How often it was written."`
	ETag       string              `json:"etag" doc:"Names the version and its content, for If-Match."`
	By         string              `json:"by,omitempty" doc:"Who wrote it. The runs that it starts at its times are signed schedule:NAME, one that somebody triggers is signed by who triggered it."`
	Updated    time.Time           `json:"updated" doc:"When it was written."`
	Definition schedule.Definition `json:"definition" doc:"What was written."`
	Due        *time.Time          `json:"due" doc:"When it is due next; null if it is disabled or over."`
	Runs       int                 `json:"runs" doc:"How many runs it has started by itself."`
	Active     []string            `json:"active" nullable:"false" doc:"Its runs that go on, or wait to begin. While there is one, with the concurrency that starts no second, a trigger is a 409 schedule_active."`
	Last       *schedule.Outcome   `json:"last,omitempty" doc:"What became of the last time; absent before it."`
}

func (s *Server) shownSchedule(e schedule.Entry) Schedule {
	out := Schedule{
		Name: e.Name, Version: e.Version, ETag: e.ETag(), By: e.By, Updated: e.Time, Definition: e.Definition,
		Runs: e.State.Runs, Active: []string{}, Last: e.State.Last,
	}
	for _, run := range e.State.Active { // as they were when the schedule was last looked at
		if (scheduled{s}).Active(run) {
			out.Active = append(out.Active, run)
		}
	}
	if due := e.State.Due; !due.IsZero() {
		out.Due = &due
	}
	return out
}

// ScheduleList are schedules.
type ScheduleList struct {
	Schedules []Schedule `json:"schedules" nullable:"false" doc:"By name."`
	Damaged   []Damaged  `json:"damaged,omitempty" doc:"Those that cannot be read: they start no runs until they are written anew or removed."`
}

// ScheduleTimes are times at which a schedule is due.
type ScheduleTimes struct {
	Times []time.Time `json:"times" nullable:"false" doc:"The next ones, in UTC; fewer than asked for if there are no more."`
}

// Triggered says what was started.
type Triggered struct {
	Run string `json:"run" doc:"The run."`
}

// scheduler gives the schedules, unless another process has them.
func (s *Server) scheduler() (*schedule.Scheduler, error) {
	if s.schedules == nil {
		p := problemf(409, "schedules_elsewhere", "another process serves the schedules of this data folder")
		p.Help = s.besideHelp()
		return nil, p
	}
	return s.schedules, nil
}

// scheduleProblem is what is wrong with a request about a schedule.
func scheduleProblem(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, schedule.ErrInvalid):
		return problemf(400, "invalid_schedule", "%v", err)
	case errors.Is(err, schedule.ErrActive):
		return problemf(409, "schedule_active", "%v", err)
	case errors.Is(err, schedule.ErrDamaged):
		p := problemf(409, "schedule_damaged", "%v", err)
		p.Help = "PUT it anew, without If-Match, or DELETE it"
		return p
	case errors.Is(err, schedule.ErrFull):
		return problemf(409, "too_many_schedules", "%v", err)
	case errors.Is(err, store.ErrNoDocument):
		return problemf(404, "schedule_not_found", "there is no schedule %q", name)
	}
	return asProblem(err)
}

// willStart says why a schedule that is written would never start a run. One that is written
// again with a time that has passed meanwhile stays.
func (s *Server) willStart(all *schedule.Scheduler, name string, d *schedule.Definition) error {
	if now := time.Now(); !d.At.IsZero() && d.At.Before(now) {
		if had, err := all.Get(name); err != nil || !had.Definition.At.Equal(d.At) {
			return problemf(422, "schedule_past", "at: %s has passed, it is %s; give a time to come, or after: 0s to start at once", d.At.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
		}
	}
	if d.Orchestration == "" {
		return nil // which is told with all else that is wrong
	}
	if _, err := s.shelf.Get(d.Orchestration); errors.Is(err, store.ErrNoDocument) {
		p := problemf(422, "orchestration_not_found", "there is no orchestration %q; keep it first", d.Orchestration)
		p.Help = s.meantOrchestration(d.Orchestration)
		return p
	} else if err != nil {
		return asProblem(orchestrationDamaged(d.Orchestration, err))
	}
	if d.Check() != nil {
		return nil // likewise
	}
	asked, err := s.scheduledStart(schedule.Start{Schedule: name, Definition: *d})
	if err == nil {
		err = s.refused(asked)
	}
	return failure(err)
}

// SchedulePath is the schedule that a request is about.
type SchedulePath struct {
	Name string `path:"name" maxLength:"300" doc:"The schedule."`
}

type scheduleOut struct {
	Tagged
	Status int
	Body   Schedule
}

func (s *Server) scheduleAnswer(name string, e schedule.Entry, err error) (*scheduleOut, error) {
	if err != nil {
		return nil, scheduleProblem(name, err)
	}
	return &scheduleOut{Tagged{quoted(e.ETag())}, http.StatusOK, s.shownSchedule(e)}, nil
}

func (s *Server) scheduleRoutes() {
	const tag, base = "schedules", "/api/v1/schedules"
	type list struct{ Body ScheduleList }
	huma.Register(s.api, op("GET", base, "list-schedules", Viewer, "The schedules.", tag), func(context.Context, *struct{}) (*list, error) {
		all, err := s.scheduler()
		if err != nil {
			return nil, err
		}
		entries, err := all.List()
		if err != nil {
			return nil, asProblem(err)
		}
		out := &list{ScheduleList{[]Schedule{}, damagedOf(all.Damaged())}}
		for _, e := range entries {
			out.Body.Schedules = append(out.Body.Schedules, s.shownSchedule(e))
		}
		return out, nil
	})
	huma.Register(s.api, op("GET", base+"/{name}", "get-schedule", Viewer, "A schedule as it stands.", tag), func(_ context.Context, in *SchedulePath) (*scheduleOut, error) {
		all, err := s.scheduler()
		if err != nil {
			return nil, err
		}
		e, err := all.Get(unescape(in.Name))
		return s.scheduleAnswer(in.Name, e, err)
	})
	type times struct{ Body ScheduleTimes }
	huma.Register(s.api, op("POST", base+"/preview", "preview-schedule", Viewer, "When a schedule would be due that is made now.", tag), func(_ context.Context, in *struct {
		Count int `query:"count" minimum:"1" maximum:"100" default:"10" doc:"How many times at most."`
		Body  schedule.Definition
	}) (*times, error) {
		if err := in.Body.Check(); err != nil {
			return nil, problemf(400, "invalid_schedule", "%v", err)
		}
		now := time.Now()
		return &times{ScheduleTimes{in.Body.Preview(now, now, in.Count)}}, nil
	})
	s.changeSchedules(tag, base)
}

func (s *Server) changeSchedules(tag, base string) {
	huma.Register(s.api, created(op("PUT", base+"/{name}", "put-schedule", Operator, "Make a schedule, or change one. Its runs are those of an operator, whoever writes it.", tag), "There was one of that name: it was changed, or is as asked already."), func(ctx context.Context, in *struct {
		SchedulePath
		Writing
		Body schedule.Definition
	}) (*scheduleOut, error) {
		all, err := s.scheduler()
		if err != nil {
			return nil, err
		}
		etag, err := condition(in.IfMatch, in.IfNoneMatch)
		if err != nil {
			return nil, err
		}
		if err := s.willStart(all, unescape(in.Name), &in.Body); err != nil {
			return nil, err
		}
		now := time.Now()
		e, err := all.Put(unescape(in.Name), whoOf(ctx).Name, in.Body, etag)
		out, err := s.scheduleAnswer(in.Name, e, err)
		if err == nil && e.Version == 1 && !e.Time.Before(now) {
			out.Status = http.StatusCreated
		}
		return out, err
	})
	huma.Register(s.api, op("DELETE", base+"/{name}", "delete-schedule", Operator, "Remove a schedule. Runs that it has started go on.", tag), func(_ context.Context, in *struct {
		SchedulePath
		IfMatch string `header:"If-Match" doc:"Only if the latest version has this ETag."`
	}) (*struct{}, error) {
		all, err := s.scheduler()
		if err != nil {
			return nil, err
		}
		etag, err := condition(in.IfMatch, "")
		if err != nil {
			return nil, err
		}
		return nil, scheduleProblem(in.Name, all.Delete(unescape(in.Name), etag))
	})
	for _, on := range []bool{true, false} {
		verb, does := "enable", "Let a schedule start runs by itself."
		if !on {
			verb, does = "disable", "Let a schedule start no runs by itself. What is due meanwhile is not missed."
		}
		huma.Register(s.api, op("POST", base+"/{name}/"+verb, verb+"-schedule", Operator, does, tag), func(ctx context.Context, in *SchedulePath) (*scheduleOut, error) {
			all, err := s.scheduler()
			if err != nil {
				return nil, err
			}
			e, err := all.Enable(unescape(in.Name), whoOf(ctx).Name, on)
			return s.scheduleAnswer(in.Name, e, err)
		})
	}
	type triggered struct {
		Status   int
		Location string `header:"Location" doc:"Where the run is."`
		Body     Triggered
	}
	trigger := queues(created(op("POST", base+"/{name}/trigger", "trigger-schedule", Operator, "Start a run of a schedule now, also of one that is disabled or over; status 202 says that it waits for its turn, as too many go on. When it is due, and how many runs it may still start, stay as they are.", tag), ""))
	huma.Register(s.api, trigger, func(ctx context.Context, in *SchedulePath) (*triggered, error) {
		all, err := s.scheduler()
		if err != nil {
			return nil, err
		}
		id, err := all.Trigger(ctx, unescape(in.Name), whoOf(ctx).Name)
		if err != nil {
			return nil, scheduleProblem(in.Name, err)
		}
		out := &triggered{http.StatusCreated, "/api/v1/runs/" + id, Triggered{id}}
		if s.runs.waitsFor(id) {
			out.Status = http.StatusAccepted
		}
		return out, nil
	})
}
