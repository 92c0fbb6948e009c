package view

import "time"

// Elapsed is how long the run has been at work at now, without its pauses. A now
// before the latest record counts as the time of that record; after the end it
// does not matter.
func (r *Run) Elapsed(now time.Duration) time.Duration {
	if r.State == Ended {
		now = r.Now
	}
	now = max(now, r.Now)
	if r.Pause != nil {
		now = r.Pause.Since
	}
	return max(0, now-r.PausedIn)
}

// Worked is how long the latest try of a step has been at work at now, without
// pauses: what its planned duration is measured against.
func (r *Run) Worked(s *Step, now time.Duration) time.Duration {
	return max(0, r.Elapsed(now)-s.TryClock)
}

// Left is how much of a sleep is left at now; it does not fall in a pause.
func (r *Run) Left(z *Sleep, now time.Duration) time.Duration {
	return max(0, z.For-(r.Elapsed(now)-z.Clock))
}

// Progress is the share of a run that is done at now: elapsed over the total that
// its plan had, at most 0.99 until the end, then 1. It is nil without a total.
func (r *Run) Progress(planned *time.Duration, now time.Duration) *float64 {
	if planned == nil {
		return nil
	}
	share := 1.0
	if r.State != Ended {
		share = 0
		// A plan of no length says nothing of how far its run is.
		if *planned > 0 {
			share = min(0.99, float64(r.Elapsed(now))/float64(*planned))
		}
	}
	return &share
}

// Total is how long the run takes, if it is over and its end is its own; nil
// otherwise. Of a plan it is the planned total that Progress wants.
func (r *Run) Total() *time.Duration {
	if r.State != Ended || r.Endless {
		return nil
	}
	total := r.Now
	return &total
}
