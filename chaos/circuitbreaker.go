package chaos

import (
	"sync"
	"time"
)

func circuitBreakerKind() Kind {
	count := func(name, def, doc string) ParamSpec {
		return ParamSpec{Name: name, Type: TypeInt, Min: 1, Max: 1e6, Ramp: true, Default: def, Doc: doc}
	}
	return Kind{
		Name: "circuit_breaker",
		Doc: "Answers 503 while its circuit is open. Failures of the upstream, and those that other faults inject, open it; " +
			"after a time a few requests are let through, and open or close it again.",
		Protocols: []string{"http", "grpc", "graphql"},
		Params: []ParamSpec{
			count("failure_threshold", "5", "how many failures in a row open the circuit"),
			count("success_threshold", "2", "how many successes, while it is half open, close it"),
			{Name: "timeout", Type: TypeDuration, Min: float64(time.Millisecond), Max: float64(maxDelay), Ramp: true, Default: `"60s"`,
				Doc: "how long it is open before it is half open"},
			count("half_open_max", "3", "how many requests may be under way while it is half open"),
			{Name: "failure_rate_percent", Type: TypePercent, Min: 0.001, Max: 100, Ramp: true, Default: "50",
				Doc: "which rate of failures within the window opens it too"},
			count("min_requests", "10", "how many requests the window must have for that"),
			{Name: "window", Type: TypeDuration, Min: float64(time.Millisecond), Max: float64(maxDelay), Ramp: true, Default: `"10s"`,
				Doc: "how far back the rate looks"},
		},
	}
}

// CircuitBreaker is a fault of kind circuit_breaker made ready. Use one for all
// connections, which may be at once.
//
// Closed, it lets all pass and looks at how they end. It opens after so many failures
// in a row, or when the rate of failures within the window is too high. Open, it lets
// none pass. After a time it is half open: a few may be under way at once, of which
// the first failure opens it again, and enough successes close it.
type CircuitBreaker struct {
	failures, successes, timeout, trials, percent, least, window Value

	mu    sync.Mutex
	state Circuit
	// turn counts the changes of state. A request that began before the last one says
	// nothing about the circuit any more.
	turn   uint64
	opened time.Time // when it opened last
	row    int       // closed: failures in a row; half open: successes
	under  int       // half open: requests under way
	past   rolling
}

// Circuit is the state of a circuit breaker.
type Circuit string

// The states.
const (
	Closed   Circuit = "closed"
	Open     Circuit = "open"
	HalfOpen Circuit = "half_open"
)

// Outcome is how a request ended.
type Outcome int

// The outcomes.
const (
	Unknown   Outcome = iota // the client gave up, or nobody asked the upstream
	Succeeded                // an answer below 500, or of gRPC a code that does not blame the server
	Failed                   // any other answer, or none
)

// Passage is a request that a circuit breaker has let pass. It has to be handed to Done.
type Passage struct{ turn uint64 }

// NewCircuitBreaker makes f, which is valid, ready.
func NewCircuitBreaker(f *Fault) *CircuitBreaker {
	return &CircuitBreaker{
		failures: f.Number("failure_threshold"), successes: f.Number("success_threshold"), timeout: f.Number("timeout"),
		trials: f.Number("half_open_max"), percent: f.Number("failure_rate_percent"), least: f.Number("min_requests"),
		window: f.Number("window"), state: Closed,
	}
}

// Enter asks whether a request may pass now. elapsed is the time since the fault went
// on, by which its ramps go; it stands still in a pause, while the circuit goes by the
// clock.
func (c *CircuitBreaker) Enter(now time.Time, elapsed time.Duration) (Passage, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Open && now.Sub(c.opened) >= c.timeout.Duration(elapsed) {
		c.turnTo(HalfOpen, now)
	}
	switch c.state {
	case Open:
		return Passage{}, false
	case HalfOpen:
		if c.under >= c.trials.Int(elapsed) {
			return Passage{}, false
		}
		c.under++
	}
	return Passage{c.turn}, true
}

// Done says how a request that had passed has ended.
func (c *CircuitBreaker) Done(p Passage, outcome Outcome, now time.Time, elapsed time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.turn != c.turn {
		return
	}
	switch c.state {
	case HalfOpen:
		c.under--
		switch outcome {
		case Failed:
			c.turnTo(Open, now)
		case Succeeded:
			if c.row++; c.row >= c.successes.Int(elapsed) {
				c.turnTo(Closed, now)
			}
		}
	case Closed:
		c.judge(outcome, now, elapsed)
	}
}

// judge counts an outcome while the circuit is closed, and opens it if that is one too
// many. The caller holds mu.
func (c *CircuitBreaker) judge(outcome Outcome, now time.Time, elapsed time.Duration) {
	if outcome == Unknown {
		return
	}
	failed := outcome == Failed
	if c.row++; !failed {
		c.row = 0
	}
	all, bad := c.past.add(failed, now, c.window.Duration(elapsed))
	tooMany := all >= c.least.Int(elapsed) && 100*float64(bad) >= c.percent.At(elapsed)*float64(all)
	if failed && (c.row >= c.failures.Int(elapsed) || tooMany) {
		c.turnTo(Open, now)
	}
}

func (c *CircuitBreaker) turnTo(state Circuit, now time.Time) {
	c.state, c.row, c.under, c.past = state, 0, 0, rolling{}
	c.turn++
	if state == Open {
		c.opened = now
	}
}

// State returns the state now.
func (c *CircuitBreaker) State(now time.Time, elapsed time.Duration) Circuit {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Open && now.Sub(c.opened) >= c.timeout.Duration(elapsed) {
		return HalfOpen
	}
	return c.state
}

// slots is how finely a rolling window forgets: by a tenth of its length at a time.
const slots = 10

// rolling counts outcomes within a window of time. The zero one has none.
type rolling struct {
	counts [slots]struct{ slot, all, bad int64 }
}

// add counts one outcome and returns the counts of the window.
func (r *rolling) add(failed bool, now time.Time, window time.Duration) (all, bad int) {
	width := max(1, int64(window)/slots)
	// Slots are numbered from the zero of Unix time, and of a window whose length
	// changes by a ramp all begin anew: their numbers jump.
	slot := now.UnixNano() / width
	c := &r.counts[((slot%slots)+slots)%slots]
	if c.slot != slot {
		*c = struct{ slot, all, bad int64 }{slot: slot}
	}
	c.all++
	if failed {
		c.bad++
	}
	for _, c := range r.counts {
		if c.slot > slot-slots && c.slot <= slot {
			all, bad = all+int(c.all), bad+int(c.bad)
		}
	}
	return all, bad
}
