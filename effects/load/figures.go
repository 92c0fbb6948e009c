package load

import (
	"time"

	"starquake/runtime/series"
)

// Figures are what came of load. Latencies are from the intended time to the end of the
// answer, those of failed requests included: a request that times out is as slow as its
// timeout.
type Figures struct {
	// Requests are those that were due after the warm-up and were sent, or found no
	// free slot.
	Requests int64 `json:"requests"`
	// Errors are those of Requests without an expected answer; ErrorRate is their share.
	Errors    int64         `json:"errors"`
	ErrorRate float64       `json:"error_rate"`
	P50       time.Duration `json:"p50"`
	P90       time.Duration `json:"p90"`
	P95       time.Duration `json:"p95"`
	P99       time.Duration `json:"p99"`
	P999      time.Duration `json:"p999"`
	Max       time.Duration `json:"max"`
	// Throughput is how many expected answers came for each second of Span.
	Throughput float64 `json:"throughput"`
	// ByStatus counts Requests by status ("200", "OK") or by what went wrong ("timeout",
	// "reset", "dropped").
	ByStatus map[string]int64 `json:"by_status,omitempty"`
	// Dropped are the requests that were due and not sent: for want of a slot (errors
	// too), or because this machine was more than a second behind (no Requests).
	Dropped int64 `json:"dropped,omitempty"`
	// Late are those sent more than ten milliseconds after they were due.
	Late int64 `json:"late,omitempty"`
	// Unfinished are those that had no answer when the load was ended before its time. They
	// are none of Requests; their latencies so far are among the others.
	Unfinished int64 `json:"unfinished,omitempty"`
	// LongestOutage is the longest time in which requests were due and none was answered
	// as expected.
	LongestOutage time.Duration `json:"longest_outage"`
	// GeneratorLimited says that the machine, not the system under test, was the limit.
	GeneratorLimited bool `json:"generator_limited,omitempty"`
	// StoppedBy is the condition of StopWhen that ended the load; "" without one.
	StoppedBy string `json:"stopped_by,omitempty"`
	// Span is the time that was counted: without warm-up and pauses.
	Span time.Duration `json:"span"`
	// Series has a point for each Step of Span, at most 600 of them: Step doubles
	// whenever there would be more.
	Series []Point       `json:"series,omitempty"`
	Step   time.Duration `json:"step,omitempty"`
}

// Point is what ended in one step of the series.
type Point struct {
	At       time.Duration `json:"at"` // the step's beginning, since the load's
	Requests int64         `json:"requests"`
	Errors   int64         `json:"errors,omitempty"`
	P50      time.Duration `json:"p50"`
	P99      time.Duration `json:"p99"`
	// Took counts the requests that ended by how long they took, so that points can be
	// put together: the 99th percentile of a minute is none of the 99th percentiles of
	// its seconds. Journals older than this field have none.
	Took series.Histogram `json:"took,omitempty"`
	// Before are those of Requests that were due in an earlier step, so that what a fault
	// has delayed can be told from what was sent after it. Journals older than this field
	// have none.
	Before []Before `json:"before,omitempty"`
}

// Before counts requests by the step in which they were due.
type Before struct {
	Steps    int   `json:"steps"` // how many before the one in which they ended
	Requests int64 `json:"requests"`
	Errors   int64 `json:"errors,omitempty"`
}

// Window is what ended in the last so long of load.
type Window struct {
	Requests   int64         `json:"requests"`
	Errors     int64         `json:"errors"`
	ErrorRate  float64       `json:"error_rate"`
	P50        time.Duration `json:"p50"`
	P90        time.Duration `json:"p90"`
	P95        time.Duration `json:"p95"`
	P99        time.Duration `json:"p99"`
	P999       time.Duration `json:"p999"`
	Max        time.Duration `json:"max"`
	Throughput float64       `json:"throughput"`
	Dropped    int64         `json:"dropped,omitempty"`
	// Span is how much time the window has: less than asked for at the beginning.
	Span time.Duration `json:"span"`
}

// Figure gives a figure by name, a latency in seconds. It is not ok where nothing was
// there to measure it.
func (w *Window) Figure(name string) (v float64, ok bool) {
	some := w.Requests > 0
	answered := w.Requests > w.Dropped
	switch name {
	case "requests":
		return float64(w.Requests), true
	case "errors":
		return float64(w.Errors), true
	case "dropped":
		return float64(w.Dropped), true
	case "throughput":
		return w.Throughput, w.Span > 0
	case "error_rate":
		return w.ErrorRate, some
	case "p50":
		return w.P50.Seconds(), answered
	case "p90":
		return w.P90.Seconds(), answered
	case "p95":
		return w.P95.Seconds(), answered
	case "p99":
		return w.P99.Seconds(), answered
	case "p999":
		return w.P999.Seconds(), answered
	case "max":
		return w.Max.Seconds(), answered
	}
	return 0, false
}

// plannedLatency is that of every request in a plan.
const plannedLatency = time.Millisecond

// Planned are the figures of load that ran for so long and went as planned: every
// request answered as expected, in a millisecond.
func (s *Spec) Planned(ran time.Duration) *Figures {
	if s.Duration > 0 {
		ran = min(ran, s.Duration)
	}
	f := &Figures{Requests: s.Count(min(s.Warmup, ran), ran), Span: max(0, ran-s.Warmup)}
	if f.Requests == 0 {
		return f
	}
	f.P50, f.P90, f.P95, f.P99, f.P999, f.Max = plannedLatency, plannedLatency, plannedLatency, plannedLatency, plannedLatency, plannedLatency
	f.Throughput = float64(f.Requests) / f.Span.Seconds()
	status := "200"
	if s.GRPC != nil {
		status = "OK"
	}
	f.ByStatus = map[string]int64{status: f.Requests}
	return f
}

// PlannedWindow are the figures of the last so long of load that has gone on for ran, if
// every request is answered as expected.
func (s *Spec) PlannedWindow(ran, last time.Duration) *Window {
	if s.Duration > 0 {
		ran = min(ran, s.Duration)
	}
	w := &Window{Span: min(ran, last)}
	if w.Requests = s.Count(ran-w.Span, ran); w.Requests == 0 {
		return w
	}
	w.P50, w.P90, w.P95, w.P99, w.P999, w.Max = plannedLatency, plannedLatency, plannedLatency, plannedLatency, plannedLatency, plannedLatency
	w.Throughput = float64(w.Requests) / w.Span.Seconds()
	return w
}
