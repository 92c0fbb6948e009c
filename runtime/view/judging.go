package view

import "starquake/runtime/journal"

// watchEnded is the state of a guard or a steady state that is no longer watched.
const watchEnded = "ended"

// bad says whether a state of a watch means that its reading did not hold.
func bad(state string) bool {
	return state == "breach" || state == "breached" || state == "deviates"
}

func (f *Fold) check(b *journal.CheckBody) {
	r := &f.run
	r.Counts.Checks++
	limit := MaxChecks
	if !b.OK {
		r.Counts.ChecksFailed++
		limit = 2 * MaxChecks
	}
	if len(r.Checks) < limit {
		r.Checks = append(r.Checks, &Check{
			At: r.Now, Path: b.Path, Name: clip(b.Name), OK: b.OK,
			Value: clipJSON(b.Value), Limit: clip(b.Limit), Detail: clip(b.Detail),
		})
	}
}

func (f *Fold) watch(kind journal.Kind, at journal.Place, b *journal.WatchBody) {
	r := &f.run
	byPlace, list := f.guards, &r.Guards
	if kind == journal.Steady {
		byPlace, list = f.steady, &r.Steady
	}
	w := byPlace[at]
	if w == nil {
		if len(*list) >= MaxWatches && (!bad(b.State) || len(*list) >= 2*MaxWatches) {
			return
		}
		w = &Watch{Path: b.Path, Name: clip(b.Name), Since: r.Now, Live: r.State != Ended}
		byPlace[at] = w
		*list = append(*list, w)
		if w.Live {
			br := f.branch(at.Branch)
			br.watches = append(br.watches, openWatch{at.Op, w, kind == journal.Guard})
			if kind == journal.Guard {
				f.guarding++
			}
		}
	}
	w.State, w.At = b.State, r.Now
	if b.State == watchEnded {
		f.unwatch(openWatch{watch: w, guard: kind == journal.Guard})
	}
	// The record of the end often brings the counts and no reading.
	if b.Phase != "" {
		w.Phase = b.Phase
	}
	if len(b.Value) > 0 || b.Detail != "" || b.State != watchEnded {
		w.Value, w.Detail = clipJSON(b.Value), clip(b.Detail)
	}
	w.Seen, w.Bad, w.Missed = max(w.Seen, b.Seen), max(w.Bad, b.Bad), max(w.Missed, b.Missed)
	if bad(b.State) && w.Worst == nil {
		w.Worst = &Reading{At: r.Now, State: b.State, Phase: b.Phase, Value: w.Value, Detail: w.Detail}
	}
}

// unwatch notes that a watch's scope is over.
func (f *Fold) unwatch(o openWatch) {
	if !o.watch.Live {
		return
	}
	o.watch.Live = false
	if o.guard {
		f.guarding--
	}
}
