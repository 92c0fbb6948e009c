package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"starquake/runtime/journal"
	"starquake/units"
)

// readingLimit bounds one call of a function probe, where every is longer.
const readingLimit = 10 * time.Second

// GuardAction is what a breach does.
type GuardAction string

// The values of guard(action=).
const (
	BreachAborts     GuardAction = "abort"
	BreachStopsScope GuardAction = "stop_scope"
	BreachLifts      GuardAction = "lift_faults"
)

// GuardSpec describes a guard.
type GuardSpec struct {
	Name     string
	Probe    *Probe
	Every    time.Duration
	Breaches int // bad readings in a row that make a breach, at least 1
	// IgnoreErrors and IgnoreNoData make such a reading neither good nor bad.
	IgnoreErrors, IgnoreNoData bool
	Action                     GuardAction
}

// guard is a guard that is watched.
type guard struct {
	spec  *GuardSpec
	scope *scope
	place journal.Place
	state WatchState // as recorded last; "" before the first reading
	bad   int        // bad readings in a row, of a function probe
	body  journal.WatchBody
}

// Guard watches a probe while the innermost scope lives, also during a pause, and
// waits for its first reading.
func (b *Branch) Guard(spec *GuardSpec) error {
	if err := b.check(); err != nil {
		return err
	}
	g := &guard{spec: spec, scope: b.scope, place: b.place()}
	g.body = journal.WatchBody{Path: b.scope.path, Name: spec.Name}
	b.run.record(journal.GuardBegin, g.place, &journal.GuardBody{
		Path: b.scope.path, Name: spec.Name, Every: spec.Every, Breaches: spec.Breaches, IgnoreErrors: spec.IgnoreErrors,
		IgnoreNoData: spec.IgnoreNoData, Action: string(spec.Action), Func: spec.Probe.Func != nil,
	})
	if spec.Probe.Func != nil {
		return b.watchFunc(g.scope, spec.Name, spec.Probe, spec.Every, true, g.saw)
	}
	ask, err := spec.Probe.Watch(WatchOptions{Every: spec.Every, Breaches: spec.Breaches, IgnoreErrors: spec.IgnoreErrors, IgnoreNoData: spec.IgnoreNoData})
	if err != nil {
		return err
	}
	ask.Live = true
	h := b.hold(b.scope, ask)
	note := h.e.notify
	h.e.notify = func(data json.RawMessage) {
		note(data)
		g.report(b.run, data)
	}
	ended := h.e.finished
	h.e.finished = func(e *effect) {
		ended(e)
		if h.on && !e.cancelled { // nobody watches any more, and nobody asked for that
			g.lost(b.run, e.err)
		}
	}
	return b.awaitOn(h)
}

// awaitOn waits until one held effect that is no chaos is on.
func (b *Branch) awaitOn(h *Held) error {
	for !h.on && !h.e.done && b.over() == nil {
		b.park()
	}
	h.e.waiter = nil
	if err := b.over(); err != nil {
		return err
	}
	if h.failed() {
		msg := "it ended at once"
		if h.e.err != nil {
			msg = h.e.err.Message
		}
		return Failf(ClassErrored, "watch_failed", "a probe cannot be watched: %s", msg)
	}
	return nil
}

// report takes a report of a watched value. The world has counted to Breaches.
func (g *guard) report(r *Run, data json.RawMessage) {
	var rep WatchReport
	if err := json.Unmarshal(data, &rep); err != nil {
		rep = WatchReport{State: WatchBad, Reading: Reading{Error: "unreadable report: " + err.Error()}}
	}
	g.body.Seen, g.body.Bad, g.body.Missed = rep.Seen, rep.Bad, rep.Missed
	if rep.State != WatchPending && rep.State != WatchHolds {
		rep.State = WatchBad // an unknown state is no good one
	}
	g.change(r, rep.State, rep.Reading)
}

// lost takes the end of a watch that should have gone on.
func (g *guard) lost(r *Run, err *journal.EffectError) {
	if g.spec.IgnoreErrors {
		return
	}
	msg := "it is not watched any more"
	if err != nil {
		msg += ": " + err.Message
	}
	g.change(r, WatchBad, Reading{Error: msg})
}

// saw takes one reading of a function probe.
func (g *guard) saw(w *watch, r Reading) {
	g.body.Seen, g.body.Missed = w.seen, w.missed
	state := g.state
	switch {
	case r.Error != "" && len(r.Value) == 0 && g.spec.IgnoreErrors || r.NoData && g.spec.IgnoreNoData:
	case r.OK:
		g.bad, state = 0, WatchHolds
	default:
		g.bad++
		g.body.Bad++
		if g.bad >= g.spec.Breaches {
			state = WatchBad
		}
	}
	if state == "" {
		state = WatchPending
	}
	if state != g.state {
		g.change(w.run, state, r)
	}
}

