package runtime

import (
	"encoding/json"
	"time"

	"starquake/runtime/journal"
)

// effect is one request to the world that has not completed.
type effect struct {
	run    *Run
	id     journal.Place
	live   bool      // delivered in a pause too
	waiter *Branch   // woken by every report and by the completion
	more   []*Branch // likewise, where several branches release one held effect
	held   *Held     // set for held effects
	// notify, if set, gets every report, in the scheduler's turn: it must not park.
	notify func(data json.RawMessage)
	// finished, if set, is called at the completion, likewise.
	finished func(e *effect)

	cancelled bool
	finishing bool // cancelled, but for what it is at: see finish
	reports   int
	done      bool
	data      json.RawMessage
	err       *journal.EffectError
}

// An Answer is the completion of an effect.
type Answer struct {
	Data json.RawMessage
	Err  *journal.EffectError
}

// An Ask is an effect as its caller describes it; the runtime names it.
type Ask struct {
	Kind   string
	Args   json.RawMessage
	Value  any  // what Args were written of, if a planner is to have it: see Request
	Chaos  bool // disturbs the system: see Request
	Repeat bool // may be asked again after a crash
	// Anew says of a held effect that asked again after a crash it begins anew: its answer
	// is of that time alone. It measures, so what it met must have stayed the same; see Torn.
	Anew bool
	// Setup effects prepare a run (a listener): they alone do not make it started.
	Setup bool
	// Judge, if set, looks at the answer of a held effect that was on and went off as
	// asked; what it finds fails the run, or makes it inconclusive.
	Judge func(Told) *Failure
	// Terms are what Judge, or the caller, judges by, as plain data: for the record.
	Terms json.RawMessage
	// Live effects go on in a pause, and what they say then is a fact at once. Who waits
	// for one still waits for the pause's end.
	Live   bool
	within time.Duration // given up after that long
}

// start asks the world for an effect, named by the branch's next operation.
func (r *Run) start(b *Branch, ask Ask, held bool) *effect {
	r.idle = r.idle && ask.Setup
	e := &effect{run: r, id: b.nextPlace(), live: b.livetime || ask.Live}
	req := Request{
		ID: e.id, Kind: ask.Kind, Args: ask.Args, Value: ask.Value, Held: held, Chaos: ask.Chaos, Repeat: ask.Repeat, Looking: b.Watching(), Path: b.scope.path,
	}
	if ask.Chaos {
		req.Seed = r.seedOf(e.id.String())
	}
	if r.effects == nil {
		r.effects = make(map[journal.Place]*effect)
	}
	r.effects[e.id] = e
	r.started = r.started || !ask.Setup
	r.ready.Start = append(r.ready.Start, req)
	if r.cfg.OnEffect != nil {
		r.cfg.OnEffect(b, &req)
	}
	r.record(journal.EffectStart, e.id, &journal.EffectStartBody{
		Kind: req.Kind, Path: req.Path, Args: req.Args, Held: held, Chaos: req.Chaos, Repeat: req.Repeat,
		Within: ask.within, Terms: ask.Terms,
	})
	return e
}

// giveUp asks the world to end an effect; its completion still comes.
func (e *effect) giveUp() {
	if !e.stop() && (e.done || !e.finishing) {
		return
	}
	e.finishing = false
	// An effect of this very turn has not left yet: the world starts and cancels it.
	e.run.ready.Cancel = append(e.run.ready.Cancel, e.id)
}

// finish is giveUp for a watch whose reading of now still counts.
func (e *effect) finish() {
	if e.stop() {
		e.finishing = true
		e.run.signalTo(e, SignalFinish)
	}
}

// stop writes down that the effect is to end, and reports whether that is new.
func (e *effect) stop() bool {
	if e.cancelled || e.done {
		return false
	}
	e.cancelled = true
	if e.held != nil && e.held.chaos {
		e.run.chaosChanges++ // from here on it may be off, whenever that is confirmed
	}
	e.run.record(journal.EffectStop, e.id, nil)
	return true
}

// signalTo tells one effect something.
func (r *Run) signalTo(e *effect, what SignalKind) {
	r.ready.Signals = append(r.ready.Signals, Signal{ID: e.id, What: what})
}

// tells reports whether an event is for the record alone: what a fault says once it is on,
// which are its counts. It is written down at once, also in a pause, and wakes nobody.
func (e *effect) tells(ev Event) bool {
	return ev.Kind == EventReport && e.held != nil && e.held.chaos && e.held.on
}

// deliver takes a report or the completion.
func (e *effect) deliver(ev Event) {
	r := e.run
	if ev.Kind == EventReport {
		e.reports++
		tells := e.tells(ev)
		r.record(journal.EffectNote, e.id, &journal.EffectNoteBody{Data: ev.Data})
		if e.held != nil {
			e.held.said = ev.Data
		}
		if tells {
			return
		}
		if e.notify != nil {
			e.notify(ev.Data)
		}
	} else {
		e.done, e.data, e.err = true, ev.Data, ev.Err
		delete(r.effects, e.id)
		r.record(journal.EffectEnd, e.id, &journal.EffectEndBody{Data: ev.Data, Error: ev.Err})
		if e.finished != nil {
			e.finished(e)
		}
	}
	if e.waiter != nil {
		r.wakeUp(e.waiter)
	}
	for _, b := range e.more {
		r.wakeUp(b)
	}
}

// await makes b one of those that are woken.
func (e *effect) await(b *Branch) {
	if e.waiter == nil || e.waiter == b {
		e.waiter = b
	} else {
		e.more = append(e.more, b)
	}
}

// Perform asks for one effect and waits for its answer. If the branch is cancelled
// meanwhile the effect is given up, its end is waited for, and ErrCancelled comes
// back.
func (b *Branch) Perform(ask Ask) (Answer, error) {
	if err := b.check(); err != nil {
		return Answer{}, err
	}
	e := b.run.start(b, ask, false)
	e.waiter = b
	for !e.done {
		b.park()
		if b.over() != nil {
			e.giveUp()
		}
	}
	return Answer{Data: e.data, Err: e.err}, b.over()
}
