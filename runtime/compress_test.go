package runtime

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestCompressedTime compares the two clocks: at the wall time of a due time the run's
// time has come, and a nanosecond before it has not.
func TestCompressedTime(t *testing.T) {
	for _, factor := range []int{0, 1, 3, 60, 86_400, 100_000} {
		for _, due := range []time.Duration{0, 1, 7, time.Millisecond, time.Second + 1, 24*time.Hour - 1} {
			synctest.Test(t, func(t *testing.T) {
				w := NewReal(nil, nil, time.Now())
				w.Compress = factor
				wall := w.wall(due)
				if want := due / time.Duration(max(factor, 1)); wall < want || wall > want+1 {
					t.Errorf("compressed %d times, %s is at %s, want %s", factor, due, wall, want)
				}
				if wall > 0 {
					time.Sleep(wall - 1)
					if now := w.elapsed(); now >= due {
						t.Errorf("compressed %d times, it is %s a nanosecond before %s", factor, now, due)
					}
					time.Sleep(time.Nanosecond)
				}
				if now := w.elapsed(); now < due {
					t.Errorf("compressed %d times, it is only %s at %s", factor, now, due)
				}
			})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := NewReal(nil, nil, time.Now())
		w.Compress = 100_000
		time.Sleep(100 * 24 * time.Hour)
		if w.elapsed() < 200*365*24*time.Hour {
			t.Errorf("after a hundred days it is %s", w.elapsed())
		}
	})
}