// change records a changed state, and acts on a breach.
func (g *guard) change(r *Run, state WatchState, reading Reading) {
	g.state = state
	body := g.body
	body.Value, body.Detail, body.State = reading.Value, reading.Error, string(state)
	if state == WatchBad {
		body.State = "breach"
	}
	r.record(journal.Guard, g.place, &body)
	if state != WatchBad {
		return
	}
	f := Failf(ClassFailed, "guard_breached", "guard %q was breached: %s", g.spec.Name, reading)
	f.Problem.Path = g.scope.path
	f.told, f.of = true, []journal.Place{g.place}
	switch g.spec.Action {
	case BreachStopsScope:
		// What is being cancelled, from here or further out, takes the breach with it.
		if by := g.scope.branch.cancelled; by != nil && within(g.scope, by) {
			g.scope.pending = append(g.scope.pending, f)
			return
		}
		r.cancel(g.scope, &cause{kind: causeFailure, err: f})
	case BreachLifts:
		r.end.fail(f)
		for _, h := range r.allHeld() {
			if h.chaos && within(h.scope, g.scope) {
				r.release(h)
			}
		}
	default:
		r.unpause()
		r.end.abort(f.Problem.Code, f.Problem.Message)
		r.cancel(r.rootScope(), &cause{kind: causeAbort})
	}
}

// watch is a function probe that is read again and again on a branch of its own.
type watch struct {
	run          *Run
	branch       *Branch
	seen, missed int
	waiter       *Branch // waits for the first reading, or for the end
	reading      bool    // the function is being called
	last         bool    // no other call begins
}

// finish ends the watch, once a reading that is under way has come to its end.
func (w *watch) finish() {
	w.last = true
	if !w.reading {
		w.run.cancel(w.branch.own, &cause{kind: causeEnded})
	}
}

// watchFunc begins to read a function probe, first at once, then every after the
// last start, never overlapping itself, and waits for the first reading. It belongs
// to s. saw gets each reading, in the watch branch's turn.
func (b *Branch) watchFunc(s *scope, name string, p *Probe, every time.Duration, live bool, saw func(*watch, Reading)) error {
	w, err := b.startWatch(s, name, p, every, live, func() bool { return true }, saw)
	if err != nil {
		return err
	}
	w.waiter = b
	for w.seen == 0 && !w.branch.ended && b.over() == nil {
		b.park()
	}
	w.waiter = nil
	return b.over()
}

func (b *Branch) startWatch(s *scope, name string, p *Probe, every time.Duration, live bool, begun func() bool, saw func(*watch, Reading)) (*watch, error) {
	w := &watch{run: b.run}
	child, err := b.spawn(s, "watch", name, func(wb *Branch) (any, error) {
		clock := func() time.Duration {
			if live {
				return wb.run.now
			}
			return wb.run.heldNow()
		}
		for !begun() {
			if wb.park(); wb.over() != nil {
				return nil, wb.over()
			}
		}
		for {
			start := clock()
			w.reading = true
			reading, err := wb.readFunc(p, min(every, readingLimit))
			w.reading = false
			if err != nil {
				return nil, err
			}
			w.seen++
			saw(w, reading)
			if w.waiter != nil {
				wb.run.wakeUp(w.waiter)
			}
			if w.last {
				return nil, nil
			}
			next := start + every
			if late := clock() - next; late > 0 {
				n := late/every + 1
				w.missed += int(n)
				next += n * every
			}
			if err := wb.sleep(next-clock(), "watch"); err != nil {
				return nil, err
			}
		}
	})
	if err != nil {
		return nil, err
	}
	child.watch, child.livetime = true, live
	// What a reading cannot hold (inconclusive, a defect) fails the scope: it must not
	// end the watch in silence.
	child.join = &join{left: 1, onEnd: func(child *Branch) {
		if w.waiter != nil {
			w.run.wakeUp(w.waiter)
		}
		(&Background{branch: child, scope: s}).ended(child)
	}}
	w.branch = child
	return w, nil
}

// readFunc calls a function probe once. What it raises, and running past limit, is
// a bad reading with the error as its text.
func (b *Branch) readFunc(p *Probe, limit time.Duration) (Reading, error) {
	r := b.run
	s := b.open(scopeReading, "")
	t := timer{fire: func() {
		r.cancel(s, &cause{kind: causeFailure, err: Failf(ClassFailed, "reading_timeout", "the probe function ran longer than %s", units.FormatDuration(limit))})
	}}
	r.after(&t, journal.Place{Branch: b.path}, limit, b.livetime)
	reading, err := b.callProbe(p)
	r.disarm(&t, b.livetime)
	err = b.close(s, err)
	if err == nil || err == ErrCancelled {
		return reading, err
	}
	var f *Failure
	if !errors.As(err, &f) {
		f = r.failure(b, err)
	}
	// What a probe raises is a bad reading; that it does what no probe may is not.
	if f.Class == ClassInconclusive || f.Class == ClassScript && f.Problem.Code == CodeProbeActs {
		return reading, f
	}
	return Reading{Error: fmt.Sprint(f.Problem.Message)}, nil
}

func (b *Branch) callProbe(p *Probe) (reading Reading, err error) {
	defer catch(&err)
	return p.Func(b)
}
