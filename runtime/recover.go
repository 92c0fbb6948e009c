package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"starquake/runtime/journal"
)

// Undoer is a Performer whose faults outlive this process. Undo takes off whatever the
// request may have put on, whether it did or not, and returns when that is confirmed.
type Undoer interface {
	Undo(ctx context.Context, req Request) error
}

// ErrLeftOn is wrapped by the errors of a recovery that could not take a fault off.
var ErrLeftOn = errors.New("what was on before the crash cannot be taken off")

// undoWithin is how long taking off one fault found on may take that does not need longer.
const undoWithin = time.Minute

// Recovery says how a run goes on after the process that ran it has died.
type Recovery struct {
	// Records is the journal.
	Records []journal.Record
	// Alive is when the process that ran it is last known to have been there. Before the last
	// record, or zero, it says nothing: then the gap is counted from that record.
	Alive time.Time
	// Rollback stops the run instead: its clean-ups run.
	Rollback bool
	// Off are the faults of the journal that somebody has taken off already.
	Off map[journal.Place]bool
}

// recovery is the recovery of a real world that is under way.
type recovery struct {
	*Replay
	alive    time.Time
	rollback bool
	off      map[journal.Place]bool // taken off already
	// found holds the effects that were under way and have not been asked again, fresh
	// those that the run has asked for since: they begin when all of found are on.
	found, fresh []Request
	live         bool // the journal is used up, and the run was told
	// left are the faults that could not be taken off, by place.
	left map[journal.Place]error
}

// Recover makes the world go on with a run: it gives the run the events of the journal,
// takes off the faults that the journal shows on, and goes on with what was under way:
//
//   - the run is told of the gap (ActionRecover);
//   - timers that came due meanwhile fire, in order;
//   - what is still wanted then is asked again: a held effect goes on where it was, an
//     effect that may be repeated is asked as if nothing had been; any other completes
//     with the code "uncertain".
//
// It must be called before the run begins. A run that asks for something else than the
// journal has is ended, with nothing more written; Err tells the difference.
func (w *Real) Recover(r Recovery) {
	w.recovery = &recovery{Replay: NewReplay(r.Records), alive: r.Alive, rollback: r.Rollback, off: r.Off}
	w.left = slices.DeleteFunc(OpenEffects(r.Records), func(req Request) bool { return r.Off[req.ID] })
}

// nextRecovered is Next for as long as a recovery is under way; ok is false when it is
// over, and what Next has to carry out is carried out.
func (w *Real) nextRecovered(r *Ready) (ev Event, ok bool) {
	if p := w.recovery; p != nil {
		if !p.live {
			ev, fresh, more, err := p.Turn(r)
			switch {
			case err != nil:
				return w.diverged(err), true
			case more:
				return ev, true
			}
			return w.goLive(fresh), true
		}
		if ev, ok := w.nextOverdue(r); ok {
			return ev, true
		}
	}
	if w.back == nil {
		w.carryOut(r)
		return Event{}, false
	}
	w.carryOutLater(r)
	for {
		if ev, ok := w.takeLost(); ok {
			return ev, true
		}
		if w.returned() {
			return Event{}, false
		}
		if ev, ok := w.takeControl(); ok {
			return ev, true
		}
		w.wait(Never)
	}
}

// finishRecovered gives the last records of a run that the journal does not have: its
// process may have died when it had written the end, or a part of it.
func (w *Real) finishRecovered(r *Ready) []journal.Record {
	p := w.recovery
	if p.live {
		return r.Records
	}
	_, fresh, more, err := p.Turn(r)
	if more {
		err = &Divergence{Number: p.next + 1, Was: &p.recs[p.next]}
	}
	if err != nil {
		w.mu.Lock()
		w.err = err
		w.mu.Unlock()
	}
	return fresh
}

