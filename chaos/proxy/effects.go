package proxy

import (
	"time"

	"starquake/chaos"
)

// effectRow is what the proxy does for one kind of fault.
type effectRow struct {
	kind string
	// rank is the place in the order in which a request meets the kinds (FAULTS.md,
	// "How faults compose").
	rank int
	// prepare makes a valid fault ready. What it returns is used by all connections
	// at once.
	prepare func(f *chaos.Fault) acts
}

// acts are the ways a fault acts. A nil one: it does not act there, and a connection
// that offers no other is counted as inapplicable.
type acts struct {
	// request adds to v what happens to one HTTP request that the fault hits, and
	// reports whether anything does. n is the request's number for this fault.
	request func(v *verdict, by *active, n uint64, elapsed time.Duration) bool
	// chunk returns by how much a chunk of a stream that the fault hits is delayed.
	// n tells chunks apart for the fault's draws.
	chunk func(by *active, n uint64, elapsed time.Duration) time.Duration
	// ways says on which ways chunk does anything.
	ways [2]bool
}

// The ranks. There is room between them for the kinds to come.
const (
	rankConnection = 100 * (iota + 1)
	rankRateLimit
	rankBulkhead
	rankCircuitBreaker
	rankLatency
	rankError
	rankResponse
	rankBandwidth
)

// rowOf returns the row of a kind, or nil.
func rowOf(kind string) *effectRow {
	for _, row := range []effectRow{
		{"latency", rankLatency, prepareLatency},
		{"http_error", rankError, prepareHTTPError},
	} {
		if row.kind == kind {
			return &row
		}
	}
	return nil
}

// direction is the way that bytes go.
type direction uint8

const (
	toUpstream direction = iota // requests
	toClient                    // responses
)

// verdict is what the faults make of one request.
type verdict struct {
	// request delays are served before the request goes on, response delays before
	// its answer does.
	request, response []delay
	// answer, if it has a status, is given instead of the upstream's.
	answer answer
	// hit says that a fault did anything.
	hit bool
}

// decide asks the faults that are on what happens to a request.
func (p *Proxy) decide(req *chaos.Request) verdict {
	var v verdict
	snap := p.faults.Load()
	if len(snap.order) == 0 {
		return v
	}
	now := time.Now()
	for _, a := range snap.order {
		if a.acts.request == nil {
			continue
		}
		elapsed := a.clock.Load().elapsed(now)
		if !a.fault.ActiveAt(elapsed) || !a.matcher.Fits(req) {
			continue
		}
		n, hit := a.meets(elapsed)
		if hit && a.acts.request(&v, a, n, elapsed) {
			a.hit.Add(1)
			v.hit = true
		}
	}
	return v
}

func prepareLatency(f *chaos.Fault) acts {
	l := chaos.NewLatency(f)
	return acts{
		request: func(v *verdict, by *active, n uint64, elapsed time.Duration) bool {
			// Each way has draws of its own: 2n and 2n+1.
			if l.Request {
				v.request = append(v.request, delay{by, l.Delay(by.draws, 2*n, elapsed)})
			}
			if l.Response {
				v.response = append(v.response, delay{by, l.Delay(by.draws, 2*n+1, elapsed)})
			}
			return true
		},
		chunk: func(by *active, n uint64, elapsed time.Duration) time.Duration {
			return l.Delay(by.draws, n, elapsed)
		},
		ways: [2]bool{toUpstream: l.Request, toClient: l.Response},
	}
}

func prepareHTTPError(f *chaos.Fault) acts {
	e := chaos.NewHTTPError(f)
	return acts{
		request: func(v *verdict, by *active, n uint64, elapsed time.Duration) bool {
			if v.answer.status != 0 {
				return false // an older fault answers
			}
			code := e.Code(by.draws, n, elapsed)
			if code == 0 {
				return false
			}
			v.answer = answer{status: code, body: e.Body, headers: e.Headers, fault: by.fault.Kind}
			return true
		},
	}
}
