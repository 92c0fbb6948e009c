package view

import "time"

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

// On are the times at which a fault was on, up to now if it still is: while the faults of
// the run were lifted it was not. One of the user's own, on no target, is not lifted.
func (r *Run) On(f *Fault, now time.Duration) []Span {
	if !f.WasOn {
		return nil
	}
	from, end := f.Start, f.End
	if !f.Over() {
		end = max(now, f.Start)
	}
	if f.Target == "" {
		return []Span{{from, end}}
	}
	lifts := r.Lifts
	if r.Lift != nil {
		lifts = append(lifts[:len(lifts):len(lifts)], Span{*r.Lift, max(now, *r.Lift)})
	}
	var on []Span
	for _, l := range lifts {
		if l.To <= from || l.From >= end {
			continue
		}
		if l.From > from {
			on = append(on, Span{from, l.From})
		}
		from = l.To
	}
	if from < end || len(on) == 0 && from == f.Start {
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
