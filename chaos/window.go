package chaos

import "time"

// WindowStats are a proxy's figures of some span up to now.
type WindowStats struct {
	// Span is what the figures cover: from the beginning of the second in which what was
	// asked for began, up to now, at most ten minutes.
	Span time.Duration `json:"span_ns"`
	// Connections and Requests that came; Requests only of HTTP, when they have ended, and
	// not those whose client has left.
	Connections uint64 `json:"connections"`
	Requests    uint64 `json:"requests"`
	// ActiveConns are open now.
	ActiveConns int `json:"active_conns"`
	// BytesIn came from clients, BytesOut went to them.
	BytesIn  uint64 `json:"bytes_in"`
	BytesOut uint64 `json:"bytes_out"`
	// Status counts answers by class: Status[5] those from 500 to 599, Status[0] requests
	// without an answer, or with one that broke off.
	Status [6]uint64 `json:"status"`
	// All, Faulted and Clean are the latencies of all requests, of those that a fault
	// touched, and of the others: from the head of the request to the end of the answer.
	All     Latencies `json:"all"`
	Faulted Latencies `json:"faulted"`
	Clean   Latencies `json:"clean"`
}

// Latencies sums a number of latencies up. Quantiles are right within 3 %.
type Latencies struct {
	Count  uint64  `json:"count"`
	MeanMS float64 `json:"mean_ms"`
	P50MS  float64 `json:"p50_ms"`
	P90MS  float64 `json:"p90_ms"`
	P95MS  float64 `json:"p95_ms"`
	P99MS  float64 `json:"p99_ms"`
	P999MS float64 `json:"p999_ms"`
	MaxMS  float64 `json:"max_ms"`
}

// Totals are a proxy's figures since it was made.
type Totals struct {
	Connections, Requests, BytesIn, BytesOut uint64
	// Faulted and Clean are the latencies of requests that a fault touched, and of others.
	Faulted, Clean Histogram
}

// Histogram counts latencies. Buckets tells how many took less than so many seconds.
type Histogram struct {
	Count   uint64
	Seconds float64 // the sum
	Buckets map[float64]uint64
}
