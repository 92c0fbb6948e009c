package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"starquake/internal/alarm"
	"starquake/runtime/journal"
	"starquake/units"
)

// abandonAfter is how long an effect that was cancelled may take to end before the
// run goes on without it.
const abandonAfter = 30 * time.Second

// Real is the world as it is: a monotonic clock, and effects on goroutines with a
// context. Its Control and InFlight may be called from any goroutine.
type Real struct {
	performer Performer
	journal   Journal
	origin    time.Time // with its monotonic reading

	// Clock, if set before the run begins, wakes it more exactly than time.Timer: one
	// serves all runs of a process.
	Clock *alarm.Clock
	// Compress, if set before the run begins, makes the run's own time pass so many times
	// faster than the wall clock. See elapsed.
	Compress int

	bell  alarm.Alarm
	timer *time.Timer // where there is no Clock; made when first needed

	mu       sync.Mutex
	notify   chan struct{} // has a token when inbox or controls have something
	controls []Control
	inbox    []Event
	running  map[journal.Place]*realEffect
	left     []Request // what the process that ran it before had on, and is not confirmed off
	stopping bool      // a stop or an abort came: no chaos begins any more
	err      error

	recovery *recovery // nil unless the run is being recovered
	// back is what of a recovery is left to do once the journal is used up. Written by Next alone.
	back *comeback
}

// realEffect is an effect under way.
type realEffect struct {
	req     Request
	cancel  context.CancelFunc
	signals chan SignalKind
	abandon *time.Timer // set once it was cancelled
}

// NewReal makes a real world that performs with p and writes to j. Time begins at
// origin, which should be time.Now().
func NewReal(p Performer, j Journal, origin time.Time) *Real {
	return &Real{performer: p, journal: j, origin: origin, notify: make(chan struct{}, 1)}
}

// Control asks something of the run. A stop or an abort takes every fault off at
// once, wherever the run is, and refuses to put further ones on.
func (w *Real) Control(c Control) {
	w.mu.Lock()
	w.controls = append(w.controls, c)
	if c.Action == ActionStop || c.Action == ActionAbort || c.Action == ActionFail {
		w.stopping = true
		for _, e := range w.running {
			if e.req.Chaos {
				e.cancel()
			}
		}
	}
	w.mu.Unlock()
	w.wake()
}

// InFlight lists the requests that have not completed, those among them that the process had
// asked for which ran the run before.
func (w *Real) InFlight() []Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Clone(w.left)
	for _, e := range w.running {
		all = append(all, e.req)
	}
	return all
}

// Err is what went wrong with the journal.
func (w *Real) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *Real) wake() {
	select {
	case w.notify <- struct{}{}:
	default:
	}
}

// Next implements World.
func (w *Real) Next(r *Ready) Event {
	// Thousands of runs are parked below this frame: it holds as little as it can.
	if w.recovery != nil || w.back != nil {
		if ev, ok := w.nextRecovered(r); ok {
			return ev
		}
	} else {
		w.carryOut(r)
	}
	for {
		ev, ok := w.take(r.Due)
		if ok {
			return ev
		}
		w.wait(r.Due)
	}
}

// carryOut does all that Next does before it waits.
func (w *Real) carryOut(r *Ready) {
	ok := w.recorded(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	if ok {
		for i := range r.Start {
			w.start(r.Start[i])
		}
	}
	w.tell(r)
}

// recorded keeps the records, and says whether what is to start may.
func (w *Real) recorded(r *Ready) bool {
	err := w.keep(r)
	if err != nil {
		w.refuse(r, err)
	}
	return err == nil
}

// refuse completes what was to start: nothing of the turn has left, since without a
// journal no effect may start.
func (w *Real) refuse(r *Ready, err error) {
	for i := range r.Start {
		w.post(Event{Kind: EventDone, ID: r.Start[i].ID, Err: &journal.EffectError{Code: "journal", Message: err.Error()}})
	}
}

// takeControl returns the next control, if there is one.
func (w *Real) takeControl() (Event, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.controls) == 0 {
		return Event{}, false
	}
	c := w.controls[0]
	w.controls = w.controls[1:]
	return Event{Kind: EventControl, At: w.elapsed(), Control: c}, true
}

