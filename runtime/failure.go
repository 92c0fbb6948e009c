package runtime

import (
	"errors"
	"fmt"
	"slices"

	"starquake/runtime/journal"
)

// Class says how far an error travels and what it makes of the run.
type Class uint8

// The classes, from LANGUAGE.md, "Failure".
const (
	// ClassScript is an error of the script: it passes every tolerance and the run is
	// errored, or invalid while nothing has started. It is the class of any error
	// that is no *Failure.
	ClassScript Class = iota
	// ClassFailed is a failure of the system under test: a check, a step, an
	// expectation. Attempts and on_failure can hold it.
	ClassFailed
	// ClassErrored is an experiment that could not be done as written: it can be held
	// like ClassFailed, and makes the run errored all the same.
	ClassErrored
	// ClassSkip ends the innermost step as skipped.
	ClassSkip
	// ClassInconclusive ends the run as inconclusive.
	ClassInconclusive
)

// CodeNothingDone is the reason of a run whose script did nothing.
const CodeNothingDone = "nothing_done"

// CodeProbeActs is the code of the error that a function probe does more than look.
const CodeProbeActs = "probe_acts"

// Failure is an error with its class and its plain data.
type Failure struct {
	Class   Class
	Problem journal.Problem
	// Others are the failures of other branches that ended before the first one in
	// branch order was raised.
	Others []*Failure
	cause  error
	// raised is set once the failure has been counted at a step or a branch, so that
	// it is described once, where it happened.
	raised bool
	// branch is the path of the branch where it happened.
	branch string
	// told is set once a record says that it happened; of are the places of the steps
	// and checks whose records say so.
	told bool
	of   []journal.Place
	// counted and fatal are set once the verdict knows of it, as tolerated or as not:
	// two branches that wait for a third raise one and the same failure.
	counted, fatal bool
}

// Failf makes a failure of a class, with a stable code.
func Failf(class Class, code, format string, args ...any) *Failure {
	err := fmt.Errorf(format, args...)
	return &Failure{Class: class, Problem: journal.Problem{Code: code, Message: err.Error()}, cause: errors.Unwrap(err)}
}

// Error gives the message.
func (f *Failure) Error() string { return f.Problem.Message }

// Unwrap gives what caused the failure.
func (f *Failure) Unwrap() error { return f.cause }

// ErrCancelled is what every blocking call returns once a scope around it was
// cancelled. It cannot be caught: whatever the caller does with it, the scope ends.
var ErrCancelled = errors.New("cancelled")

// failure gives err as a *Failure. An error that is none yet is described by the
// run's Describe, in the branch where it happened.
func (r *Run) failure(b *Branch, err error) *Failure {
	var f *Failure
	if errors.As(err, &f) && f.raised {
		return f
	}
	if f == nil {
		f = &Failure{Class: ClassScript, Problem: journal.Problem{Code: "script_error", Message: err.Error()}, cause: err}
	}
	f.raised = true
	f.branch = b.path
	if f.Problem.Path == "" {
		f.Problem.Path = b.scope.stepPath()
	}
	if r.cfg.Describe != nil {
		r.cfg.Describe(b, err, &f.Problem)
	}
	return f
}

// status is how what ended with f ended.
func (f *Failure) status() journal.Status {
	if f.Class == ClassSkip {
		return journal.Skipped
	}
	return journal.Failed
}

// mayPass reports whether another try may make up for the failure: it says something of the
// system, and nothing beside it could not be done as written.
func (f *Failure) mayPass() bool {
	undone := func(other *Failure) bool { return other.Class == ClassErrored || other.Class == ClassScript }
	return f.Class == ClassFailed && !slices.ContainsFunc(f.Others, undone)
}

// hasFailed reports whether err is a failure that was counted where it happened, also
// behind what a body's interpreter has put around it.
func hasFailed(err error) bool {
	var f *Failure
	return errors.As(err, &f) && f.raised
}

// join2 gives what a scope ends with that ended with err and where f happened as
// well: the first failure with the other attached. A failure goes before being
// skipped or stopped, and an error of the script before everything.
func join2(err error, f *Failure) error {
	first, ok := err.(*Failure)
	switch {
	case f == nil || f == first:
		return err
	case !ok || first.Class == ClassSkip:
		return f
	case worse(f, first):
		f.attach(first)
		return f
	}
	first.attach(f)
	return first
}

// attach notes another failure beside f, once.
func (f *Failure) attach(other *Failure) {
	if other != f && !slices.Contains(f.Others, other) {
		f.Others = append(f.Others, other)
	}
}

// catch turns a panic of the caller's code into an internal error: a defect in a
// builtin must end the run with its faults off, not the process. It is deferred.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = Failf(ClassScript, "internal_error", "internal error: %v", p)
	}
}
