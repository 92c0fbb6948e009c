package runtime

import (
	"strconv"
	"time"

	"starquake/runtime/journal"
)

// park hands over until somebody wakes b. The caller has arranged for that: with a
// timer, an effect or a join. It is the only place where a branch stops executing.
//
// The loop runs on the parked branch's own stack, so a run with one branch never
// switches, and a switch between two is one send and one receive.
func (b *Branch) park() {
	b.parked = true
	r := b.run
	for {
		if next := r.pop(); next == b {
			break
		} else if next != nil {
			r.resume(next)
			<-b.wake
			break
		}
		r.deliver(r.next())
	}
	b.parked = false
	r.running = b
	if r.cfg.OnTurn != nil {
		r.cfg.OnTurn(b)
	}
}

// next carries out what is ready and gets the next event. A pause keeps back what
// completes meanwhile.
func (r *Run) next() Event {
	r.turnOps = 0
	kept := !r.paused && len(r.waiting) > 0
	if kept && len(r.ready.Start)+len(r.ready.Cancel)+len(r.ready.Signals) == 0 {
		return r.nextKept()
	}
	r.ready.Due = r.due()
	if kept { // what is ready may not wait for them: an early tick is no error
		r.ready.Due = r.now
	}
	ev := r.world.Next(&r.ready)
	r.ready.Records = r.ready.Records[:0]
	r.ready.Start = r.ready.Start[:0]
	r.ready.Cancel = r.ready.Cancel[:0]
	r.ready.Signals = r.ready.Signals[:0]
	if kept && (ev.Kind == EventReport || ev.Kind == EventDone) {
		r.waiting = append(r.waiting, ev)
		return r.nextKept()
	}
	return ev
}

// nextKept gives the first event that a pause kept back.
func (r *Run) nextKept() Event {
	ev := r.waiting[0]
	if r.waiting = r.waiting[1:]; len(r.waiting) == 0 {
		r.waiting = nil
	}
	ev.At = r.now
	return ev
}

// deliver makes of one event what it means: timers and effects wake branches,
// controls change the run.
func (r *Run) deliver(ev Event) {
	if ev.At > r.now {
		r.now = ev.At
	}
	switch ev.Kind {
	case EventTick:
		r.fire()
	case EventReport, EventDone:
		e := r.effects[ev.ID]
		if e == nil {
			return // completed or given up before
		}
		if r.paused && !e.live && !e.tells(ev) {
			r.waiting = append(r.waiting, ev)
			return
		}
		e.deliver(ev)
	case EventControl:
		r.control(ev.Control)
	}
}

// due is when the next timer fires, by the world's clock.
func (r *Run) due() time.Duration {
	due := Never
	if t := r.clocks[liveClock].top(); t != nil {
		due = t.due
	}
	if t := r.clocks[heldClock].top(); t != nil && !r.paused {
		due = min(due, t.due+r.offset)
	}
	return due
}

// The clocks of a run.
const (
	heldClock = 0
	liveClock = 1
)

// after arms t to fire d from now, on the live clock or the one that pauses hold. That
// it fired is recorded at place, which is the operation that armed it, or its branch.
func (r *Run) after(t *timer, place journal.Place, d time.Duration, live bool) {
	r.seq++
	t.seq, t.place = r.seq, place
	if live {
		t.due = r.now + d
		r.clocks[liveClock].push(t)
		return
	}
	t.due = r.heldNow() + d
	r.clocks[heldClock].push(t)
}

// disarm takes t off whichever clock it is on.
func (r *Run) disarm(t *timer, live bool) {
	if live {
		r.clocks[liveClock].remove(t)
	} else {
		r.clocks[heldClock].remove(t)
	}
}

// fire fires the first timer that is due, if one is: an early tick is no error.
func (r *Run) fire() {
	held, live := r.clocks[heldClock].top(), r.clocks[liveClock].top()
	if held != nil && (r.paused || held.due+r.offset > r.now) {
		held = nil
	}
	if live != nil && live.due > r.now {
		live = nil
	}
	t := held
	switch {
	case held == nil && live == nil:
		return
	case held == nil:
		t = live
	case live != nil && (live.due < held.due+r.offset || live.due == held.due+r.offset && live.seq < held.seq):
		t = live
	}
	r.disarm(t, t == live)
	r.started = true
	r.record(journal.Timer, t.place, nil)
	if t.fire != nil {
		t.fire()
		return
	}
	r.wakeUp(t.branch)
}

