// Package view is the one fold over the journal: it takes the records of a run in
// their order and keeps what a person or a program wants to know of the run now.
// Plan, status, watch, the live page and the report read a Run; none of them reads
// records for itself.
//
// What lives here: the fold, the plain data it yields, and what follows from that
// data alone (progress, warnings, the plan as JSON). What may not: anything that
// draws, decides, waits or does I/O, and any fact that is not in the journal.
//
// The types:
//
//	Fold     takes records, yields a Run
//	Run      a run as it stands; plain data with JSON names
//	Step     one step; Fault one fault; Watch one guard or steady state; …
//	Plan     a Run as `plan --output json` shows it, in seconds
//
// Times in a Run are durations since the run's origin, in JSON whole nanoseconds.
//
// A journal may be long, so a Run is bounded where it can be: see the constants
// Max…. Steps and faults are kept all, since the plan lists them all.
package view

import (
	"encoding/json"
	"time"

	"starquake/runtime/journal"
)

// The bounds of what a Run keeps. Counts go on being exact above them.
const (
	MaxLog      = 1000  // latest lines of the log
	MaxChecks   = 10000 // checks; failed ones up to twice as many
	MaxFigures  = 10000
	MaxWatches  = 10000 // guards, and steady states; breached ones up to twice as many
	MaxProblems = 1000
	MaxInFlight = 10000 // effects in flight other than faults and approvals
	MaxUses     = 1000  // hosts, commands, secrets, and targets: of each
	MaxText     = 4096  // bytes of one message, value or text
)

// State is what a run is doing.
type State string

// The states of a run. A journal without RunEnd is Running or Paused, also when
// the process that wrote it is gone: the journal cannot know.
const (
	Running State = "running"
	Paused  State = "paused"
	Ended   State = "ended"
)

// The statuses of a step that has not ended, besides those of journal.Status.
const (
	StepWaiting journal.Status = "waiting" // before its first try: its delay, its when
	StepRunning journal.Status = "running"
)

// Run is a run as it stands after the records so far.
type Run struct {
	Name   string          `json:"name"`
	World  string          `json:"world"` // "virtual" or "real"
	Script string          `json:"script,omitempty"`
	Seed   uint64          `json:"seed,string"`
	Params json.RawMessage `json:"params,omitempty"`
	Meta   json.RawMessage `json:"meta,omitempty"`
	Origin time.Time       `json:"origin"` // the wall time of 0

	State State `json:"state"`
	// Now is the time of the latest record; after the end, how long the run took.
	Now time.Duration `json:"now"`
	// Verdict, Reason and Message are set when State is Ended.
	Verdict journal.Verdict   `json:"verdict,omitempty"`
	Reason  string            `json:"reason,omitempty"`
	Message string            `json:"message,omitempty"`
	Unclean []journal.Problem `json:"unclean,omitempty"`
	// Endless says that the run is a plan cut at its horizon: it has no total.
	Endless bool `json:"endless,omitempty"`

	Pause    *Pause        `json:"pause,omitempty"`     // while State is Paused
	PausedIn time.Duration `json:"paused_in,omitempty"` // the sum of the pauses that are over
	// Stopping is the stop or abort that was asked and has not yet ended the run.
	Stopping *Asked `json:"stopping,omitempty"`

	// Steps are in the order in which they began; a parent is before its children.
	Steps []*Step `json:"steps"`
	// Faults are in the order in which they were asked for.
	Faults    []*Fault    `json:"faults"`
	Effects   []*Effect   `json:"effects,omitempty"` // in flight, oldest first, without faults
	Approvals []*Approval `json:"approvals,omitempty"`
	Loops     []*Loop     `json:"loops,omitempty"` // those that go on, outermost first within a branch
	Checks    []*Check    `json:"checks,omitempty"`
	Figures   []*Figure   `json:"figures,omitempty"`
	Guards    []*Watch    `json:"guards,omitempty"`
	Steady    []*Watch    `json:"steady,omitempty"`
	Problems  []*Failure  `json:"problems,omitempty"` // failures that came from no step
	Log       []Line      `json:"log,omitempty"`      // the latest MaxLog lines

	Targets  []*Target `json:"targets,omitempty"` // by name
	Hosts    []string  `json:"hosts,omitempty"`   // sorted, as Commands and Secrets are
	Commands []string  `json:"commands,omitempty"`
	Secrets  []string  `json:"secrets,omitempty"`

	// FaultsOn is how many faults are on now; MaxFaults the most that were on at
	// once, first at MaxFaultsAt.
	FaultsOn    int           `json:"faults_on"`
	MaxFaults   int           `json:"max_faults"`
	MaxFaultsAt time.Duration `json:"max_faults_at,omitempty"`
	// Unguarded counts the faults that went on while no guard was live.
	Unguarded int `json:"unguarded,omitempty"`

	Tolerated int    `json:"tolerated,omitempty"`
	Flaky     int    `json:"flaky,omitempty"`
	Counts    Counts `json:"counts"`
}

