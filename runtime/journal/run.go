package journal

import (
	"encoding/json"
	"time"
)

// RunBeginBody opens every journal.
type RunBeginBody struct {
	Format      int               `json:"format"`
	Interpreter string            `json:"interpreter,omitempty"` // version of what executes the script
	Name        string            `json:"name"`
	Script      string            `json:"script,omitempty"`  // the main module's name
	Modules     map[string]string `json:"modules,omitempty"` // text of every module, by name
	Params      json.RawMessage   `json:"params,omitempty"`  // an object; secrets by name only
	Seed        uint64            `json:"seed,string"`
	Origin      time.Time         `json:"origin"` // the wall time of At = 0
	World       string            `json:"world"`  // "virtual" or "real"
	Meta        json.RawMessage   `json:"meta,omitempty"`
	// The options of the run that decide what becomes of it.
	Strict         bool          `json:"strict,omitempty"`
	CleanupTimeout time.Duration `json:"cleanup_timeout,omitempty"` // of each on_exit
	// Compress is how many times faster than the wall clock the run's own time passes;
	// 0 is as fast.
	Compress int `json:"compress,omitempty"`
}

// RunEndBody closes every journal of a run that ended.
type RunEndBody struct {
	Verdict   Verdict   `json:"verdict"`
	Reason    string    `json:"reason"`            // stable code, for example "step_failed"
	Message   string    `json:"message,omitempty"` // the reason for people
	Tolerated int       `json:"tolerated,omitempty"`
	Flaky     int       `json:"flaky,omitempty"`
	Unclean   []Problem `json:"unclean,omitempty"`
	// Paused is how much of the run's time was pauses.
	Paused time.Duration `json:"paused,omitempty"`
}

// Problem is an error as plain data.
type Problem struct {
	Code    string  `json:"code"` // stable, for example "check_failed", "script_error"
	Message string  `json:"message"`
	Path    string  `json:"path,omitempty"`  // the step it belongs to
	Stack   []Frame `json:"stack,omitempty"` // innermost last, through the spawning calls
	// Steady is the place of the steady state that did not hold; "" where it is none that
	// failed, and in journals older than this field.
	Steady string `json:"steady,omitempty"`
}

// FailureBody is a failure that no other record tells: of a branch, of a clean-up, of
// the script, of what was watched; or what became of failures that others told.
type FailureBody struct {
	Problem
	// Tolerated says that somebody held it, namely the step or attempt at By.
	Tolerated bool   `json:"tolerated,omitempty"`
	By        string `json:"by,omitempty"`
	// Of are the places of the steps and checks that had told it as a failure before
	// it was held. The problem then has no stack: theirs have it.
	Of []string `json:"of,omitempty"`
}

// Frame is one line of a script's backtrace.
type Frame struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col,omitempty"`
	Func string `json:"func,omitempty"`
}
