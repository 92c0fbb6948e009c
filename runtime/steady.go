package runtime

import (
	"encoding/json"
	"slices"
	"time"

	"starquake/runtime/journal"
)

// SteadySpec describes a steady-state hypothesis.
type SteadySpec struct {
	Name   string
	Probe  *Probe
	Before bool // read at the call and before the first fault
	During bool // watched while faults are on
	After  bool // must hold again when the scope ends
	// Share of the readings during faults that must be good, 0..1.
	Share  float64
	Every  time.Duration
	Settle time.Duration // how long it may take to hold again
}

// steadyState is a hypothesis that a scope holds to.
type steadyState struct {
	spec      *SteadySpec
	scope     *scope
	place     journal.Place
	checked   bool // read before the first fault
	reading   bool // a branch is reading it before the first fault
	waiters   []*Branch
	unmet     bool // it did not hold beforehand
	faults    int  // faults on, or asked for, that it watches
	begun     bool // one of them is on, so that it is read
	disturbed bool // a fault was on
	// since is the held time at which the first of faults was on, onFor for how long one was
	// before that.
	since, onFor time.Duration
	off          time.Duration // held time at which the last of faults was off
	value        *Held
	fn           *watch
	finishing    []*Held  // watches whose last reading may not have come to its end
	ending       []*watch // likewise, of a function
	seen, bad    int
	last         Reading
}

// SteadyState registers a hypothesis with the innermost scope. If it does not hold
// beforehand the error has the class ClassInconclusive.
func (b *Branch) SteadyState(spec *SteadySpec) error {
	if err := b.check(); err != nil {
		return err
	}
	st := &steadyState{spec: spec, scope: b.scope, place: b.place()}
	b.scope.steady = append(b.scope.steady, st)
	b.run.record(journal.SteadyBegin, st.place, &journal.SteadyBody{
		Path: b.scope.path, Name: spec.Name, Before: spec.Before, During: spec.During, After: spec.After,
		Share: spec.Share, Every: spec.Every, Settle: spec.Settle, Kind: spec.Probe.Kind, Args: spec.Probe.Args,
	})
	if !spec.Before {
		return nil
	}
	return b.holdsBefore(st)
}

// holdsBefore reads once; not holding ends the run as inconclusive.
func (b *Branch) holdsBefore(st *steadyState) error {
	reading, err := b.look(st.spec.Probe, st.spec.Every)
	if err != nil {
		return err
	}
	st.record(b.run, "before", reading.OK, reading)
	st.last, st.unmet = reading, !reading.OK
	return st.unmetErr(reading)
}

func (st *steadyState) unmetErr(reading Reading) error {
	if st.unmet {
		return st.failure(ClassInconclusive, "steady_state_unmet", "does not hold before any fault: %s; nothing was injected", reading)
	}
	return nil
}

// failure says how the hypothesis failed.
func (st *steadyState) failure(class Class, code, format string, args ...any) *Failure {
	f := Failf(class, code, "steady state %q "+format, append([]any{st.spec.Name}, args...)...)
	f.Problem.Steady = st.place.String()
	return f
}

// look reads a probe once on this branch, a function under the rules of function
// probes.
func (b *Branch) look(p *Probe, every time.Duration) (Reading, error) {
	if p.Func == nil {
		return b.Read(p)
	}
	was := b.watch
	b.watch = true
	defer func() { b.watch = was }()
	return b.readFunc(p, max(every, readingLimit))
}

func (st *steadyState) record(r *Run, phase string, ok bool, reading Reading) {
	body := &journal.WatchBody{
		Path: st.scope.path, Name: st.spec.Name, Phase: phase, State: "holds",
		Value: reading.Value, Detail: reading.Error, Seen: st.seen, Bad: st.bad,
	}
	if !ok {
		body.State = "deviates"
	}
	r.record(journal.Steady, st.place, body)
}

// mayHold is asked before held effects are requested. Before the first fault of a
// scope its hypotheses are read again.
func (b *Branch) mayHold(asks []Ask) error {
	if !slices.ContainsFunc(asks, func(a Ask) bool { return a.Chaos }) {
		return nil
	}
	if b.exit {
		return Failf(ClassScript, "chaos_in_cleanup", "a clean-up (on_exit) may look, log, send and execute, but not put faults on")
	}
	if b.watch {
		return Failf(ClassScript, CodeProbeActs, "a function probe may only look: it cannot put faults on")
	}
	for s := b.scope; s != nil; s = s.parent {
		for _, st := range s.steady {
			if !st.spec.Before {
				continue
			}
			if err := b.beforeFault(st); err != nil {
				return err
			}
		}
	}
	return nil
}

// beforeFault reads a hypothesis before the first fault that it watches. A branch
// that comes while another is reading waits for that reading: a fault must neither
// slip in before it nor disturb it.
func (b *Branch) beforeFault(st *steadyState) error {
	for st.reading {
		st.waiters = append(st.waiters, b)
		b.park()
		if err := b.over(); err != nil {
			return err
		}
	}
	if st.checked {
		return st.unmetErr(st.last)
	}
	st.reading = true
	err := b.holdsBefore(st)
	st.reading, st.checked = false, st.checked || err != ErrCancelled
	for _, waiter := range st.waiters {
		b.run.wakeUp(waiter)
	}
	st.waiters = nil
	return err
}