// take returns the next event if there is one: controls, then timers and what came
// in, by their times.
func (w *Real) take(due time.Duration) (Event, bool) {
	if ev, ok := w.takeControl(); ok {
		return ev, true
	}
	now := w.elapsed()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case due <= now && (len(w.inbox) == 0 || due <= w.inbox[0].At):
		return Event{Kind: EventTick, At: now}, true
	case len(w.inbox) > 0: // came before the timer: a loop of short sleeps starves nobody
		return w.takeInbox(now), true
	}
	return Event{}, false
}

// takeInbox takes the oldest of what came in, of which there is some. The caller holds mu.
func (w *Real) takeInbox(now time.Duration) Event {
	ev := w.inbox[0]
	w.inbox[0] = Event{}
	if w.inbox = w.inbox[1:]; len(w.inbox) == 0 {
		w.inbox = nil
	}
	ev.At = now
	return ev
}

// wait returns when something may have happened.
func (w *Real) wait(due time.Duration) {
	if due == Never {
		<-w.notify
		return
	}
	if w.Clock != nil {
		if w.bell.Ring == nil {
			w.bell.Ring = w.wake
		}
		w.Clock.Set(&w.bell, w.origin.Add(w.wall(due)))
		<-w.notify
		return
	}
	d := w.wall(due) - time.Since(w.origin)
	if w.timer == nil {
		w.timer = time.NewTimer(d)
	} else {
		w.timer.Reset(d)
	}
	select {
	case <-w.notify:
	case <-w.timer.C:
	}
}

// keep appends the records and, where effects are to start, makes them durable.
func (w *Real) keep(r *Ready) error {
	if err := w.Err(); err != nil {
		var differs *Divergence
		if !errors.As(err, &differs) {
			_ = w.journal.Append(r.Records) // for who looks on; it has said that it cannot keep them
		}
		return err
	}
	err := w.journal.Append(r.Records)
	if err == nil && len(r.Start) > 0 {
		err = w.journal.Sync()
	}
	if err != nil {
		err = fmt.Errorf("the journal cannot be written: %w", err)
		w.mu.Lock()
		w.err = err
		w.mu.Unlock()
		w.Control(Control{Action: ActionFail, By: "journal", Detail: err.Error()})
	}
	return err
}

// tell sends signals and cancels. A fault that goes off is told nothing more: the end of a
// pause that lifted it would put it on once more. The caller holds mu.
func (w *Real) tell(r *Ready) {
	for _, s := range r.Signals {
		if e := w.running[s.ID]; e != nil && !(e.req.Chaos && (e.abandon != nil || slices.Contains(r.Cancel, s.ID))) {
			e.signal(s.What)
		}
	}
	for _, id := range r.Cancel {
		if e := w.running[id]; e != nil {
			e.cancel()
			within := w.endWithin(&e.req)
			e.abandon = time.AfterFunc(within, func() { w.abandon(id, e, within) })
		} else {
			w.giveUpLater(id)
		}
	}
}

// signal tells an effect something. One that has not listened for a while, or never does, is
// left with the last word of each kind: what was undone since is of no use to it. The caller
// holds mu.
func (e *realEffect) signal(what SignalKind) {
	select {
	case e.signals <- what:
		return
	default:
	}
	var pausing, lifting, ending SignalKind
	for len(e.signals) > 0 {
		select {
		case earlier := <-e.signals:
			earlier.into(&pausing, &lifting, &ending)
		default: // it has begun to listen
		}
	}
	what.into(&pausing, &lifting, &ending)
	for _, last := range []SignalKind{pausing, lifting, ending} {
		if last != "" {
			e.signals <- last // there is room: nobody else sends
		}
	}
}

// into makes a signal the last of its kind.
func (s SignalKind) into(pausing, lifting, ending *SignalKind) {
	switch s {
	case SignalPause, SignalResume:
		*pausing = s
	case SignalFinish:
		*ending = s
	default:
		*lifting = s
	}
}

