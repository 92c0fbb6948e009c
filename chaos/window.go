package chaos

import "time"

// WindowStats are a proxy's figures of some span up to now.
type WindowStats struct {
	// Span is what the figures cover: from the beginning of the second in which what was
	// asked for began, up to now, at most ten minutes.
	Span time.Duration `json:"span_ns" doc:"What the figures cover, in nanoseconds: from the beginning of the second in which what was asked for began, up to now."`
	// Connections and Requests that came; Requests only of HTTP, when they have ended, and
	// not those whose client has left.
	Connections uint64 `json:"connections" doc:"Connections that came."`
	Requests    uint64 `json:"requests" doc:"Requests that came, of HTTP and what is built on it, when they have ended, and not those whose client has left."`
	// ActiveConns are open now.
	ActiveConns int `json:"active_conns" doc:"Connections that are open now."`
	// BytesIn came from clients, whatever became of them; BytesOut went to them.
	BytesIn  uint64 `json:"bytes_in" doc:"Bytes that came from clients, whoever answers."`
	BytesOut uint64 `json:"bytes_out" doc:"Bytes that went to clients."`
	// Status counts answers by class: Status[5] those from 500 to 599, Status[0] requests
	// without an answer, or with one that broke off.
	Status [6]uint64 `json:"status" doc:"Answers by class: the sixth number counts those from 500 to 599, the third those from 200 to 299, the first requests without an answer, or with one that broke off."`
	// All, Faulted and Clean are the latencies of all requests, of those that a fault
	// touched, and of the others: from the head of the request to the end of the answer.
	// A fault touches what it hits, and what is under way over a connection that it holds,
	// slows or ends.
	All     Latencies `json:"all" doc:"The latencies of all requests, from the head of the request to the end of the answer: count, and in milliseconds mean_ms, p50_ms, p90_ms, p95_ms, p99_ms, p999_ms and max_ms."`
	Faulted Latencies `json:"faulted" doc:"Those of requests that a fault touched: that it hit, or that were under way over a connection that it held, slowed or ended."`
	Clean   Latencies `json:"clean" doc:"Those of the others."`
}

// Latencies sums a number of latencies up. Quantiles are right within 3 %.
type Latencies struct {
	Count  uint64  `json:"count" doc:"How many there are."`
	MeanMS float64 `json:"mean_ms" doc:"Their mean, in milliseconds."`
	P50MS  float64 `json:"p50_ms" doc:"The time within which half of them were, in milliseconds; quantiles are right within 3 %."`
	P90MS  float64 `json:"p90_ms" doc:"Within which 90 % were."`
	P95MS  float64 `json:"p95_ms" doc:"Within which 95 % were."`
	P99MS  float64 `json:"p99_ms" doc:"Within which 99 % were."`
	P999MS float64 `json:"p999_ms" doc:"Within which 99.9 % were."`
	MaxMS  float64 `json:"max_ms" doc:"The longest."`
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
