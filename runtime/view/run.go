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
	MaxControls = 1000  // what was asked from outside, and pauses
	MaxUses     = 1000  // hosts, commands, secrets, and targets: of each
	MaxFailed   = 10000 // failed steps of which it is known whether they were tolerated later
	MaxText     = 4096  // bytes of one message, value or text
)

// State is what a run is doing.
type State string

// The states of a run. A journal without RunEnd is Running or Paused, also when
// the process that wrote it is gone: the journal cannot know, and Interrupt says it.
const (
	Running     State = "running"
	Paused      State = "paused"
	Ended       State = "ended"
	Interrupted State = "interrupted"
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
	// Modules are the texts of the script and of what it loads, by name.
	Modules map[string]string `json:"-"`
	// Interpreter is what executes the script, with its version.
	Interpreter string `json:"interpreter,omitempty"`
	// Strict says that tolerated failures and passes after a retry fail the run.
	Strict bool `json:"strict,omitempty"`
	// Compress is how many times faster than the wall clock the run's time passed; 0 is
	// as fast.
	Compress int `json:"compress,omitempty"`

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
	// Pauses are those that are over, in order; Controls all that was asked from outside.
	Pauses   []Span   `json:"pauses,omitempty"`
	Controls []*Asked `json:"controls,omitempty"`
	// Lift is since when the faults are lifted, nil if they are not; Lifts are the times at
	// which they were, in order.
	Lift  *time.Duration `json:"lift,omitempty"`
	Lifts []Span         `json:"lifts,omitempty"`
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

	// Loads are in the order in which they were asked for. Probes are set at the end of a
	// run in the real world.
	Loads  []*Load  `json:"loads,omitempty"`
	Probes []*Probe `json:"probes,omitempty"`

	// FaultsOn is how many faults have the state FaultOn, those that are lifted among them: how
	// many have an effect FaultsNow tells. MaxFaults is the most that were on at once, first at
	// MaxFaultsAt.
	FaultsOn    int           `json:"faults_on"`
	MaxFaults   int           `json:"max_faults"`
	MaxFaultsAt time.Duration `json:"max_faults_at,omitempty"`
	// Unguarded counts the faults that went on while no guard was live.
	Unguarded int `json:"unguarded,omitempty"`

	// Summary says how resilient the system was, once a run in the real world has ended
	// in which faults were on, and probes were read or load was sent.
	Summary *Summary `json:"summary,omitempty"`

	Tolerated int `json:"tolerated,omitempty"`
	Flaky     int `json:"flaky,omitempty"`
	// Recovered is how often another process took the run up after the one that ran it
	// had died; Gaps is for how long, in all, nobody ran it.
	Recovered int           `json:"recovered,omitempty"`
	Gaps      time.Duration `json:"gaps,omitempty"`
	// AskedAgain is the load that was on when a process died, and is asked again whole.
	AskedAgain []*LostLoad `json:"asked_again,omitempty"`
	// WatchesCut is how many probes were watched when a process died: what they had read so far
	// is in no figure.
	WatchesCut int    `json:"watches_cut,omitempty"`
	Counts     Counts `json:"counts"`
}

// Counts are exact whatever the bounds of the lists.
type Counts struct {
	Events  int            `json:"events"`            // records
	Effects map[string]int `json:"effects,omitempty"` // started, by kind
	// Untimed are the requests and commands that a plan answers at once, by kind: it does not
	// know how long they take.
	Untimed   map[string]int `json:"-"`
	Steps     int            `json:"steps"`
	Passed    int            `json:"passed"`
	Failed    int            `json:"failed"`
	Skipped   int            `json:"skipped"`
	Stopped   int            `json:"stopped"`
	Turns     int            `json:"turns,omitempty"`      // of all loops
	LateTurns int            `json:"late_turns,omitempty"` // that began after their time
	// LateByCrash are those of LateTurns that began no later than crashes of the process explain.
	LateByCrash  int `json:"late_by_crash,omitempty"`
	Checks       int `json:"checks"`
	ChecksFailed int `json:"checks_failed"`
	LogLines     int `json:"log_lines"`
	InFlight     int `json:"in_flight"` // effects other than faults
}

// Asked is something asked of the run from outside.
type Asked struct {
	Action string        `json:"action"`
	At     time.Duration `json:"at"`
	By     string        `json:"by,omitempty"`
	Detail string        `json:"detail,omitempty"`
	Path   string        `json:"path,omitempty"` // of the step that it is about
	// Gap is the time for which nobody ran the run, of "recover".
	Gap time.Duration `json:"gap,omitempty"`
}

// Span is a time from one moment to another.
type Span struct {
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

// Pause is a pause that goes on.
type Pause struct {
	Since time.Duration `json:"since"`
	By    string        `json:"by,omitempty"`
	// Lifted says that the faults are off while it lasts.
	Lifted bool `json:"lifted,omitempty"`
}
