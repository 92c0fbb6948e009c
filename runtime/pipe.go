package runtime

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"starquake/runtime/journal"
)

// The pipe between a run and a world in another process.
//
// A message is one JSON object on one line. The run's side (PipeWorld) speaks
// first, and the sides take turns: to each "next" the world's side (ServePipe)
// answers with one event, to each "ask" with one answer; "finish" and "outcome",
// the last two, have no answer.
//
//	→ {"next":{"records":[{"at":0,"kind":"run.begin",…},{"at":0,"kind":"effect.start","place":"0:1",…}],"start":[{"id":"0:1"}],"due":1000}}
//	← {"event":{"kind":"done","at":2,"id":"0:1","data":{"status":200}}}
//	→ {"finish":{"records":[{"at":2,"kind":"run.end",…}]}}
//	→ {"outcome":{"failures":[{"class":1,"problem":{"code":"check_failed",…}}],"counted":1}}
//
// A request crosses as its name and its seed only. Everything else is read from the
// effect.start record that travels beside it, so nothing can be done that the
// journal does not have.

// pipeMessage is what the run's side sends: one of Next, Finish, Ask and Outcome.
type pipeMessage struct {
	Next   *pipeReady `json:"next,omitempty"`
	Finish *pipeReady `json:"finish,omitempty"`
	// Ask is a question that needs no event: it is answered within the turn.
	Ask json.RawMessage `json:"ask,omitempty"`
	// Outcome are the failures of a run that has ended.
	Outcome *pipeOutcome `json:"outcome,omitempty"`
	// State is what the world's side must know to end the run by itself, sent when it
	// has changed.
	State *pipeState `json:"state,omitempty"`
	// Fail asks that the run be failed: memory is out.
	Fail *Control `json:"fail,omitempty"`
}

// pipeAnswer is what the world's side sends: one of the two.
type pipeAnswer struct {
	Event  *pipeEvent      `json:"event,omitempty"`
	Answer json.RawMessage `json:"answer,omitempty"`
}

// pipeState is what the verdict of a run whose process died is made of.
type pipeState struct {
	Started  bool              `json:"started,omitempty"`
	Aborted  *journal.Problem  `json:"aborted,omitempty"`
	Stopped  *journal.Problem  `json:"stopped,omitempty"`
	Unclean  []journal.Problem `json:"unclean,omitempty"`
	Cleanups int               `json:"cleanups,omitempty"` // on_exit handlers registered so far
}

// pipeReady is the JSON form of a Ready.
type pipeReady struct {
	Records []journal.Record `json:"records,omitempty"`
	Start   []pipeStart      `json:"start,omitempty"`
	Cancel  []pipePlace      `json:"cancel,omitempty"`
	Signals []pipeSignal     `json:"signals,omitempty"`
	Due     *time.Duration   `json:"due,omitempty"` // absent: Never
}

type pipeStart struct {
	ID      pipePlace `json:"id"`
	Seed    uint64    `json:"seed,string,omitempty"`
	Looking bool      `json:"looking,omitempty"`
}

type pipeSignal struct {
	ID   pipePlace  `json:"id"`
	What SignalKind `json:"what"`
}

// pipePlace is a place in its form "0.2:7".
type pipePlace journal.Place

func (p pipePlace) MarshalText() ([]byte, error) { return []byte(journal.Place(p).String()), nil }

func (p *pipePlace) UnmarshalText(text []byte) error {
	place, err := journal.ParsePlace(string(text))
	*p = pipePlace(place)
	return err
}

// pipeEvent is the JSON form of an Event.
type pipeEvent struct {
	Kind    string               `json:"kind"`
	At      time.Duration        `json:"at"`
	ID      *pipePlace           `json:"id,omitempty"`
	Data    json.RawMessage      `json:"data,omitempty"`
	Error   *journal.EffectError `json:"error,omitempty"`
	Control *Control             `json:"control,omitempty"`
}

// pipeOutcome is the JSON form of Outcome.Failures. Two failures may name each other,
// so they stand in one list and refer to it by index.
type pipeOutcome struct {
	Failures []pipeFailure `json:"failures"`
	Counted  int           `json:"counted"` // the first so many are Outcome.Failures
}

type pipeFailure struct {
	Class   Class           `json:"class"`
	Problem journal.Problem `json:"problem"`
	Others  []int           `json:"others,omitempty"`
}

// eventKinds are the kinds of event as they are written, by EventKind.
var eventKinds = [...]string{EventTick: "tick", EventReport: "report", EventDone: "done", EventControl: "control"}

// wireReady gives the JSON form of r. It shares r's slices.
func wireReady(r *Ready) *pipeReady {
	out := &pipeReady{Records: r.Records}
	for i := range r.Start {
		out.Start = append(out.Start, pipeStart{pipePlace(r.Start[i].ID), r.Start[i].Seed, r.Start[i].Looking})
	}
	for _, id := range r.Cancel {
		out.Cancel = append(out.Cancel, pipePlace(id))
	}
	for _, s := range r.Signals {
		out.Signals = append(out.Signals, pipeSignal{pipePlace(s.ID), s.What})
	}
	if r.Due != Never {
		out.Due = &r.Due
	}
	return out
}

