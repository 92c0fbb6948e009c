package runtime

import (
	"errors"

	"starquake/runtime/journal"
)

// Replayed is the world of a run that is looked at again: everything that happens is in
// its journal, and nothing outside is touched.
type Replayed struct {
	replay *Replay
	err    error
	inbox  []Event // once err is set: what ends the run
}

// ErrJournalEnds says that the journal has no end, as that of an interrupted run: until
// there the replay made the same records.
var ErrJournalEnds = errors.New("the journal ends here, before the run did")

// NewReplayed makes a world that replays recs.
func NewReplayed(recs []journal.Record) *Replayed { return &Replayed{replay: NewReplay(recs)} }

// Anywhere makes the replay not compare places in the script, for one that was edited.
func (w *Replayed) Anywhere() { w.replay.anywhere = true }

// Err is nil if the run made the records that the journal has, and no others; else it
// is a *Divergence or ErrJournalEnds.
func (w *Replayed) Err() error { return w.err }

// Next implements World.
func (w *Replayed) Next(r *Ready) Event {
	if w.err == nil {
		ev, fresh, more, err := w.replay.Turn(r)
		if more {
			return ev
		}
		w.fail(fresh, err)
		c := Control{Action: ActionFail, By: "replay", Detail: w.err.Error()}
		for _, req := range w.replay.open {
			w.inbox = append(w.inbox, Event{Kind: EventDone, ID: req.ID, Err: lost(&req)})
		}
		return Event{Kind: EventControl, Control: c}
	}
	for i := range r.Start {
		w.inbox = append(w.inbox, Event{Kind: EventDone, ID: r.Start[i].ID, Err: lost(&r.Start[i])})
	}
	if len(w.inbox) == 0 {
		return Event{Kind: EventTick, At: r.Due}
	}
	ev := w.inbox[0]
	w.inbox = w.inbox[1:]
	return ev
}

func (w *Replayed) fail(fresh []journal.Record, err error) {
	switch {
	case err != nil:
		w.err = err
	case len(fresh) > 0:
		is := fresh[0] // the run uses its memory again
		w.err = &Divergence{Number: len(w.replay.recs) + 1, Is: &is}
	default:
		w.err = ErrJournalEnds
	}
}

// Finish implements World.
func (w *Replayed) Finish(r *Ready) {
	if w.err != nil {
		return
	}
	_, fresh, more, err := w.replay.Turn(r)
	switch {
	case more:
		w.err = &Divergence{Number: w.replay.next + 1, Was: &w.replay.recs[w.replay.next]}
	case err != nil || len(fresh) > 0:
		w.fail(fresh, err)
	}
}