// wakeUp makes a parked branch runnable; waking it twice is waking it once. In a
// pause only branches that live through it run: a step that is skipped meanwhile
// must not let the next one begin.
func (r *Run) wakeUp(b *Branch) {
	if b.queued || b.ended {
		return
	}
	b.queued = true
	if r.paused && !b.livetime {
		r.stalled = append(r.stalled, b)
		return
	}
	r.queue = append(r.queue, b)
}

// pop takes the next runnable branch, nil if there is none.
func (r *Run) pop() *Branch {
	if r.head == len(r.queue) {
		r.queue, r.head = r.queue[:0], 0
		return nil
	}
	b := r.queue[r.head]
	r.queue[r.head] = nil
	r.head++
	b.queued = false
	return b
}

// resume gives the turn to b. The caller must stop executing: wait for its own wake
// or return.
func (r *Run) resume(b *Branch) {
	if r.running.wake == nil {
		r.running.wake = make(chan struct{}, 1)
	}
	r.running = b
	if b.body != nil {
		go b.main()
		return
	}
	b.wake <- struct{}{}
}

// main is the life of a branch other than the root.
func (b *Branch) main() {
	r := b.run
	body := b.body
	b.body = nil
	r.running = b
	if r.cfg.OnTurn != nil {
		r.cfg.OnTurn(b)
	}
	var v any
	err := error(ErrCancelled)
	if b.cancelled == nil { // else it was cancelled before it began
		v, err = b.call(body)
	}
	err = b.close(b.own, err)
	b.finish(v, err)
	// The branch is over, its goroutine still has the turn: pass it on.
	for {
		if next := r.pop(); next != nil {
			r.resume(next)
			return
		}
		r.deliver(r.next())
	}
}

// finish notes how the branch ended and tells who waits for it.
func (b *Branch) finish(v any, err error) {
	r := b.run
	b.value = v
	b.status = journal.Passed
	end := &journal.EndBody{Path: b.own.path}
	switch {
	case b.own.cause != nil && (err == nil || err == ErrCancelled):
		b.status = journal.Stopped
	case err != nil:
		b.err = r.failure(b, err)
		b.status = b.err.status()
		end.Error = &b.err.Problem
	}
	end.Status = b.status
	r.record(journal.BranchEnd, journal.Place{Branch: b.path}, end)
	b.ended = true
	r.live--
	if b.own.parent != nil {
		b.own.parent.drop(b)
	}
	if b.join != nil {
		b.join.ended(b)
	}
}

// spawn makes a branch below scope s, runnable after those that are already. Its
// body has not begun when spawn returns.
func (b *Branch) spawn(s *scope, role, label string, body Body) (*Branch, error) {
	r := b.run
	exit := role == "exit" // a clean-up is never refused, and nobody cancels it with its scope
	if r.live >= r.cfg.MaxBranches && !exit {
		return nil, Failf(ClassScript, "too_many_branches", "more than %d branches at once; use parallel(…, limit = n) or a loop", r.cfg.MaxBranches)
	}
	if b.depth+1 > r.cfg.MaxDepth && !exit {
		return nil, Failf(ClassScript, "too_deep", "branches nest deeper than %d; does a function call itself through parallel, loop or start?", r.cfg.MaxDepth)
	}
	// The branch numbers its children, and not the scope: a path is the same
	// whichever of its scopes the parent stands in.
	maker := s.branch
	maker.kids++
	child := &Branch{
		run: r, parent: b, path: maker.path + "." + strconv.FormatUint(uint64(maker.kids), 10), depth: b.depth + 1,
		body: body, livetime: b.livetime, watch: b.watch, exit: b.exit,
		wake: make(chan struct{}, 1),
	}
	if role == "watch" {
		label = "watch " + label // not the path of a step of that name
	}
	child.own = &scope{kind: scopeBranch, parent: s, branch: child, path: s.childPath(label)}
	child.scope = child.own
	if exit {
		child.own.parent = nil
	} else {
		s.adopt(child)
	}
	r.live++
	r.record(journal.BranchBegin, journal.Place{Branch: child.path}, &journal.BranchBeginBody{Path: child.own.path, Role: role})
	r.wakeUp(child)
	return child, nil
}
