package runtime

import (
	"slices"

	"starquake/runtime/journal"
)

// Founder is a Performer some of whose held effects are what others stand on, as a listener
// that others send to. A recovery has them on before it asks for anything else.
type Founder interface {
	Founds(req *Request) bool
}

// The ranks of effects in a recovery: those of one are asked for when all before them
// that were on are on again.
const (
	rankFounding = iota // what others stand on
	rankChaos           // faults: what meets them comes when they are there
	rankHeld            // what else goes on: watched probes, load
	rankRest            // what is asked once more, and what the run has asked for since
	ranks
)

// comeback is the last part of a recovery: what was under way is asked for again.
type comeback struct {
	*recovery
	// later are the effects that have not been asked for, by rank.
	later [ranks][]Request
	// missing are those asked for that were on when the process died and are not yet again,
	// by rank.
	missing map[journal.Place]int
	// ground are those that others stand on.
	ground []journal.Place
}

// rank is that of an effect that was under way when the process died.
func (w *Real) rank(req *Request) int {
	f, ok := w.performer.(Founder)
	switch {
	case !req.Held:
		return rankRest
	case req.Chaos:
		return rankChaos
	case ok && f.Founds(req):
		return rankFounding
	}
	return rankHeld
}

// carryOutLater is carryOut while effects come back: what is to start waits for them.
func (w *Real) carryOutLater(r *Ready) {
	b := w.back
	b.note(r)
	ok := w.recorded(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	if ok {
		b.later[rankRest] = append(b.later[rankRest], r.Start...)
	}
	w.tell(r)
}

// returned reports whether all that was on when the process died is on again, and asks for
// what may come next.
func (w *Real) returned() bool {
	for {
		w.mu.Lock()
		b := w.back
		if b.awaits() {
			w.mu.Unlock()
			return false
		}
		at := slices.IndexFunc(b.later[:], func(reqs []Request) bool { return len(reqs) > 0 })
		if at < 0 {
			w.back = nil
			w.mu.Unlock()
			return true
		}
		next := b.later[at]
		b.later[at] = nil
		for i := range next {
			req := &next[i]
			was := b.state[req.ID]
			if was.begun {
				req.Again = w.againOf(was, b.recs)
			}
			if was.begun && was.on && req.Held {
				b.missing[req.ID] = at
			}
			if at == rankFounding {
				b.ground = append(b.ground, req.ID)
			}
		}
		w.mu.Unlock()
		for i := range next {
			w.again(next[i], b.state[next[i].ID])
		}
	}
}

// awaits reports whether something is not on again that nothing else may come before. A watch
// says nothing in a pause, however long that takes, and guards are not to wait for it.
func (b *comeback) awaits() bool {
	for id, at := range b.missing {
		if at != rankHeld || !b.state[id].paused() {
			return true
		}
	}
	return false
}

// takeLost returns the next event for as long as one of them tells that what others stand on
// has ended instead of coming back: the run decides what then becomes of the others.
func (w *Real) takeLost() (Event, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lost := slices.ContainsFunc(w.inbox, func(ev Event) bool {
		return ev.Kind == EventDone && slices.Contains(w.back.ground, ev.ID)
	})
	if !lost {
		return Event{}, false
	}
	return w.takeInbox(w.elapsed()), true
}

// backOn tells that an effect is on again, or has ended. The caller holds mu.
func (w *Real) backOn(id journal.Place) {
	if w.back != nil {
		delete(w.back.missing, id)
	}
}

// giveUpLater completes an effect that is cancelled before it was asked for again. The
// caller holds mu.
func (w *Real) giveUpLater(id journal.Place) {
	if w.back == nil {
		return
	}
	for at, reqs := range w.back.later {
		i := slices.IndexFunc(reqs, func(req Request) bool { return req.ID == id })
		if i >= 0 {
			req := reqs[i]
			w.back.later[at] = slices.Delete(reqs, i, i+1)
			w.receiveDropped(w.back.recovery, &req)
			return
		}
	}
}

// againOf says how an effect stood that was under way when the process died.
func (w *Real) againOf(was *replayed, recs []journal.Record) *Again {
	a := &Again{Report: was.report, Last: was.last}
	if was.on {
		now := w.elapsed()
		a.Elapsed = max(0, now-was.since-pausedSince(recs, was.since, now))
	}
	return a
}

// again asks for an effect, and tells it the signals that it would have had.
func (w *Real) again(req Request, was *replayed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.start(req)
	if e := w.running[req.ID]; e != nil {
		for _, s := range was.signals {
			e.signal(s)
		}
	}
}
