package server

import (
	"encoding/json"
	"strconv"
	"time"

	"starquake/app"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/store"
)

// Run is a run as it stands.
type Run struct {
	ID string `json:"id" doc:"Names the run; ids sort by the time of the start."`
	// Name is the orchestration's.
	Name    string          `json:"name" doc:"The orchestration's name."`
	Status  string          `json:"status" enum:"queued,running,paused,stopping,ended,interrupted" doc:"What it is doing. queued: it waits for its turn, and nothing has begun. interrupted: its process is gone, and it does not go on."`
	Verdict journal.Verdict `json:"verdict,omitempty" doc:"How it ended."`
	Reason  string          `json:"reason,omitempty" doc:"A stable code of why it ended so."`
	Message string          `json:"message,omitempty" doc:"Why it ended so, for people."`

	// QueuePosition is 0 for one whose turn has come.
	QueuePosition int `json:"queue_position,omitempty" doc:"Of a queued one: how many starts of the queue it has to let begin, with itself; 1 is the next."`

	Started time.Time  `json:"started_at" doc:"When it began; of one that has not, when it was asked for."`
	Ended   *time.Time `json:"ended_at,omitempty" doc:"When it ended."`
	// ElapsedSeconds is without pauses.
	ElapsedSeconds float64  `json:"elapsed_seconds" doc:"For how long it has been at work, without pauses."`
	PlannedSeconds *float64 `json:"planned_seconds,omitempty" doc:"How long it takes if all goes as planned; absent if it has no end."`
	Progress       *float64 `json:"progress" doc:"Elapsed over planned, at most 0.99 until the end, then 1; null where it has no planned end."`

	Iteration   int      `json:"current_iteration" doc:"The turn of its outermost loop, from 1."`
	CurrentStep int      `json:"current_step" doc:"The number of the step that began last, from 1; 0 before the first."`
	Step        string   `json:"current_step_path,omitempty" doc:"The path of the innermost step that runs."`
	TotalSteps  int      `json:"total_steps" doc:"How many steps a turn has, as the plan had it."`
	FailedSteps []string `json:"failed_steps" nullable:"false" doc:"The names of steps that failed and were not tolerated."`
	FaultsOn    int      `json:"faults_on" doc:"How many faults are on now, those that may be since the run could not take them off (unclean) among them. While they are lifted, in a pause or an approval, they are not."`
	Events      int      `json:"events" doc:"How many records its journal has; the last one's number."`

	Labels map[string]string `json:"labels,omitempty" doc:"What it can be found by."`
	Params map[string]any    `json:"params,omitempty" doc:"The parameters that it was given."`
	Seed   string            `json:"seed,omitempty" doc:"The seed of all its randomness."`
	By     string            `json:"by,omitempty" doc:"Who started it."`
	Report string            `json:"report,omitempty" doc:"Of the answer to a start: where the run's report is, as it stands and when it has ended; absent where the Idempotency-Key is that of a run that never began."`

	Approvals []*view.Approval `json:"approvals,omitempty" doc:"The questions that wait for a person."`
	// LoadsNow is telemetry: no journal has it.
	LoadsNow []view.LoadNow `json:"loads_now,omitempty" doc:"The load that is on, with what its last seconds came to."`
}

// statusStopping is that of a run that is asked to stop, for which package view has no word.
const statusStopping = "stopping"

