package journal

import (
	"encoding/json"
	"time"
)

// CheckBody is one verdict on one value.
type CheckBody struct {
	Path   string          `json:"path,omitempty"`
	Name   string          `json:"name"`
	OK     bool            `json:"ok"`
	Value  json.RawMessage `json:"value,omitempty"`
	Unit   string          `json:"unit,omitempty"`  // UnitSeconds for a duration
	Limit  string          `json:"limit,omitempty"` // for people: "below 800ms"
	Detail string          `json:"detail,omitempty"`
	Stack  []Frame         `json:"stack,omitempty"` // of a failed one
}

// UnitSeconds is the unit of a value that was a duration in the script: its JSON is
// the number of seconds.
const UnitSeconds = "s"

// FigureBody is one figure of the run, from record(…).
type FigureBody struct {
	Path   string  `json:"path,omitempty"`
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit,omitempty"`
	Better string  `json:"better,omitempty"` // "lower", "higher" or ""
}

// WatchBody is a reading of a guard or of a steady state that changed something.
type WatchBody struct {
	Path   string          `json:"path,omitempty"`
	Name   string          `json:"name"`
	State  string          `json:"state"` // "pending", "holds", "breach", "deviates", "ended"
	Phase  string          `json:"phase,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"`
	Detail string          `json:"detail,omitempty"`
	Seen   int             `json:"seen,omitempty"`
	Bad    int             `json:"bad,omitempty"`
	Missed int             `json:"missed,omitempty"`
}

// GuardBody opens a guard, before its first reading.
type GuardBody struct {
	Path         string        `json:"path,omitempty"`
	Name         string        `json:"name"`
	Every        time.Duration `json:"every"`
	Breaches     int           `json:"breaches"`
	IgnoreErrors bool          `json:"ignore_errors,omitempty"`
	IgnoreNoData bool          `json:"ignore_no_data,omitempty"`
	Action       string        `json:"action"`
	Func         bool          `json:"func,omitempty"` // as in WaitBody
}

// SteadyBody opens a steady state, before its first reading.
type SteadyBody struct {
	Path   string        `json:"path,omitempty"`
	Name   string        `json:"name"`
	Before bool          `json:"before,omitempty"`
	During bool          `json:"during,omitempty"`
	After  bool          `json:"after,omitempty"`
	Share  float64       `json:"share"`
	Every  time.Duration `json:"every"`
	Settle time.Duration `json:"settle,omitempty"`
	// Probe is a value's kind and arguments; without them a function is called.
	Kind string          `json:"kind,omitempty"`
	Args json.RawMessage `json:"args,omitempty"`
}

// LogBody is a line of the run's log.
type LogBody struct {
	Level   string          `json:"level"` // "debug", "info", "warn", "error"
	Message string          `json:"message"`
	Fields  json.RawMessage `json:"fields,omitempty"`
	// Units are those of fields that have one: UnitSeconds for a duration.
	Units map[string]string `json:"units,omitempty"`
	Path  string            `json:"path,omitempty"`
}

// ControlBody is something a person or a policy asked of the run.
type ControlBody struct {
	Action string `json:"action"` // "pause", "resume", "skip", "stop", "abort", "recover"
	Path   string `json:"path,omitempty"`
	By     string `json:"by,omitempty"`
	Detail string `json:"detail,omitempty"`
	Lift   bool   `json:"lift,omitempty"` // pause: faults off while it lasts
	// Gap is the time for which nobody ran the run, of "recover".
	Gap time.Duration `json:"gap,omitempty"`
}
