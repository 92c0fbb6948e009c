package view

import (
	"encoding/json"
	"time"

	"starquake/runtime/journal"
)

// FaultState is where a fault is in its life.
type FaultState string

// The states of a fault, in their order. FaultExpired is one that is off because its
// lease ran out, when nobody could ask for its end; FaultFailed one that never went
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

	Seen         int64                `json:"seen"`
	Hit          int64                `json:"hit"`
	Inapplicable int64                `json:"inapplicable,omitempty"`
	Uncounted    bool                 `json:"uncounted,omitempty"` // nobody counts what meets it
	Error        *journal.EffectError `json:"error,omitempty"`
}

// Over says whether the fault's life has ended, well or not.
func (f *Fault) Over() bool {
	switch f.State {
	case FaultOff, FaultExpired, FaultFailed, FaultUnclean:
		return true
	}
	return false
}

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
	fault *Fault    // set for kind "fault"
	wait  *Approval // set for kind "approve"
	probe *probeLog // set for what reads a probe, in the real world
	watch *counting // whom it watches for, nil for nobody
	load  *Load     // set for kind "load", as far as loads are kept
}

// Fault is the fault that the effect is, or nil.
func (e *Effect) Fault() *Fault { return e.fault }
