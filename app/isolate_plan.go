package app

import (
	"sync/atomic"

	"starquake/runtime"
)

// maxAfterCut is how many events a plan may take to come to its end once it was cut:
// clean-ups run then, which a stop does not reach.
const maxAfterCut = 20_000

// planEnd is the virtual world of a plan that comes to an end, whatever the script
// does.
type planEnd struct {
	*runtime.Virtual
	// overdue ends what the script computes. It may be called again and again.
	overdue func(*runtime.Death)

	failed   atomic.Pointer[runtime.Control]
	afterCut int
}

// fail fails the run, once the turn is over. It may be called from any goroutine.
func (w *planEnd) fail(code, message string) {
	w.failed.Store(&runtime.Control{Action: runtime.ActionFail, By: code, Detail: message})
}

// Next implements runtime.World.
func (w *planEnd) Next(r *runtime.Ready) runtime.Event {
	if c := w.failed.Swap(nil); c != nil {
		w.Virtual.Control(0, *c)
	}
	ev := w.Virtual.Next(r)
	if w.Cut {
		if w.afterCut++; w.afterCut > maxAfterCut {
			w.overdue(&runtime.Death{Code: "endless", Script: true, Message: "the clean-up of the plan does not come to an end"})
		}
	}
	return ev
}
