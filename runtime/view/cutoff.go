package view

import (
	"time"

	"starquake/runtime/journal"
)

// What a journal cannot say of its run: that nobody goes on with it. Who knows, because it
// keeps runs, adds it to a Run, which must then be nobody else's.

// Interrupt says that the process that ran the run is gone. What was going on then, no
// more is. A run that has ended stays as it is.
func (r *Run) Interrupt() {
	if r.State == Ended {
		return
	}
	r.State = Interrupted
	for _, s := range r.Steps {
		if !s.Over() {
			s.Status, s.End = StepInterrupted, max(r.Now, s.Start)
		}
	}
}

// Close says that an interrupted run is not to go on either, and how it ended. A run that
// has ended by its journal stays as it is.
func (r *Run) Close(verdict journal.Verdict, reason, message string, took time.Duration) {
	if r.State == Ended {
		return
	}
	r.Interrupt()
	r.State, r.Verdict, r.Reason, r.Message, r.Now = Ended, verdict, reason, message, took
}
