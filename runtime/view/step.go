package view

import (
	"time"

	"starquake/runtime/journal"
)

// The statuses of a step that has not ended, besides those of journal.Status.
const (
	StepWaiting journal.Status = "waiting" // before its first try: its delay, its when
	StepRunning journal.Status = "running"
	// StepInterrupted: it never will, as the process that ran the run is gone.
	StepInterrupted journal.Status = "interrupted"
)

// maxRetried bounds the retries whose time is kept.
const maxRetried = 16

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

	Delay   time.Duration `json:"delay,omitempty"`   // planned
	Planned time.Duration `json:"planned,omitempty"` // duration given to the step
	Timeout time.Duration `json:"timeout,omitempty"` // of one try
	Retries int           `json:"retries,omitempty"` // allowed
	Tries   int           `json:"tries"`             // begun
	TryAt   time.Duration `json:"try_at,omitempty"`  // start of the latest try
	// TryClock is Run.Elapsed when the latest try began: the clock that stands still
	// in a pause, as the step's duration and time-out do.
	TryClock time.Duration `json:"try_clock,omitempty"`
	// Retried are the starts of the tries after the first, of the first few of them.
	Retried []time.Duration `json:"retried,omitempty"`
	Sleep   *Sleep          `json:"sleeping,omitempty"` // the latest sleep that goes on

	Error     *journal.Problem `json:"error,omitempty"`
	Reason    string           `json:"reason,omitempty"` // of a skip
	Tolerated bool             `json:"tolerated,omitempty"`
	// Disturbed is for how long faults were off in its time because the run's process had died,
	// where that is a large part of its time.
	Disturbed time.Duration `json:"disturbed,omitempty"`
}

// Over says whether the step goes on no more.
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
	Clock time.Duration `json:"clock"` // Run.Elapsed at Since
	For   time.Duration `json:"for"`
	Why   string        `json:"why,omitempty"`
}
