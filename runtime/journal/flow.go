package journal

import (
	"encoding/json"
	"time"
)

// BranchBeginBody says that a branch was made; Place is its first own place
// (operation 0).
type BranchBeginBody struct {
	Path string `json:"path"` // path for people: "parallel/flaky"
	Role string `json:"role"` // "parallel", "start", "watch", "exit"
}

// EndBody says how a branch, an attempt or a loop ended.
type EndBody struct {
	Path   string   `json:"path,omitempty"`
	Status Status   `json:"status"`
	Turns  int      `json:"turns,omitempty"`
	Late   int      `json:"late,omitempty"` // loop turns that began after their time
	Error  *Problem `json:"error,omitempty"`
}

// ParallelBody opens a parallel, before its branches.
type ParallelBody struct {
	Path     string `json:"path,omitempty"`
	Branches int    `json:"branches"`
	Limit    int    `json:"limit,omitempty"`   // of branches at once
	RunAll   bool   `json:"run_all,omitempty"` // fail_fast = False
}

// LoopBody opens a loop, before its first turn.
type LoopBody struct {
	Path     string        `json:"path,omitempty"`
	Times    *int          `json:"times,omitempty"`
	Duration time.Duration `json:"duration,omitempty"`
	Every    time.Duration `json:"every,omitempty"`
	Until    bool          `json:"until,omitempty"` // a function is asked after each turn
}

// AttemptBody opens an attempt.
type AttemptBody struct {
	Path string `json:"path,omitempty"`
}

// ExitBody is the registration of a clean-up.
type ExitBody struct {
	Path string `json:"path,omitempty"`
	Name string `json:"name"`
	When string `json:"when"`
}

// StepBeginBody opens a step, before its delay.
type StepBeginBody struct {
	Path      string            `json:"path"`
	Name      string            `json:"name"`
	Duration  time.Duration     `json:"duration,omitempty"`
	Delay     time.Duration     `json:"delay,omitempty"`
	Timeout   time.Duration     `json:"timeout,omitempty"`
	Retries   int               `json:"retries,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	Pos       string            `json:"pos,omitempty"` // file:line of the call
	*StepRest                   // nil where all of it is at its default; its fields stand among the others
}

// StepRest are the arguments that few steps have. They stand apart because a run may
// have a hundred thousand steps.
type StepRest struct {
	RetryDelay time.Duration `json:"retry_delay,omitempty"`
	Backoff    float64       `json:"backoff,omitempty"`    // left out for 1
	OnFailure  string        `json:"on_failure,omitempty"` // left out for "stop"
	Recovered  time.Duration `json:"recovered,omitempty"`
	Timed      bool          `json:"timed,omitempty"` // a duration of 0 was given, not none
	Asks       bool          `json:"asks,omitempty"`  // when= is a function, or False
	// Terms are what the caller judges each try by, as it has them.
	Terms json.RawMessage `json:"terms,omitempty"`
}

// StepTryBody opens one try of a step.
type StepTryBody struct {
	Path string `json:"path"`
	Try  int    `json:"try"` // from 1
}

// StepEndBody closes a step.
type StepEndBody struct {
	Path     string        `json:"path"`
	Status   Status        `json:"status"`
	Tries    int           `json:"tries,omitempty"`
	Started  time.Duration `json:"started"` // At of the first try
	Error    *Problem      `json:"error,omitempty"`
	Reason   string        `json:"reason,omitempty"` // of a skip
	Tolerate bool          `json:"tolerate,omitempty"`
	// Disturbed is for how long faults were off in its time because the run's process had died,
	// where that is a large part of its time.
	Disturbed time.Duration `json:"disturbed,omitempty"`
}

// TurnBody opens one turn of a loop.
type TurnBody struct {
	Path string        `json:"path"`
	Turn int           `json:"turn"`
	Late time.Duration `json:"late,omitempty"` // how long after its time it began
}

// SleepBody is the request for a sleep or another timer.
type SleepBody struct {
	For time.Duration `json:"for"`
	// Why is "" for sleep(), else "delay", "retry", "every", "wait", "watch", "settle",
	// or "max_duration" for the time that the run may take.
	Why string `json:"why,omitempty"`
}

// WaitBody is the request to wait until a probe holds.
type WaitBody struct {
	Path    string        `json:"path,omitempty"`
	Timeout time.Duration `json:"timeout"`
	Every   time.Duration `json:"every"`
	Stable  time.Duration `json:"stable,omitempty"`
	May     bool          `json:"may,omitempty"` // a time-out is no failure: must = False
	// Func says that a function is called; another probe's arguments are its effect's.
	Func bool `json:"func,omitempty"`
}
