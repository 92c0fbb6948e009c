package runtime

import (
	"encoding/json"
	"time"

	"starquake/runtime/journal"
	"starquake/units"
)

// deviated is the failure of a hypothesis that did not hold while faults were on, or of
// which that is not known: nil if it did.
func (st *steadyState) deviated() *Failure {
	switch {
	case st.seen > 0 && float64(st.seen-st.bad) < st.spec.Share*float64(st.seen):
		return st.failure(ClassFailed, "steady_state_deviated", "held for %.4g%% of %d readings while faults were on, expected %.4g%%",
			100*float64(st.seen-st.bad)/float64(st.seen), st.seen, 100*st.spec.Share)
	case st.disturbed && st.seen == 0 && st.onFor >= st.spec.Every: // else there was no time to read it
		return st.failure(ClassInconclusive, "steady_state_unread", "was never read while faults were on: in %s no reading came to its end, so nobody knows whether it held; give its probe a shorter timeout, or the faults more time",
			units.FormatDuration(st.onFor.Round(time.Millisecond)))
	}
	return nil
}

// settle judges the hypotheses of a scope that ends with err. What does not hold
// fails the run whatever the scope's caller tolerates. Its error is one of reading.
func (b *Branch) settle(s *scope, err error) error {
	r := b.run
	for _, st := range s.steady { // before any is read again, which may end early
		b.awaitReadings(st, err == ErrCancelled)
		if f := st.deviated(); f != nil {
			f.Problem.Path = s.path
			r.end.fail(f)
		}
	}
	for _, st := range s.steady {
		if !st.spec.After || st.unmet || err == ErrCancelled || b.cancelled != nil {
			continue // stopped or aborted, or it never held: nobody waits for it to settle
		}
		ok, reading, rerr := b.untilHolds(st, st.spec.Settle)
		if rerr != nil {
			return rerr
		}
		st.record(r, "after", ok, reading)
		if !ok {
			f := st.failure(ClassFailed, "steady_state_lost", "does not hold again %s after the faults: %s", units.FormatDuration(st.spec.Settle), reading)
			f.Problem.Path = s.path
			r.end.fail(f)
		}
	}
	return nil
}

// awaitReadings waits for those that were begun while faults were on. Who is stopped waits for none.
func (b *Branch) awaitReadings(st *steadyState, stopped bool) {
	for _, h := range st.finishing {
		h.e.await(b)
		for !h.e.done {
			if stopped || b.over() != nil {
				h.e.giveUp()
			}
			b.park()
		}
	}
	st.finishing = nil
	for _, w := range st.ending {
		w.waiter = b
		for !w.branch.ended {
			if stopped || b.over() != nil {
				b.run.cancel(w.branch.own, &cause{kind: causeEnded})
			}
			b.park()
		}
	}
	st.ending = nil
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
				return hyp.failure(ClassFailed, "not_recovered", "is not back %s after the faults of step %q: %s",
					units.FormatDuration(st.spec.Recovered), st.spec.Name, reading)
			}
		}
	}
	if hypotheses == 0 {
		return Failf(ClassScript, "no_steady_state", "step %q: recovered says how soon the steady state must be back, and there is none around the step; call steady_state(…) before it", st.spec.Name)
	}
	st.result.Recovery = b.run.heldNow() - began
	value, _ := json.Marshal(st.result.Recovery.Seconds())
	return b.Check(CheckSpec{Name: "recovered", OK: true, Value: value, Unit: journal.UnitSeconds, Limit: "within " + units.FormatDuration(st.spec.Recovered)})
}
