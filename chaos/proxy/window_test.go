package proxy

import (
	"math"
	"testing"
	"time"
)

func TestBuckets(t *testing.T) {
	last := -1
	for us := int64(0); us < 1<<31; us += 1 + us/50 {
		i := bucketOf(us)
		if i < last || i >= buckets {
			t.Fatalf("%d µs is in bucket %d, after %d of %d", us, i, last, buckets)
		}
		last = i
		if got := bucketMiddle(i); math.Abs(got-float64(us)) > float64(us)/30+0.5 {
			t.Fatalf("%d µs is read as %v", us, got)
		}
	}
	if bucketOf(math.MaxInt64) != buckets-1 || bucketOf(-5) != 0 {
		t.Error("what is out of range is not in the outermost buckets")
	}
}

func TestWindowSums(t *testing.T) {
	var w window
	start := time.Unix(1_000_000_000, 0)
	for i := range 1000 { // over ten seconds, latencies 1 to 1000 ms
		now := start.Add(time.Duration(i) * 10 * time.Millisecond)
		status := 200
		if i%10 == 0 {
			status = 503
		}
		w.request(now, now.Add(-time.Duration(i+1)*time.Millisecond), status, i%2 == 1)
	}
	now := start.Add(9990 * time.Millisecond)
	s := w.sum(now, start)
	if s.Requests != 1000 || s.Status[5] != 100 || s.Status[2] != 900 || s.Clean.Count != 500 || s.Faulted.Count != 500 {
		t.Errorf("sums %+v", s)
	}
	for _, f := range []struct{ got, want float64 }{{s.All.P50MS, 500}, {s.All.P99MS, 990}, {s.All.MaxMS, 1000}, {s.All.MeanMS, 500.5}} {
		if math.Abs(f.got-f.want) > f.want*0.035 {
			t.Errorf("got %v ms, want %v ± 3 %%", f.got, f.want)
		}
	}
	later := now.Add(windowSeconds * time.Second)
	for _, c := range []struct {
		now, since time.Time
		requests   uint64
		span       time.Duration
	}{
		{now, start.Add(7490 * time.Millisecond), 300, 2990 * time.Millisecond},
		{now, start.Add(7 * time.Second), 300, 2990 * time.Millisecond},
		{now, start.Add(6990 * time.Millisecond), 400, 3990 * time.Millisecond}, // not one of those since is missing
		{now, now, 100, 990 * time.Millisecond},
		{now, now.Add(time.Hour), 100, 990 * time.Millisecond}, // the clock was set back
		{later, start, 0, (windowSeconds-1)*time.Second + 990*time.Millisecond},
	} {
		if s := w.sum(c.now, c.since); s.Requests != c.requests || s.Span != c.span {
			t.Errorf("of %s: %d requests over %v, want %d over %v", c.now.Sub(c.since), s.Requests, s.Span, c.requests, c.span)
		}
	}
}

// TestWindowTotals: what leaves the window stays in the totals.
func TestWindowTotals(t *testing.T) {
	var w window
	start := time.Unix(1_000_000_000, 0)
	const seconds = 2*windowSeconds + 100
	for i := range seconds {
		now := start.Add(time.Duration(i) * time.Second)
		w.request(now, now.Add(-time.Duration(1+i%2)*time.Millisecond), 200, i%2 == 1)
	}
	total := w.total()
	clean, faulted := total.clean.histogram(), total.faulted.histogram()
	if total.requests != seconds || clean.Count != seconds/2 || faulted.Count != seconds/2 {
		t.Errorf("%d requests, %d clean, %d faulted; want %d", total.requests, clean.Count, faulted.Count, seconds)
	}
	if math.Abs(clean.Seconds-seconds/2*0.001) > 1e-9 || math.Abs(faulted.Seconds-seconds/2*0.002) > 1e-9 {
		t.Errorf("sums %v and %v", clean.Seconds, faulted.Seconds)
	}
	// 1 ms is below 1.024 ms, 2 ms below 2.048 ms and not below 1.024 ms.
	if clean.Buckets[0.000512] != 0 || clean.Buckets[0.001024] != seconds/2 || faulted.Buckets[0.001024] != 0 || faulted.Buckets[0.002048] != seconds/2 {
		t.Errorf("buckets %v and %v", clean.Buckets, faulted.Buckets)
	}
}
