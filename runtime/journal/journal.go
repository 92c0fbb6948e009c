// Package journal defines the facts of a run: the record types, their JSON form,
// and the interface through which they are kept. Records are plain data, in one
// order, and are the only truth about a run: status, page, report, plan and crash
// recovery are folds over them.
//
// What lives here: record types, their encoding, and the in-memory journal. What
// may not: anything that decides, waits or does I/O.
//
// One record is one JSON object on one line:
//
//	{"at":1500000000,"kind":"step.end","place":"0:4","body":{"path":"baseline","status":"passed"}}
package journal

import (
	"encoding/json"
	"fmt"
	"time"
)

// FormatVersion is the version of the record format, written into every RunBegin.
// A reader refuses versions above its own.
const FormatVersion = 1

// Record is one fact.
type Record struct {
	// At is the time of the event that caused the record, since the run's origin
	// (RunBegin.Origin). It never falls from one record to the next.
	At time.Duration
	// Kind says what happened and thereby which type Body has; see Kinds.
	Kind Kind
	// Place is where in the run it happened.
	Place Place
	// Body is a pointer to the struct that Kinds lists for Kind, or nil where the
	// kind has no body. It is not changed after the record was appended.
	Body any
}

// Place names an operation of a run: the branch's path and the number of the
// operation within the branch. It is the same in every run of the same script with
// the same answers, which is what lets a journal be replayed.
type Place struct {
	// Branch is "0" for the root; a branch's children append ".1", ".2", … in the
	// order in which they were made.
	Branch string
	// Op counts the operations of that branch from 1; 0 is the branch itself.
	Op uint32
}

// String gives "0.2:7", the form used in JSON and in messages.
func (p Place) String() string {
	return fmt.Sprintf("%s:%d", p.Branch, p.Op)
}

// Kind is the kind of a record. Its text is part of the format and never changes
// its meaning.
type Kind string

// The kinds of record, in the order in which a run usually writes them.
const (
	RunBegin    Kind = "run.begin"
	RunEnd      Kind = "run.end"
	BranchBegin Kind = "branch.begin"
	BranchEnd   Kind = "branch.end"
	StepBegin   Kind = "step.begin"
	StepTry     Kind = "step.try"
	StepEnd     Kind = "step.end"
	TurnBegin   Kind = "turn.begin" // one turn of a loop
	LoopEnd     Kind = "loop.end"
	AttemptEnd  Kind = "attempt.end"
	Sleep       Kind = "sleep"
	Timer       Kind = "timer" // a sleep or a deadline came due
	EffectStart Kind = "effect.start"
	EffectNote  Kind = "effect.note" // a report of an effect that is still going on
	EffectStop  Kind = "effect.stop" // asked to end: a held effect released, another cancelled
	EffectEnd   Kind = "effect.end"
	Check       Kind = "check"
	Figure      Kind = "figure" // record(…)
	Guard       Kind = "guard"
	Steady      Kind = "steady"
	Log         Kind = "log"
	Control     Kind = "control"
	Failure     Kind = "failure" // an error that did not come from a step: a branch, a clean-up, a script error
)

// Status is how a step, branch or attempt ended.
type Status string

// The statuses of LANGUAGE.md, "Structure".
const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Skipped Status = "skipped"
	Stopped Status = "stopped"
)

// Verdict is what a run says about the system, or about itself.
type Verdict string

// The verdicts of LANGUAGE.md, "Verdicts and exit codes".
const (
	VerdictPassed       Verdict = "passed"
	VerdictFailed       Verdict = "failed"
	VerdictInvalid      Verdict = "invalid"
	VerdictAborted      Verdict = "aborted"
	VerdictErrored      Verdict = "errored"
	VerdictUnclean      Verdict = "unclean"
	VerdictInconclusive Verdict = "inconclusive"
	VerdictStopped      Verdict = "stopped"
)

// ExitCode is the process exit code that stands for the verdict.
func (v Verdict) ExitCode() int {
	switch v {
	case VerdictPassed:
		return 0
	case VerdictFailed:
		return 1
	case VerdictInvalid:
		return 2
	case VerdictAborted:
		return 3
	case VerdictErrored:
		return 4
	case VerdictUnclean:
		return 5
	case VerdictInconclusive:
		return 6
	case VerdictStopped:
		return 130
	}
	return 4 // an unknown verdict is never a success
}

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
}

// RunEndBody closes every journal of a run that ended.
type RunEndBody struct {
	Verdict   Verdict   `json:"verdict"`
	Reason    string    `json:"reason"`            // stable code, for example "step_failed"
	Message   string    `json:"message,omitempty"` // the reason for people
	Tolerated int       `json:"tolerated,omitempty"`
	Flaky     int       `json:"flaky,omitempty"`
	Unclean   []Problem `json:"unclean,omitempty"`
}

