package runtime

import (
	"strconv"
)

type scopeKind uint8

const (
	scopeRun  scopeKind = iota
	scopeStep           // a step from its delay to its last try; owns nothing
	scopeTry
	scopeBranch
	scopeTurn
	scopeAttempt
	scopeReading // one reading of a function probe
)

// scope is what owns: faults, watches, branches and clean-ups belong to one and are
// gone when it ends.
type scope struct {
	kind   scopeKind
	parent *scope // the scope around it, across branches; nil for run and clean-ups
	branch *Branch
	path   string // for people; "" for kinds that add nothing to it
	// cause is set once, when the scope is cancelled; a cause further out wins over
	// it when the scope closes.
	cause *cause

	first, last *Branch // branches that end with the scope, linked in order of creation
	kids        int     // how many those are
	readers     int     // how many of them read its hypotheses: they end when its faults are off
	closing     bool    // its branch waits for the last of them
	held        []*Held // oldest first
	releasing   bool    // its branch waits for the last of them
	exits       []exit
	steady      []*steadyState
	names       map[string]int // names of steps and branches, how often each was used
	loops       int            // loops so far, for their turns' labels
	// pending are failures that wait for the body's end: failed checks, and branches
	// that failed while the scope was ending.
	pending []*Failure
}

// cause says why a scope was cancelled.
type cause struct {
	kind causeKind
	// err is what the scope fails with: a background branch's failure, a time-out.
	err *Failure
}

type causeKind uint8

const (
	causeStop    causeKind = iota // by someone else's failure, by .stop(), by the run's end
	causeFailure                  // the scope has failed with err
	causeSkip
	causeAbort
	causeEnded // background branches, when their scope ends
)

// open begins a scope on b. Its label becomes part of the path for people; "" adds
// nothing.
func (b *Branch) open(kind scopeKind, label string) *scope {
	s := &scope{kind: kind, parent: b.scope, branch: b}
	if b.scope != nil {
		s.path = b.scope.path
		if label != "" {
			s.path = b.scope.childPath(label)
		}
	}
	b.scope = s
	return s
}

// stepPath is the path for people.
func (s *scope) stepPath() string {
	if s == nil {
		return ""
	}
	return s.path
}

// childPath joins a name to the scope's path and makes it unique: a second "soak"
// is "soak#2". Scopes that add nothing to the path share the names of the one around.
func (s *scope) childPath(name string) string {
	owner := s.namer()
	if owner.names == nil {
		owner.names = make(map[string]int)
	}
	owner.names[name]++
	if n := owner.names[name]; n > 1 {
		name += "#" + strconv.Itoa(n)
	}
	if s.path == "" {
		return name
	}
	return s.path + "/" + name
}

// namer is the scope whose names s shares: the outermost of the same path.
func (s *scope) namer() *scope {
	for s.parent != nil && s.parent.path == s.path {
		s = s.parent
	}
	return s
}

// cancel ends the scope early: what is parked in it or below it wakes with
// ErrCancelled, and its faults go off at once. A scope that was cancelled keeps its
// first cause, but an abort or stop of the run reaches it through the root.
func (r *Run) cancel(s *scope, c *cause) {
	if s.cause != nil {
		return
	}
	s.cause = c
	b := s.branch
	if b.cancelled == nil || !within(s, b.cancelled) {
		b.cancelled = s
	}
	// Everything below, innermost first: the faults of inner scopes are the newer.
	for inner := b.scope; inner != nil; inner = inner.parent {
		if inner.branch != b {
			break
		}
		for child := inner.first; child != nil; child = child.next {
			r.cancel(child.own, &cause{kind: c.kind.below()})
		}
		for i := len(inner.held) - 1; i >= 0; i-- {
			r.release(inner.held[i])
		}
		if inner == s {
			break
		}
	}
	if b.shield == 0 {
		b.interrupt()
	}
}

// below is the cause that the branches below a cancelled scope get.
func (k causeKind) below() causeKind {
	if k == causeAbort || k == causeEnded {
		return k
	}
	return causeStop
}

// within reports whether s is outer or stands inside it on the same branch.
func within(s, outer *scope) bool {
	for ; s != nil; s = s.parent {
		if s == outer {
			return true
		}
	}
	return false
}

// interrupt wakes b from whatever it is parked in; the call that parked finds out
// why. A branch that executes learns of it at its next blocking call.
func (b *Branch) interrupt() {
	if b.parked {
		b.run.wakeUp(b)
	}
}

// over gives ErrCancelled if a scope around the branch was cancelled and the branch
// is not cleaning up.
func (b *Branch) over() error {
	if b.cancelled != nil && b.shield == 0 {
		return ErrCancelled
	}
	return nil
}

// check is what every operation asks before it begins: it may not if the branch is
// over, or the turn has become too long.
func (b *Branch) check() error {
	if err := b.over(); err != nil {
		return err
	}
	if b.run.turnOps > maxTurnOps+turnOpsEach*b.run.live {
		return Failf(ClassScript, "turn_too_long", "more than %d operations without waiting for anything; an endless loop?", maxTurnOps)
	}
	return nil
}

// Alive gives ErrCancelled if the branch has been cancelled: a builtin that does not
// wait asks, so that nothing goes on in a scope that is over.
func (b *Branch) Alive() error { return b.check() }

// adopt makes a branch end with the scope.
func (s *scope) adopt(child *Branch) {
	s.kids++
	child.prev = s.last
	if s.last == nil {
		s.first = child
	} else {
		s.last.next = child
	}
	s.last = child
}

// drop forgets a branch that has ended, and wakes the scope's branch if it waits
// for the last of them but readers.
func (s *scope) drop(child *Branch) {
	s.kids--
	if child.reads {
		s.readers--
	}
	if child.prev == nil {
		s.first = child.next
	} else {
		child.prev.next = child.next
	}
	if child.next == nil {
		s.last = child.prev
	} else {
		child.next.prev = child.prev
	}
	child.prev, child.next = nil, nil
	if s.kids == s.readers && s.closing {
		s.branch.run.wakeUp(s.branch)
	}
}

// checkScope is the scope that a failed check counts in: the innermost step's try,
// attempt or run, across branches.
func (b *Branch) checkScope() *scope {
	for s := b.scope; ; s = s.parent {
		if s.kind == scopeTry || s.kind == scopeAttempt || s.kind == scopeRun || s.parent == nil {
			return s
		}
	}
}
