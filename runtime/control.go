package runtime

import (
	"slices"
	"time"

	"starquake/runtime/journal"
)

// control does what a person or a policy asked. It runs between turns, so every
// branch is parked.
func (r *Run) control(c Control) {
	r.record(journal.Control, journal.Place{Branch: r.root.path}, &c)
	switch c.Action {
	case ActionPause:
		r.pause(c.Lift)
	case ActionResume:
		r.unpause()
	case ActionStop:
		r.unpause()
		r.end.stop(c, r.Virtual())
		r.cancel(r.rootScope(), &cause{kind: causeStop})
	case ActionAbort:
		r.unpause()
		r.end.abort("aborted", said("aborted", c))
		r.cancel(r.rootScope(), &cause{kind: causeAbort})
	case ActionFail:
		r.fail(Failf(ClassErrored, c.By, "%s", c.Detail))
	case ActionSkip:
		r.skip(c)
	case ActionRecover:
		r.missed(c.Gap)
		r.resumed++
		for _, h := range r.allHeld() {
			h.cut = true
			if h.recovered != nil && !h.e.done {
				h.recovered(c.Gap)
			}
			h.again = h.again || h.anew && !h.e.cancelled
		}
	}
}

// fail ends the run, which cannot go on.
func (r *Run) fail(f *Failure) {
	r.unpause()
	r.end.fail(f)
	r.cancel(r.rootScope(), &cause{kind: causeAbort})
}

// missed notes that nobody ran the run for a while: the faults that are on were off.
func (r *Run) missed(gap time.Duration) {
	if r.paused || !slices.ContainsFunc(r.allHeld(), func(h *Held) bool { return h.chaos && !h.e.cancelled }) {
		return
	}
	for _, st := range r.steps {
		st.missed += gap
	}
}

// rootScope is the run's own scope: the outermost of the root branch.
func (r *Run) rootScope() *scope {
	s := r.root.scope
	for s.parent != nil {
		s = s.parent
	}
	return s
}

// pause stops the held clock; lift takes the faults off while it lasts.
func (r *Run) pause(lift bool) {
	if !r.paused {
		r.frozen = r.heldNow()
		r.paused = true
		r.signal(SignalPause)
	}
	if lift && !r.lifted {
		r.lifted = true
		r.lift()
	}
}

func (r *Run) unpause() {
	if !r.paused {
		return
	}
	r.paused = false
	r.offset = r.now - r.frozen
	r.queue = append(r.queue, r.stalled...)
	r.stalled = nil
	r.signal(SignalResume)
	if r.lifted {
		r.lifted = false
		r.restore()
	}
}

// lift takes every fault off for a while: for a pause, or while a person is asked.
// Faults that are asked for meanwhile are lifted too. Each lift needs its restore.
func (r *Run) lift() {
	if r.lifts++; r.lifts == 1 {
		r.signalChaos(SignalLift)
	}
}

func (r *Run) restore() {
	if r.lifts--; r.lifts == 0 {
		r.signalChaos(SignalRestore)
	}
}

func (r *Run) signalChaos(what SignalKind) {
	for _, h := range r.allHeld() {
		if h.chaos && !h.e.cancelled {
			r.signalTo(h.e, what)
		}
	}
}

// signal tells every held effect but those of guards, which go on, and watches that have not
// begun.
func (r *Run) signal(what SignalKind) {
	for _, h := range r.allHeld() {
		if !h.e.live && !h.e.cancelled && (h.hypothesis == nil || h.hypothesis.begun) {
			r.signalTo(h.e, what)
		}
	}
}

// allHeld lists what every scope holds, in the order of the requests' scopes: root
// first. It walks the branches, since controls are rare and bookkeeping is not.
func (r *Run) allHeld() []*Held {
	var all []*Held
	var walk func(b *Branch)
	walk = func(b *Branch) {
		var own []*scope
		for s := b.scope; s != nil && s.branch == b; s = s.parent {
			own = append(own, s)
		}
		for i := len(own) - 1; i >= 0; i-- {
			all = append(all, own[i].held...)
			for child := own[i].first; child != nil; child = child.next {
				walk(child)
			}
		}
	}
	walk(r.root)
	return all
}

// skip ends a running step as skipped: the one whose path is given, else the only
// running leaf.
func (r *Run) skip(c Control) {
	st, err := r.stepToSkip(c.Path)
	if err != nil {
		r.record(journal.Log, journal.Place{Branch: r.root.path}, &journal.LogBody{Level: "warn", Message: err.Error()})
		return
	}
	reason := "skipped by " + c.By
	if c.By == "" {
		reason = "skipped"
	}
	if c.Detail != "" {
		reason += ": " + c.Detail
	}
	r.cancel(st.scope, &cause{kind: causeSkip, err: Failf(ClassSkip, "skipped", "%s", reason)})
}

// StopRun stops the run from within, as a person's stop would: faults off at once.
// It returns ErrCancelled.
func (b *Branch) StopRun(by, detail string) error {
	r := b.run
	r.end.stop(Control{By: by, Detail: detail}, false)
	r.cancel(r.rootScope(), &cause{kind: causeStop})
	return ErrCancelled
}

// InStep reports whether the branch stands in a step.
func (b *Branch) InStep() bool {
	for s := b.scope; s != nil; s = s.parent {
		if s.kind == scopeStep {
			return true
		}
	}
	return false
}
