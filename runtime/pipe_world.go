package runtime

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"sync/atomic"
	"time"

	"starquake/runtime/journal"
)

// PipeWorld is the run's side of a pipe: a World that hands everything on to
// ServePipe in another process. Fail may be called from any goroutine; all else is
// for the goroutine that executes the run.
type PipeWorld struct {
	// Through, if set, is the world that the run is given: it hands on to this one.
	Through World

	in  *bufio.Reader
	out io.Writer
	buf bytes.Buffer

	run      *Run
	sent     pipeState // as the other side knows it
	cleanups int
	fail     atomic.Pointer[Control]

	open []journal.Place // effects under way, oldest first
	last time.Duration   // At of the last event
	lost error           // what is wrong with the pipe
	told bool            // the run knows that it is lost
}

// maxEventLine bounds an event, in bytes: an answer is at most 1 MiB, which JSON
// can make six times as long.
const maxEventLine = 32 << 20

// NewPipeWorld makes a world of the two directions of a pipe.
func NewPipeWorld(in io.Reader, out io.Writer) *PipeWorld {
	return &PipeWorld{in: bufio.NewReaderSize(in, 1<<16), out: out}
}

// Execute runs body as Run.Execute does, and tells the other side how it ended. The
// error says that the pipe broke; the other side then ends the run by itself.
func (w *PipeWorld) Execute(cfg Config, body Body) error {
	through := w.Through
	if through == nil {
		through = w
	}
	w.run = New(cfg, through)
	out := w.run.Execute(body)
	w.send(&pipeMessage{Outcome: wireFailures(out.Failures)})
	return w.lost
}

// Fail fails the run with a stable code, as soon as its turn is over.
func (w *PipeWorld) Fail(code, message string) {
	w.fail.CompareAndSwap(nil, &Control{Action: ActionFail, By: code, Detail: message})
}

// CleanupRegistered says that the script registered a clean-up. If the process dies
// the other side calls the run unclean, since nobody can run it any more.
func (w *PipeWorld) CleanupRegistered() { w.cleanups++ }

// Ask asks the other side a question and reads its answer into answer. It is for
// what a script may know without an effect.
func (w *PipeWorld) Ask(question, answer any) error {
	raw, err := json.Marshal(question)
	if err != nil {
		return fmt.Errorf("asking over the pipe: %w", err)
	}
	w.send(&pipeMessage{Ask: raw})
	got := w.receive()
	if w.lost != nil {
		return w.lost
	}
	if got.Answer == nil {
		w.lost = fmt.Errorf("the pipe: expected an answer, got another message")
		return w.lost
	}
	return json.Unmarshal(got.Answer, answer)
}

// Next implements World. Once the pipe is broken every effect is given up and time
// jumps, so that the run comes to its end by itself.
func (w *PipeWorld) Next(r *Ready) Event {
	for i := range r.Start {
		w.open = append(w.open, r.Start[i].ID)
	}
	msg := &pipeMessage{Next: wireReady(r), Fail: w.fail.Swap(nil)}
	if state := w.state(); !reflect.DeepEqual(state, w.sent) {
		w.sent, msg.State = state, &state
	}
	w.send(msg)
	got := w.receive()
	if w.lost == nil {
		if got.Event == nil {
			w.lost = fmt.Errorf("the pipe: expected an event, got another message")
		} else if ev, err := got.Event.event(); err != nil {
			w.lost = fmt.Errorf("the pipe: %w", err)
		} else {
			return w.took(ev)
		}
	}
	return w.took(w.alone(r))
}

// Finish implements World.
func (w *PipeWorld) Finish(r *Ready) {
	w.send(&pipeMessage{Finish: wireReady(r)})
}

// state is what the other side needs for a verdict.
func (w *PipeWorld) state() pipeState {
	s := pipeState{Cleanups: w.cleanups}
	if w.run != nil {
		end := &w.run.end
		s.Started, s.Aborted, s.Stopped, s.Unclean = w.run.started, end.aborted, end.stopped, end.unclean
	}
	return s
}

func (w *PipeWorld) send(msg *pipeMessage) {
	if w.lost != nil {
		return
	}
	w.buf.Reset()
	if w.lost = encodeMessage(&w.buf, msg); w.lost == nil {
		_, w.lost = w.out.Write(w.buf.Bytes())
	}
	if w.buf.Cap() > 1<<20 { // one large message should not be paid for ever after
		w.buf = bytes.Buffer{}
	}
}

func (w *PipeWorld) receive() (got pipeAnswer) {
	if w.lost != nil {
		return got
	}
	line, err := readLine(w.in, maxEventLine)
	if err == nil {
		err = decodeMessage(line, &got)
	}
	if err != nil {
		w.lost = fmt.Errorf("the pipe: %w", err)
	}
	return got
}

// took notes an event that the run is given.
func (w *PipeWorld) took(ev Event) Event {
	if ev.Kind == EventDone {
		for i, id := range w.open {
			if id == ev.ID {
				w.open = append(w.open[:i], w.open[i+1:]...)
				break
			}
		}
	}
	ev.At = max(ev.At, w.last)
	w.last = ev.At
	return ev
}

// alone is the next event of a run whose world is gone: it fails first, then what is
// open completes, then timers fire.
func (w *PipeWorld) alone(r *Ready) Event {
	switch {
	case w.told && len(w.open) > 0:
		return Event{Kind: EventDone, ID: w.open[0], Err: &journal.EffectError{Code: CodeProtocol, Message: w.lost.Error()}}
	case w.told && r.Due != Never:
		return Event{Kind: EventTick, At: r.Due}
	}
	w.told = true
	return Event{Kind: EventControl, Control: Control{Action: ActionFail, By: CodeProtocol, Detail: w.lost.Error()}}
}