// Counts are exact whatever the bounds of the lists.
type Counts struct {
	Events       int            `json:"events"`            // records
	Effects      map[string]int `json:"effects,omitempty"` // started, by kind
	Steps        int            `json:"steps"`
	Passed       int            `json:"passed"`
	Failed       int            `json:"failed"`
	Skipped      int            `json:"skipped"`
	Stopped      int            `json:"stopped"`
	Turns        int            `json:"turns,omitempty"`      // of all loops
	LateTurns    int            `json:"late_turns,omitempty"` // that began after their time
	Checks       int            `json:"checks"`
	ChecksFailed int            `json:"checks_failed"`
	LogLines     int            `json:"log_lines"`
	InFlight     int            `json:"in_flight"` // effects other than faults
}

// Step is one step.
type Step struct {
	// ID is the place of the step, such as "0:4": the same in every run of the script.
	ID     string            `json:"id"`
	Path   string            `json:"path"`
	Name   string            `json:"name"`
	Index  int               `json:"index"`  // in Run.Steps
	Parent int               `json:"parent"` // index of the enclosing step, or -1
	Depth  int               `json:"depth"`  // number of enclosing steps
	Labels map[string]string `json:"labels,omitempty"`
	Pos    string            `json:"pos,omitempty"`

	Status journal.Status `json:"status"`
	// Begun is when the step was called. Start is when its first try began, after
	// its delay; equal to Begun as long as there was no try. End is set when the
	// step is over, and equal to Start before.
	Begun time.Duration `json:"begun"`
	Start time.Duration `json:"start"`
	End   time.Duration `json:"end"`

	Delay   time.Duration `json:"delay,omitempty"`    // planned
	Planned time.Duration `json:"planned,omitempty"`  // duration given to the step
	Timeout time.Duration `json:"timeout,omitempty"`  // of one try
	Retries int           `json:"retries,omitempty"`  // allowed
	Tries   int           `json:"tries"`              // begun
	TryAt   time.Duration `json:"try_at,omitempty"`   // start of the latest try
	Sleep   *Sleep        `json:"sleeping,omitempty"` // the latest sleep that goes on

	Error     *journal.Problem `json:"error,omitempty"`
	Reason    string           `json:"reason,omitempty"` // of a skip
	Tolerated bool             `json:"tolerated,omitempty"`
}

// Over says whether the step has ended.
func (s *Step) Over() bool { return s.Status != StepRunning && s.Status != StepWaiting }

// Took is how long the step took since its first try, up to now if it goes on.
func (s *Step) Took(now time.Duration) time.Duration {
	if s.Over() {
		return s.End - s.Start
	}
	return max(0, now-s.Start)
}

// Sleep is a sleep that goes on.
type Sleep struct {
	Since time.Duration `json:"since"`
	For   time.Duration `json:"for"`
	Why   string        `json:"why,omitempty"`
}

// FaultState is where a fault is in its life.
type FaultState string

// The states of a fault, in their order. FaultFailed is one that never went on;
// FaultUnclean one that may still be on.
const (
	FaultPending FaultState = "pending"
	FaultOn      FaultState = "on"
	FaultLifting FaultState = "lifting"
	FaultOff     FaultState = "off"
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
	Asked time.Duration `json:"asked"` // when it was requested
	// Start is when it went on, Lift when its end was asked, End when it was off.
	// Each holds from the state that it belongs to.
	Start time.Duration `json:"start"`
	Lift  time.Duration `json:"lift,omitempty"`
	End   time.Duration `json:"end"`

	Seen         int64                `json:"seen"`
	Hit          int64                `json:"hit"`
	Inapplicable int64                `json:"inapplicable,omitempty"`
	Error        *journal.EffectError `json:"error,omitempty"`

	wasOn bool
}

