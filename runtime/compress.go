package runtime

import (
	"math"
	"time"
)

// elapsed is the time of the run. Compressed, every wait of the runtime's own takes a part
// of its time: sleeps, durations of steps, delays, ramps, time-outs and the seconds of a
// steady state or a wait. What the outside takes is not the run's to shorten: a request,
// load, and the readings of a probe or a guard take as long as they take.
func (w *Real) elapsed() time.Duration { return w.at(time.Now()) }

// at is the run's time at a time of the wall clock.
func (w *Real) at(t time.Time) time.Duration {
	d := t.Sub(w.origin)
	if k := time.Duration(w.Compress); k > 1 {
		return min(d, math.MaxInt64/k) * k
	}
	return d
}

// wall is how long after the origin the wall clock shows the run's time d. It is never
// too early: elapsed has come to d by then.
func (w *Real) wall(d time.Duration) time.Duration {
	if w.Compress <= 1 {
		return d
	}
	k := time.Duration(w.Compress)
	return d/k + min(d%k, 1)
}
