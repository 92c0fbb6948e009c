package runtime

import (
	"context"
	"encoding/json"
	"time"

	"starquake/runtime/journal"
)

// Performer carries out effects in the real world: one for each kind of request.
type Performer interface {
	// Perform carries out call.Request and returns its answer. When ctx is done it
	// ends at once: a held effect is undone (with a context of its own, since ctx
	// is over) and returns what it knows of its time; another is given up.
	//
	// An error is best a *journal.EffectError; any other becomes one with the code
	// "failed". For a held effect that was on, an error means that its undo is not
	// confirmed, and the run becomes unclean.
	Perform(ctx context.Context, call *Call) (answer any, err error)
}

// Patient is a Performer some of whose effects may take longer to end than others.
type Patient interface {
	// EndWithin is how long the effect may take from its cancel to its end; 0 is as long
	// as any.
	EndWithin(req *Request) time.Duration
}

// Call is one request under way.
type Call struct {
	Request
	// Report sends a report of an effect that goes on; data is marshalled at once.
	// A held effect's first report says that it is on.
	Report func(data any)
	// Signals brings pause, lift and resume. Reading it is optional.
	Signals <-chan SignalKind
}

// Decode reads the request's arguments into v.
func (c *Call) Decode(v any) error { return json.Unmarshal(c.Args, v) }

// Planner answers effects in the virtual world: one for each kind of request. It
// opens nothing and is a pure function of its arguments.
type Planner interface {
	Plan(req *Request) (Planned, error)
}

// Planned is what an effect does in the virtual world.
type Planned struct {
	// Reports are sent in order; a held effect has at least the one that it is on.
	Reports []PlannedEvent
	// Done is the completion; nil for an effect that goes on until it is cancelled.
	Done *PlannedEvent
	// End gives the completion of an effect cancelled after it ran for ran. Nil
	// stands for an empty answer.
	End func(ran time.Duration) (any, *journal.EffectError)
	// Next, if set, is asked after every Every for as long as the effect goes on: what
	// it reports then, nil for nothing. With it Done is nil. An error ends the effect.
	Next  func(ran time.Duration) (any, error)
	Every time.Duration
}

// PlannedEvent is a report or a completion, After the effect's start.
type PlannedEvent struct {
	After time.Duration
	Data  any
	Err   *journal.EffectError
}
