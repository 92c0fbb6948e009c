package runtime

import (
	"container/heap"
	"encoding/json"
	"fmt"
	"time"

	"starquake/runtime/journal"
	"starquake/units"
)

// VirtualOrigin is when every virtual run begins, so that two of them are equal.
var VirtualOrigin = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// maxStill is how many events a virtual run may take without its time moving: more
// is a loop that waits for nothing.
const maxStill = 1_000_000

// Journal keeps the records of a run.
type Journal interface {
	// Append adds records; it keeps nothing of recs itself.
	Append(recs []journal.Record) error
	// Sync makes what was appended durable.
	Sync() error
}

// Virtual is the world in which time is simulated and nothing outside is touched:
// the clock jumps to the next due time, effects answer as planned.
type Virtual struct {
	planner Planner
	journal Journal
	// Horizon is where an endless run is cut; 0: nowhere.
	Horizon time.Duration
	// MaxRecords cuts a run that has written more; 0: none.
	MaxRecords int
	// Cut is set when the run reached Horizon or MaxRecords.
	Cut bool

	controls []plannedControl // by time
	now      time.Duration
	records  int
	still    int // events since time last moved
	seq      uint64
	due      eventHeap
	running  map[journal.Place]*virtualEffect
	err      error // of the journal
}

type plannedControl struct {
	at      time.Duration
	control Control
}

type virtualEffect struct {
	req   Request
	began time.Duration
	end   func(ran time.Duration) (any, *journal.EffectError)
	next  func(ran time.Duration) (any, error) // as Planned has it
	every time.Duration
	over  bool // its completion is scheduled
}

// NewVirtual makes a virtual world that answers from p and writes to j.
func NewVirtual(p Planner, j Journal) *Virtual {
	return &Virtual{planner: p, journal: j}
}

// Control asks something of the run when its time comes to at. Calls must be in the
// order of at.
func (w *Virtual) Control(at time.Duration, c Control) {
	w.controls = append(w.controls, plannedControl{at, c})
}

// Err is what went wrong with the journal.
func (w *Virtual) Err() error { return w.err }

// Now is the time of the run.
func (w *Virtual) Now() time.Duration { return w.now }

// Next implements World.
func (w *Virtual) Next(r *Ready) Event {
	w.keep(r.Records)
	for i := range r.Start {
		w.start(&r.Start[i])
	}
	for _, s := range r.Signals {
		if s.What == SignalFinish { // no reading takes time
			w.cancel(s.ID)
		}
	}
	for _, id := range r.Cancel {
		w.cancel(id)
	}
	at := w.now
	for len(w.due) > 0 && w.due[0].ask && w.due[0].At < w.dueBefore(r) {
		w.ask()
	}
	switch next := w.nextDue(); {
	case len(w.controls) > 0 && w.controls[0].at <= min(r.Due, next):
		c := w.controls[0]
		w.controls = w.controls[1:]
		w.now = max(w.now, c.at)
		return Event{Kind: EventControl, At: w.now, Control: c.control}
	case w.MaxRecords > 0 && w.records > w.MaxRecords && !w.Cut:
		w.Cut = true
		return Event{Kind: EventControl, At: w.now, Control: Control{Action: ActionStop, By: codeHorizon, Detail: "the plan ends at its limit of records"}}
	case r.Due == Never && next == Never:
		return w.fail("deadlock", "nothing can happen any more: the run waits for something that no plan will bring")
	case w.Horizon > 0 && min(r.Due, next) > w.Horizon && !w.Cut:
		w.Cut, w.now = true, w.Horizon
		return Event{Kind: EventControl, At: w.now, Control: Control{Action: ActionStop, By: codeHorizon, Detail: "the plan ends at its horizon of " + units.FormatDuration(w.Horizon)}}
	case r.Due <= next:
		w.now = max(w.now, r.Due)
		if w.moved(at) {
			return Event{Kind: EventTick, At: w.now}
		}
	default:
		ev := heap.Pop(&w.due).(*plannedEvent).Event
		w.now = max(w.now, ev.At)
		if ev.Kind == EventDone {
			delete(w.running, ev.ID)
		}
		if w.moved(at) {
			return ev
		}
	}
	return w.fail("endless", fmt.Sprintf("%d events without any time passing: a loop waits for nothing; give it a sleep, every or a bound", maxStill))
}

// dueBefore is until when nothing else happens than that effects are asked what they report.
func (w *Virtual) dueBefore(r *Ready) time.Duration {
	before := r.Due
	if len(w.controls) > 0 {
		before = min(before, w.controls[0].at)
	}
	if w.Horizon > 0 && !w.Cut {
		before = min(before, w.Horizon+1)
	}
	return before
}

