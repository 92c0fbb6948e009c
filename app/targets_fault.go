package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"starquake/builtins"
	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/chaos/link"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// uncounted is the answer of a fault of which nobody counts what meets it.
type uncounted struct {
	Uncounted bool `json:"uncounted"`
}

// onNote is the first report of a fault that is on.
func onNote(args *builtins.FaultArgs, before chaos.Stats) any {
	if args.Counted() {
		return faultNote(before)
	}
	return struct {
		On bool `json:"on"`
		uncounted
	}{true, uncounted{true}}
}

// counts are the figures of a fault as its answer.
func counts(s *chaos.Stats) any {
	if s == nil {
		return uncounted{true}
	}
	return *s
}

// fault puts one fault on until it is cancelled.
func (t *targets) fault(ctx context.Context, call *runtime.Call) (any, error) {
	var args builtins.FaultArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	plane, err := t.plane(&args)
	if err != nil {
		return nil, err
	}
	what, place, id := describeFault(&args), call.ID.String(), faultID(t.run, call.ID)
	if plane.Outlives() {
		t.guardian.add(id, place, call.Args)
	}
	var elapsed time.Duration
	if call.Again != nil {
		elapsed = call.Again.Elapsed / time.Duration(max(1, t.compress))
	}
	before, err := countsOf(call.Again)
	if err != nil {
		return nil, fmt.Errorf("%s: its last report cannot be read: %w", what, err)
	}
	applied, err := plane.Apply(ctx, engine.Put{
		Fault: args.Fault.Compress(t.compress), ID: id, Place: place, Seed: call.Seed, Elapsed: elapsed, Before: before, Hold: holdOf(call.Signals),
		Warn: func(err error) {
			t.logger.Warn("an engine does not do as it is told; trying on", "fault", what, "error", err)
		},
	})
	if err != nil {
		return nil, t.notOn(ctx, plane, id, what, err)
	}
	if !args.Counted() {
		applied = mute{applied}
	}
	counting := tellOf(ctx, applied, before, call.Report)
	t.keep(place, counting)
	defer t.keep(place, nil)
	defer counting.end()
	t.guardian.on(id)
	call.Report(onNote(&args, before))
	for {
		select {
		case <-ctx.Done():
			return t.takeOff(applied, id, what)
		case err := <-applied.Lost():
			t.logger.Warn("a fault is gone before its time", "fault", what, "error", err)
			if _, undo := applied.Remove(context.Background()); undo != nil && !link.IsLost(undo) { // what may be left of it
				return nil, &journal.EffectError{Code: codeUnconfirmed, Message: fmt.Sprintf("%s: %v, and then: %v", what, err, undo)}
			}
			t.guardian.remove(id)
			return nil, &journal.EffectError{Code: journal.CodeLost, Message: fmt.Sprintf("%s: %v", what, err)}
		case signal := <-call.Signals:
			if ctx.Err() != nil {
				continue // it is to go off, not on again
			}
			heed(applied, signal)
			counting.ask()
		case <-counting.timer.C:
			counting.ask()
		case news := <-counting.wanted:
			counting.want(news)
		case s := <-counting.answer:
			counting.tell(s)
		}
	}
}

// codeUnconfirmed is the code of a fault whose end nobody confirms.
const codeUnconfirmed = "undo_unconfirmed"

// heed passes a signal of the run on to a fault.
func heed(a engine.Applied, signal runtime.SignalKind) {
	switch signal {
	case runtime.SignalPause:
		a.Pause()
	case runtime.SignalLift:
		a.Lift()
	case runtime.SignalResume:
		a.Resume()
	case runtime.SignalRestore:
		a.Restore()
	}
}

// holdOf is how a fault is held that is asked for with these signals waiting, as in a pause: what
// it is told after it is on comes too late.
func holdOf(signals <-chan runtime.SignalKind) (h link.Hold) {
	for {
		select {
		case s := <-signals:
			switch s {
			case runtime.SignalPause, runtime.SignalResume:
				h.Paused = s == runtime.SignalPause
			case runtime.SignalLift, runtime.SignalRestore:
				h.Lifted = s == runtime.SignalLift
			}
		default:
			return h
		}
	}
}

// keep remembers a fault that is on, or with nil that it is not any more.
func (t *targets) keep(place string, a *teller) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a == nil {
		delete(t.on, place)
		return
	}
	t.on[place] = a
}

// tellers are those of the faults that are on, by place.
func (t *targets) tellers() map[string]*teller {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.on)
}

// takeOff takes a fault off. It goes on although the run's context is over.
func (t *targets) takeOff(a engine.Applied, id, what string) (any, error) {
	stats, err := a.Remove(context.Background())
	switch {
	case link.IsLost(err): // it is off, but was not on to its end
		t.guardian.remove(id)
		return nil, &journal.EffectError{Code: journal.CodeLost, Message: fmt.Sprintf("%s: %v", what, err)}
	case err != nil:
		return nil, &journal.EffectError{Code: codeUnconfirmed, Message: fmt.Sprintf("%s: %v", what, err)}
	}
	t.guardian.remove(id)
	return counts(stats), nil
}

// notOn is the error of a fault that could not be put on, of which nothing is left.
func (t *targets) notOn(ctx context.Context, plane dataPlane, id, what string, why error) error {
	var overdue *link.OverdueError
	came, err := true, error(nil)
	switch {
	case errors.As(why, &overdue):
		came, err = overdue.Undo(context.Background())
	case !link.IsUntouched(why):
		err = plane.Undo(context.Background(), id)
	}
	switch {
	case err != nil:
		return &journal.EffectError{Code: journal.CodeUnclean, Message: fmt.Sprintf("%s could not be put on (%v), and a part of it may be on: %v", what, why, err)}
	case !came:
		return &journal.EffectError{Code: journal.CodeUnclean, Message: fmt.Sprintf(
			"%s could not be put on (%v), and may still go on: its engine answers, but has not done it by now; see to the engine, then starquake cleanup takes off what there is", what, why)}
	}
	t.guardian.remove(id)
	if ctx.Err() != nil {
		return &journal.EffectError{Code: effects.CodeStopped, Message: what + " was stopped before it was on"}
	}
	return fmt.Errorf("%s: %w", what, why)
}
