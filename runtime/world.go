package runtime

import (
	"encoding/json"
	"time"

	"starquake/runtime/journal"
)

// World carries out what a run asks for and tells it what happened. It is the only
// way out of a run: the core has no clock, no I/O and no goroutine that waits for
// anything else.
type World interface {
	// Next carries out r and returns the next event. Its duties, in order:
	//
	//  1. append r.Records to the journal; where r.Start is not empty, make them durable;
	//  2. start r.Start, then send r.Signals, then cancel what r.Cancel names;
	//  3. wait for the next event and return it: a control that waits comes first,
	//     then r.Due if it has come, then reports and completions in the order received.
	//
	// r and its slices belong to the caller again when Next returns. An event's At is
	// never before that of the event before it.
	Next(r *Ready) Event
	// Finish carries out the last records, makes all of them durable, and ends what
	// the world itself has running. No effect is under way when it is called.
	Finish(r *Ready)
}

// Ready is what a run wants carried out between two events.
type Ready struct {
	// Records are the facts since the last Next, in order.
	Records []journal.Record
	// Start are effects to start, in order.
	Start []Request
	// Cancel names effects to end: a held one is undone, another is given up.
	// Each was started, possibly in this very Ready. Its completion still comes.
	Cancel []journal.Place
	// Signals are notices to running effects.
	Signals []Signal
	// Due is when the next timer fires, or Never.
	Due time.Duration
}

// Never is a due time that does not come.
const Never = time.Duration(1<<63 - 1)

// Request asks the world for one effect.
type Request struct {
	// ID names the effect for all time: the place of the operation that asked.
	ID journal.Place
	// Kind selects what performs it: "http", "exec", "fault", "watch", "approve", …
	Kind string
	// Args are plain data, as the performer of Kind defines them.
	Args json.RawMessage
	// Value is what Args were written of, so that a planner need not read them; nil where
	// they came from a record or over a pipe. It must not be changed.
	Value any
	// Held effects go on until they are cancelled, and their end is an undo. The
	// first report says that it is on; a completion before that, that it never was.
	Held bool
	// Chaos marks a held effect that disturbs the system under test. A world undoes
	// it as soon as it learns of a stop or an abort, without waiting for the run to
	// ask, and starts none afterwards (it completes with code "stopped").
	Chaos bool
	// Repeat says that the effect may be asked again after a crash.
	Repeat bool
	// Seed is for the effect's random decisions: a function of the run's seed and ID.
	Seed uint64
	// Looking says that a function probe asks.
	Looking bool
	// Path is the step it belongs to, for people.
	Path string
	// Again is set where a process that died had begun the effect: it goes on from there.
	Again *Again
}

// Again says how an effect stood that is asked for once more after a crash.
type Again struct {
	// Elapsed is for how long it had been on, pauses not counted.
	Elapsed time.Duration
	// Report is what it reported when it went on, nil if it had not; Last is its latest
	// report.
	Report, Last json.RawMessage
}

// Signal tells a running effect something that it must heed.
type Signal struct {
	ID   journal.Place
	What SignalKind
}

// SignalKind is what a Signal says.
type SignalKind string

// The signals. Pause stops an effect's own clock (ramps, load), Resume lets it go on. Those of
// the turn in which an effect is started are there when it begins.
const (
	SignalPause  SignalKind = "pause"
	SignalResume SignalKind = "resume"
	// SignalLift takes a fault off for a while, SignalRestore puts it on again.
	SignalLift    SignalKind = "lift"
	SignalRestore SignalKind = "restore"
	// SignalFinish has a watch begin no other reading: it ends when it has that of now.
	SignalFinish SignalKind = "finish"
)

// EventKind is what an Event tells.
type EventKind uint8

// The kinds of event.
const (
	// EventTick says that time has come to At, which is Ready.Due or later.
	EventTick EventKind = iota
	// EventReport is a report of effect ID that goes on.
	EventReport
	// EventDone is the completion of effect ID.
	EventDone
	// EventControl is something asked of the run from outside.
	EventControl
)

// Event is one thing that happened, in the order in which the run learns of it.
type Event struct {
	Kind EventKind
	// At is when it happened, since the run's origin, by a monotonic clock.
	At time.Duration
	// ID is the effect of a report or a completion.
	ID journal.Place
	// Data is the report's or the answer's plain data.
	Data json.RawMessage
	// Err is why an effect was not done as asked, or why an undo is not confirmed.
	Err *journal.EffectError
	// Control is set for EventControl.
	Control Control
}

// Control is something that a person or a policy asks of a run.
type Control = journal.ControlBody

// The actions of a Control.
const (
	ActionPause  = "pause"
	ActionResume = "resume"
	ActionSkip   = "skip"
	ActionStop   = "stop"
	ActionAbort  = "abort"
	// ActionRecover is a world's own: the process that ran the run has died, and another
	// goes on with it. Gap is the time between.
	ActionRecover = "recover"
	// ActionFail is a world's own: it cannot go on (the journal cannot be written,
	// memory is out). By is the code of the failure, Detail its message.
	ActionFail = "fail"
)
