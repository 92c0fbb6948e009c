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
//
// # What is journaled
//
// A run is recovered by executing its script again against its journal, so every
// argument of every operation stands in a record: what was asked in one way must not
// replay as if it had been asked in another. A field at its default is left out. Not
// journaled is what follows from the rest: the functions that a script passes and
// their arguments (the modules' text is here, and what they do is recorded), and draws
// from random streams. A draw is a function of the seed, the branch's path and the
// draws before it, and no operation sees anything of it but a value among its own
// arguments.
package journal

import (
	"strconv"
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
	return p.Branch + ":" + strconv.FormatUint(uint64(p.Op), 10)
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

	ParallelBegin Kind = "parallel.begin" // its end is that of its branches
	LoopBegin     Kind = "loop.begin"
	TurnBegin     Kind = "turn.begin" // one turn of a loop
	LoopEnd       Kind = "loop.end"
	AttemptBegin  Kind = "attempt.begin"
	AttemptEnd    Kind = "attempt.end"
	OnExit        Kind = "on_exit" // a clean-up was registered

	Sleep       Kind = "sleep"
	Timer       Kind = "timer" // a sleep or a deadline came due
	Wait        Kind = "wait"  // wait_until(…)
	EffectStart Kind = "effect.start"
	EffectNote  Kind = "effect.note" // a report of an effect that is still going on
	EffectStop  Kind = "effect.stop" // asked to end: a held effect released, another cancelled
	EffectEnd   Kind = "effect.end"

	Check       Kind = "check"
	Figure      Kind = "figure" // record(…)
	GuardBegin  Kind = "guard.begin"
	Guard       Kind = "guard"
	SteadyBegin Kind = "steady.begin"
	Steady      Kind = "steady"
	Log         Kind = "log"
	Control     Kind = "control"
	Failure     Kind = "failure" // what no step's end tells: see FailureBody
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
	Failure:     func() any { return new(FailureBody) },

	ParallelBegin: func() any { return new(ParallelBody) },
	LoopBegin:     func() any { return new(LoopBody) },
	AttemptBegin:  func() any { return new(AttemptBody) },
	OnExit:        func() any { return new(ExitBody) },
	Wait:          func() any { return new(WaitBody) },
	GuardBegin:    func() any { return new(GuardBody) },
	SteadyBegin:   func() any { return new(SteadyBody) },
}
