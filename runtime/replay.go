package runtime

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"starquake/runtime/journal"
)

// Replay gives a run the events that a journal has, in their order, and compares what
// the run makes of them with what it made of them then. It is the part of a world that
// recovery and replay share; it starts nothing.
//
// Every event leaves a record, and leaves it first: a completion its effect.end, a
// report its effect.note, a control its control, a tick the timer that it fired. So
// when the run has said all that it says by itself, the next record of the journal
// tells the event that came.
type Replay struct {
	recs []journal.Record
	next int // the first record that the run has not made yet

	open    []Request // effects asked for and not completed, oldest first
	state   map[journal.Place]*replayed
	was, is []byte // two records that are compared; kept for their memory
	// anywhere says that places in the script are not compared.
	anywhere bool
	// stopping says that a stop or an abort came.
	stopping bool
}

// replayed is what became of an open effect.
type replayed struct {
	on        bool            // it has reported
	since     time.Duration   // when it first did
	report    json.RawMessage // what it first said
	last      json.RawMessage // what it last said
	cancelled bool
	signals   []SignalKind // in order
	begun     bool         // in a recovery: the process that died had begun it
}

// paused reports whether the last that the effect was told of pauses is that one began.
func (st *replayed) paused() bool {
	for _, s := range slices.Backward(st.signals) {
		if s == SignalPause || s == SignalResume {
			return s == SignalPause
		}
	}
	return false
}

// NewReplay replays recs, which begin with the beginning of a run.
func NewReplay(recs []journal.Record) *Replay {
	return &Replay{recs: recs, state: map[journal.Place]*replayed{}}
}

// Divergence is the first difference between a journal and its replay.
type Divergence struct {
	// Number counts the records from 1.
	Number int
	// Was is the journal's record, Is the one that the script makes now; one of them is
	// nil where the other has nothing to stand beside it.
	Was, Is *journal.Record
}

func (d *Divergence) Error() string {
	return fmt.Sprintf("record %d differs: the journal has %s, the script now makes %s", d.Number, brief(d.Was), brief(d.Is))
}

// brief shows a record on one line, cut.
func brief(rec *journal.Record) string {
	if rec == nil {
		return "nothing"
	}
	text, err := json.Marshal(rec)
	if err != nil {
		return string(rec.Kind)
	}
	const most = 300
	if len(text) > most {
		text = append(text[:most:most], "…"...)
	}
	return string(text)
}

// Turn takes what a run wants carried out and returns the next event of the journal.
// Where the journal has none left, more is false, and fresh are the records that it
// does not have. An error is a *Divergence.
func (p *Replay) Turn(r *Ready) (ev Event, fresh []journal.Record, more bool, err error) {
	p.note(r)
	for i := range r.Records {
		if p.next == len(p.recs) {
			fresh = r.Records[i:]
			break
		}
		if !p.same(&p.recs[p.next], &r.Records[i]) {
			is := r.Records[i] // the run uses its memory again
			return ev, nil, false, &Divergence{Number: p.next + 1, Was: &p.recs[p.next], Is: &is}
		}
		p.next++
	}
	if p.next == len(p.recs) {
		return ev, fresh, false, nil
	}
	ev, err = p.event(&p.recs[p.next])
	return ev, nil, err == nil, err
}

// note keeps what is to be carried out, for when the journal ends.
func (p *Replay) note(r *Ready) {
	for _, req := range r.Start {
		req.Args = slices.Clone(req.Args)
		p.open = append(p.open, req)
		p.state[req.ID] = &replayed{}
	}
	for _, s := range r.Signals {
		if st := p.state[s.ID]; st != nil {
			st.signals = append(st.signals, s.What)
			st.cancelled = st.cancelled || s.What == SignalFinish // what it was at is cut off
		}
	}
	for _, id := range r.Cancel {
		if st := p.state[id]; st != nil {
			st.cancelled = true
		}
	}
}

// event is what came before rec was recorded.
func (p *Replay) event(rec *journal.Record) (Event, error) {
	ev := Event{At: rec.At, ID: rec.Place}
	switch body := rec.Body.(type) {
	case *journal.EffectEndBody:
		ev.Kind, ev.Data, ev.Err = EventDone, body.Data, body.Error
		p.open = slices.DeleteFunc(p.open, func(req Request) bool { return req.ID == rec.Place })
		delete(p.state, rec.Place)
		return ev, nil
	case *journal.EffectNoteBody:
		ev.Kind, ev.Data = EventReport, body.Data
		if st := p.state[rec.Place]; st != nil {
			if st.last = body.Data; !st.on {
				st.on, st.since, st.report = true, rec.At, body.Data
			}
		}
		return ev, nil
	case *journal.ControlBody:
		ev.Kind, ev.Control = EventControl, *body
		switch body.Action {
		case ActionStop, ActionAbort, ActionFail:
			p.stopping = true
		}
		return ev, nil
	}
	if rec.Kind == journal.Timer {
		ev.Kind = EventTick
		return ev, nil
	}
	return ev, &Divergence{Number: p.next + 1, Was: rec}
}

// same compares two records as the journal holds them, but for what plainRecord leaves out.
func (p *Replay) same(was, is *journal.Record) bool {
	if was.Kind != is.Kind || was.At != is.At || was.Place != is.Place {
		return false
	}
	var errA, errB error
	w, i := plainRecord(was), plainRecord(is)
	p.was, errA = w.AppendJSON(p.was[:0])
	p.is, errB = i.AppendJSON(p.is[:0])
	a, b := p.was, p.is
	if errA == nil && errB == nil && p.anywhere {
		a, b = unplaced(a), unplaced(b)
	}
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// unplaced is a record without its places in the script.
func unplaced(record []byte) []byte {
	var rec struct {
		Body map[string]json.RawMessage `json:"body"`
	}
	if json.Unmarshal(record, &rec) != nil {
		return record
	}
	delete(rec.Body, "pos")
	delete(rec.Body, "stack")
	if problem := (map[string]json.RawMessage{}); json.Unmarshal(rec.Body["error"], &problem) == nil {
		delete(problem, "stack")
		rec.Body["error"], _ = json.Marshal(problem) // raw values are valid
	}
	text, err := json.Marshal(rec.Body)
	if err != nil {
		return record
	}
	return text
}

// plainRecord is a record without what a later version may make anew: what the interpreter
// calls itself, since another may go on with the run, and the fields that older journals
// lack and whose values follow from the rest.
func plainRecord(rec *journal.Record) journal.Record {
	plain := *rec
	switch b := rec.Body.(type) {
	case *journal.RunBeginBody:
		body := *b
		body.Interpreter, body.Format = "", 0
		plain.Body = &body
	case *journal.FailureBody:
		if b.Steady != "" {
			body := *b
			body.Steady = ""
			plain.Body = &body
		}
	case *journal.StepEndBody:
		if b.Error != nil && b.Error.Steady != "" {
			body, problem := *b, *b.Error
			problem.Steady = ""
			body.Error = &problem
			plain.Body = &body
		}
	}
	return plain
}
