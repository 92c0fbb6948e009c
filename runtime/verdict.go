package runtime

import (
	"fmt"

	"starquake/runtime/journal"
)

// verdicts collects what the verdict is made of.
type verdicts struct {
	// tell records a failure, or that one which was told before was held at by. It may
	// be nil.
	tell func(f *Failure, by *journal.Place)

	all          []*Failure // in the order in which they were counted
	failed       []*Failure
	errored      []*Failure
	inconclusive []*Failure
	unclean      []journal.Problem
	tolerated    int
	flaky        int
	aborted      *journal.Problem
	stopped      *journal.Problem
}

// fail counts a failure that nobody held.
func (v *verdicts) fail(f *Failure) {
	if f.fatal {
		return
	}
	f.fatal = true
	if !f.told && f.Class != ClassSkip {
		v.say(f, nil)
	}
	v.count(f)
	switch f.Class {
	case ClassFailed:
		v.failed = append(v.failed, f)
	case ClassInconclusive:
		v.inconclusive = append(v.inconclusive, f)
	case ClassSkip: // skip() outside any step: the run's body ended early, by request
	default:
		v.errored = append(v.errored, f)
	}
	for _, other := range f.Others {
		v.fail(other)
	}
}

// tolerate counts a failure that the step or attempt at by held. An experiment that
// did not happen never passes, held or not.
func (v *verdicts) tolerate(f *Failure, by journal.Place) {
	if f.counted {
		return
	}
	switch f.Class {
	case ClassFailed:
		v.count(f)
		v.tolerated++
		if !f.told || len(f.of) > 0 {
			v.say(f, &by)
		}
	case ClassSkip:
	default:
		v.fail(f)
		return
	}
	for _, other := range f.Others {
		v.tolerate(other, by)
	}
}

func (v *verdicts) say(f *Failure, by *journal.Place) {
	if v.tell != nil {
		v.tell(f, by)
	}
	f.told = true
}

// tellFailure records what no step's end says of a failure.
func (r *Run) tellFailure(f *Failure, by *journal.Place) {
	body := &journal.FailureBody{Problem: f.Problem}
	if by != nil {
		body.Tolerated, body.By = true, by.String()
	}
	if f.told {
		body.Stack = nil
		for _, place := range f.of {
			body.Of = append(body.Of, place.String())
		}
	}
	place := journal.Place{Branch: f.branch}
	if place.Branch == "" {
		place.Branch = r.root.path
	}
	r.record(journal.Failure, place, body)
}

func (v *verdicts) count(f *Failure) {
	if !f.counted {
		f.counted = true
		v.all = append(v.all, f)
	}
}

// ended reports whether the run was ended by someone or something.
func (v *verdicts) ended() bool {
	return v.stopped != nil || v.aborted != nil || len(v.errored) > 0
}

// stop notes who stopped the run first. Only a plan has a horizon: a person of that name
// ends a run like any other.
func (v *verdicts) stop(c Control, virtual bool) {
	if v.stopped != nil {
		return
	}
	v.stopped = &journal.Problem{Code: "stopped", Message: said("stopped", c)}
	if c.By == "max_duration" || c.By == codeHorizon && virtual {
		v.stopped.Code = c.By
	}
}

// codeHorizon is the code of a plan that was cut.
const codeHorizon = "horizon"

// said is what a person or a policy did, for people.
func said(what string, c Control) string {
	if c.By != "" {
		what += " by " + c.By
	}
	if c.Detail != "" {
		what += ": " + c.Detail
	}
	return what
}

func (v *verdicts) abort(code, message string) {
	if v.aborted == nil {
		v.aborted = &journal.Problem{Code: code, Message: message}
	}
}

// verdict decides, in the order of LANGUAGE.md: unclean, aborted, stopped, errored,
// failed, inconclusive, passed.
func (r *Run) verdict() Outcome {
	v := &r.end
	out := Outcome{Took: r.now}
	out.Tolerated, out.Flaky, out.Unclean = v.tolerated, v.flaky, v.unclean
	out.Failures = v.all
	set := func(verdict journal.Verdict, p journal.Problem) {
		out.Verdict, out.Reason, out.Message = verdict, p.Code, p.Message
	}
	switch {
	case len(v.unclean) > 0:
		set(journal.VerdictUnclean, v.unclean[0])
	case v.aborted != nil:
		set(journal.VerdictAborted, *v.aborted)
	case v.stopped != nil && v.stopped.Code != codeHorizon:
		set(journal.VerdictStopped, *v.stopped)
	case len(v.errored) > 0 && !r.started && v.errored[0].Class == ClassScript:
		set(journal.VerdictInvalid, v.errored[0].Problem)
	case len(v.errored) > 0:
		set(journal.VerdictErrored, v.errored[0].Problem)
	case len(v.failed) > 0:
		set(journal.VerdictFailed, v.failed[0].Problem)
	case len(v.inconclusive) > 0:
		set(journal.VerdictInconclusive, v.inconclusive[0].Problem)
	case r.cfg.Strict && v.tolerated+v.flaky > 0:
		set(journal.VerdictFailed, journal.Problem{Code: "strict", Message: fmt.Sprintf(
			"--strict: failures that were tolerated: %d; steps that passed only after a retry: %d", v.tolerated, v.flaky)})
	case v.stopped != nil: // a plan that was cut: up to there nothing failed
		set(journal.VerdictPassed, *v.stopped)
	case r.idle:
		set(journal.VerdictInconclusive, journal.Problem{Code: CodeNothingDone, Message: "the script did nothing: no step, check or effect; where that is meant, let it log() why"})
	default:
		set(journal.VerdictPassed, journal.Problem{Code: "passed"})
	}
	return out
}