// Problem is an error as plain data.
type Problem struct {
	Code    string  `json:"code"` // stable, for example "check_failed", "script_error"
	Message string  `json:"message"`
	Path    string  `json:"path,omitempty"`  // the step it belongs to
	Stack   []Frame `json:"stack,omitempty"` // innermost last, through the spawning calls
}

// Frame is one line of a script's backtrace.
type Frame struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col,omitempty"`
	Func string `json:"func,omitempty"`
}

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

// StepBeginBody opens a step, before its delay.
type StepBeginBody struct {
	Path     string            `json:"path"`
	Name     string            `json:"name"`
	Duration time.Duration     `json:"duration,omitempty"`
	Delay    time.Duration     `json:"delay,omitempty"`
	Timeout  time.Duration     `json:"timeout,omitempty"`
	Retries  int               `json:"retries,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Pos      string            `json:"pos,omitempty"` // file:line of the call
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
	Why string        `json:"why,omitempty"` // "" for sleep(); "delay", "retry", "every", "duration"
}

// EffectStartBody is a request to the world; the effect's name is its Place.
type EffectStartBody struct {
	Kind   string          `json:"kind"` // "http", "exec", "fault", "watch", "approve", …
	Path   string          `json:"path,omitempty"`
	Args   json.RawMessage `json:"args"`
	Held   bool            `json:"held,omitempty"`
	Chaos  bool            `json:"chaos,omitempty"`  // a held effect that disturbs the system
	Repeat bool            `json:"repeat,omitempty"` // idempotent: may be asked again after a crash
}

// EffectNoteBody is a report of an effect that is still going on. A held effect's
// first note says that it is on.
type EffectNoteBody struct {
	Data json.RawMessage `json:"data"`
}

// EffectEndBody is the completion of an effect.
type EffectEndBody struct {
	Data  json.RawMessage `json:"data,omitempty"`
	Error *EffectError    `json:"error,omitempty"`
}

// EffectError says why an effect could not be done as asked.
type EffectError struct {
	Code    string `json:"code"` // "timeout", "refused", "denied", "stopped", "uncertain", "unclean", "failed", …
	Message string `json:"message"`
}

// Error makes an EffectError an error.
func (e *EffectError) Error() string { return e.Message }

// CheckBody is one verdict on one value.
type CheckBody struct {
	Path   string          `json:"path,omitempty"`
	Name   string          `json:"name"`
	OK     bool            `json:"ok"`
	Value  json.RawMessage `json:"value,omitempty"`
	Limit  string          `json:"limit,omitempty"` // for people: "below 800ms"
	Detail string          `json:"detail,omitempty"`
}

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
	State  string          `json:"state"` // "holds", "breach", "breached", "deviates", "ended"
	Phase  string          `json:"phase,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"`
	Detail string          `json:"detail,omitempty"`
	Seen   int             `json:"seen,omitempty"`
	Bad    int             `json:"bad,omitempty"`
	Missed int             `json:"missed,omitempty"`
}

// LogBody is a line of the run's log.
type LogBody struct {
	Level   string          `json:"level"` // "debug", "info", "warn", "error"
	Message string          `json:"message"`
	Fields  json.RawMessage `json:"fields,omitempty"`
	Path    string          `json:"path,omitempty"`
}

// ControlBody is something a person or a policy asked of the run.
type ControlBody struct {
	Action string `json:"action"` // "pause", "resume", "skip", "stop", "abort"
	Path   string `json:"path,omitempty"`
	By     string `json:"by,omitempty"`
	Detail string `json:"detail,omitempty"`
	Lift   bool   `json:"lift,omitempty"` // pause: faults off while it lasts
}

// Kinds gives a new body for each kind of record; kinds without one are absent.
var Kinds = map[Kind]func() any{
	RunBegin:    func() any { return new(RunBeginBody) },
	RunEnd:      func() any { return new(RunEndBody) },
	BranchBegin: func() any { return new(BranchBeginBody) },
	BranchEnd:   func() any { return new(EndBody) },
	StepBegin:   func() any { return new(StepBeginBody) },
	StepTry:     func() any { return new(StepTryBody) },
	StepEnd:     func() any { return new(StepEndBody) },
	TurnBegin:   func() any { return new(TurnBody) },
	LoopEnd:     func() any { return new(EndBody) },
	AttemptEnd:  func() any { return new(EndBody) },
	Sleep:       func() any { return new(SleepBody) },
	EffectStart: func() any { return new(EffectStartBody) },
	EffectNote:  func() any { return new(EffectNoteBody) },
	EffectEnd:   func() any { return new(EffectEndBody) },
	Check:       func() any { return new(CheckBody) },
	Figure:      func() any { return new(FigureBody) },
	Guard:       func() any { return new(WatchBody) },
	Steady:      func() any { return new(WatchBody) },
	Log:         func() any { return new(LogBody) },
	Control:     func() any { return new(ControlBody) },
	Failure:     func() any { return new(Problem) },
}