// goLive ends the part of a recovery in which the journal answers.
func (w *Real) goLive(fresh []journal.Record) Event {
	p := w.recovery
	p.live, p.found = true, p.open
	for i := range p.found {
		p.state[p.found[i].ID].begun = true
	}
	w.mu.Lock()
	w.stopping = w.stopping || p.stopping
	w.mu.Unlock()
	last := p.recs[len(p.recs)-1].At
	if latest := time.Now().Add(-w.wall(last)); latest.Before(w.origin) {
		w.origin = latest // the wall clock was set back: the run's time never falls
	}
	// Before anything else of the run: what it left behind goes.
	if err := w.undoAll(p); err != nil {
		w.Control(Control{Action: ActionFail, By: "recover", Detail: err.Error()})
	}
	if p.rollback {
		w.Control(Control{Action: ActionStop, By: "recover", Detail: "rolled back: the process that ran it died"})
	}
	_ = w.keep(&Ready{Records: fresh}) // Err tells, and the run is being failed
	now, alive := w.elapsed(), time.Duration(0)
	if p.alive.After(w.origin) {
		alive = w.at(p.alive)
	}
	return Event{Kind: EventControl, At: now, Control: Control{
		Action: ActionRecover, Detail: "the process that ran it died", Gap: max(0, now-max(last, alive)),
	}}
}

// OpenEffects lists the held effects that a journal shows on, or begun: asked for and
// not completed, the oldest first.
func OpenEffects(recs []journal.Record) []Request {
	var open []Request
	for i := range recs {
		switch body := recs[i].Body.(type) {
		case *journal.EffectStartBody:
			if body.Held {
				open = append(open, Request{
					ID: recs[i].Place, Kind: body.Kind, Args: body.Args, Held: true, Chaos: body.Chaos, Repeat: body.Repeat, Path: body.Path,
				})
			}
		case *journal.EffectEndBody:
			open = slices.DeleteFunc(open, func(req Request) bool { return req.ID == recs[i].Place })
		}
	}
	return open
}

// LeftOn lists the faults of a run that nobody runs any more of which its journal does not
// say that they are off, the oldest first: those that are open, and those that ended unclean.
func LeftOn(recs []journal.Record) []Request {
	var left []Request
	open, on := map[journal.Place]Request{}, map[journal.Place]bool{}
	for i := range recs {
		at := recs[i].Place
		switch body := recs[i].Body.(type) {
		case *journal.EffectStartBody:
			if body.Held && body.Chaos {
				open[at] = Request{ID: at, Kind: body.Kind, Args: body.Args, Held: true, Chaos: true, Repeat: body.Repeat, Path: body.Path}
				left = append(left, open[at])
			}
		case *journal.EffectNoteBody:
			on[at] = true
		case *journal.EffectEndBody:
			if _, chaos := open[at]; chaos && !unconfirmed(on[at], true, body.Error) {
				left = slices.DeleteFunc(left, func(req Request) bool { return req.ID == at })
			}
			delete(open, at)
		}
	}
	return left
}

// undoAll takes off what the journal shows on, the newest first, where it may have
// outlived the process.
func (w *Real) undoAll(p *recovery) error {
	u, ok := w.performer.(Undoer)
	if !ok {
		w.off(func(Request) bool { return true })
		return nil
	}
	var errs []error
	p.left = map[journal.Place]error{}
	for _, req := range slices.Backward(slices.Clone(w.left)) { // which changes meanwhile
		ctx, cancel := context.WithTimeout(context.Background(), max(undoWithin, w.endWithin(&req)))
		if err := u.Undo(ctx, req); err != nil {
			p.left[req.ID] = fmt.Errorf("%w: %w", ErrLeftOn, err)
			errs = append(errs, p.left[req.ID])
		} else {
			w.off(func(other Request) bool { return other.ID == req.ID })
		}
		cancel()
	}
	return errors.Join(errs...)
}

// off notes what of the left is not on any more.
func (w *Real) off(is func(Request) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = slices.DeleteFunc(w.left, is)
}

