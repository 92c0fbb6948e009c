package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"starquake/store"
)

const (
	// grace is how late a time may be met and not count as missed.
	grace = time.Minute
	// look is how often the clock on the wall is looked at, which may have been set.
	look = time.Minute
	// wasAhead is from when on a clock that is put back was wrong before.
	wasAhead = 3 * time.Hour
	// again is after how long is tried again what could not be noted.
	again = 10 * time.Second
	// stopWithin bounds the stop of a run that is to be replaced.
	stopWithin = 2 * time.Minute
	// maxActive bounds how many runs of a schedule go on at once.
	maxActive = 100
)

// State is what the scheduler notes of a schedule.
type State struct {
	// Made is when its delay or interval began: when it was written, or its times changed.
	Made time.Time `json:"made"`
	// Timing are the fields of the definition that say when, as they were then.
	Timing Definition `json:"timing"`
	// Due is the next time; zero if there is none.
	Due time.Time `json:"due,omitzero"`
	// Runs is how many it has started by itself.
	Runs int `json:"runs"`
	// Starting is the time for which a run is being started. It is set before, and
	// taken back with the outcome.
	Starting time.Time `json:"starting,omitzero"`
	// Active are the runs that may go on.
	Active []string `json:"active,omitempty"`
	// Last is what became of the last time.
	Last *Outcome `json:"last,omitempty"`
}

// Outcome is what became of a time.
type Outcome struct {
	Due time.Time `json:"due" doc:"When it was due."`
	At  time.Time `json:"at" doc:"When this was noted."`
	// What is one of Started, Skipped, Missed, Failed.
	What   string `json:"what" enum:"started,skipped,missed,failed" doc:"started; skipped, as a run still went on; missed, as no server was there; or failed to start."`
	Run    string `json:"run,omitempty" doc:"The run that was started, or because of which it was skipped."`
	Reason string `json:"reason,omitempty" doc:"Why, for people."`
}

// What can become of a time.
const (
	Started = "started"
	Skipped = "skipped"
	Missed  = "missed"
	Failed  = "failed"
)

// trigger asks a runner for a run now.
type trigger struct {
	by     string
	answer chan triggered // has room for it
}

type triggered struct {
	run string
	err error
}

// runner is one schedule. Its goroutine alone changes the state.
type runner struct {
	scheduler  *Scheduler
	name, by   string
	definition Definition
	triggers   chan trigger
	cancel     context.CancelFunc
	done       chan struct{} // closed when the goroutine has ended

	mu    sync.Mutex
	state State
}

// end ends the runner and waits for it.
func (r *runner) end() {
	r.cancel()
	<-r.done
}

// entry is the schedule as it stands.
func (r *runner) entry(doc store.Document) Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := Entry{doc, r.definition, r.state}
	e.State.Active = slices.Clone(r.state.Active)
	return e
}

// begin takes up the state for the definition as it is now.
func (r *runner) begin(now time.Time) {
	d, s := &r.definition, &r.state
	if s.Made.IsZero() || !s.Timing.same(d) {
		s.Made, s.Due = now.UTC(), time.Time{}
		now = now.Add(-1) // a delay of nothing is over now
		s.Timing = Definition{At: d.At, After: d.After, Every: d.Every, Cron: d.Cron, TimeZone: d.TimeZone}
	}
	switch {
	case d.Disabled || d.MaxRuns > 0 && s.Runs >= d.MaxRuns:
		s.Due = time.Time{}
	case s.Due.IsZero():
		s.Due = d.next(s.Made, now)
	case !d.Until.IsZero() && s.Due.After(d.Until):
		s.Due = time.Time{}
	}
}

// run waits for the schedule's times, and for triggers, until ctx is done.
func (r *runner) run(ctx context.Context) {
	defer close(r.done)
	for ctx.Err() == nil {
		r.change(func(s *State) { s.rewind(&r.definition, time.Now()) })
		r.note()
		wait := look
		if due := r.state.Due; !due.IsZero() {
			wait = min(max(time.Until(due), 0), look)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case t := <-r.triggers:
			run, err := r.start(ctx, t.by, "")
			t.answer <- triggered{run, err}
		case <-timer.C:
			if due := r.state.Due; !due.IsZero() && !time.Now().Before(due) {
				r.meet(ctx, due)
			}
		}
		timer.Stop()
	}
	r.note() // who goes on with it is to know of a run that was begun last
}

// rewind has the next time be one from now on where the last one was noted by a clock that was
// ahead and is right again: else nothing would be due for as long. No time that has started a
// run comes again, unless the clock is put back by more than wasAhead.
func (s *State) rewind(d *Definition, now time.Time) {
	if s.Last == nil || d.Disabled || d.MaxRuns > 0 && s.Runs >= d.MaxRuns {
		return
	}
	ahead := s.Last.At.Sub(now)
	again := d.Every != "" || d.Cron != ""
	if !(s.Last.What == Missed && ahead > grace || again && ahead > wasAhead) {
		return
	}
	if next := d.next(s.Made, now); !next.IsZero() && (s.Due.IsZero() || next.Before(s.Due)) {
		s.Due = next
	}
}

