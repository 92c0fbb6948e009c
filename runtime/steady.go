package runtime

import (
	"encoding/json"
	"slices"
	"time"

	"starquake/runtime/journal"
	"starquake/units"
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
	faults    int  // faults on that it watches
	disturbed bool // a fault was on
	value     *Held
	fn        *watch
	seen, bad int
	last      Reading
}

// SteadyState registers a hypothesis with the innermost scope. If it does not hold
// beforehand the error has the class ClassInconclusive.
func (b *Branch) SteadyState(spec *SteadySpec) error {
	if err := b.check(); err != nil {
		return err
	}
	st := &steadyState{spec: spec, scope: b.scope, place: b.place()}
	b.scope.steady = append(b.scope.steady, st)
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
		return Failf(ClassInconclusive, "steady_state_unmet",
			"steady state %q does not hold before any fault: %s; nothing was injected", st.spec.Name, reading)
	}
	return nil
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
// watched from the first to the last.
func (r *Run) chaosAsked(b *Branch, h *Held) {
	r.chaosOn++
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
	for _, st := range h.watchedBy {
		if st.faults--; st.faults > 0 {
			continue
		}
		if st.value != nil {
			r.release(st.value)
			st.value = nil
		}
		if st.fn != nil {
			r.cancel(st.fn.branch.own, &cause{kind: causeEnded})
			st.fn = nil
		}
	}
}

// watch begins to watch the hypothesis, without waiting for its first reading.
func (st *steadyState) watch(b *Branch) {
	st.disturbed = true
	spec := st.spec
	if spec.Probe.Func != nil {
		// A watch that cannot begin counts as one bad reading: never as a good one.
		w, err := b.startWatch(st.scope, spec.Name, spec.Probe, spec.Every, false, func(w *watch, r Reading) {
			st.saw(w.run, r)
		})
		if err != nil {
			st.saw(b.run, Reading{Error: err.Error()})
		}
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
	st.value = h
	note, seen, bad := h.e.notify, st.seen, st.bad
	was := true
	h.e.notify = func(data json.RawMessage) {
		note(data)
		var rep watchReport
		if err := json.Unmarshal(data, &rep); err != nil {
			rep = watchReport{State: "bad", Reading: Reading{Error: err.Error()}, Bad: 1, Seen: 1}
		}
		st.seen, st.bad = seen+rep.Seen, bad+rep.Bad
		if holds := rep.State == "holds"; holds != was {
			was = holds
			st.last = rep.Reading
			st.record(b.run, "during", holds, rep.Reading)
		}
	}
	ended := h.e.finished
	h.e.finished = func(e *effect) {
		ended(e)
		var sum watchReport
		switch {
		case e.err == nil && json.Unmarshal(e.data, &sum) == nil:
			st.seen, st.bad = seen+sum.Seen, bad+sum.Bad
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

// settle judges the hypotheses of a scope that ends with err. What does not hold
// fails the run whatever the scope's caller tolerates. Its error is one of reading.
func (b *Branch) settle(s *scope, err error) error {
	r := b.run
	for _, st := range s.steady {
		if st.disturbed && st.seen > 0 && float64(st.seen-st.bad) < st.spec.Share*float64(st.seen) {
			f := Failf(ClassFailed, "steady_state_deviated", "steady state %q held for %.4g%% of %d readings while faults were on, expected %.4g%%",
				st.spec.Name, 100*float64(st.seen-st.bad)/float64(st.seen), st.seen, 100*st.spec.Share)
			f.Problem.Path = s.path
			r.end.fail(f)
		}
		if !st.spec.After || st.unmet || err == ErrCancelled || b.cancelled != nil {
			continue // stopped or aborted, or it never held: nobody waits for it to settle
		}
		ok, reading, rerr := b.untilHolds(st, st.spec.Settle)
		if rerr != nil {
			return rerr
		}
		st.record(r, "after", ok, reading)
		if !ok {
			f := Failf(ClassFailed, "steady_state_lost", "steady state %q does not hold again %s after the faults: %s", st.spec.Name, units.FormatDuration(st.spec.Settle), reading)
			f.Problem.Path = s.path
			r.end.fail(f)
		}
	}
	return nil
}

// untilHolds reads the hypothesis, at once and then every, until it holds or within
// has passed.
func (b *Branch) untilHolds(st *steadyState, within time.Duration) (bool, Reading, error) {
	began := b.run.heldNow()
	for {
		reading, err := b.look(st.spec.Probe, st.spec.Every)
		if err != nil || reading.OK {
			return reading.OK, reading, err
		}
		left := within - (b.run.heldNow() - began)
		if left <= 0 {
			return false, reading, nil
		}
		if err := b.sleep(min(st.spec.Every, left), "settle"); err != nil {
			return false, reading, err
		}
	}
}

// HasSteadyState reports whether a hypothesis is held to around the branch.
func (b *Branch) HasSteadyState() bool {
	for s := b.scope; s != nil; s = s.parent {
		if len(s.steady) > 0 {
			return true
		}
	}
	return false
}

// recovered waits, after a step's chaos, until every hypothesis around it holds.
func (b *Branch) recovered(st *stepState) error {
	began, hypotheses := b.run.heldNow(), 0
	for s := b.scope; s != nil; s = s.parent {
		for _, hyp := range s.steady {
			hypotheses++
			ok, reading, err := b.untilHolds(hyp, st.spec.Recovered-(b.run.heldNow()-began))
			if err != nil {
				return err
			}
			if !ok {
				return Failf(ClassFailed, "not_recovered", "steady state %q is not back %s after the faults of step %q: %s",
					hyp.spec.Name, units.FormatDuration(st.spec.Recovered), st.spec.Name, reading)
			}
		}
	}
	if hypotheses == 0 {
		return Failf(ClassScript, "no_steady_state", "step %q: recovered says how soon the steady state must be back, and there is none around the step; call steady_state(…) before it", st.spec.Name)
	}
	st.result.Recovery = b.run.heldNow() - began
	value, _ := json.Marshal(st.result.Recovery.Seconds())
	return b.Check(CheckSpec{Name: "recovered", OK: true, Value: value, Limit: "within " + units.FormatDuration(st.spec.Recovered)})
}