// ask asks the effect that is due to be asked what it reports.
func (w *Virtual) ask() {
	at := heap.Pop(&w.due).(*plannedEvent)
	e := w.running[at.ID]
	w.now = max(w.now, at.At)
	data, err := e.next(w.now - e.began)
	switch {
	case err != nil:
		e.over = true
		w.plan(EventDone, at.ID, 0, nil, &journal.EffectError{Code: "invalid", Message: err.Error()})
		return
	case data != nil:
		w.plan(EventReport, at.ID, 0, data, nil)
	}
	w.askAfter(at.ID, e.every)
}

// askAfter schedules that an effect is asked.
func (w *Virtual) askAfter(id journal.Place, after time.Duration) {
	w.seq++
	heap.Push(&w.due, &plannedEvent{Event: Event{At: w.now + after, ID: id}, seq: w.seq, ask: true})
}

// moved counts events since time last moved, and reports whether the run may go on.
func (w *Virtual) moved(before time.Duration) bool {
	if w.now != before {
		w.still = 0
	}
	w.still++
	return w.still <= maxStill
}

func (w *Virtual) fail(code, message string) Event {
	w.still = 0
	return Event{Kind: EventControl, At: w.now, Control: Control{Action: ActionFail, By: code, Detail: message}}
}

// Finish implements World.
func (w *Virtual) Finish(r *Ready) {
	w.keep(r.Records)
	if err := w.journal.Sync(); w.err == nil {
		w.err = err
	}
}

func (w *Virtual) keep(recs []journal.Record) {
	w.records += len(recs)
	if err := w.journal.Append(recs); err != nil && w.err == nil {
		w.err = err
	}
}

func (w *Virtual) nextDue() time.Duration {
	if len(w.due) == 0 {
		return Never
	}
	return w.due[0].At
}

func (w *Virtual) start(req *Request) {
	plan, err := w.planner.Plan(req)
	if err != nil {
		plan = Planned{Done: &PlannedEvent{Err: &journal.EffectError{Code: "invalid", Message: err.Error()}}}
	}
	if w.running == nil {
		w.running = make(map[journal.Place]*virtualEffect)
	}
	e := &virtualEffect{req: *req, began: w.now, end: plan.End, next: plan.Next, every: plan.Every}
	w.running[req.ID] = e
	for _, rep := range plan.Reports {
		w.plan(EventReport, req.ID, rep.After, rep.Data, rep.Err)
	}
	if plan.Done != nil {
		e.over = true
		w.plan(EventDone, req.ID, plan.Done.After, plan.Done.Data, plan.Done.Err)
	}
	if e.next != nil && e.every > 0 {
		w.askAfter(req.ID, e.every)
	}
}

// cancel brings an effect's completion forward to now.
func (w *Virtual) cancel(id journal.Place) {
	e := w.running[id]
	if e == nil {
		return
	}
	for i := len(w.due) - 1; i >= 0; i-- {
		if w.due[i].ID == id {
			heap.Remove(&w.due, i)
		}
	}
	var data any
	var err *journal.EffectError
	switch {
	case e.end != nil:
		data, err = e.end(w.now - e.began)
	case !e.req.Held:
		err = &journal.EffectError{Code: "cancelled", Message: "given up"}
	}
	w.plan(EventDone, id, 0, data, err)
}

// plan schedules one event of an effect.
func (w *Virtual) plan(kind EventKind, id journal.Place, after time.Duration, data any, err *journal.EffectError) {
	raw, bad := toRaw(data)
	if bad != nil {
		err = &journal.EffectError{Code: "invalid", Message: bad.Error()}
	}
	w.seq++
	heap.Push(&w.due, &plannedEvent{Event: Event{Kind: kind, At: w.now + after, ID: id, Data: raw, Err: err}, seq: w.seq})
}

// toRaw gives data as JSON; what already is JSON stays as it is.
func toRaw(data any) (json.RawMessage, error) {
	switch data := data.(type) {
	case nil:
		return nil, nil
	case json.RawMessage:
		return data, nil
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("an effect's data is not plain: %w", err)
	}
	return raw, nil
}

// plannedEvent is an event with the order in which it was planned.
type plannedEvent struct {
	Event
	seq uint64
	ask bool // no event of the run: the effect is asked what it reports
}

// eventHeap orders events by time, then by when they were planned.
type eventHeap []*plannedEvent

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].At < h[j].At || h[i].At == h[j].At && h[i].seq < h[j].seq
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(*plannedEvent)) }
func (h *eventHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
