package runtime

import (
	"encoding/json"
	"slices"
	"time"

	"starquake/runtime/journal"
)

// Held is an effect that goes on until it is released, and belongs to a scope.
type Held struct {
	e     *effect
	scope *scope
	chaos bool
	on    bool // its first report came
	// anew is Ask.Anew, again that a crash has cut it off, changes what Run.chaosChanges was
	// when it was asked for, and torn is what Torn says, once it has ended.
	anew, again, torn bool
	changes           int
	kind              string
	args              json.RawMessage
	judge             func(Told) *Failure
	// watchedBy are the hypotheses that are watched because of it, hypothesis is the one that
	// it watches itself.
	watchedBy  []*steadyState
	hypothesis *steadyState
	// First is the data of its first report.
	First json.RawMessage
	// said is the data of its latest, cut that a crash has cut it off: see Told.
	said json.RawMessage
	cut  bool
	// recovered, if set, is called when the process that ran the run has died and another goes
	// on with it, with the time for which nobody ran it: what it reports next it counts from
	// the start again.
	recovered func(gap time.Duration)
}

// Told is what a held effect has told of itself.
type Told struct {
	// Answer is the data of its completion: empty while it goes on, and where its undo
	// could not be asked for and it expired.
	Answer json.RawMessage
	// Said is the data of its latest report.
	Said json.RawMessage
	// Cut says that a crash of the run's process has cut it off: what it did between its
	// latest report before and the crash, it never told.
	Cut bool
}

// Told is what it has told so far.
func (h *Held) Told() Told { return Told{h.e.data, h.said, h.cut} }

// Off reports whether the effect has ended.
func (h *Held) Off() bool { return h.e.done }

// Answer is the completion, once Off.
func (h *Held) Answer() Answer { return Answer{Data: h.e.data, Err: h.e.err} }

// Torn is a failure if what the effect measured is not what the script meant: a crash cut
// it off, it was asked again whole, and from when it was first asked for until it ended a
// fault went on or off, which then did not lie over it as meant.
func (h *Held) Torn() *Failure {
	if !h.torn {
		return nil
	}
	return Failf(ClassInconclusive, CodeDisturbed,
		"the %s was cut off when the process of the run died, and was asked again whole, and faults went on or off in its time: they did not lie over it as meant, so its figures say nothing about the system; run it again", h.kind)
}

// CodeDisturbed is the code of what a crash has spoiled.
const CodeDisturbed = "disturbed"

// ID is the effect's place in the run.
func (h *Held) ID() journal.Place { return h.e.id }

// hold starts a held effect that belongs to s.
func (b *Branch) hold(s *scope, ask Ask) *Held {
	r := b.run
	h := &Held{
		e: r.start(b, ask, true), scope: s, chaos: ask.Chaos, args: ask.Args, judge: ask.Judge,
		kind: ask.Kind, anew: ask.Anew, changes: r.chaosChanges,
	}
	h.e.held = h
	h.e.waiter = b
	h.e.notify = h.note
	h.e.finished = func(*effect) { h.ended() }
	s.held = append(s.held, h)
	if h.chaos {
		r.chaosAsked(b, h)
		if r.lifts > 0 {
			r.signalTo(h.e, SignalLift)
		}
	}
	return h
}

// note takes the first report: it is on.
func (h *Held) note(data json.RawMessage) {
	if h.on {
		return
	}
	h.on, h.First = true, data
	for _, st := range h.watchedBy {
		st.disturb()
	}
}

// ended takes the completion, however it came about.
func (h *Held) ended() {
	r := h.e.run
	if i := slices.Index(h.scope.held, h); i >= 0 {
		h.scope.held = slices.Delete(h.scope.held, i, i+1)
	}
	expired := h.e.err != nil && h.e.err.IsOff()
	lost := h.e.err != nil && h.e.err.Code == journal.CodeLost
	// What is no chaos and ended by itself needs no undo: its caller sees the error.
	// What expired is off; that is right only where its end was asked for. What was lost
	// may have been off before that, too: an experiment that did not happen never passes.
	if unconfirmed(h.on, h.chaos, h.e.err) && (!h.on || h.chaos || h.e.cancelled) {
		r.end.unclean = append(r.end.unclean, journal.Problem{Code: h.e.err.Code, Message: h.e.err.Message, Path: h.scope.path})
	} else if h.on && h.chaos && (lost || !h.e.cancelled) {
		what := "a fault ended before it was taken off"
		if h.e.cancelled {
			what = "a fault had ended when it was to be taken off, or could not be reached"
		}
		if expired {
			what += ": " + h.e.err.Message
		}
		f := Failf(ClassErrored, "fault_lost", "%s", what)
		f.Problem.Path = h.scope.path
		r.end.fail(f)
	} else if h.on && h.scope == r.base && !h.e.cancelled {
		why := "by itself"
		if h.e.err != nil {
			why = h.e.err.Message
		}
		r.fail(Failf(ClassErrored, "listener_lost", "what the run needs to its end has ended: %s", why))
	}
	h.torn = h.again && h.changes != r.chaosChanges
	if h.judge != nil && h.on && (h.e.err == nil || expired) {
		if f := h.judge(h.Told()); f != nil {
			f.Problem.Path = h.scope.path
			r.end.fail(f)
		}
	}
	if h.chaos {
		r.chaosEnded(h)
	}
	if h.scope.releasing && !h.scope.holds() {
		r.wakeUp(h.scope.branch)
	}
}

