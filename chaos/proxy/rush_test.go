package proxy

import (
	"slices"
	"testing"
	"time"
)

func TestRush(t *testing.T) {
	type step struct {
		n     int
		after time.Duration
	}
	steps := func(times int, s ...step) (all []step) {
		for range times {
			all = append(all, s...)
		}
		return all
	}
	fast := steps(100, step{256 << 10, 200 * time.Microsecond})
	for _, e := range []struct {
		what  string
		steps []step
		want  bool
	}{
		{"nothing yet", nil, false},
		{"the first bytes", steps(1, step{1 << 20, 0}), false},
		{"fast", fast, true},
		{"slow", steps(100, step{100_000, 5 * time.Millisecond}), false},
		{"bursts", steps(100, step{32 << 10, time.Millisecond}, step{32 << 10, 10 * time.Microsecond}), false},
		{"units that come whole and go slowly", steps(100, step{1 << 20, 50 * time.Millisecond}), false},
		{"a message after much", slices.Concat(fast, steps(1, step{100, 200 * time.Microsecond})), false},
		{"taken off the processor for a while", slices.Concat(fast, steps(1, step{1 << 20, 3 * time.Millisecond})), true},
		{"fast again", slices.Concat(fast, steps(1, step{100, time.Hour}), fast), true},
	} {
		var r rush
		now := time.Now()
		for _, s := range e.steps {
			now = now.Add(s.after)
			r.moved(s.n, now)
		}
		if r.on() != e.want {
			t.Errorf("%s: %v, %v ahead", e.what, r.on(), r.lead)
		}
	}
}