// nextOverdue lets the timers fire that came due while nobody ran, then asks again
// what is still wanted.
func (w *Real) nextOverdue(r *Ready) (Event, bool) {
	p := w.recovery
	p.note(r)
	if w.recorded(r) {
		p.fresh = append(p.fresh, r.Start...)
	}
	w.mu.Lock()
	w.tell(r)
	w.mu.Unlock()
	for _, of := range []*[]Request{&p.found, &p.fresh} {
		*of = slices.DeleteFunc(*of, func(req Request) bool {
			if !p.state[req.ID].cancelled {
				return false
			}
			w.drop(p, &req)
			return true
		})
	}
	*r = Ready{Due: r.Due} // the rest is carried out
	if ev, ok := w.take(r.Due); ok {
		return ev, true
	}
	back := &comeback{recovery: p, missing: map[journal.Place]int{}}
	for _, req := range p.found {
		if !req.Held && !req.Repeat {
			w.drop(p, &req)
			continue
		}
		at := w.rank(&req)
		back.later[at] = append(back.later[at], req)
	}
	back.later[rankRest] = append(back.later[rankRest], p.fresh...)
	w.mu.Lock()
	w.recovery, w.back = nil, back
	w.mu.Unlock()
	return Event{}, false
}

// givenUp is how an effect completes that was never begun.
func givenUp(id journal.Place) Event {
	return Event{Kind: EventDone, ID: id, Err: &journal.EffectError{Code: "stopped", Message: "it was given up before it began"}}
}

// drop completes what the run has given up before it was asked again, or what cannot be.
func (w *Real) drop(p *recovery, req *Request) {
	w.mu.Lock()
	w.receiveDropped(p, req)
	w.mu.Unlock()
	w.wake()
}

// receiveDropped is drop for who holds mu.
func (w *Real) receiveDropped(p *recovery, req *Request) {
	err := p.left[req.ID]
	switch {
	case !p.state[req.ID].begun:
		w.receive(givenUp(req.ID))
	case err != nil:
		// The run must know that it may be on, and then that it is not confirmed off.
		w.receive(Event{Kind: EventReport, ID: req.ID, Data: json.RawMessage(`{"on":true}`)})
		w.receive(Event{Kind: EventDone, ID: req.ID, Err: &journal.EffectError{Code: "left_on", Message: err.Error()}})
	default:
		w.receive(Event{Kind: EventDone, ID: req.ID, Err: lost(req)})
	}
}

// lost is how an effect completes that ended with its process.
func lost(req *Request) *journal.EffectError {
	if req.Held {
		return &journal.EffectError{Code: journal.CodeExpired, Message: "it went off with the process that had put it on, or was taken off when the run was recovered"}
	}
	return &journal.EffectError{Code: journal.CodeUncertain, Message: "the process died while this was under way: it may have been done, or not"}
}

// pausedSince is how much of the time from from until now was paused. A pause survives the
// process in which it began.
func pausedSince(recs []journal.Record, from, now time.Duration) (sum time.Duration) {
	began := time.Duration(-1)
	end := func(at time.Duration) {
		if began >= 0 {
			sum += max(0, at-max(began, from))
			began = -1
		}
	}
	for i := range recs {
		c, ok := recs[i].Body.(*journal.ControlBody)
		if !ok {
			continue
		}
		switch c.Action {
		case ActionPause:
			if began < 0 {
				began = recs[i].At
			}
		case ActionSkip, ActionRecover:
		default:
			end(recs[i].At)
		}
	}
	end(now)
	return sum
}

// diverged ends a run that does not do what its journal has. Nothing more is written,
// and nothing that was under way is waited for.
func (w *Real) diverged(err error) Event {
	p := w.recovery
	w.recovery = nil
	if undo := w.undoAll(p); undo != nil {
		err = errors.Join(err, undo)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	w.stopping = true
	for i := range p.open {
		w.receive(Event{Kind: EventDone, ID: p.open[i].ID, Err: lost(&p.open[i])})
	}
	at := p.recs[max(p.next-1, 0)].At
	return Event{Kind: EventControl, At: at, Control: Control{Action: ActionFail, By: "diverged", Detail: err.Error()}}
}
