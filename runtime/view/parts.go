package view

import (
	"encoding/json"
	"time"

	"starquake/runtime/journal"
)

// Approval is a question that waits for a person.
type Approval struct {
	ID      string        `json:"id" doc:"Its place in the run, by which it is answered."`
	Message string        `json:"message" doc:"What is asked."`
	Path    string        `json:"path,omitempty" doc:"The step that waits; absent outside any."`
	Since   time.Duration `json:"since" doc:"When it was asked, in nanoseconds of the run."`
	Faults  string        `json:"faults,omitempty" doc:"What becomes of the faults while it waits, as the script has it: keep or lift; absent where none may be on."`
}

// faultsLift is Approval.Faults of one that lifts them.
const faultsLift = "lift"

// LoadNow is load that is on, with what its last seconds came to. It is telemetry: no
// record has it, so it is no part of a Run.
type LoadNow struct {
	ID        string        `json:"id" doc:"Its place in the run."`
	Path      string        `json:"path,omitempty" doc:"The step that sends it; absent outside any."`
	Text      string        `json:"text" doc:"What is asked, for people."`
	Requests  float64       `json:"requests_per_second" doc:"Those that ended, a second."`
	Answers   float64       `json:"answers_per_second" doc:"Those of them that were no error, a second."`
	ErrorRate float64       `json:"error_rate" doc:"The share of them without the expected answer, 0 to 1."`
	P99       time.Duration `json:"p99" doc:"The 99th percentile of their latency, in nanoseconds."`
}

// LostLoad is load that a crash cut off; what it had sent is in no figure.
type LostLoad struct {
	At    time.Duration `json:"at"` // when the run was taken up again
	Path  string        `json:"path,omitempty"`
	Text  string        `json:"text,omitempty"`
	Since time.Duration `json:"since"`
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
	Unit   string          `json:"unit,omitempty"` // journal.UnitSeconds for a duration
	Limit  string          `json:"limit,omitempty"`
	Detail string          `json:"detail,omitempty"`
	Stack  []journal.Frame `json:"stack,omitempty"` // of a failed one
	// Tolerated says that somebody held its failure.
	Tolerated bool `json:"tolerated,omitempty"`

	index int // in Run.Checks
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
	ID   string `json:"id"` // its place, by which failures name it
	Path string `json:"path,omitempty"`
	Name string `json:"name"`
	// State is that of the latest record; "" before the first reading.
	State string        `json:"state"`
	Live  bool          `json:"live"` // its scope goes on
	Phase string        `json:"phase,omitempty"`
	Since time.Duration `json:"since"` // of the first record
	At    time.Duration `json:"at"`    // of the latest
	// Until is when its scope ended, 0 while it goes on.
	Until  time.Duration   `json:"-"`
	Value  json.RawMessage `json:"value,omitempty"`
	Detail string          `json:"detail,omitempty"`
	// Seen and Bad count its readings; while it goes on, those up to the latest record.
	Seen   int `json:"seen,omitempty"`
	Bad    int `json:"bad,omitempty"`
	Missed int `json:"missed,omitempty"`
	// Breaches is how many bad readings in a row breach a guard, Action what a breach
	// does.
	Breaches int    `json:"breaches,omitempty"`
	Action   string `json:"action,omitempty"`
	// Worst is the first reading that did not hold; nil if all did.
	Worst *Reading `json:"worst,omitempty"`
}

// Read reports whether the journal knows of a reading of it. A watch without one has not
// held: nothing is known of it.
func (w *Watch) Read() bool {
	return w.Seen > 0 || w.Phase != "" || w.State != "" && w.State != watchEnded
}

// Reading is one reading of a Watch.
type Reading struct {
	At     time.Duration   `json:"at"`
	State  string          `json:"state"`
	Phase  string          `json:"phase,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"`
	Detail string          `json:"detail,omitempty"`
}

// Failure is a failure that came from no step and no check.
type Failure struct {
	At time.Duration `json:"at"`
	journal.Problem
	Tolerated bool `json:"tolerated,omitempty"` // somebody held it
}

// Line is a line of the run's log.
type Line struct {
	At      time.Duration   `json:"at"`
	Level   string          `json:"level"`
	Message string          `json:"message"`
	Fields  json.RawMessage `json:"fields,omitempty"`
	// Units are those of fields that have one: journal.UnitSeconds for a duration.
	Units map[string]string `json:"units,omitempty"`
	Path  string            `json:"path,omitempty"`
}

// Target is a target that the run declared or touched.
type Target struct {
	Name     string `json:"name" doc:"What the script calls it."`
	Listen   string `json:"listen,omitempty" doc:"Where its proxy listens."`
	Upstream string `json:"upstream,omitempty" doc:"Where the proxy sends what it is sent."`
	Engine   string `json:"engine,omitempty" doc:"The data plane in another process that it belongs to; absent for the embedded one."`
	Faults   int    `json:"faults" doc:"How many were asked for so far."`
}
