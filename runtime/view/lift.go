package view

import (
	"cmp"
	"slices"
	"time"
)

// lifts notes whether the faults are off for a while: in a pause that lifts them, or
// while a person is asked. It is called after whatever changes that.
func (f *Fold) lifts() {
	r := &f.run
	lifted := r.Pause != nil && r.Pause.Lifted || f.liftedBy > 0
	switch {
	case lifted == (r.Lift != nil):
	case lifted:
		now := r.Now
		r.Lift = &now
	default:
		if r.Now > *r.Lift && len(r.Lifts) < MaxControls {
			r.Lifts = append(r.Lifts, Span{*r.Lift, r.Now})
		}
		r.Lift = nil
	}
}

// asks and answered note an approval that begins and ends; what it lifts in a pause stays
// lifted until the pause is over, since who asked goes on only then.
func (f *Fold) asks(a *Approval) {
	if a.Faults == faultsLift {
		f.liftedBy++
		f.lifts()
	}
}

func (f *Fold) answered(a *Approval) {
	if a.Faults == faultsLift {
		f.liftedBy--
		if f.run.Pause != nil {
			f.run.Pause.Lifted = true
		}
		f.lifts()
	}
}

// Lifted reports whether the faults are off for a while: in a pause, or while a person is
// asked.
func (r *Run) Lifted() bool { return r.Lift != nil }

// FaultsNow is how many faults have an effect now: those that are on and not lifted, and
// those of which nobody knows that they are off.
func (r *Run) FaultsNow() int {
	n := 0
	for _, f := range r.Faults {
		if f.State == FaultUnclean || f.State == FaultOn && (f.Target == "" || !r.Lifted()) {
			n++
		}
	}
	return n
}

// On are the times at which a fault was on, up to now if it still is: while the faults of
// the run were lifted it was not, nor while nobody ran the run. One of the user's own, on
// no target, is not lifted. One that went off by itself counts until its end was asked for:
// then its lease is only waited for.
func (r *Run) On(f *Fault, now time.Duration) []Span {
	if !f.WasOn {
		return nil
	}
	end := f.End
	switch {
	case !f.Over():
		end = max(now, f.Start)
	case f.State == FaultExpired && f.Lift > 0:
		end = max(f.Lift, f.Start)
	}
	return r.unlifted(f, Span{f.Start, end}, f.Away, now)
}

// met are the times from asking for f until it was confirmed off, in a run that has ended:
// those in which it may have been on. A time in which nobody ran the run is one, too.
func (r *Run) met(f *Fault) []Span {
	switch {
	case f.State == FaultUnclean: // it was never confirmed off
		return r.unlifted(f, Span{f.Asked, r.Now}, nil, r.Now)
	case !f.WasOn:
		return nil
	}
	return r.unlifted(f, Span{f.Asked, f.End}, nil, r.Now)
}

// unlifted are the parts of a span in which f was neither lifted nor away.
func (r *Run) unlifted(f *Fault, of Span, away []Span, now time.Duration) []Span {
	from, end := of.From, of.To
	off := slices.Clone(away)
	if f.Target != "" {
		off = append(off, r.Lifts...)
		if r.Lift != nil {
			off = append(off, Span{*r.Lift, max(now, *r.Lift)})
		}
		slices.SortStableFunc(off, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	}
	var on []Span
	for _, o := range off {
		if o.To <= from || o.From >= end {
			continue
		}
		if o.From > from {
			on = append(on, Span{from, o.From})
		}
		from = o.To
	}
	if from < end || len(on) == 0 && from == of.From {
		on = append(on, Span{from, end})
	}
	return on
}

// OnFor is how long a fault was on.
func (r *Run) OnFor(f *Fault, now time.Duration) (sum time.Duration) {
	for _, s := range r.On(f, now) {
		sum += s.To - s.From
	}
	return sum
}
