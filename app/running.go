package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"starquake/builtins"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/store"
)

// loadWindow is what the live figures of load are of.
const loadWindow = 5 * time.Second

// LoadsNow are the figures of the load that is on, as they are now.
func (r *Running) LoadsNow() []view.LoadNow {
	if !r.outside.acted.Load() {
		return nil
	}
	var out []view.LoadNow
	for _, l := range r.outside.ready().LoadsNow(loadWindow) {
		over := max(l.Span, time.Second).Seconds() // of less no rate can be told: the first answer would be a thousand a second
		out = append(out, view.LoadNow{
			ID: l.ID, Path: l.Path, Text: l.Text, ErrorRate: l.ErrorRate, P99: l.P99,
			Requests: float64(l.Requests) / over, Answers: float64(l.Requests-l.Errors) / over,
		})
	}
	return out
}

// Append implements runtime.Journal. Once the store does not take a record it takes none
// any more; who looks on sees how the run ends all the same, but no verdict that is not kept.
func (r *Running) Append(recs []journal.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost == errParked {
		return r.lost // what comes now is of this process alone, and no fact of the run
	}
	end := len(recs) > 0 && recs[len(recs)-1].Kind == journal.RunEnd
	if r.durable != nil && r.lost == nil {
		if r.lost = r.durable.Append(recs); r.lost == nil && end {
			r.lost = r.durable.Sync()
		}
	}
	if r.lost != nil && end {
		recs = unkept(recs, r.lost)
	}
	err := r.keep.Append(recs)
	if r.lost != nil {
		err = r.lost
	}
	for _, sub := range r.subs {
		select {
		case sub <- struct{}{}:
		default:
		}
	}
	return err
}

// unkept are records whose last one is the end of a run, for who looks on when they could not
// be kept: nobody can look that verdict up.
func unkept(recs []journal.Record, why error) []journal.Record {
	recs = slices.Clone(recs)
	last := &recs[len(recs)-1]
	if end := *last.Body.(*journal.RunEndBody); end.Verdict.ExitCode() < journal.VerdictErrored.ExitCode() {
		end.Verdict, end.Reason, end.Message = journal.VerdictErrored, reasonJournal, "the journal cannot be written: "+why.Error()
		last.Body = &end
	}
	return recs
}

// Sync implements runtime.Journal.
func (r *Running) Sync() error {
	if r.durable != nil {
		return r.durable.Sync()
	}
	return r.keep.Sync()
}

// Begun returns once the beginning of the run is durable: from then on no crash loses it.
// Who starts a run for somebody else waits for that before they say that it is there.
func (r *Running) Begun() error {
	enough := errors.New("it has a record")
	if err := r.FollowFrom(context.Background(), 0, func([]journal.Record) error { return enough }); err != nil && err != enough {
		return err
	}
	return r.Sync()
}

// About is what was noted of the run at its start that its journal does not have: when,
// by whom, with which labels.
func (r *Running) About() *store.Info { return &r.about }

// Script is what the run executes.
func (r *Running) Script() *Script { return r.script }

// Wait waits for the end of the run.
func (r *Running) Wait() *Result {
	<-r.done
	return r.result
}

// Done is closed when the run has ended.
func (r *Running) Done() <-chan struct{} { return r.done }

// Ended reports whether the run has ended for those who look at it: they see its end a moment
// before this process has let go of it, which Done tells of.
func (r *Running) Ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return r.keep.memory.Ends()
	}
}

// View is the run as it stands. It is the caller's: what comes later does not change it.
func (r *Running) View() *view.Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep.view()
	return r.keep.fold.Snapshot()
}

// Control asks something of the run. An action that it does not know is an error.
func (r *Running) Control(c runtime.Control) error {
	switch c.Action {
	case runtime.ActionPause, runtime.ActionResume, runtime.ActionSkip, runtime.ActionStop, runtime.ActionAbort:
	default:
		return fmt.Errorf("unknown control %q", c.Action)
	}
	select {
	case <-r.done:
		return fmt.Errorf("run %s has ended", r.ID)
	default:
	}
	r.world.Control(c)
	return nil
}

// Answer answers the approval at a place, or the oldest one for "".
func (r *Running) Answer(id string, approved bool, by, comment string) error {
	waiting, err := r.questions(id)
	if err != nil {
		return err
	}
	return r.outside.approvals.answer(waiting[0].ID, builtins.ApproveAnswer{Approved: approved, By: by, Comment: comment})
}

// questions are the approvals that wait, at least one, the oldest first; with an id that
// one alone.
func (r *Running) questions(id string) (waiting []view.Approval, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.keep.view().Approvals {
		if id == "" || id == a.ID {
			waiting = append(waiting, *a)
		}
	}
	switch {
	case len(waiting) == 0 && id != "":
		return nil, Refusal(fmt.Sprintf("no approval %q is waited for", id))
	case len(waiting) == 0:
		return nil, Refusal("the run waits for no approval")
	}
	return waiting, nil
}

// Records are those that there are by now, without the first n. They are not changed.
func (r *Running) Records(n int) []journal.Record { return r.keep.memory.RecordsFrom(n) }

// Follow calls fn with every record from the first, in order, until the run has
// ended or ctx is done or fn returns an error.
func (r *Running) Follow(ctx context.Context, fn func([]journal.Record) error) error {
	return r.FollowFrom(ctx, 0, fn)
}

// FollowFrom is Follow without the first n records.
func (r *Running) FollowFrom(ctx context.Context, n int, fn func([]journal.Record) error) error {
	woken := make(chan struct{}, 1)
	r.mu.Lock()
	r.subs = append(r.subs, woken)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.subs = slices.DeleteFunc(r.subs, func(c chan struct{}) bool { return c == woken })
		r.mu.Unlock()
	}()
	for next := n; ; {
		ended := false
		select {
		case <-r.done:
			ended = true
		default:
		}
		recs := r.keep.memory.RecordsFrom(next)
		if len(recs) > 0 {
			if err := fn(recs); err != nil {
				return err
			}
			next += len(recs)
			continue
		}
		if ended {
			return nil
		}
		select {
		case <-woken:
		case <-r.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// LeftBehind names the faults that would stay on if the process ended now.
func (r *Running) LeftBehind() []string {
	var left []string
	for _, req := range r.world.InFlight() {
		if !req.Chaos {
			continue
		}
		left = append(left, faultText(&req))
	}
	slices.Sort(left)
	return left
}
