package series

import (
	"encoding/json"
	"testing"
	"time"
)

// TestBuckets wants every duration back to within 7 %.
func TestBuckets(t *testing.T) {
	for d := time.Microsecond; d < 48*time.Hour; d += d/37 + time.Microsecond {
		var h Histogram
		h.add(bucketOf(d), 1)
		got := h.Quantile(0.5)
		if off := float64(got-d) / float64(d); off > 0.07 || off < -0.13 && d > 8*time.Microsecond || off < -0.5 {
			t.Fatalf("%s comes back as %s", d, got)
		}
	}
}

// TestQuantile has ten readings of which one is slow.
func TestQuantile(t *testing.T) {
	var h Histogram
	for range 9 {
		h.add(bucketOf(10*time.Millisecond), 1)
	}
	h.add(bucketOf(time.Second), 1)
	if p50, p99 := h.Quantile(0.5), h.Quantile(0.99); p50 > 11*time.Millisecond || p99 < 900*time.Millisecond {
		t.Errorf("p50 is %s, p99 %s", p50, p99)
	}
	if got := (Histogram{}).Quantile(0.5); got != 0 {
		t.Errorf("of nothing p50 is %s", got)
	}
}

// TestBounded reads a day once a second: the points stay few, the counts exact, and
// what is written of them small.
func TestBounded(t *testing.T) {
	var s Series
	const day = 86400
	for i := range day {
		s.Add(time.Duration(i)*time.Second, i < 40000 || i >= 40100, time.Duration(5+i%50)*time.Millisecond)
		if len(s.Points) > MaxPoints {
			t.Fatalf("after %d readings there are %d points", i, len(s.Points))
		}
	}
	seen, bad := 0, 0
	var badAt time.Duration
	for i, p := range s.Points {
		seen, bad = seen+p.Seen, bad+p.Bad
		if p.Bad > 0 && badAt == 0 {
			badAt = p.BadAt
		}
		if i > 0 && p.At <= s.Points[i-1].At {
			t.Errorf("point %d is at %s, the one before at %s", i, p.At, s.Points[i-1].At)
		}
	}
	if seen != day || bad != 100 || badAt != 40000*time.Second+5*time.Millisecond {
		t.Errorf("%d readings, %d bad, the first at %s; want %d, 100, 40000s", seen, bad, badAt, day)
	}
	text, err := json.Marshal(s.Points)
	if err != nil || len(text) > 128<<10 {
		t.Errorf("the points take %d bytes, want at most 128 KiB (%v)", len(text), err)
	}
}

// TestAllocations wants a reading of a full series to cost no memory that stays.
func TestAllocations(t *testing.T) {
	var s Series
	at := time.Duration(0)
	add := func() {
		at += time.Second
		s.Add(at, true, 5*time.Millisecond)
	}
	for range 10_000 {
		add()
	}
	if n := testing.AllocsPerRun(10_000, add); n > 1 {
		t.Errorf("a reading allocates %.1f times, want at most once", n)
	}
}

func FuzzHistogram(f *testing.F) {
	f.Add([]byte(`[[3,1],[-5,2],[99999999,-7]]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var h Histogram
		if json.Unmarshal(text, &h) != nil {
			return
		}
		if got := h.Quantile(0.99); got < 0 {
			t.Errorf("%s gives %s", text, got)
		}
	})
}
