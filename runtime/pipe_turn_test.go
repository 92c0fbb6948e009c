package runtime_test

import (
	"testing"
	"testing/synctest"
	"time"

	"starquake/runtime"
)

// TestTurnTimer: a process that gets little processor time is given more of the clock, one
// that computes is not, and one that is never heard of again is ended too.
func TestTurnTimer(t *testing.T) {
	for name, c := range map[string]struct {
		share float64 // of the processor that the process gets; negative: nobody knows
		takes time.Duration
		late  time.Duration // 0: it is in time
	}{
		"in time":                 {1, 900 * time.Millisecond, 0},
		"computes":                {1, time.Hour, time.Second},
		"on a busy machine":       {0.1, 9 * time.Second, 0},
		"computes, on a busy one": {0.1, time.Hour, 10 * time.Second},
		"stuck":                   {0, time.Hour, 30 * time.Second},
		"on several processors":   {2, 900 * time.Millisecond, 0},
		"unknown":                 {-1, time.Hour, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				epoch := time.Now()
				lates := make(chan time.Time, 1)
				timer := runtime.TurnTimer{Limit: time.Second, Late: func() { lates <- time.Now() }}
				if c.share >= 0 {
					timer.Used = func() time.Duration { return time.Duration(c.share * float64(time.Since(epoch))) }
				}
				for range 3 { // turns
					began := time.Now()
					timer.Begin()
					time.Sleep(c.takes)
					if inTime := timer.End(); inTime != (c.late == 0) {
						t.Errorf("in time: %t", inTime)
					}
					if c.late != 0 {
						if late := (<-lates).Sub(began); late < c.late || late > c.late+c.late/100 {
							t.Errorf("late after %s, expected %s", late, c.late)
						}
					}
					time.Sleep(time.Hour) // it does not ring between turns
				}
			})
		})
	}
}
