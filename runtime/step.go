package runtime

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"starquake/runtime/journal"
	"starquake/units"
)

// OnFailure says what a failed step does to its caller.
type OnFailure string

// The values of step(on_failure=).
const (
	FailureStops     OnFailure = "stop"
	FailureContinues OnFailure = "continue"
	FailureTolerated OnFailure = "tolerate"
)

// StepSpec describes a step; LANGUAGE.md, "Structure", says what each part means.
type StepSpec struct {
	Name     string
	Labels   map[string]string
	Pos      string // file:line of the call, for the record
	Delay    time.Duration
	Duration time.Duration // of the chaos; 0 with Timed false: until the body ends
	Timed    bool
	Timeout  time.Duration // of one try; 0: none
	Retries  int
	// RetryDelay × Backoffⁿ passes between tries.
	RetryDelay time.Duration
	Backoff    float64 // 0: 1
	OnFailure  OnFailure
	// Terms are what Judge judges by, as plain data: for the record. Nil: nothing that
	// the caller's caller could choose.
	Terms json.RawMessage
	// When is asked once, after the delay; nil means yes.
	When func(*Branch) (bool, error)
	// Ready, if set, sees to what a try needs and its chaos could keep from it: before the
	// chaos is on and the timeout counts.
	Ready func(*Branch) error
	// Chaos gives the held effects of one try; it is asked again for each.
	Chaos func() ([]Ask, error)
	// Run is what the step does; nil: it only lets Duration pass.
	Run Body
	// Judge looks at a try whose body succeeded, when its chaos is off. Its failure
	// is the try's.
	Judge func(*Branch, *Try) error
	// Doubt looks at the last try of a step that failed without being judged: what says
	// nothing about the system says so also where the failure is held. It may be nil.
	Doubt func(*Try) error
	// Recovered, if not 0, is how soon after chaos-off the steady states must hold.
	Recovered time.Duration
}

// Try is one try of a step, for StepSpec.Judge.
type Try struct {
	Number int // from 1
	Held   []*Held
}

// StepResult is how a step ended.
type StepResult struct {
	Name, Path string
	Status     journal.Status
	Err        *Failure // nil unless failed
	Reason     string   // of a skip
	Value      any
	Started    time.Time     // of the first try
	Duration   time.Duration // from the first try's begin, pauses not counted
	Attempts   int
	Held       []*Held       // of the last try
	Recovery   time.Duration // from chaos-off until the steady states held
}

// OK reports whether the step passed.
func (s *StepResult) OK() bool { return s.Status == journal.Passed }

// stepState is a step that is going on.
type stepState struct {
	spec   *StepSpec
	scope  *scope
	place  journal.Place
	result *StepResult
	began  time.Duration // held time of the first try
	first  time.Duration // world time of the first try
	tried  bool
	missed time.Duration // for how long faults were off in its time because nobody ran the run
}

// disturbedFrom is the part of a step's time for which faults may be off before the
// step is marked (DESIGN.md, "Recovery").
const disturbedFrom = 0.1

// Step runs one step. Its error is nil if the step passed, was skipped, or failed
// and on_failure lets the caller go on.
func (b *Branch) Step(spec *StepSpec) (*StepResult, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	r := b.run
	s := b.open(scopeStep, spec.Name)
	st := &stepState{spec: spec, scope: s, place: b.place(), result: &StepResult{Name: spec.Name, Path: s.path}}
	r.record(journal.StepBegin, st.place, &journal.StepBeginBody{
		Path: s.path, Name: spec.Name, Duration: spec.Duration, Delay: spec.Delay, Timeout: spec.Timeout,
		Retries: spec.Retries, Labels: spec.Labels, Pos: spec.Pos, StepRest: spec.rest(),
	})
	if r.steps == nil {
		r.steps = make(map[string]*stepState)
	}
	r.steps[s.path] = st
	err := b.tries(st)
	err = b.close(s, err)
	delete(r.steps, s.path)
	return st.result, b.endStep(st, err)
}

// rest gives the arguments that few steps have, nil if none is set: what has a hundred
// thousand steps then does not pay for them.
func (spec *StepSpec) rest() *journal.StepRest {
	onFailure, backoff := spec.OnFailure, spec.Backoff
	if onFailure == FailureStops {
		onFailure = ""
	}
	if backoff == 1 {
		backoff = 0
	}
	timed := spec.Timed && spec.Duration == 0
	if spec.RetryDelay == 0 && backoff == 0 && onFailure == "" && spec.Recovered == 0 && !timed && spec.When == nil && spec.Terms == nil {
		return nil
	}
	return &journal.StepRest{
		RetryDelay: spec.RetryDelay, Backoff: backoff, OnFailure: string(onFailure), Recovered: spec.Recovered,
		Timed: timed, Asks: spec.When != nil, Terms: spec.Terms,
	}
}

// retryDelay is how long passes between try n and the next.
func (spec *StepSpec) retryDelay(n int) time.Duration {
	delay := float64(spec.RetryDelay)
	if spec.Backoff > 0 {
		delay *= math.Pow(spec.Backoff, float64(n-1))
	}
	return time.Duration(min(delay, float64(units.MaxDuration)))
}

