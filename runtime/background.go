package runtime

import (
	"starquake/runtime/journal"
)

// Background is a branch that goes on beside the one that started it, until its
// scope ends.
type Background struct {
	branch *Branch
	scope  *scope
}

// Start begins a background branch that belongs to the innermost scope. If it fails
// while nobody is in Wait, that scope fails at once.
func (b *Branch) Start(label string, body Body) (*Background, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	child, err := b.spawn(b.scope, "start", label, body)
	if err != nil {
		return nil, err
	}
	bg := &Background{branch: child, scope: b.scope}
	child.join = &join{left: 1, onEnd: bg.ended}
	return bg, nil
}

// ended fails the scope with the branch, unless someone waits for it. A branch that
// fails while its scope is ending, or after it was stopped, has nobody to tell.
func (bg *Background) ended(child *Branch) {
	if child.err == nil || child.join.waiter != nil {
		return
	}
	if bg.scope.closing || bg.scope.cause != nil {
		child.run.end.fail(child.err)
		return
	}
	child.run.cancel(bg.scope, &cause{kind: causeFailure, err: child.err})
}

// Done reports whether the branch has ended.
func (bg *Background) Done() bool { return bg.branch.ended }

// Wait waits for the branch's end and gives its value, or raises its failure. A
// branch that was stopped gives a result with that status.
func (bg *Background) Wait(b *Branch) (*BranchResult, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	child := bg.branch
	before := child.join.waiter
	child.join.waiter = b
	for !child.ended && b.check() == nil {
		b.park()
	}
	child.join.waiter = before
	if err := b.check(); err != nil {
		return nil, err
	}
	if child.err != nil {
		return nil, child.err
	}
	return &BranchResult{Label: child.own.path, Status: child.status, Value: child.value}, nil
}

// Stop ends the branch and waits until it has ended and cleaned up.
func (bg *Background) Stop(b *Branch) error {
	if err := b.check(); err != nil {
		return err
	}
	child := bg.branch
	if !child.ended {
		b.run.cancel(child.own, &cause{kind: causeStop})
	}
	child.join.waiter = b
	b.shield++
	for !child.ended {
		b.park()
	}
	b.shield--
	return b.check()
}

// ExitWhen says on which ends of its scope a clean-up runs.
type ExitWhen string

// The values of on_exit(when=).
const (
	ExitAlways  ExitWhen = "always"
	ExitSuccess ExitWhen = "success"
	ExitFailure ExitWhen = "failure"
	ExitAbort   ExitWhen = "abort"
	ExitStop    ExitWhen = "stop"
)

type exit struct {
	when  ExitWhen
	label string
	body  Body
}

// OnExit registers a clean-up with the innermost scope.
func (b *Branch) OnExit(when ExitWhen, label string, body Body) error {
	if err := b.check(); err != nil {
		return err
	}
	b.scope.exits = append(b.scope.exits, exit{when, label, body})
	return nil
}

// runExits runs the scope's clean-ups, last in first out, each on a branch of its
// own that no cancelling reaches. One that fails or is overdue makes the run
// unclean, and the others still run.
func (b *Branch) runExits(s *scope, err error) {
	r := b.run
	how := r.howEnded(s, err)
	for i := len(s.exits) - 1; i >= 0; i-- {
		x := s.exits[i]
		if x.when != ExitAlways && x.when != how {
			continue
		}
		child, err := b.spawn(s, "exit", x.label, x.body)
		if err != nil {
			r.end.unclean = append(r.end.unclean, journal.Problem{Code: "cleanup_failed", Message: err.Error(), Path: s.path})
			continue
		}
		s.drop(child) // so that nobody cancels it with the scope
		child.exit, child.watch = true, false
		// Clean-ups go on in a pause: what they undo should not wait for a person.
		child.livetime = true
		child.join = &join{waiter: b, left: 1}
		var overdue timer
		overdue.fire = func() {
			r.cancel(child.own, &cause{kind: causeFailure, err: Failf(ClassFailed, "cleanup_overdue",
				"clean-up %s took longer than %s", x.label, r.cfg.CleanupTimeout)})
		}
		r.after(&overdue, r.cfg.CleanupTimeout, true)
		for !child.ended {
			b.park()
		}
		r.disarm(&overdue, true)
		if child.err != nil {
			p := child.err.Problem
			r.end.unclean = append(r.end.unclean, journal.Problem{Code: "cleanup_failed", Message: "clean-up " + x.label + ": " + p.Message, Path: s.path, Stack: p.Stack})
		}
	}
}

// howEnded tells a clean-up what happened.
func (r *Run) howEnded(s *scope, err error) ExitWhen {
	switch {
	case r.end.aborted != nil:
		return ExitAbort
	case err == nil:
		return ExitSuccess
	case err == ErrCancelled:
		return ExitStop
	}
	if f, ok := err.(*Failure); ok && f.Class == ClassSkip {
		return ExitSuccess
	}
	return ExitFailure
}
