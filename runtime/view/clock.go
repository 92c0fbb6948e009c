package view

import "time"

// At gives the time of the run at a time of the wall clock, by which a run that goes on
// can be shown between two records.
func (r *Run) At(wall time.Time) time.Duration {
	return wall.Sub(r.Origin) * time.Duration(max(r.Compress, 1))
}