// tries waits the delay, asks when, and tries until a try passes.
func (b *Branch) tries(st *stepState) (err error) {
	defer catch(&err)
	spec := st.spec
	if spec.Delay > 0 {
		if err := b.sleep(spec.Delay, "delay"); err != nil {
			return err
		}
	}
	if spec.When != nil {
		yes, err := spec.When(b)
		if err != nil {
			return err
		}
		if !yes {
			return Failf(ClassSkip, "when", "its condition does not hold")
		}
	}
	r := b.run
	st.began, st.first, st.tried = r.heldNow(), r.now, true
	st.result.Started = b.Now()
	for n := 1; ; n++ {
		st.result.Attempts = n
		r.record(journal.StepTry, st.place, &journal.StepTryBody{Path: st.scope.path, Try: n})
		v, err := b.try(st, n)
		st.result.Value = v
		if err == nil || err == ErrCancelled || n > spec.Retries {
			return err
		}
		f := r.failure(b, err)
		if b.over() != nil || !f.mayPass() { // also where it was stopped in the try that failed
			return f
		}
		wait := spec.retryDelay(n)
		b.Log("info", fmt.Sprintf("try %d of %d failed: %s", n, spec.Retries+1, f.Problem.Message), nil)
		switch err := b.sleep(wait, "retry"); {
		case err == ErrCancelled && !r.end.ended() && b.cancelled.cause.kind != causeSkip:
			return f // nobody ended the run or skipped the step: what failed must not go by in silence
		case err != nil:
			return err
		}
	}
}

// try is one try: chaos on, body, chaos off, judgement.
func (b *Branch) try(st *stepState, n int) (any, error) {
	spec := st.spec
	t := b.open(scopeTry, "")
	var timeout, chaosOff timer
	v, err := b.tryBody(st, t, n, &timeout, &chaosOff)
	b.run.disarm(&timeout, b.livetime)
	b.run.disarm(&chaosOff, b.livetime)
	err = b.close(t, err)
	if err == nil && spec.Recovered > 0 {
		err = b.recovered(st)
	}
	return v, err
}

func (b *Branch) tryBody(st *stepState, t *scope, n int, timeout, chaosOff *timer) (v any, err error) {
	defer catch(&err)
	r, spec := b.run, st.spec
	var held []*Held
	st.result.Held = nil
	if spec.Ready != nil {
		if err := spec.Ready(b); err != nil {
			return nil, err
		}
	}
	if spec.Timeout > 0 {
		timeout.fire = func() {
			r.cancel(t, &cause{kind: causeFailure, err: Failf(ClassFailed, "timeout", "step %q did not end within its timeout of %s", spec.Name, units.FormatDuration(spec.Timeout))})
		}
		r.after(timeout, st.place, spec.Timeout, b.livetime)
	}
	if spec.Chaos != nil {
		asks, err := spec.Chaos()
		if err != nil {
			return nil, err
		}
		if held, err = b.Hold(asks...); err != nil {
			return nil, err
		}
		st.result.Held = held
	}
	if spec.Timed {
		// Chaos goes off after exactly its duration, also while the body still runs.
		chaosOff.fire = func() {
			for i := len(held) - 1; i >= 0; i-- {
				r.release(held[i])
			}
			r.wakeUp(b)
		}
		r.after(chaosOff, st.place, spec.Duration, b.livetime)
	}
	if spec.Run != nil {
		if v, err = spec.Run(b); err != nil {
			return v, err
		}
	}
	for chaosOff.pos != 0 {
		if err := b.over(); err != nil {
			return v, err
		}
		b.park()
	}
	if err := b.Release(held...); err != nil {
		return v, err
	}
	if spec.Judge != nil {
		return v, spec.Judge(b, &Try{Number: n, Held: held})
	}
	return v, nil
}

// endStep records how the step ended and decides what its caller gets.
func (b *Branch) endStep(st *stepState, err error) error {
	r, res := b.run, st.result
	end := &journal.StepEndBody{Path: res.Path, Tries: res.Attempts, Started: r.now}
	if st.tried {
		end.Started = st.first
		res.Duration = r.heldNow() - st.began
		if float64(st.missed) > disturbedFrom*float64(res.Duration) {
			end.Disturbed = st.missed
		}
	} else {
		res.Started = b.Now()
	}
	raised := err
	switch {
	case err == nil:
		res.Status = journal.Passed
		if res.Attempts > 1 {
			r.end.flaky++
		}
	case err == ErrCancelled:
		res.Status = journal.Stopped
	default:
		f := r.failure(b, err)
		raised = f
		switch {
		case f.Class == ClassSkip:
			res.Status, res.Reason, raised = journal.Skipped, f.Problem.Message, nil
			end.Reason = res.Reason
		default:
			res.Status, res.Err = journal.Failed, f
			b.doubt(st, f)
			end.Error = &f.Problem
			f.told = true // by the record that follows
			raised, end.Tolerate = r.onFailure(st, f)
			f.of = append(f.of, st.place)
		}
	}
	end.Status = res.Status
	r.record(journal.StepEnd, st.place, end)
	if raised == nil {
		return b.over()
	}
	return raised
}

// doubt attaches to a step's failure what makes its last try say nothing about the system:
// held or not, an experiment that did not happen never passes.
func (b *Branch) doubt(st *stepState, f *Failure) {
	if st.spec.Doubt == nil || !st.tried || f.Class != ClassFailed {
		return
	}
	if err := st.spec.Doubt(&Try{Number: st.result.Attempts, Held: st.result.Held}); err != nil {
		f.attach(b.run.failure(b, err))
	}
}

// onFailure says what of a failed step reaches its caller.
func (r *Run) onFailure(st *stepState, f *Failure) (raised error, tolerated bool) {
	if f.Class != ClassFailed && f.Class != ClassErrored {
		return f, false
	}
	onFailure := st.spec.OnFailure
	if r.cfg.PastFailures && r.started && f.Class == ClassFailed && onFailure != FailureTolerated {
		onFailure = FailureContinues
	}
	switch onFailure {
	case FailureContinues:
		r.end.fail(f)
		return nil, false
	case FailureTolerated:
		r.end.tolerate(f, st.place)
		return nil, true
	}
	return f, false
}