// start begins an effect on a goroutine of its own. The caller holds mu, and keeps it until the
// effect has the signals that it begins with.
func (w *Real) start(req Request) {
	if req.Chaos && w.stopping {
		err := &journal.EffectError{Code: "stopped", Message: "the run is being stopped"}
		if req.Again != nil { // it was on, and a recovery has taken it off
			err = lost(&req)
		}
		w.receive(Event{Kind: EventDone, ID: req.ID, Err: err})
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &realEffect{req: req, cancel: cancel, signals: make(chan SignalKind, 8)}
	if w.running == nil {
		w.running = make(map[journal.Place]*realEffect)
	}
	w.running[req.ID] = e
	go w.perform(ctx, e)
}

// perform carries one effect out and posts what it says.
func (w *Real) perform(ctx context.Context, e *realEffect) {
	w.mu.Lock() // when it is free, the signals are there
	w.mu.Unlock()
	done := Event{Kind: EventDone, ID: e.req.ID}
	returned, reported := false, false
	defer func() {
		if p := recover(); p != nil || !returned { // it panicked, or its goroutine exited
			done.Data, done.Err = nil, &journal.EffectError{Code: "internal_error", Message: fmt.Sprintf("internal error in effect %s: %v", e.req.Kind, p)}
			if e.req.Chaos && !reported { // how much of it is on nobody knows
				done.Err.Code = journal.CodeUnclean
			}
		}
		e.cancel()
		w.complete(e, done)
	}()
	call := &Call{Request: e.req, Signals: e.signals}
	call.Report = func(data any) {
		reported = true
		raw, err := toRaw(data)
		if err != nil {
			panic(err)
		}
		w.post(Event{Kind: EventReport, ID: e.req.ID, Data: raw})
	}
	answer, err := w.performer.Perform(ctx, call)
	if done.Data, err = toRawOr(answer, err); err != nil {
		if !errors.As(err, &done.Err) {
			done.Err = &journal.EffectError{Code: "failed", Message: err.Error()}
		}
		if e.req.Held && e.req.Again != nil && !reported && done.Err.Code != journal.CodeUnclean { // it went off when its process died, and stayed off
			done.Err = &journal.EffectError{Code: journal.CodeExpired, Message: "it could not be put on again: " + done.Err.Message}
		}
	}
	returned = true
}

func toRawOr(answer any, err error) ([]byte, error) {
	raw, bad := toRaw(answer)
	return raw, errors.Join(err, bad)
}

// complete posts an effect's completion, once.
func (w *Real) complete(e *realEffect, done Event) {
	w.mu.Lock()
	if w.running[e.req.ID] != e {
		w.mu.Unlock()
		return // abandoned
	}
	delete(w.running, e.req.ID)
	if e.abandon != nil {
		e.abandon.Stop()
	}
	w.receive(done)
	w.mu.Unlock()
	w.wake()
}

// endWithin is how long an effect may take to end.
func (w *Real) endWithin(req *Request) time.Duration {
	if p, ok := w.performer.(Patient); ok {
		return max(abandonAfter, p.EndWithin(req))
	}
	return abandonAfter
}

// abandon completes an effect that does not end although it was cancelled.
func (w *Real) abandon(id journal.Place, e *realEffect, within time.Duration) {
	w.complete(e, Event{Kind: EventDone, ID: id, Err: &journal.EffectError{
		Code: journal.CodeAbandoned, Message: fmt.Sprintf("effect %s did not end within %s of being cancelled", e.req.Kind, units.FormatDuration(within)),
	}})
}

func (w *Real) post(ev Event) {
	w.mu.Lock()
	w.receive(ev)
	w.mu.Unlock()
	w.wake()
}

// receive puts an event into the inbox with the time at which it came.
func (w *Real) receive(ev Event) {
	w.backOn(ev.ID)
	ev.At = w.elapsed()
	w.inbox = append(w.inbox, ev)
}

// Finish implements World.
func (w *Real) Finish(r *Ready) {
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.Clock != nil {
		w.Clock.Stop(&w.bell)
	}
	recs := r.Records
	if w.recovery != nil {
		recs = w.finishRecovered(r)
	}
	_ = w.keep(&Ready{Records: recs, Start: []Request{{}}}) // Start: durable; Err tells
}
