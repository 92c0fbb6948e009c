package runtime

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"starquake/runtime/journal"
)

// pipeFacts are what the world's side of a pipe must know to end a run without the
// process that executed it.
type pipeFacts struct {
	state pipeState
	open  map[journal.Place]*openEffect
	asked int              // effects so far
	begun []journal.Record // of steps and branches that go on, oldest first
	exits int              // clean-ups that have ended
	// undelivered are the events that the process was given and that its records do not
	// have yet: the last one, and more in a pause.
	undelivered []Event
}

// openEffect is an effect that has not completed in the journal.
type openEffect struct {
	req       Request
	number    int  // in the order in which they were asked for
	on        bool // it has reported
	cancelled bool
}

// deliver notes an event on its way to the process. Ticks leave no record of their own.
func (f *pipeFacts) deliver(ev Event) {
	if ev.Kind != EventTick {
		f.undelivered = append(f.undelivered, ev)
	}
}

// taken removes the first event of a kind from those that the journal lacks.
func (f *pipeFacts) taken(kind EventKind, id journal.Place) bool {
	i := slices.IndexFunc(f.undelivered, func(ev Event) bool { return ev.Kind == kind && ev.ID == id })
	if i >= 0 {
		f.undelivered = slices.Delete(f.undelivered, i, i+1)
	}
	return i >= 0
}

// follow notes what a turn does. Nothing of a turn that is refused may be started.
func (f *pipeFacts) follow(r *Ready) error {
	for i := range r.Records {
		if err := f.note(&r.Records[i]); err != nil {
			return err
		}
	}
	if f.open == nil {
		f.open = make(map[journal.Place]*openEffect)
	}
	for i := range r.Start {
		if id := r.Start[i].ID; f.open[id] != nil {
			for _, added := range r.Start[:i] {
				delete(f.open, added.ID)
			}
			return fmt.Errorf("effect %s is under way already", id)
		}
		f.asked++
		f.open[r.Start[i].ID] = &openEffect{req: r.Start[i], number: f.asked}
	}
	for _, id := range r.Cancel {
		if e := f.open[id]; e != nil {
			e.cancelled = true
		}
	}
	return nil
}

// note follows one record. What an effect said must have come from the world.
func (f *pipeFacts) note(rec *journal.Record) error {
	switch rec.Kind {
	case journal.EffectNote:
		if e := f.open[rec.Place]; e == nil || !f.taken(EventReport, rec.Place) {
			return fmt.Errorf("a report of effect %s that did not come", rec.Place)
		} else {
			e.on = true
		}
	case journal.EffectEnd:
		if !f.taken(EventDone, rec.Place) {
			return fmt.Errorf("the end of effect %s, which goes on", rec.Place)
		}
		delete(f.open, rec.Place)
	case journal.Control:
		f.taken(EventControl, journal.Place{})
	case journal.StepBegin, journal.BranchBegin:
		f.begun = append(f.begun, *rec)
	case journal.StepEnd:
		f.close(journal.StepBegin, rec.Place)
	case journal.BranchEnd:
		f.close(journal.BranchBegin, rec.Place)
	}
	return nil
}

// newest lists what is open, newest first.
func (f *pipeFacts) newest() []*openEffect {
	return slices.SortedFunc(maps.Values(f.open), func(a, b *openEffect) int { return b.number - a.number })
}

func (f *pipeFacts) close(kind journal.Kind, at journal.Place) {
	for i := len(f.begun) - 1; i >= 0; i-- {
		if f.begun[i].Kind == kind && f.begun[i].Place == at {
			if b, ok := f.begun[i].Body.(*journal.BranchBeginBody); ok && b.Role == "exit" {
				f.exits++
			}
			f.begun = slices.Delete(f.begun, i, i+1)
			return
		}
	}
}