// chaosAsked is told of every fault that was asked for: hypotheses around it are
// watched from when the first is on until the last is off.
func (r *Run) chaosAsked(b *Branch, h *Held) {
	r.chaosOn++
	r.chaosChanges++
	for s := h.scope; s != nil; s = s.parent {
		for _, st := range s.steady {
			if !st.spec.During {
				continue
			}
			h.watchedBy = append(h.watchedBy, st)
			if st.faults++; st.faults == 1 {
				st.watch(b)
			}
		}
	}
}

// chaosEnded is told of every fault that is gone, or never came.
func (r *Run) chaosEnded(h *Held) {
	r.chaosOn--
	r.chaosChanges++
	for _, st := range h.watchedBy {
		if st.faults--; st.faults > 0 {
			continue
		}
		st.off = r.heldNow()
		if st.begun {
			st.onFor += r.heldNow() - st.since
		}
		if st.value != nil {
			st.value.e.finish()
			st.finishing = append(slices.DeleteFunc(st.finishing, (*Held).Off), st.value)
			st.value = nil
		}
		if st.fn != nil {
			st.fn.finish()
			st.ending = append(slices.DeleteFunc(st.ending, func(w *watch) bool { return w.branch.ended }), st.fn)
			st.fn = nil
		}
	}
}

// disturb has the hypothesis read from now on, since a fault is on.
func (st *steadyState) disturb() {
	if st.begun {
		return
	}
	r := st.scope.branch.run
	st.begun, st.disturbed, st.since = true, true, r.heldNow()
	if st.value != nil && !r.paused { // else as soon as the pause ends
		r.signalTo(st.value.e, SignalResume)
	}
	if st.fn != nil {
		r.wakeUp(st.fn.branch)
	}
}

// watch begins to watch the hypothesis, without waiting for its first reading, which begins
// when it is disturbed.
func (st *steadyState) watch(b *Branch) {
	st.begun = false
	spec := st.spec
	if spec.Probe.Func != nil {
		// A watch that cannot begin counts as one bad reading: never as a good one.
		begun := func() bool { return st.begun }
		w, err := b.startWatch(st.scope, spec.Name, spec.Probe, spec.Every, false, begun, func(w *watch, r Reading) {
			st.saw(w.run, r)
		})
		if err != nil {
			st.saw(b.run, Reading{Error: err.Error()})
			return
		}
		w.branch.reads = true
		st.scope.readers++
		st.fn = w
		return
	}
	ask, err := spec.Probe.Watch(WatchOptions{Every: spec.Every, Breaches: 1, Hold: true})
	if err != nil {
		st.saw(b.run, Reading{Error: err.Error()})
		return
	}
	h := b.hold(st.scope, ask)
	h.e.waiter = nil
	h.hypothesis, st.value = st, h
	b.run.signalTo(h.e, SignalPause)
	note, was := h.e.notify, true
	var told WatchReport // while another may already watch, or still
	var at time.Duration // held time of that
	tell := func(rep WatchReport) {
		st.seen, st.bad = st.seen+rep.Seen-told.Seen, st.bad+rep.Bad-told.Bad
		told, at = rep, b.run.heldNow()
	}
	h.recovered = func(gap time.Duration) {
		until := b.run.heldNow()
		if !b.run.paused { // else it stands still, and nobody read
			until -= gap
		}
		if h.e.finishing { // since then none has begun
			until = min(until, st.off)
		}
		n := told.unreported(until-at, spec.Every)
		st.seen += n
		if told.State != WatchHolds {
			st.bad += n
		}
		told = WatchReport{}
	}
	h.e.notify = func(data json.RawMessage) {
		note(data)
		var rep WatchReport
		if err := json.Unmarshal(data, &rep); err != nil {
			rep = WatchReport{State: WatchBad, Reading: Reading{Error: err.Error()}, Bad: 1, Seen: 1}
		}
		tell(rep)
		if holds := rep.State == WatchHolds; holds != was {
			was = holds
			st.last = rep.Reading
			st.record(b.run, "during", holds, rep.Reading)
		}
	}
	ended := h.e.finished
	h.e.finished = func(e *effect) {
		ended(e)
		var sum WatchReport
		switch {
		case e.err == nil && json.Unmarshal(e.data, &sum) == nil:
			tell(sum)
		case e.err != nil && !e.cancelled: // not watched is never good
			st.saw(b.run, Reading{Error: e.err.Message})
		case !e.cancelled:
			st.saw(b.run, Reading{Error: "it is not watched any more"})
		}
	}
}

// saw takes one reading of a function probe while faults are on.
func (st *steadyState) saw(r *Run, reading Reading) {
	was := st.seen == 0 || st.last.OK
	st.seen++
	if !reading.OK {
		st.bad++
	}
	if was != reading.OK {
		st.record(r, "during", reading.OK, reading)
	}
	st.last = reading
}
