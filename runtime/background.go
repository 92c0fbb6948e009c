package runtime

import (
	"slices"

	"starquake/runtime/journal"
	"starquake/units"
)

// Background is a branch that goes on beside the one that started it, until its
// scope ends.
type Background struct {
	branch *Branch
	scope  *scope
	// waiting are in Wait, stopping in Stop: only the former take its failure.
	waiting, stopping []*Branch
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

// ended fails the scope with the branch, unless someone waits for it. A scope that is
// ending already takes the failure with it.
func (bg *Background) ended(child *Branch) {
	for _, b := range slices.Concat(bg.waiting, bg.stopping) {
		child.run.wakeUp(b)
	}
	if child.err == nil || len(bg.waiting) > 0 {
		return
	}
	if bg.scope.closing || bg.scope.cause != nil {
		bg.scope.pending = append(bg.scope.pending, child.err)
		return
	}
	child.run.cancel(bg.scope, &cause{kind: causeFailure, err: child.err})
}

// await parks b, listed in list, until the branch has ended or b is cancelled.
func (bg *Background) await(b *Branch, list *[]*Branch) {
	*list = append(*list, b)
	for !bg.branch.ended && b.over() == nil {
		b.park()
	}
	*list = slices.Delete(*list, slices.Index(*list, b), slices.Index(*list, b)+1)
}

// contains reports whether b is the branch or was made below it.
func (bg *Background) contains(b *Branch) bool {
	for ; b != nil; b = b.parent {
		if b == bg.branch {
			return true
		}
	}
	return false
}

// Done reports whether the branch has ended.
func (bg *Background) Done() bool { return bg.branch.ended }

// Wait waits for the branch's end and gives its value, or raises its failure. A
// branch that was stopped gives a result with that status.
func (bg *Background) Wait(b *Branch) (*BranchResult, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	if bg.contains(b) {
		return nil, Failf(ClassScript, "waits_for_itself", "a background branch cannot wait for itself")
	}
	child := bg.branch
	bg.await(b, &bg.waiting)
	if child.ended && child.err != nil {
		return nil, child.err // also to a branch that is being stopped: nobody else takes it
	}
	if err := b.over(); err != nil {
		return nil, err
	}
	return &BranchResult{Label: child.own.path, Status: child.status, Value: child.value}, nil
}

// Stop ends the branch and waits until it has ended and cleaned up. A branch that
// stops itself learns of it like any other that is stopped.
func (bg *Background) Stop(b *Branch) error {
	if err := b.check(); err != nil {
		return err
	}
	child := bg.branch
	if !child.ended {
		b.run.cancel(child.own, &cause{kind: causeStop})
	}
	if !bg.contains(b) {
		bg.await(b, &bg.stopping)
	}
	return b.over()
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
	b.run.record(journal.OnExit, b.place(), &journal.ExitBody{Path: b.scope.path, Name: label, When: string(when)})
	b.scope.exits = append(b.scope.exits, exit{when, label, body})
	return nil
}

// runExits runs the scope's clean-ups, last in first out, each on a branch of its
// own that no cancelling reaches. One that fails or is overdue makes the run
// unclean, and the others still run.
func (b *Branch) runExits(s *scope, how ExitWhen) {
	r := b.run
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
		child.exit, child.watch = true, false
		// Clean-ups go on in a pause: what they undo should not wait for a person.
		child.livetime = true
		child.join = &join{waiter: b, left: 1}
		var overdue timer
		overdue.fire = func() {
			r.cancel(child.own, &cause{kind: causeFailure, err: Failf(ClassFailed, "cleanup_overdue",
				"it took longer than %s", units.FormatDuration(r.cfg.CleanupTimeout))})
		}
		r.after(&overdue, journal.Place{Branch: child.path}, r.cfg.CleanupTimeout, true)
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