// end ends a run whose process is gone: what is under way is undone and awaited,
// what is open in the journal is closed, and the verdict says why.
func (s *pipeServer) end(d Death) Outcome {
	s.watchdog.End()
	s.opt.Kill()
	s.control(Control{Action: ActionFail, By: d.Code, Detail: d.Message})
	f := &s.facts
	v := verdicts{aborted: f.state.Aborted, stopped: f.state.Stopped, unclean: f.state.Unclean}
	r := &Ready{Due: Never}
	for _, ev := range f.undelivered {
		s.record(r, &v, ev)
	}
	// First what disturbs, and what waits for answers; then what the rest stood on: the
	// listeners that clients are still connected to.
	for _, all := range []bool{false, true} {
		ending := 0
		for _, e := range f.newest() {
			if e.cancelled || all || !e.req.Held || e.req.Chaos {
				ending++
			} else {
				continue
			}
			if !e.cancelled {
				e.cancelled = true
				r.Records = append(r.Records, journal.Record{At: s.last, Kind: journal.EffectStop, Place: e.req.ID})
				r.Cancel = append(r.Cancel, e.req.ID)
			}
		}
		for target := len(f.open) - ending; len(f.open) > target; {
			ev := s.world.Next(r)
			r = &Ready{Due: Never}
			s.last = max(s.last, ev.At)
			s.record(r, &v, ev)
		}
	}
	return s.close(r, &v, d)
}

// record writes down an event as the run would have.
func (s *pipeServer) record(r *Ready, v *verdicts, ev Event) {
	f := &s.facts
	fact := func(kind journal.Kind, place journal.Place, body any) {
		r.Records = append(r.Records, journal.Record{At: s.last, Kind: kind, Place: place, Body: body})
	}
	switch ev.Kind {
	case EventReport:
		if e := f.open[ev.ID]; e != nil {
			e.on = true
			fact(journal.EffectNote, ev.ID, &journal.EffectNoteBody{Data: ev.Data})
		}
	case EventDone:
		e := f.open[ev.ID]
		if e == nil {
			return
		}
		delete(f.open, ev.ID)
		fact(journal.EffectEnd, ev.ID, &journal.EffectEndBody{Data: ev.Data, Error: ev.Err})
		if e.req.Held && unconfirmed(e.on, e.req.Chaos, ev.Err) && (!e.on || e.req.Chaos || e.cancelled) { // as Held.ended
			v.unclean = append(v.unclean, journal.Problem{Code: ev.Err.Code, Message: ev.Err.Message, Path: e.req.Path})
		}
	case EventControl:
		c := ev.Control
		switch c.Action {
		case ActionFail:
			return // the verdict says it
		case ActionStop:
			v.stop(c, s.opt.Begin != nil && s.opt.Begin.World == "virtual")
		case ActionAbort:
			v.abort(c.By, c.Detail)
		}
		fact(journal.Control, journal.Place{Branch: "0"}, &c)
	}
}

// close closes what the journal has open, innermost first, and ends it.
func (s *pipeServer) close(r *Ready, v *verdicts, d Death) Outcome {
	f := &s.facts
	problem := journal.Problem{Code: d.Code, Message: d.Message}
	fact := func(kind journal.Kind, place journal.Place, body any) {
		r.Records = append(r.Records, journal.Record{At: s.last, Kind: kind, Place: place, Body: body})
	}
	root := journal.Place{Branch: "0"}
	if !s.begun && s.opt.Begin != nil {
		fact(journal.RunBegin, root, s.opt.Begin)
	}
	fact(journal.Failure, root, &journal.FailureBody{Problem: problem})
	for i := len(f.begun) - 1; i >= 0; i-- {
		switch b := f.begun[i].Body.(type) {
		case *journal.StepBeginBody:
			fact(journal.StepEnd, f.begun[i].Place, &journal.StepEndBody{Path: b.Path, Status: journal.Stopped, Started: f.begun[i].At})
		case *journal.BranchBeginBody:
			fact(journal.BranchEnd, f.begun[i].Place, &journal.EndBody{Path: b.Path, Status: journal.Stopped})
		}
	}
	if left := f.state.Cleanups - f.exits; left > 0 {
		v.unclean = append(v.unclean, journal.Problem{Code: "cleanup_not_run", Message: fmt.Sprintf(
			"%d of the script's on_exit clean-ups may not have run, because its process is gone; do by hand what they would have done (%s)", left, strings.TrimSuffix(d.Message, "."))})
	}
	class := ClassErrored
	if d.Script {
		class = ClassScript
	}
	v.fail(&Failure{Class: class, Problem: problem, raised: true})
	run := Run{cfg: Config{Strict: s.opt.Strict}, started: f.state.Started, now: s.last, end: *v}
	out := run.verdict()
	fact(journal.RunEnd, root, &out.RunEndBody)
	s.world.Finish(r)
	return out
}