// settle finds out what became of a start that the process did not live to note. It is for the
// times as they were then, and so comes before begin.
func (r *runner) settle() {
	due := r.state.Starting
	if due.IsZero() {
		return
	}
	run, ok := r.scheduler.runs.Started(Start{Schedule: r.name, Definition: r.definition, By: r.by, Key: r.key(due)})
	r.change(func(s *State) {
		s.Starting = time.Time{}
		if ok {
			r.count(s, due, run)
		}
	})
}

// key is that of the start for a time.
func (r *runner) key(due time.Time) string {
	return fmt.Sprintf("schedule/%s/%d/%s", r.name, r.state.Made.UnixNano(), due.UTC().Format(time.RFC3339Nano))
}

// meet does what is to be done at a time that has come.
func (r *runner) meet(ctx context.Context, due time.Time) {
	now := time.Now()
	if now.Sub(due) > grace && r.definition.Missed != RunOnce {
		r.change(func(s *State) { r.over(s, Outcome{Due: due, What: Missed, Reason: "no server was there"}) })
		return
	}
	r.change(func(s *State) { s.Starting = due })
	if !r.note() {
		// A start that was not noted could be made twice. It is tried again.
		r.change(func(s *State) { s.Starting = time.Time{} })
		pause(ctx, again)
		return
	}
	run, err := r.start(ctx, r.by, r.key(due))
	if ctx.Err() != nil && err != nil {
		return // the next one settles it
	}
	if (errors.Is(err, store.ErrNoRoom) || store.Passes(err)) && time.Since(due)+again < grace { // there may be more in a moment
		r.change(func(s *State) { s.Starting = time.Time{} })
		pause(ctx, again)
		return
	}
	r.change(func(s *State) {
		s.Starting = time.Time{}
		switch {
		case err == nil:
			r.count(s, due, run)
		case errors.Is(err, ErrActive):
			r.over(s, Outcome{Due: due, What: Skipped, Run: run, Reason: err.Error()})
		default:
			r.over(s, Outcome{Due: due, What: Failed, Reason: err.Error()})
		}
	})
}

// count notes a run that was started.
func (r *runner) count(s *State, due time.Time, run string) {
	s.Runs++
	if !slices.Contains(s.Active, run) {
		s.Active = append(s.Active, run)
	}
	r.over(s, Outcome{Due: due, What: Started, Run: run})
}

// over notes what became of a time, and when the next one is.
func (r *runner) over(s *State, o Outcome) {
	now := time.Now()
	o.At, s.Last = now.UTC(), &o
	r.scheduler.runs.Met(o)
	d := &r.definition
	if d.MaxRuns > 0 && s.Runs >= d.MaxRuns {
		s.Due = time.Time{}
		return
	}
	after := o.Due
	if now.After(after) {
		after = now
	}
	s.Due = d.next(s.Made, after)
	if o.What != Started {
		r.scheduler.logger.Warn("a schedule started no run", "schedule", r.name, "due", o.Due, "what", o.What, "reason", o.Reason)
	}
}

// start begins a run, as far as those that go on let it. With ErrActive it gives the run
// that does not.
func (r *runner) start(ctx context.Context, by, key string) (run string, err error) {
	runs := r.scheduler.runs
	r.change(func(s *State) {
		s.Active = slices.DeleteFunc(s.Active, func(run string) bool { return !runs.Active(run) })
	})
	active := r.state.Active
	switch {
	case len(active) == 0:
	case r.definition.Concurrency == Replace:
		for _, old := range active {
			late, cancel := context.WithTimeout(ctx, stopWithin)
			err := runs.Stop(late, old, "replaced by the next run of schedule "+r.name)
			cancel()
			if err != nil {
				return "", fmt.Errorf("run %s is to be replaced, and does not end: %w", old, err)
			}
		}
	case r.definition.Concurrency != Allow:
		return active[0], fmt.Errorf("%w: %s", ErrActive, active[0])
	case len(active) >= maxActive:
		return active[0], fmt.Errorf("%w, and %d others", ErrActive, len(active)-1)
	}
	run, err = runs.Start(ctx, Start{Schedule: r.name, Definition: r.definition, By: by, Key: key})
	if err == nil && key == "" {
		r.change(func(s *State) { s.Active = append(s.Active, run) })
	}
	return run, err
}

// change changes the state where others look at it.
func (r *runner) change(f func(*State)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.state)
}

// note keeps the state; false says that it could not.
func (r *runner) note() bool {
	body, err := json.Marshal(&r.state)
	if err == nil {
		_, err = r.scheduler.states.Put(r.name, "", body, "", time.Now())
	}
	if err != nil {
		r.scheduler.logger.Error("the state of a schedule cannot be kept", "schedule", r.name, "error", err)
	}
	return err == nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
