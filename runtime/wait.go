package runtime

import (
	"encoding/json"
	"time"

	"starquake/runtime/journal"
	"starquake/units"
)

// Sleep parks the branch for d. Pauses do not count.
func (b *Branch) Sleep(d time.Duration) error { return b.sleep(d, "") }

func (b *Branch) sleep(d time.Duration, why string) error {
	if err := b.check(); err != nil {
		return err
	}
	r := b.run
	place := b.place()
	r.record(journal.Sleep, place, &journal.SleepBody{For: d, Why: why})
	b.timer.branch = b
	r.after(&b.timer, place, d, b.livetime)
	for b.timer.pos != 0 {
		b.park()
		if b.over() != nil {
			r.disarm(&b.timer, b.livetime)
			return ErrCancelled
		}
	}
	return b.over()
}

// WaitSpec describes a wait_until.
type WaitSpec struct {
	Probe   *Probe
	Timeout time.Duration
	Every   time.Duration
	Stable  time.Duration // how long it must hold without a bad reading
	Must    bool          // a time-out is a failure
}

// WaitResult is what a wait came to.
type WaitResult struct {
	OK       bool
	Elapsed  time.Duration
	Attempts int
	Last     Reading
}

// WaitUntil waits until the probe holds, or for the time-out.
func (b *Branch) WaitUntil(spec *WaitSpec) (*WaitResult, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	b.run.record(journal.Wait, b.place(), &journal.WaitBody{
		Path: b.scope.path, Timeout: spec.Timeout, Every: spec.Every, Stable: spec.Stable, May: !spec.Must, Func: spec.Probe.Func != nil,
	})
	wait := b.waitValue
	if spec.Probe.Func != nil {
		wait = b.waitFunc
	}
	res, err := wait(spec)
	if err == nil && !res.OK && spec.Must {
		last := res.Last.String()
		if res.Last.OK && res.Elapsed > spec.Timeout {
			last += ", after " + units.FormatDuration(res.Elapsed.Round(time.Millisecond))
		}
		return nil, Failf(ClassFailed, "wait_timeout", "wait_until: it does not hold after %s and %d readings; the last was: %s",
			units.FormatDuration(spec.Timeout), res.Attempts, last)
	}
	return res, err
}

// waitFunc calls a function on this branch until it holds. It is the script's own
// code in the script's own branch, so it may do what that branch may.
func (b *Branch) waitFunc(spec *WaitSpec) (*WaitResult, error) {
	r := b.run
	began, since := r.heldNow(), time.Duration(-1)
	resumed := r.resumed
	res := &WaitResult{}
	for {
		start := r.heldNow()
		reading, err := spec.Probe.Func(b)
		if err != nil {
			return nil, err
		}
		if r.resumed != resumed { // for a while nobody read, so nobody knows whether it held
			resumed, since, start = r.resumed, -1, r.heldNow()
		}
		res.Attempts++
		res.Last, res.Elapsed = reading, r.heldNow()-began
		switch {
		case res.Elapsed > spec.Timeout && spec.Timeout > 0: // whatever it says now, it says too late
			return res, nil
		case !reading.OK:
			since = -1
		default:
			if since < 0 {
				since = start
			}
			if r.heldNow()-since >= spec.Stable {
				res.OK = true
				return res, nil
			}
		}
		left := spec.Timeout - res.Elapsed
		if left <= 0 {
			return res, nil
		}
		if err := b.sleep(min(max(start+spec.Every-r.heldNow(), 0), left), "wait"); err != nil {
			return nil, err
		}
		res.Elapsed = r.heldNow() - began
		if res.Elapsed >= spec.Timeout {
			return res, nil
		}
	}
}

// waitValue watches a probe value as one effect.
func (b *Branch) waitValue(spec *WaitSpec) (*WaitResult, error) {
	r := b.run
	ask, err := spec.Probe.Watch(WatchOptions{Every: spec.Every, Breaches: 1, Hold: true})
	if err != nil {
		return nil, err
	}
	began, since := r.heldNow(), time.Duration(-1)
	res := &WaitResult{}
	h := b.hold(b.scope, ask)
	note := h.e.notify
	h.e.notify = func(data json.RawMessage) {
		note(data)
		var rep WatchReport
		if json.Unmarshal(data, &rep) != nil {
			return
		}
		res.Last, res.Attempts = rep.Reading, rep.Seen
		switch {
		case rep.State != WatchHolds:
			since = -1
		case since < 0:
			since = r.heldNow()
		}
	}
	// For a while nobody read, so nobody knows whether it held.
	h.recovered = func(time.Duration) { since = -1 }
	for !h.e.done && b.over() == nil {
		passed := r.heldNow() - began
		res.OK = since >= 0 && r.heldNow()-since >= spec.Stable
		if res.OK || passed >= spec.Timeout {
			break
		}
		left := spec.Timeout - passed
		if since >= 0 {
			left = min(left, since+spec.Stable-r.heldNow())
		}
		b.timer.branch = b
		r.after(&b.timer, journal.Place{Branch: b.path}, left, b.livetime)
		b.park()
		r.disarm(&b.timer, b.livetime)
	}
	res.Elapsed = r.heldNow() - began
	ended := h.e.done
	if err := b.Release(h); err != nil {
		return nil, err
	}
	if ended && !h.on {
		return nil, b.awaitOn(h)
	}
	var sum WatchReport
	if ans := h.Answer(); ans.Err == nil && json.Unmarshal(ans.Data, &sum) == nil && sum.Seen > 0 {
		res.Attempts = sum.Seen
	}
	return res, nil
}

// PerformWithin is Perform with a time limit on the clock that pauses hold; past it
// the effect is given up and late is true.
func (b *Branch) PerformWithin(ask Ask, limit time.Duration) (ans Answer, late bool, err error) {
	if err := b.check(); err != nil {
		return Answer{}, false, err
	}
	r := b.run
	ask.within = limit
	e := r.start(b, ask, false)
	e.waiter = b
	b.timer.branch = b
	r.after(&b.timer, e.id, limit, b.livetime)
	for !e.done {
		b.park()
		late = late || b.timer.pos == 0 && !e.done
		if late || b.over() != nil {
			e.giveUp()
		}
	}
	r.disarm(&b.timer, b.livetime)
	return Answer{Data: e.data, Err: e.err}, late, b.over()
}

// ChaosOn is how many faults are on or going on.
func (b *Branch) ChaosOn() int { return b.run.chaosOn }

// Lift takes every fault off for as long as do runs, and puts them on again.
func (b *Branch) Lift(do func() error) error {
	b.run.lift()
	defer b.run.restore()
	return do()
}
