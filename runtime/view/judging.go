package view

import (
	"cmp"

	"starquake/runtime/journal"
)

// watchEnded is the state of a guard or a steady state that is no longer watched.
const watchEnded = "ended"

// bad says whether a state of a watch means that its reading did not hold.
func bad(state string) bool {
	return state == "breach" || state == "breached" || state == "deviates"
}

func (f *Fold) check(at journal.Place, b *journal.CheckBody) {
	r := &f.run
	r.Counts.Checks++
	limit := MaxChecks
	if !b.OK {
		r.Counts.ChecksFailed++
		limit = 2 * MaxChecks
	}
	if len(r.Checks) >= limit {
		return
	}
	c := &Check{
		At: r.Now, Path: b.Path, Name: clip(b.Name), OK: b.OK,
		Value: clipJSON(b.Value), Unit: b.Unit, Limit: clip(b.Limit), Detail: clip(b.Detail), Stack: b.Stack, index: len(r.Checks),
	}
	r.Checks = append(r.Checks, c)
	if !b.OK {
		f.failed[at] = failed{check: c}
	}
}

// failed is what a record told as failed: a step or a check.
type failed struct {
	step  *Step
	check *Check
}

// failure takes a failure that no step and no check tells, or that what they told as
// failures was held.
func (f *Fold) failure(b *journal.FailureBody) {
	r := &f.run
	if b.Tolerated {
		if by, err := journal.ParsePlace(b.By); err != nil || f.steps[by] == nil { // a step counts at its own end
			r.Tolerated++
		}
	}
	if len(b.Of) == 0 {
		if len(r.Problems) < MaxProblems {
			r.Problems = append(r.Problems, &Failure{r.Now, b.Problem, b.Tolerated})
		}
		return
	}
	if !b.Tolerated {
		return
	}
	// What has ended is shared with snapshots: a copy takes its place.
	for _, text := range b.Of {
		place, err := journal.ParsePlace(text)
		if err != nil {
			continue
		}
		was := f.failed[place]
		if was.step != nil {
			s := copyOf(r.Steps[was.step.Index])
			s.Tolerated = true
			r.Steps[s.Index] = s
		}
		if was.check != nil {
			c := copyOf(was.check)
			c.Tolerated = true
			r.Checks[c.index] = c
		}
		delete(f.failed, place)
	}
}

// watchBegin notes a guard or a steady state before its first reading.
func (f *Fold) watchBegin(kind journal.Kind, at journal.Place, path, name string) *Watch {
	r := &f.run
	byPlace, list := f.guards, &r.Guards
	if kind == journal.Steady {
		byPlace, list = f.steady, &r.Steady
	}
	if w := byPlace[at]; w != nil {
		return w
	}
	w := &Watch{ID: at.String(), Path: path, Name: clip(name), Since: r.Now, At: r.Now, Live: r.State != Ended}
	byPlace[at] = w
	*list = append(*list, w)
	if w.Live {
		br := f.branch(at.Branch)
		br.watches = append(br.watches, openWatch{at.Op, w, kind == journal.Guard})
		if kind == journal.Guard {
			f.guarding++
		}
	}
	return w
}

func (f *Fold) guardBegin(at journal.Place, b *journal.GuardBody) {
	if len(f.run.Guards) >= MaxWatches {
		return
	}
	w := f.watchBegin(journal.Guard, at, b.Path, b.Name)
	w.Breaches, w.Action = b.Breaches, clip(b.Action)
	if !b.Func {
		f.branch(at.Branch).guard = &counting{watch: w}
	}
}

func (f *Fold) steadyBegin(at journal.Place, b *journal.SteadyBody) {
	if len(f.run.Steady) < MaxWatches {
		w := f.watchBegin(journal.Steady, at, b.Path, b.Name)
		if f.run.World == "virtual" {
			return
		}
		if log := f.probe(b.Args); log != nil {
			log.name = cmp.Or(log.name, w.Name)
			log.steady = &counting{watch: w}
		}
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
		w = f.watchBegin(kind, at, b.Path, b.Name)
	}
	f.read = w
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
	o.watch.Live, o.watch.Until = false, f.run.Now
	if o.guard {
		f.guarding--
	}
}
