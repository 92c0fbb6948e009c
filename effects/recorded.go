package effects

import (
	"encoding/json"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// Recorded are the answers that the effects of a run got: plan --answers-from RUN.
type Recorded struct {
	byKey   map[recordedKey]*recordedAnswers
	byPlace map[journal.Place]*recordedAnswer
	// Missing counts the effects that the run had not asked for, or of which nothing is
	// known that could be an answer: they are answered as planned.
	Missing int
}

// recordedKey is what an effect must be to get an answer.
type recordedKey struct{ kind, args string }

// recordedAnswers are those of the effects that asked for the same, oldest first; all before
// next are used.
type recordedAnswers struct {
	all  []*recordedAnswer
	next int
}

// recordedAnswer is what one effect came to.
type recordedAnswer struct {
	key   recordedKey
	at    time.Duration
	notes []runtime.PlannedEvent // After the start
	end   *journal.EffectEndBody // nil: the journal ends before
	took  time.Duration
	used  bool
}

// ReadRecorded takes the answers out of a journal.
func ReadRecorded(recs []journal.Record) *Recorded {
	r := &Recorded{byKey: map[recordedKey]*recordedAnswers{}, byPlace: map[journal.Place]*recordedAnswer{}}
	open := map[journal.Place]*recordedAnswer{}
	for i := range recs {
		rec := &recs[i]
		switch body := rec.Body.(type) {
		case *journal.EffectStartBody:
			a := &recordedAnswer{key: recordedKey{body.Kind, string(body.Args)}, at: rec.At}
			if r.byKey[a.key] == nil {
				r.byKey[a.key] = new(recordedAnswers)
			}
			r.byKey[a.key].all = append(r.byKey[a.key].all, a)
			r.byPlace[rec.Place], open[rec.Place] = a, a
		case *journal.EffectNoteBody:
			if a := open[rec.Place]; a != nil {
				a.notes = append(a.notes, runtime.PlannedEvent{After: rec.At - a.at, Data: body.Data})
			}
		case *journal.EffectEndBody:
			if a := open[rec.Place]; a != nil {
				a.end, a.took = body, rec.At-a.at
				delete(open, rec.Place)
			}
		}
	}
	return r
}

// Over returns a planner that gives effects the recorded answers: that of the effect at
// the same place of the run if it asks for the same, else the oldest unused one of an
// effect that asked for the same, else what next plans. It is for one run.
func (r *Recorded) Over(next runtime.Planner, _ func() time.Duration) runtime.Planner {
	return planFunc(func(req *runtime.Request) (runtime.Planned, error) {
		planned, err := next.Plan(req)
		if err != nil {
			return planned, err
		}
		a := r.take(req)
		if a == nil {
			r.Missing++
			return planned, nil
		}
		return a.over(req, planned), nil
	})
}

// take finds the answer to an effect and uses it up, also where it is none: what comes after it
// has an answer of its own.
func (r *Recorded) take(req *runtime.Request) *recordedAnswer {
	key := recordedKey{req.Kind, string(req.Args)}
	a := r.byPlace[req.ID]
	if a == nil || a.used || a.key != key {
		a = r.byKey[key].oldest()
	}
	if a == nil {
		return nil
	}
	a.used = true
	if !a.known(req.Held) {
		return nil
	}
	return a
}

// oldest is the oldest answer that is not used; nil if there is none.
func (l *recordedAnswers) oldest() *recordedAnswer {
	if l == nil {
		return nil
	}
	for ; l.next < len(l.all); l.next++ {
		if a := l.all[l.next]; !a.used {
			return a
		}
	}
	return nil
}

// known reports whether what became of the effect is an answer: not where it was given
// up, or its process died.
func (a *recordedAnswer) known(held bool) bool {
	switch {
	case a.end == nil:
		return held && len(a.notes) > 0
	case a.end.Error == nil:
		return true
	}
	switch a.end.Error.Code {
	case CodeStopped, "cancelled", "abandoned", journal.CodeUncertain, journal.CodeExpired, journal.CodeLost:
		return held && len(a.notes) > 0
	}
	return true
}

// over lays a recorded answer over a planned one.
func (a *recordedAnswer) over(req *runtime.Request, planned runtime.Planned) runtime.Planned {
	if len(a.notes) > 0 {
		planned.Reports = a.notes
	}
	if a.end == nil || !a.ended() {
		return planned
	}
	done := &runtime.PlannedEvent{After: a.took, Err: a.end.Error}
	if len(a.end.Data) > 0 {
		done.Data = json.RawMessage(a.end.Data)
	}
	switch {
	case !req.Held, len(a.notes) == 0: // what never went on is over at once
		planned.Done = done
		if req.Held {
			planned.Reports = nil
		}
	default: // it goes on for as long as the run wants it, and may end by itself
		planned.End = func(time.Duration) (any, *journal.EffectError) { return done.Data, done.Err }
		if planned.Done != nil {
			planned.Done = done
		}
	}
	return planned
}

// ended reports whether the answer at the end is one.
func (a *recordedAnswer) ended() bool {
	return a.end.Error == nil || a.known(false)
}
