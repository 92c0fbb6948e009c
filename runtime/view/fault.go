package view

import (
	"encoding/json"
	"slices"
	"time"

	"starquake/runtime/journal"
)

// FaultState is where a fault is in its life.
type FaultState string

// The states of a fault, in their order. FaultExpired is one that is off, but
// not because it was taken off: its lease ran out, or it was found to be gone; FaultFailed one that never went
// on; FaultUnclean one that may still be on.
const (
	FaultPending FaultState = "pending"
	FaultOn      FaultState = "on"
	FaultLifting FaultState = "lifting"
	FaultOff     FaultState = "off"
	FaultExpired FaultState = "expired"
	FaultFailed  FaultState = "failed"
	FaultUnclean FaultState = "unclean"
)

// Fault is one fault on one target.
type Fault struct {
	ID     string `json:"id"`
	Target string `json:"target"`
	Name   string `json:"name,omitempty"`
	Kind   string `json:"kind"`
	Text   string `json:"text"` // for people: "latency 500ms ±20%"
	// Params, Probability and Match are as the fault's args have them.
	Params      json.RawMessage `json:"params,omitempty"`
	Probability json.RawMessage `json:"probability,omitempty"`
	Match       json.RawMessage `json:"match,omitempty"`

	Step int    `json:"step"`           // index of the step it belongs to, or -1
	Path string `json:"path,omitempty"` // of that step

	State FaultState    `json:"state"`
	WasOn bool          `json:"was_on"` // ever, as far as the journal knows
	Asked time.Duration `json:"asked"`  // when it was requested
	// Start is when it went on, Lift when its end was asked, End when it was off.
	// Each holds from the state that it belongs to.
	Start time.Duration `json:"start"`
	Lift  time.Duration `json:"lift,omitempty"`
	End   time.Duration `json:"end"`
	// Away are the times between Start and End in which nobody ran the run, until it was on
	// again: of them nobody knows that it was on.
	Away []Span `json:"away,omitempty"`

	Seen         int64                `json:"seen,omitzero"` // in JSON where somebody counts
	Hit          int64                `json:"hit,omitzero"`
	Inapplicable int64                `json:"inapplicable,omitempty"`
	Uncounted    bool                 `json:"uncounted,omitempty"` // nobody counts what meets it
	Error        *journal.EffectError `json:"error,omitempty"`
	// Cleaned is the wall time at which it was confirmed off when nobody ran the run any
	// more; nil for all others.
	Cleaned *time.Time `json:"cleaned,omitempty"`
}

// CleanUp notes the faults that were confirmed off, at these wall times by their ids, when
// nobody ran the run any more: its process had died, or it had ended unclean, which it
// stays. The run must be nobody else's.
func (r *Run) CleanUp(off map[string]time.Time) {
	for _, f := range r.Faults {
		at, ok := off[f.ID]
		if !ok || f.Over() && f.State != FaultUnclean {
			continue
		}
		if !f.Over() {
			f.End = max(r.Now, f.Start)
			if f.WasOn {
				r.FaultsOn--
			}
		}
		f.State, f.Cleaned = FaultOff, &at
		if f.Error != nil { // a warning tells it now
			r.Unclean = slices.DeleteFunc(slices.Clone(r.Unclean), func(p journal.Problem) bool { return p.Message == f.Error.Message })
		}
	}
}

// MarshalJSON leaves the counts out where nobody counts: a zero would be one.
func (f Fault) MarshalJSON() ([]byte, error) {
	type fields Fault
	if f.Uncounted {
		return json.Marshal(fields(f))
	}
	return json.Marshal(struct {
		fields
		Seen int64 `json:"seen"`
		Hit  int64 `json:"hit"`
	}{fields(f), f.Seen, f.Hit})
}

// Over says whether the fault's life has ended, well or not.
func (f *Fault) Over() bool {
	switch f.State {
	case FaultOff, FaultExpired, FaultFailed, FaultUnclean:
		return true
	}
	return false
}

// undercounted says that it may have met more than its counts say: what it met between its
// last report and the end of the process that ran the run nobody has told.
func (f *Fault) undercounted() bool { return len(f.Away) > 0 && !f.Uncounted }

// Effect is an effect in flight, or the one that the record last added was about.
type Effect struct {
	ID    string        `json:"id"`
	Kind  string        `json:"kind"`
	Text  string        `json:"text,omitempty"` // for people: "GET http://…"
	Step  int           `json:"step"`           // index of the step it belongs to, or -1
	Path  string        `json:"path,omitempty"`
	Start time.Duration `json:"start"`
	// Stopping says that its end was asked.
	Stopping bool `json:"stopping,omitempty"`
	Notes    int  `json:"notes,omitempty"` // reports so far

	seq   int       // order of start
	again bool      // the run's process has died, and it has not said since that it goes on
	fault *Fault    // set for kind "fault"
	wait  *Approval // set for kind "approve"
	probe *probeLog // set for what reads a probe, in the real world
	watch *counting // whom it watches for, nil for nobody
	load  *Load     // set for kind "load", as far as loads are kept
}

// Fault is the fault that the effect is, or nil.
func (e *Effect) Fault() *Fault { return e.fault }
