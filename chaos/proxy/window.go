package proxy

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"starquake/chaos"
)

// windowSeconds is how far back a window reaches, in seconds.
const windowSeconds = 600

// MaxWindow is how far back the figures of a window go.
const MaxWindow = windowSeconds * time.Second

// window counts by the second, in a ring. Counting takes no lock: a slot is found by
// its second, and the first to need a new one puts it there.
type window struct {
	slots [windowSeconds]atomic.Pointer[slot]

	// mu is held to replace a slot: what it has counted goes to past.
	mu   sync.Mutex
	past totals
}

// totals are counts of all time.
type totals struct {
	connections, requests, bytesIn, bytesOut uint64
	clean, faulted                           counts
}

// add adds a second.
func (t *totals) add(s *slot) {
	t.connections += s.connections.Load()
	t.requests += s.requests.Load()
	t.bytesIn += s.bytesIn.Load()
	t.bytesOut += s.bytesOut.Load()
	t.clean.addAll(&s.clean)
	t.faulted.addAll(&s.faulted)
}

// total adds up all that was ever counted.
func (w *window) total() totals {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.past
	for i := range w.slots {
		if s := w.slots[i].Load(); s != nil {
			t.add(s)
		}
	}
	return t
}

// slot is one second.
type slot struct {
	second                                   int64
	connections, requests, bytesIn, bytesOut atomic.Uint64
	status                                   [6]atomic.Uint64
	clean, faulted                           histogram
}

// at returns the slot of a time.
func (w *window) at(t time.Time) *slot {
	second := t.Unix()
	place := &w.slots[second%windowSeconds]
	for {
		s := place.Load()
		if s != nil && s.second >= second { // later: the clock was set back, or we are late
			return s
		}
		w.replace(place, s, &slot{second: second})
	}
}

// replace puts a new second in the place of an old one, unless another has.
func (w *window) replace(place *atomic.Pointer[slot], old, fresh *slot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if place.CompareAndSwap(old, fresh) && old != nil {
		w.past.add(old)
	}
}

// request counts a request that has been answered, or, with noAnswer, one whose answer
// did not come or broke off.
func (w *window) request(now, started time.Time, status int, faulted bool) {
	s := w.at(now)
	s.requests.Add(1)
	if class := status / 100; class < len(s.status) {
		s.status[class].Add(1)
	}
	if faulted {
		s.faulted.add(now.Sub(started))
	} else {
		s.clean.add(now.Sub(started))
	}
}

// moved counts bytes. Those of clients are counted where they are read, whatever becomes of
// them: a fault may answer a request, change it, or leave a part of it out.
func (w *window) moved(now time.Time, way direction, n int) {
	if s := w.at(now); way == toUpstream {
		s.bytesIn.Add(uint64(n))
	} else {
		s.bytesOut.Add(uint64(n))
	}
}

// sum adds up the seconds from a moment on, that in which it lies and the present one
// included: what has come since is all there, with at most a second from before.
func (w *window) sum(now, since time.Time) chaos.WindowStats {
	first := min(max(since.Unix(), now.Unix()-windowSeconds+1), now.Unix())
	stats := chaos.WindowStats{Span: now.Sub(time.Unix(first, 0))}
	var clean, faulted, all counts
	for second := first; second <= now.Unix(); second++ {
		s := w.slots[second%windowSeconds].Load()
		if s == nil || s.second != second {
			continue
		}
		stats.Connections += s.connections.Load()
		stats.Requests += s.requests.Load()
		stats.BytesIn += s.bytesIn.Load()
		stats.BytesOut += s.bytesOut.Load()
		for i := range s.status {
			stats.Status[i] += s.status[i].Load()
		}
		clean.addAll(&s.clean)
		faulted.addAll(&s.faulted)
		all.addAll(&s.clean)
		all.addAll(&s.faulted)
	}
	stats.Clean, stats.Faulted, stats.All = clean.latencies(), faulted.latencies(), all.latencies()
	return stats
}

// A histogram has, for each power of two of microseconds, equal buckets that are
// 1/16 of it wide: any figure is right within 1/32. It reaches 71 minutes.
const (
	subBuckets = 16
	octaves    = 28
	buckets    = subBuckets * (octaves + 1)
)

type histogram struct {
	count [buckets]atomic.Uint32
	sum   atomic.Int64 // microseconds
	max   atomic.Int64
}

// bucketOf returns the bucket of a latency in microseconds: those below 16 have one each.
func bucketOf(us int64) int {
	if us < subBuckets {
		return int(max(us, 0))
	}
	shift := bits.Len64(uint64(us)) - 5 // leaves 16..31
	return min((shift+1)*subBuckets+int(us>>shift)-subBuckets, buckets-1)
}

// bucketMiddle returns the middle of a bucket in microseconds.
func bucketMiddle(i int) float64 {
	if i < subBuckets {
		return float64(i)
	}
	shift := i/subBuckets - 1
	low := float64(int64(i%subBuckets+subBuckets) << shift)
	return low + float64(int64(1)<<shift)/2
}

func (h *histogram) add(d time.Duration) {
	us := d.Microseconds()
	h.count[bucketOf(us)].Add(1)
	h.sum.Add(us)
	for {
		old := h.max.Load()
		if us <= old || h.max.CompareAndSwap(old, us) {
			return
		}
	}
}

// counts are histograms added up.
type counts struct {
	count [buckets]uint64
	total uint64
	sum   int64
	max   int64
}

func (c *counts) addAll(h *histogram) {
	for i := range h.count {
		n := uint64(h.count[i].Load())
		c.count[i] += n
		c.total += n
	}
	c.sum += h.sum.Load()
	c.max = max(c.max, h.max.Load())
}

// histogram gives the latencies in buckets that each reach twice as far as the one
// before, cumulated, from a quarter of a millisecond to a good minute.
func (c *counts) histogram() chaos.Histogram {
	h := chaos.Histogram{Count: c.total, Seconds: float64(c.sum) / 1e6, Buckets: map[float64]uint64{}}
	var below uint64
	next := 0
	for us := int64(256); us <= 1<<26; us *= 2 {
		for ; next < bucketOf(us); next++ {
			below += c.count[next]
		}
		h.Buckets[float64(us)/1e6] = below
	}
	return h
}

func (c *counts) latencies() chaos.Latencies {
	if c.total == 0 {
		return chaos.Latencies{}
	}
	return chaos.Latencies{
		Count:  c.total,
		MeanMS: float64(c.sum) / float64(c.total) / 1000,
		P50MS:  c.quantile(0.5), P90MS: c.quantile(0.9), P95MS: c.quantile(0.95),
		P99MS: c.quantile(0.99), P999MS: c.quantile(0.999),
		MaxMS: float64(c.max) / 1000,
	}
}

// quantile returns the latency in milliseconds that the share q does not exceed.
func (c *counts) quantile(q float64) float64 {
	rank := uint64(q * float64(c.total))
	var seen uint64
	for i, n := range c.count {
		if seen += n; seen > rank {
			return min(bucketMiddle(i), float64(c.max)) / 1000
		}
	}
	return float64(c.max) / 1000
}