// shown is a run as clients see it: a fold over its journal, and what was asked at its
// start. One that goes on does so since its last record.
func shown(v *view.Run, planned app.Planned, info *store.Info, goesOn bool) Run {
	now := v.Now
	if goesOn && v.State != view.Ended && !v.Origin.IsZero() {
		now = max(now, v.At(time.Now()))
	}
	r := Run{
		ID: info.ID, Name: v.Name, Status: string(v.State), Verdict: v.Verdict, Reason: v.Reason, Message: v.Message,
		ElapsedSeconds: v.Elapsed(now).Seconds(), Progress: v.Progress(planned.Total, now),
		TotalSteps: planned.Steps, FailedSteps: []string{}, FaultsOn: v.FaultsNow(), Events: v.Counts.Events,
		Iteration: 1, Approvals: v.Approvals,
	}
	r.Labels, r.By, r.Started = info.Labels, info.By, info.Started.UTC()
	if r.Name == "" {
		r.Name = info.Name // nothing is in the journal yet
	}
	if v.Name != "" {
		r.Seed = strconv.FormatUint(v.Seed, 10)
	}
	_ = json.Unmarshal(v.Params, &r.Params) // an object, or absent
	if planned.Total != nil {
		seconds := planned.Total.Seconds()
		r.PlannedSeconds = &seconds
	}
	if goesOn && v.Stopping != nil && v.State != view.Ended {
		r.Status = statusStopping
	}
	if v.State == view.Ended {
		ended := r.Started.Add(v.Now / time.Duration(max(1, v.Compress)))
		r.Ended = &ended
	}
	r.steps(v)
	return r
}

// look gives a run as it stands, with all that there is to see of it.
func (s *Server) look(id string) (Run, *view.Run, error) {
	if run, ok := s.runs.queued(id); ok {
		v := view.New().Run()
		v.Name, v.Origin, v.State = run.Name, run.Started, view.State(run.Status)
		v.Verdict, v.Reason, v.Message = run.Verdict, run.Reason, run.Message
		return run, v, nil
	}
	if r := s.runs.find(id); r != nil && !s.leftOn(r) {
		v := r.View()
		run := shown(v, r.Planned(), r.About(), true)
		run.LoadsNow = r.LoadsNow()
		return run, v, nil
	}
	defer s.runs.reading()()
	e, recs, err := s.runs.read(id)
	if err != nil {
		return Run{}, nil, err
	}
	v := app.ViewOf(&e, recs)
	return shown(v, app.PlannedOf(&e.Info), &e.Info, e.Status == store.Running), v, nil
}

// leftOn reports whether a run has ended unclean and is kept on disk, where somebody may have
// taken off since what it has left on.
func (s *Server) leftOn(r *app.Running) bool {
	select {
	case <-r.Done(): // before, nobody else may touch it
		return r.Wait().Outcome.Verdict == journal.VerdictUnclean && s.runs.store != nil
	default:
		return false
	}
}

// steps says where the run is.
func (r *Run) steps(v *view.Run) {
	if len(v.Loops) > 0 {
		r.Iteration = v.Loops[0].Turn + 1
	}
	if r.CurrentStep = v.Counts.Steps; r.TotalSteps > 0 && r.CurrentStep > r.TotalSteps {
		r.CurrentStep = (r.CurrentStep-1)%r.TotalSteps + 1
	}
	for _, s := range v.Steps {
		switch {
		case s.Status == journal.Failed && !s.Tolerated:
			r.FailedSteps = append(r.FailedSteps, s.Name)
		case !s.Over() || s.Status == view.StepInterrupted:
			r.Step = s.Path
		}
	}
}

// listed is a run in a list, of one that this process does not have.
func listed(e *store.Entry) Run {
	planned := app.PlannedOf(&e.Info)
	r := Run{
		ID: e.ID, Name: e.Name, Status: string(e.Status), Started: e.Started.UTC(), Labels: e.Labels, By: e.By,
		Seed: strconv.FormatUint(e.Seed, 10), TotalSteps: planned.Steps,
	}
	if planned.Total != nil {
		seconds := planned.Total.Seconds()
		r.PlannedSeconds = &seconds
	}
	if e.End != nil {
		r.Verdict, r.Reason, r.Message = e.End.Verdict, e.End.Reason, e.End.Message
		r.ended(e.End)
	}
	return r
}

// ended says for how long a run was that has ended.
func (r *Run) ended(end *store.End) {
	at := r.Started.Add(end.Duration)
	r.Ended, r.ElapsedSeconds = &at, (end.Duration - end.Paused).Seconds()
	if r.PlannedSeconds != nil {
		one := 1.0
		r.Progress = &one
	}
}
