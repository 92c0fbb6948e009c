package runtime

import (
	"strconv"
	"time"

	"starquake/runtime/journal"
)

// join is what a branch waits on while others end.
type join struct {
	waiter *Branch
	left   int  // not ended yet
	failed bool // one of them failed
	onEnd  func(*Branch)
}

// ended is told of each branch's end, in its turn.
func (j *join) ended(child *Branch) {
	j.left--
	j.failed = j.failed || child.err != nil
	if j.onEnd != nil {
		j.onEnd(child)
	}
	if j.waiter != nil {
		j.waiter.run.wakeUp(j.waiter)
	}
}

// BranchSpec is one branch of a Parallel.
type BranchSpec struct {
	Label string // for the path; "" is its number, from 1
	Body  Body
}

// ParallelOptions tune Parallel; the zero value runs all at once and stops the
// siblings of a failed branch.
type ParallelOptions struct {
	Limit  int  // how many at once; 0: all
	RunAll bool // fail_fast = False
}

// BranchResult is how a branch ended.
type BranchResult struct {
	Label  string
	Status journal.Status
	Err    *Failure
	Value  any
}

// OK reports whether the branch passed.
func (r *BranchResult) OK() bool { return r.Status == journal.Passed }

// Parallel runs every branch concurrently and waits for all of them. A failure is
// raised once all have ended: the first in branch order, the others attached.
func (b *Branch) Parallel(specs []BranchSpec, opt ParallelOptions) ([]*BranchResult, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	b.run.record(journal.ParallelBegin, b.nextPlace(), &journal.ParallelBody{Path: b.scope.path, Branches: len(specs), Limit: opt.Limit, RunAll: opt.RunAll})
	limit := len(specs)
	if opt.Limit > 0 && opt.Limit < limit {
		limit = opt.Limit
	}
	j := &join{waiter: b}
	children := make([]*Branch, 0, limit)
	stop := func() {
		for _, child := range children {
			if !child.ended {
				b.run.cancel(child.own, &cause{kind: causeStop})
			}
		}
	}
	if !opt.RunAll {
		j.onEnd = func(child *Branch) {
			if child.err != nil { // at once: a sibling that is runnable must not act any more
				stop()
			}
		}
	}
	var spawnErr error
	for i, spec := range specs {
		for j.left >= limit && !b.stopStarting(j, opt) {
			b.park()
		}
		if b.stopStarting(j, opt) {
			break
		}
		label := spec.Label
		if label == "" {
			label = strconv.Itoa(i + 1)
		}
		child, err := b.spawn(b.scope, "parallel", label, spec.Body)
		if err != nil {
			spawnErr = err
			stop()
			break
		}
		child.join = j
		j.left++
		children = append(children, child)
	}
	for j.left > 0 {
		b.park()
	}
	all, err := results(specs, children)
	switch {
	case spawnErr != nil:
		return nil, spawnErr
	case err != nil: // also where b is cancelled: what failed before stays failed
		return all, err
	}
	return all, b.over()
}

// stopStarting reports whether no further branch may begin.
func (b *Branch) stopStarting(j *join, opt ParallelOptions) bool {
	return b.over() != nil || j.failed && !opt.RunAll
}

// results gives what each branch made, and the failure to raise. A branch that was
// never begun, because another failed first, is stopped.
func results(specs []BranchSpec, children []*Branch) ([]*BranchResult, error) {
	all := make([]*BranchResult, len(specs))
	var first error
	for i, spec := range specs {
		res := &BranchResult{Label: spec.Label, Status: journal.Stopped}
		if i < len(children) {
			child := children[i]
			res.Status, res.Err, res.Value = child.status, child.err, child.value
		}
		all[i] = res
		if res.Err != nil {
			first = join2(first, res.Err)
		}
	}
	return all, first
}

// worse reports whether a must be raised before b whatever their order: an error of
// the script passes every tolerance, so it may not hide behind a failure.
func worse(a, b *Failure) bool {
	return a.Class != b.Class && (a.Class == ClassScript || a.Class == ClassInconclusive && b.Class != ClassScript)
}

// LoopSpec describes a loop.
type LoopSpec struct {
	Times    int // with Bounded
	Bounded  bool
	Duration time.Duration // 0: none; no turn begins after it
	Every    time.Duration // start to start; 0: at once
	Body     func(b *Branch, turn int) (any, error)
	Until    func(b *Branch, value any) (bool, error) // nil: no question
}