// unconfirmed reports whether a held effect may still be on after its end. What never was
// on, but could not be taken off either, may be on in part; and what becomes of chaos that is
// not waited for while it is put on, nobody knows.
func unconfirmed(on, chaos bool, err *journal.EffectError) bool {
	if err == nil || err.IsOff() {
		return false
	}
	return on || err.Code == journal.CodeUnclean || chaos && err.Code == journal.CodeAbandoned
}

// release asks for a held effect's end; see Release for waiting.
func (r *Run) release(h *Held) { h.e.giveUp() }

// releaseAll takes off all that s holds, newest first, and waits until it is gone. Watches of
// its hypotheses end by themselves when the faults are off: see settle.
func (b *Branch) releaseAll(s *scope) {
	for _, h := range slices.Backward(s.held) {
		if h.hypothesis == nil {
			b.run.release(h)
		}
	}
	s.releasing = true
	for s.holds() {
		b.park()
	}
	s.releasing = false
}

// holds reports whether s holds anything but watches of its hypotheses.
func (s *scope) holds() bool {
	return slices.ContainsFunc(s.held, func(h *Held) bool { return h.hypothesis == nil })
}

// Hold puts held effects on, in order, for the innermost scope, and waits until all
// of them are. If one cannot be put on, those that are come off again and the error
// has the class ClassErrored.
func (b *Branch) Hold(asks ...Ask) ([]*Held, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	if err := b.mayHold(asks); err != nil {
		return nil, err
	}
	held := make([]*Held, 0, len(asks))
	for _, ask := range asks {
		held = append(held, b.hold(b.scope, ask))
	}
	for !slices.ContainsFunc(held, (*Held).failed) && !allOn(held) {
		b.park()
		if b.over() != nil {
			break
		}
	}
	failed := slices.IndexFunc(held, (*Held).failed)
	if b.over() == nil && failed < 0 {
		for _, h := range held {
			h.e.waiter = nil
		}
		return held, nil
	}
	b.shield++
	b.awaitOff(held)
	b.shield--
	if err := b.over(); err != nil {
		return nil, err
	}
	h := held[failed]
	msg := "it ended at once"
	code := "fault_not_on"
	if h.e.err != nil {
		msg = h.e.err.Message
		if !h.chaos {
			code = h.e.err.Code
		}
	}
	return nil, Failf(ClassErrored, code, "%s", msg)
}

// failed reports whether the effect ended without ever having been on.
func (h *Held) failed() bool { return h.e.done && !h.on }

func allOn(held []*Held) bool {
	return !slices.ContainsFunc(held, func(h *Held) bool { return !h.on })
}

// Release takes held effects off, newest first, and waits until they are gone.
func (b *Branch) Release(held ...*Held) error {
	if err := b.check(); err != nil {
		return err
	}
	b.shield++
	b.awaitOff(held)
	b.shield--
	return b.over()
}

// awaitOff releases and waits; the caller is shielded.
func (b *Branch) awaitOff(held []*Held) {
	for i := len(held) - 1; i >= 0; i-- {
		held[i].e.await(b)
		b.run.release(held[i])
	}
	for slices.ContainsFunc(held, func(h *Held) bool { return !h.e.done }) {
		b.park()
	}
}

// HoldForRun puts a held effect on that lasts as long as the run: it is released
// after the last clean-up. It waits until the effect is on.
func (b *Branch) HoldForRun(ask Ask) (*Held, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	h := b.hold(b.run.base, ask)
	for !h.on && !h.e.done && b.over() == nil {
		b.park()
	}
	h.e.waiter = nil
	if err := b.over(); err != nil {
		return nil, err
	}
	if h.failed() {
		if h.e.err == nil {
			return nil, Failf(ClassErrored, "failed", "%s ended at once", ask.Kind)
		}
		return nil, Failf(ClassErrored, h.e.err.Code, "%s", h.e.err.Message)
	}
	return h, nil
}

// Args are the arguments the effect was asked for with.
func (h *Held) Args() json.RawMessage { return h.args }
