package app

import (
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/store"
)

// ViewOf is a run of the store as it stands: what its journal says, what was taken off when
// nobody ran it any more, and that nobody does.
func ViewOf(e *store.Entry, recs []journal.Record) *view.Run {
	run := view.Of(recs)
	switch {
	case e.Status == store.Interrupted:
		run.Interrupt()
	case e.End != nil: // of which its journal may know nothing
		run.Close(e.End.Verdict, e.End.Reason, e.End.Message, e.End.Duration)
	}
	if e.Cleaned != nil {
		run.CleanUp(e.Cleaned.Off)
	}
	return run
}