// Loop runs the turns one after the other, each a scope of its own, and returns how
// many there were.
func (b *Branch) Loop(spec *LoopSpec) (int, error) {
	if err := b.check(); err != nil {
		return 0, err
	}
	r := b.run
	place := b.nextPlace()
	r.record(journal.LoopBegin, place, spec.body(b.scope.path))
	outer := b.scope
	namer := outer.namer()
	namer.loops++
	nth := namer.loops
	began := r.heldNow()
	end := &journal.EndBody{Path: outer.path, Status: journal.Passed}
	turn, err := 0, error(nil)
	for ; err == nil && (!spec.Bounded || turn < spec.Times); turn++ {
		if err = b.check(); err != nil {
			break
		}
		r.turnOps++ // a turn may do nothing else
		if spec.Duration > 0 && r.heldNow()-began >= spec.Duration {
			break
		}
		var late time.Duration
		if spec.Every > 0 && turn > 0 {
			due := began + time.Duration(turn)*spec.Every
			if spec.Duration > 0 && due-began >= spec.Duration {
				break
			}
			if late = r.heldNow() - due; late < 0 {
				late = 0
				if err = b.sleep(due-r.heldNow(), "every"); err != nil {
					break
				}
			} else if late > 0 {
				end.Late++
			}
		}
		var done bool
		done, err = b.turn(spec, place, turn, nth, late)
		if done {
			turn++
			break
		}
	}
	end.Turns = turn
	if err == ErrCancelled {
		end.Status = journal.Stopped
	} else if err != nil {
		f := r.failure(b, err)
		end.Status, end.Error, err = f.status(), &f.Problem, f
	}
	r.record(journal.LoopEnd, place, end)
	return turn, err
}

// body is the record of the loop's begin.
func (spec *LoopSpec) body(path string) *journal.LoopBody {
	body := &journal.LoopBody{Path: path, Duration: spec.Duration, Every: spec.Every, Until: spec.Until != nil}
	if spec.Bounded {
		body.Times = &spec.Times
	}
	return body
}

// turn is one turn of a loop.
func (b *Branch) turn(spec *LoopSpec, place journal.Place, turn, nth int, late time.Duration) (done bool, err error) {
	label := "[" + strconv.Itoa(turn) + "]"
	if nth > 1 {
		label += "#" + strconv.Itoa(nth)
	}
	s := b.openTurn(label)
	b.run.record(journal.TurnBegin, place, &journal.TurnBody{Path: s.path, Turn: turn, Late: late})
	done, err = b.turnBody(spec, turn)
	return done, b.close(s, err)
}

func (b *Branch) turnBody(spec *LoopSpec, turn int) (done bool, err error) {
	defer catch(&err)
	v, err := spec.Body(b, turn)
	if err == nil && spec.Until != nil {
		done, err = spec.Until(b, v)
	}
	return done, err
}

// openTurn opens a turn's scope. Turn labels are unique by construction and are not
// remembered: a loop may take millions of turns.
func (b *Branch) openTurn(label string) *scope {
	s := &scope{kind: scopeTurn, parent: b.scope, branch: b, path: label}
	if p := b.scope.path; p != "" {
		s.path = p + "/" + label
	}
	b.scope = s
	return s
}

// AttemptResult is what an attempt came to.
type AttemptResult struct {
	Err   *Failure // nil if it passed
	Value any
}

// Attempt runs body and holds a failure: the run goes on, the failure is counted as
// tolerated. Errors of the script and cancellation pass through.
func (b *Branch) Attempt(body Body) (*AttemptResult, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	r := b.run
	place := b.nextPlace()
	s := b.open(scopeAttempt, "")
	r.record(journal.AttemptBegin, place, &journal.AttemptBody{Path: s.path})
	v, err := b.call(body)
	err = b.close(s, err)
	end := &journal.EndBody{Path: s.path, Status: journal.Passed}
	defer func() { r.record(journal.AttemptEnd, place, end) }()
	if err == nil {
		return &AttemptResult{Value: v}, nil
	}
	if err == ErrCancelled {
		end.Status = journal.Stopped
		return nil, err
	}
	f := r.failure(b, err)
	end.Status, end.Error = f.status(), &f.Problem
	if f.Class != ClassFailed && f.Class != ClassErrored {
		return nil, f
	}
	r.idle = false
	r.end.tolerate(f, place)
	return &AttemptResult{Err: f, Value: v}, b.over()
}