// ready gives the Ready that p is the form of. Each request must have its record.
func (p *pipeReady) ready() (*Ready, error) {
	r := &Ready{Records: p.Records, Due: Never}
	if p.Due != nil {
		r.Due = *p.Due
	}
	asked := 0
	for _, rec := range p.Records {
		body, ok := rec.Body.(*journal.EffectStartBody)
		if !ok {
			continue
		}
		if asked == len(p.Start) || journal.Place(p.Start[asked].ID) != rec.Place {
			return nil, fmt.Errorf("the journal has effect %s, but it is not asked for in its turn", rec.Place)
		}
		r.Start = append(r.Start, Request{
			ID: rec.Place, Kind: body.Kind, Args: body.Args, Held: body.Held, Chaos: body.Chaos, Repeat: body.Repeat,
			Seed: p.Start[asked].Seed, Looking: p.Start[asked].Looking, Path: body.Path,
		})
		asked++
	}
	if asked < len(p.Start) {
		return nil, fmt.Errorf("effect %s is asked for, but not in the journal", journal.Place(p.Start[asked].ID))
	}
	for _, id := range p.Cancel {
		r.Cancel = append(r.Cancel, journal.Place(id))
	}
	for _, s := range p.Signals {
		switch s.What {
		case SignalPause, SignalResume, SignalLift, SignalRestore, SignalFinish:
			r.Signals = append(r.Signals, Signal{journal.Place(s.ID), s.What})
		default:
			return nil, fmt.Errorf("unknown signal %q", s.What)
		}
	}
	return r, nil
}

// wireEvent gives the JSON form of ev.
func wireEvent(ev Event) *pipeEvent {
	out := &pipeEvent{Kind: eventKinds[ev.Kind], At: ev.At, Data: ev.Data, Error: ev.Err}
	switch ev.Kind {
	case EventReport, EventDone:
		id := pipePlace(ev.ID)
		out.ID = &id
	case EventControl:
		out.Control = &ev.Control
	}
	return out
}

// event gives the Event that p is the form of.
func (p *pipeEvent) event() (Event, error) {
	for kind, name := range eventKinds {
		if name != p.Kind {
			continue
		}
		ev := Event{Kind: EventKind(kind), At: p.At, Data: p.Data, Err: p.Error}
		switch ev.Kind {
		case EventReport, EventDone:
			if p.ID == nil {
				return Event{}, fmt.Errorf("a %s event without the effect's id", name)
			}
			ev.ID = journal.Place(*p.ID)
		case EventControl:
			if p.Control == nil {
				return Event{}, errors.New("a control event without its control")
			}
			ev.Control = *p.Control
		}
		return ev, nil
	}
	return Event{}, fmt.Errorf("unknown kind of event %q", p.Kind)
}

// wireFailures gives the JSON form of failures, with all those that they name.
func wireFailures(counted []*Failure) *pipeOutcome {
	all := slices.Clone(counted)
	index := map[*Failure]int{}
	for i, f := range all {
		index[f] = i
	}
	out := &pipeOutcome{Counted: len(counted)}
	for i := 0; i < len(all); i++ { // grows as others are met
		wire := pipeFailure{Class: all[i].Class, Problem: all[i].Problem}
		for _, other := range all[i].Others {
			if _, known := index[other]; !known {
				index[other] = len(all)
				all = append(all, other)
			}
			wire.Others = append(wire.Others, index[other])
		}
		out.Failures = append(out.Failures, wire)
	}
	return out
}

// failures gives the failures that p is the form of.
func (p *pipeOutcome) failures() ([]*Failure, error) {
	all := make([]*Failure, len(p.Failures))
	for i := range all {
		all[i] = &Failure{Class: p.Failures[i].Class, Problem: p.Failures[i].Problem, raised: true}
	}
	if p.Counted < 0 || p.Counted > len(all) {
		return nil, fmt.Errorf("%d failures counted of %d", p.Counted, len(all))
	}
	for i, f := range p.Failures {
		for _, other := range f.Others {
			if other < 0 || other >= len(all) {
				return nil, fmt.Errorf("failure %d of %d", other, len(all))
			}
			all[i].Others = append(all[i].Others, all[other])
		}
	}
	return all[:p.Counted:p.Counted], nil
}

// errTooLong is a message longer than its bound.
var errTooLong = errors.New("the message is too long")

// readLine reads one line without its end, at most max bytes of it.
func readLine(r *bufio.Reader, max int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > max {
			return nil, errTooLong
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case err == io.EOF && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		case err != bufio.ErrBufferFull:
			return nil, err
		}
	}
}

// decodeMessage reads one message; what it does not know is an error.
func decodeMessage(line []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if dec.InputOffset() != int64(len(line)) {
		return errors.New("text after the message")
	}
	return nil
}

// encodeMessage appends one message and its line's end to buf.
func encodeMessage(buf *bytes.Buffer, msg any) error {
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	return enc.Encode(msg)
}
