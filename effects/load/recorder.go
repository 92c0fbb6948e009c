package load

import (
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// How much is kept, whatever the length of a run.
const (
	// MaxWindow is how far back a window goes.
	MaxWindow   = time.Minute
	windowSlots = int(MaxWindow/time.Second) + 1
	maxPoints   = 600
	// maxBefore bounds Before.Steps: more count as that many.
	maxBefore   = 60
	maxStatuses = 64
	// lateBy is how late a request may be sent, and behindBy how late before the machine
	// counts as the limit.
	lateBy   = 10 * time.Millisecond
	behindBy = 50 * time.Millisecond
	// limitedShare is the share of requests the machine may spoil: see the package comment.
	limitedShare = 0.01
	limitedLeast = 10
)

// highest is the longest latency that a histogram tells from others, in microseconds.
const highest = int64(2 * time.Hour / time.Microsecond)

// Outcome is how one request ended.
type Outcome struct {
	// Status is the status, or the code of what went wrong.
	Status string
	// OK says that the status was expected.
	OK bool
	// Local says that it failed for want of something on this machine.
	Local bool
}

// recorder counts what requests come to. Its times are those of the load's own clock,
// which stands still in a pause.
type recorder struct {
	warmup time.Duration

	mu      sync.Mutex
	total   *hdrhistogram.Histogram // microseconds
	slots   [windowSlots]second
	fig     Figures
	local   int64 // those that this machine spoiled: see the package comment
	offered int64 // counted ones that were due
	// dueSince is the first request due since the last expected answer; 0 with waiting false.
	dueSince time.Duration
	waiting  bool
	lastEnd  time.Duration

	point     *hdrhistogram.Histogram // of the series' open point
	openPoint Point
	step      time.Duration
}

// second is what ended in one second of the load.
type second struct {
	at                            int64 // which one
	hist                          *hdrhistogram.Histogram
	requests, errors, ok, dropped int64
}

func newRecorder(warmup time.Duration) *recorder {
	r := &recorder{warmup: warmup, total: hdrhistogram.New(1, highest, 3), point: hdrhistogram.New(1, highest, 2), step: time.Second}
	r.openPoint.At = warmup.Truncate(time.Second)
	r.fig.ByStatus = map[string]int64{}
	for i := range r.slots {
		r.slots[i].at = -1
	}
	return r
}

// due notes that a request is due.
func (r *recorder) due(intended time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if intended < r.warmup {
		return
	}
	r.offered++
	if !r.waiting {
		r.waiting, r.dueSince = true, intended
	}
}

// sent notes how late a request was sent.
func (r *recorder) sent(intended, late time.Duration) {
	if late <= lateBy || intended < r.warmup {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fig.Late++
	if late > behindBy {
		r.local++
	}
}

// unsent notes a request that this machine could not send in time.
func (r *recorder) unsent(intended time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if intended >= r.warmup {
		r.fig.Dropped++
		r.local++
	}
}

// full notes a request that found no free slot.
func (r *recorder) full(intended time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.second(intended)
	s.requests, s.errors, s.dropped = s.requests+1, s.errors+1, s.dropped+1
	if intended < r.warmup {
		return
	}
	r.fig.Dropped++
	r.count(intended, intended, Outcome{Status: "dropped"})
}

// unfinished notes a request that was cut off so long after it was due. Its answer would
// have taken longer still.
func (r *recorder) unfinished(intended, latency time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if intended < r.warmup {
		return
	}
	r.fig.Unfinished++
	_ = r.total.RecordValue(microseconds(latency))
	r.fig.Max = max(r.fig.Max, latency)
}

// microseconds are a latency as the histograms take it.
func microseconds(latency time.Duration) int64 {
	return min(max(int64(latency/time.Microsecond), 1), highest)
}

// ended notes how a request ended, at that time of the load's clock, and how long
// after it was due.
func (r *recorder) ended(intended, at, latency time.Duration, o Outcome) {
	us := microseconds(latency)
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.second(at)
	s.requests++
	if o.OK {
		s.ok++
	} else {
		s.errors++
	}
	_ = s.hist.RecordValue(us) // it is within the bounds
	if intended < r.warmup {
		return
	}
	_ = r.total.RecordValue(us)
	r.fig.Max = max(r.fig.Max, latency)
	if o.Local {
		r.local++
	}
	r.count(intended, at, o)
	_ = r.point.RecordValue(us)
	r.lastEnd = max(r.lastEnd, at)
	if o.OK && r.waiting {
		r.fig.LongestOutage = max(r.fig.LongestOutage, at-r.dueSince)
		r.waiting = false
	}
}

// count counts a request that is one of the figures.
func (r *recorder) count(intended, at time.Duration, o Outcome) {
	for at >= r.openPoint.At+r.step {
		r.closePoint()
	}
	errors := int64(0)
	if !o.OK {
		errors = 1
	}
	r.fig.Requests++
	r.fig.Errors += errors
	r.openPoint.Requests++
	r.openPoint.Errors += errors
	if early := r.openPoint.At - intended; early > 0 {
		r.openPoint.before(Before{int((early + r.step - 1) / r.step), 1, errors})
	}
	if _, known := r.fig.ByStatus[o.Status]; !known && len(r.fig.ByStatus) >= maxStatuses {
		o.Status = "other"
	}
	r.fig.ByStatus[o.Status]++
}

// second is the counts of the second in which t lies.
func (r *recorder) second(t time.Duration) *second {
	n := int64(t / time.Second)
	s := &r.slots[n%int64(windowSlots)]
	if s.at != n {
		if s.hist == nil {
			s.hist = hdrhistogram.New(1, highest, 2)
		}
		s.hist.Reset()
		*s = second{at: n, hist: s.hist}
	}
	return s
}

// closePoint ends the open point of the series.
func (r *recorder) closePoint() {
	p := r.openPoint
	p.P50, p.P99 = quantile(r.point, 50), quantile(r.point, 99)
	if r.point.TotalCount() > 0 {
		for _, bar := range r.point.Distribution() {
			if bar.Count > 0 {
				p.Took.Add(time.Duration(bar.From+(bar.To-bar.From)/2)*time.Microsecond, int(bar.Count))
			}
		}
	}
	r.point.Reset()
	r.fig.Series = append(r.fig.Series, p)
	r.openPoint = Point{At: p.At + r.step}
	if len(r.fig.Series) < maxPoints {
		return
	}
	// Two points become one. Its percentiles are the higher ones: a chart that hides a
	// spike is worse than one that shows it too wide.
	half := r.fig.Series[:maxPoints/2]
	for i := range half {
		a, b := r.fig.Series[2*i], r.fig.Series[2*i+1]
		half[i] = a.join(&b)
	}
	r.fig.Series = half
	r.step *= 2
}

// join is the point of p and the one that follows it: of a step twice as long.
func (p *Point) join(next *Point) Point {
	both := Point{At: p.At, Requests: p.Requests + next.Requests, Errors: p.Errors + next.Errors, P50: max(p.P50, next.P50), P99: max(p.P99, next.P99), Took: p.Took}
	both.Took.Merge(next.Took)
	for _, b := range p.Before {
		b.Steps = (b.Steps + 1) / 2
		both.before(b)
	}
	for _, b := range next.Before {
		if b.Steps /= 2; b.Steps > 0 { // else they were due in p
			both.before(b)
		}
	}
	return both
}

// before counts requests that were due so many steps before the point's.
func (p *Point) before(b Before) {
	b.Steps = min(b.Steps, maxBefore)
	i, found := slices.BinarySearchFunc(p.Before, b.Steps, func(was Before, steps int) int { return was.Steps - steps })
	if !found {
		p.Before = slices.Insert(p.Before, i, Before{Steps: b.Steps})
	}
	p.Before[i].Requests += b.Requests
	p.Before[i].Errors += b.Errors
}

// window gives the figures of the last so long, at that time of the load's clock.
func (r *recorder) window(now, last time.Duration) *Window {
	n := max(1, min(int64(last/time.Second), int64(windowSlots-1)))
	w := new(Window)
	hist := hdrhistogram.New(1, highest, 2)
	ok := int64(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	// The second under way counts with its part, and the oldest is whole: a window is
	// up to a second longer than asked for.
	from := int64(now/time.Second) - n
	for i := range r.slots {
		s := &r.slots[i]
		if s.at < 0 || s.at < from {
			continue
		}
		hist.Merge(s.hist)
		w.Requests, w.Errors, w.Dropped, ok = w.Requests+s.requests, w.Errors+s.errors, w.Dropped+s.dropped, ok+s.ok
	}
	w.Span = now - max(0, time.Duration(from)*time.Second)
	if w.Requests > 0 {
		w.ErrorRate = float64(w.Errors) / float64(w.Requests)
	}
	if w.Span > 0 {
		w.Throughput = float64(ok) / w.Span.Seconds()
	}
	w.P50, w.P90, w.P95 = quantile(hist, 50), quantile(hist, 90), quantile(hist, 95)
	w.P99, w.P999, w.Max = quantile(hist, 99), quantile(hist, 99.9), quantile(hist, 100)
	return w
}

// figures gives the figures of load that was due until that time of its clock.
func (r *recorder) figures(until time.Duration) *Figures {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.openPoint.Requests > 0 {
		r.closePoint()
	}
	f := &r.fig
	f.Span, f.Step = max(0, until-r.warmup), r.step
	if r.waiting && f.Requests > 0 {
		f.LongestOutage = max(f.LongestOutage, max(until, r.lastEnd)-r.dueSince)
	}
	f.P50, f.P90, f.P95 = quantile(r.total, 50), quantile(r.total, 90), quantile(r.total, 95)
	f.P99, f.P999 = quantile(r.total, 99), quantile(r.total, 99.9)
	if f.Requests > 0 {
		f.ErrorRate = float64(f.Errors) / float64(f.Requests)
	}
	if f.Span > 0 {
		f.Throughput = float64(f.Requests-f.Errors) / f.Span.Seconds()
	}
	f.GeneratorLimited = r.local >= limitedLeast && float64(r.local) > limitedShare*float64(r.offered)
	return f
}

// quantile is a percentile of a histogram of microseconds, 0 of an empty one.
func quantile(h *hdrhistogram.Histogram, q float64) time.Duration {
	if h.TotalCount() == 0 {
		return 0
	}
	return time.Duration(h.ValueAtQuantile(q)) * time.Microsecond
}