// WasOn says whether the fault was ever on, as far as the journal knows.
func (f *Fault) WasOn() bool { return f.wasOn }

// Over says whether the fault's life has ended, well or not.
func (f *Fault) Over() bool {
	return f.State == FaultOff || f.State == FaultFailed || f.State == FaultUnclean
}

// Took is how long the fault was on, up to now if it still is.
func (f *Fault) Took(now time.Duration) time.Duration {
	switch {
	case !f.wasOn:
		return 0
	case f.Over():
		return f.End - f.Start
	}
	return max(0, now-f.Start)
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
}

// Fault is the fault that the effect is, or nil.
func (e *Effect) Fault() *Fault { return e.fault }

// Approval is a question that waits for a person.
type Approval struct {
	ID      string        `json:"id"`
	Message string        `json:"message"`
	Path    string        `json:"path,omitempty"`
	Since   time.Duration `json:"since"`
}

// Loop is a loop that goes on.
type Loop struct {
	ID    string        `json:"id"`
	Path  string        `json:"path"` // of its latest turn
	Turn  int           `json:"turn"`
	Since time.Duration `json:"since"` // start of its first turn
	Late  int           `json:"late,omitempty"`
}

// Check is one check.
type Check struct {
	At     time.Duration   `json:"at"`
	Path   string          `json:"path,omitempty"`
	Name   string          `json:"name"`
	OK     bool            `json:"ok"`
	Value  json.RawMessage `json:"value,omitempty"`
	Limit  string          `json:"limit,omitempty"`
	Detail string          `json:"detail,omitempty"`
}

// Figure is one figure of the run.
type Figure struct {
	At     time.Duration `json:"at"`
	Path   string        `json:"path,omitempty"`
	Name   string        `json:"name"`
	Value  float64       `json:"value"`
	Unit   string        `json:"unit,omitempty"`
	Better string        `json:"better,omitempty"`
}

// Watch is a guard or a steady state with its latest reading.
type Watch struct {
	Path   string          `json:"path,omitempty"`
	Name   string          `json:"name"`
	State  string          `json:"state"`
	Phase  string          `json:"phase,omitempty"`
	Since  time.Duration   `json:"since"` // of the first record
	At     time.Duration   `json:"at"`    // of the latest
	Value  json.RawMessage `json:"value,omitempty"`
	Detail string          `json:"detail,omitempty"`
	Seen   int             `json:"seen,omitempty"`
	Bad    int             `json:"bad,omitempty"`
	Missed int             `json:"missed,omitempty"`
	// Worst is the first reading that did not hold; nil if all did.
	Worst *Reading `json:"worst,omitempty"`
}

// Live says whether it is still watched.
func (w *Watch) Live() bool { return w.State != watchEnded }

// Reading is one reading of a Watch.
type Reading struct {
	At     time.Duration   `json:"at"`
	State  string          `json:"state"`
	Phase  string          `json:"phase,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"`
	Detail string          `json:"detail,omitempty"`
}

// Failure is a failure that came from no step.
type Failure struct {
	At time.Duration `json:"at"`
	journal.Problem
}

// Line is a line of the run's log.
type Line struct {
	At      time.Duration   `json:"at"`
	Level   string          `json:"level"`
	Message string          `json:"message"`
	Fields  json.RawMessage `json:"fields,omitempty"`
	Path    string          `json:"path,omitempty"`
}

// Target is a target that the run declared or touched.
type Target struct {
	Name     string `json:"name"`
	Listen   string `json:"listen,omitempty"`
	Upstream string `json:"upstream,omitempty"`
	Faults   int    `json:"faults"` // asked for so far
}

// Asked is something asked of the run from outside.
type Asked struct {
	Action string        `json:"action"`
	At     time.Duration `json:"at"`
	By     string        `json:"by,omitempty"`
	Detail string        `json:"detail,omitempty"`
}

// Pause is a pause that goes on.
type Pause struct {
	Since time.Duration `json:"since"`
	By    string        `json:"by,omitempty"`
	// Lifted says that the faults are off while it lasts.
	Lifted bool `json:"lifted,omitempty"`
}
