package app

import (
	"context"
	"errors"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// errParked is why the journal of a parked run takes no more records.
var errParked = errors.New("the run is parked")

// Park lets go of a run that the store keeps, so that another process can take it up as if
// this one had died: its faults tell their counts and go off, its journal stays as it is, no clean-up of it runs,
// and its end here is no end of the run. It returns when that is done; an error says that
// a fault may still be on, or that ctx was over first. A run without a store cannot be
// parked: it is stopped. One that has ended by itself has said how, and is only waited for.
func (r *Running) Park(ctx context.Context) error {
	how := runtime.Control{Action: runtime.ActionStop, By: "server", Detail: "the server ends, and keeps nothing"}
	if r.durable != nil {
		how.Action, how.Detail = runtime.ActionFail, errParked.Error()
		if !r.Ended() {
			r.tellCounts(ctx)
		}
		r.letGo()
	}
	r.world.Control(how)
	select {
	case <-r.done:
		if r.durable != nil && !r.Parked() {
			return nil
		}
		return r.unclean()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// letGo has the journal take no more records, unless the run has ended, and what was taken off
// not be waited for that may come once more: the next process does that.
func (r *Running) letGo() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost == nil && !r.keep.memory.Ends() {
		r.lost = errParked
		if r.outside.late.cut != nil { // of a run that was taken up
			close(r.outside.late.cut)
		}
	}
}

// killed is told that somebody killed the script's process.
func (r *Running) killed() {
	if r.durable != nil && r.onKilled != nil && r.onKilled() {
		r.letGo()
	}
}

// Parked reports whether the run was let go of, so that its end here is no end of the run.
func (r *Running) Parked() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost == errParked
}

// unclean is an error if a fault may still be on after the end.
func (r *Running) unclean() error {
	if out := r.result.Outcome; out.Verdict == journal.VerdictUnclean {
		return errors.New("a fault may still be on: " + out.Message)
	}
	return nil
}
