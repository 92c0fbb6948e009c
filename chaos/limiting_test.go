package chaos_test

import (
	"fmt"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"starquake/chaos"
)

// A rate limit is what counting tokens in whole nanoseconds says.
func TestRateLimitModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.IntRange(1, 1000).Draw(t, "rate")
		burst := rapid.IntRange(1, 20).Draw(t, "burst")
		l := chaos.NewRateLimit(made(t, "rate_limit", args{"rate": rate, "burst": burst}))
		// The model counts in parts of a token: rate parts a nanosecond, 1e9 a token.
		const token = int64(time.Second)
		full := int64(burst) * token
		have, now := full, time.Unix(1_000_000, 0)
		for range 200 {
			pause := rapid.Int64Range(0, 2*token/int64(rate)).Draw(t, "pause")
			now = now.Add(time.Duration(pause))
			have = min(full, have+pause*int64(rate))
			ok, retry := l.Allow(&chaos.Request{}, now, 0)
			near := math.Abs(float64(have-token)) < 10 // what floats may round either way
			if want := have >= token; ok != want && !near {
				t.Fatalf("allowed %v with %d of %d parts", ok, have, token)
			}
			if ok {
				have -= token
				continue
			}
			if want := float64(token-have) / float64(rate); math.Abs(float64(retry)-want) > 100 {
				t.Fatalf("retry after %v, want %v", retry, time.Duration(want))
			}
		}
	})
}

func TestRateLimitKeys(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	req := func(method, target, source string) *chaos.Request {
		return &chaos.Request{Method: []byte(method), Target: []byte(target), Source: netip.MustParseAddr(source)}
	}
	for _, test := range []struct {
		per  string
		reqs []*chaos.Request
		want []bool
	}{
		{"all", []*chaos.Request{req("GET", "/a", "1.1.1.1"), req("GET", "/b", "2.2.2.2")}, []bool{true, false}},
		{"ip", []*chaos.Request{req("GET", "/a", "1.1.1.1"), req("GET", "/b", "2.2.2.2"), req("GET", "/c", "::ffff:1.1.1.1")}, []bool{true, true, false}},
		{"endpoint", []*chaos.Request{req("GET", "/a", "1.1.1.1"), req("GET", "/b", "1.1.1.1"), req("PUT", "/a", "1.1.1.1"), req("GET", "/%61?x=1", "2.2.2.2")},
			[]bool{true, true, true, false}},
	} {
		l := chaos.NewRateLimit(made(t, "rate_limit", args{"rate": 1, "burst": 1, "per": test.per}))
		for i, r := range test.reqs {
			if got, _ := l.Allow(r, now, 0); got != test.want[i] {
				t.Errorf("per %s: %s %s from %s: %v", test.per, r.Method, r.Target, r.Source, got)
			}
		}
	}
}

// A client that makes up endpoints takes no more memory than others, and those who
// come back are remembered.
func TestRateLimitIsBounded(t *testing.T) {
	l := chaos.NewRateLimit(made(t, "rate_limit", args{"rate": 0.001, "burst": 1, "per": "endpoint"}))
	now := time.Unix(1_000_000, 0)
	often := &chaos.Request{Target: []byte("/often")}
	long := make([]byte, 2000)
	for i := range long {
		long[i] = 'a'
	}
	for i := range 15_000 {
		ok, _ := l.Allow(often, now, 0)
		if ok != (i == 0) {
			t.Fatalf("request %d to the same endpoint: %v", i, ok)
		}
		copy(long, fmt.Sprintf("/%d", i))
		if ok, _ := l.Allow(&chaos.Request{Target: long}, now, 0); !ok {
			t.Fatalf("the first request to endpoint %d is refused", i)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]string{0: "1", 1: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Hour: "3600"} {
		if got := chaos.RetryAfter(wait); got != want {
			t.Errorf("%v is %s", wait, got)
		}
	}
}

// breakerModel is a circuit breaker written down as FAULTS.md says it, keeping every
// outcome with its time.
type breakerModel struct {
	state    chaos.Circuit
	turn     int
	opened   time.Time
	outcomes []struct {
		at     time.Time
		failed bool
	}
	row, successes, under int
}

const (
	modelFailures, modelSuccesses, modelTrials, modelLeast = 3, 2, 2, 4
	modelTimeout                                           = 10 * time.Second
	modelPercent                                           = 50
)

func (m *breakerModel) to(state chaos.Circuit, now time.Time) {
	*m = breakerModel{state: state, turn: m.turn + 1, opened: now}
}

func (m *breakerModel) enter(now time.Time) (turn int, ok bool) {
	if m.state == chaos.Open && now.Sub(m.opened) >= modelTimeout {
		m.to(chaos.HalfOpen, now)
	}
	switch {
	case m.state == chaos.Open, m.state == chaos.HalfOpen && m.under >= modelTrials:
		return 0, false
	case m.state == chaos.HalfOpen:
		m.under++
	}
	return m.turn, true
}

func (m *breakerModel) done(turn int, outcome chaos.Outcome, now time.Time) {
	if turn != m.turn {
		return
	}
	failed := outcome == chaos.Failed
	if m.state == chaos.HalfOpen {
		m.under--
		if failed {
			m.to(chaos.Open, now)
		} else if outcome == chaos.Succeeded {
			if m.successes++; m.successes == modelSuccesses {
				m.to(chaos.Closed, now)
			}
		}
		return
	}
	if outcome == chaos.Unknown {
		return
	}
	m.outcomes = append(m.outcomes, struct {
		at     time.Time
		failed bool
	}{now, failed})
	m.row++
	if !failed {
		m.row = 0
		return
	}
	// All outcomes are in whole seconds and the window is 10 s, so that its tenths
	// forget exactly what is 10 s old.
	all, bad := 0, 0
	for _, o := range m.outcomes {
		if now.Sub(o.at) < 10*time.Second {
			all++
			if o.failed {
				bad++
			}
		}
	}
	if m.row >= modelFailures || all >= modelLeast && bad*100 >= modelPercent*all {
		m.to(chaos.Open, now)
	}
}

func TestCircuitBreakerModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := chaos.NewCircuitBreaker(made(t, "circuit_breaker", args{"failure_threshold": modelFailures, "success_threshold": modelSuccesses,
			"timeout": modelTimeout, "half_open_max": modelTrials, "failure_rate_percent": modelPercent, "min_requests": modelLeast, "window": "10s"}))
		m := breakerModel{state: chaos.Closed}
		now := time.Unix(1_000_000, 0)
		type passed struct {
			real  chaos.Passage
			model int
		}
		var under []passed
		for range 100 {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 3, 10}).Draw(t, "seconds")) * time.Second)
			if len(under) > 0 && rapid.Bool().Draw(t, "done") {
				i := rapid.IntRange(0, len(under)-1).Draw(t, "which")
				outcome := rapid.SampledFrom([]chaos.Outcome{chaos.Unknown, chaos.Succeeded, chaos.Failed, chaos.Failed}).Draw(t, "outcome")
				c.Done(under[i].real, outcome, now, 0)
				m.done(under[i].model, outcome, now)
				under = append(under[:i], under[i+1:]...)
			} else {
				p, ok := c.Enter(now, 0)
				turn, want := m.enter(now)
				if ok != want {
					t.Fatalf("entered %v in state %s", ok, m.state)
				}
				if ok {
					under = append(under, passed{p, turn})
				}
			}
			state := m.state
			if state == chaos.Open && now.Sub(m.opened) >= modelTimeout {
				state = chaos.HalfOpen
			}
			if got := c.State(now, 0); got != state {
				t.Fatalf("state %s, want %s", got, state)
			}
		}
	})
}

// A bulkhead never has more under way than it may, and nobody who waits is forgotten
// or overtaken.
func TestBulkheadModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most, room := rapid.IntRange(0, 4).Draw(t, "max"), rapid.IntRange(0, 4).Draw(t, "queue")
		b := chaos.NewBulkhead(made(t, "bulkhead", args{"max_concurrent": most, "queue": room, "queue_timeout": "3s"}))
		if b.QueueTimeout(0) != 3*time.Second {
			t.Fatal("another time-out")
		}
		running, number := 0, 0
		type waiting struct {
			number int
			w      *chaos.Waiter
		}
		var queue []waiting
		var woken []int
		for range 100 {
			switch what := rapid.SampledFrom([]string{"enter", "enter", "leave", "quit"}).Draw(t, "what"); {
			case what == "enter":
				number++
				mine := number
				got, w := b.Enter(0, func() { woken = append(woken, mine) })
				want := chaos.Full
				switch {
				case running < most:
					want = chaos.Admitted
					running++
				case len(queue) < room:
					want = chaos.Queued
					queue = append(queue, waiting{mine, w})
				}
				if got != want || (w != nil) != (want == chaos.Queued) {
					t.Fatalf("%v, want %v with %d running, %d waiting", got, want, running, len(queue))
				}
			case what == "leave" && running > 0:
				woken = nil
				for _, w := range b.Leave(0) {
					w.Wake()
				}
				var want []int
				if len(queue) > 0 {
					want = []int{queue[0].number}
					if quit, _ := b.Quit(queue[0].w, 0); quit {
						t.Fatal("one who was admitted could still quit")
					}
					queue = queue[1:]
				} else {
					running--
				}
				if fmt.Sprint(woken) != fmt.Sprint(want) {
					t.Fatalf("woken %v, want %v", woken, want)
				}
			case what == "quit" && len(queue) > 0:
				i := rapid.IntRange(0, len(queue)-1).Draw(t, "who")
				quit, others := b.Quit(queue[i].w, 0)
				if !quit || len(others) > 0 {
					t.Fatalf("quit %v, others %d", quit, len(others))
				}
				queue = append(queue[:i], queue[i+1:]...)
			}
		}
	})
}

// A ramp that makes room lets more than one in at once.
func TestBulkheadRamp(t *testing.T) {
	b := chaos.NewBulkhead(made(t, "bulkhead", args{"max_concurrent": ramp(1, 3, "10s", "")}))
	b.Enter(0, nil)
	b.Enter(0, nil)
	b.Enter(0, nil)
	_, last := b.Enter(0, nil)
	if quit, others := b.Quit(last, 10*time.Second); !quit || len(others) != 2 {
		t.Errorf("quit %v, and %d others got in; want 2", quit, len(others))
	}
}

// What has state is used by many connections at once; the race detector looks on.
func TestStateIsShared(t *testing.T) {
	limit := chaos.NewRateLimit(made(t, "rate_limit", args{"rate": 1, "burst": 100, "per": "ip"}))
	breaker := chaos.NewCircuitBreaker(made(t, "circuit_breaker", nil))
	bulkhead := chaos.NewBulkhead(made(t, "bulkhead", args{"max_concurrent": 3, "queue": 1000}))
	var pacer chaos.Pacer
	now := time.Unix(1_000_000, 0)
	var allowed, under, most atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if ok, _ := limit.Allow(&chaos.Request{Source: netip.MustParseAddr("10.0.0.1")}, now, 0); ok {
					allowed.Add(1)
				}
				if p, ok := breaker.Enter(now, 0); ok {
					breaker.Done(p, chaos.Succeeded, now, 0)
				}
				pacer.Take(1, 1000, now)

				woken := make(chan struct{})
				if got, _ := bulkhead.Enter(0, func() { close(woken) }); got == chaos.Queued {
					<-woken
				}
				for n := under.Add(1); ; {
					old := most.Load()
					if n <= old || most.CompareAndSwap(old, n) {
						break
					}
				}
				under.Add(-1)
				for _, w := range bulkhead.Leave(0) {
					w.Wake()
				}
			}
		})
	}
	all.Wait()
	if allowed.Load() != 100 {
		t.Errorf("%d were allowed, want 100", allowed.Load())
	}
	if most.Load() > 3 {
		t.Errorf("%d were under way at once, want at most 3", most.Load())
	}
	if wait := pacer.Take(0, 1000, now); wait != 800*time.Millisecond {
		t.Errorf("800 bytes at 1000 B/s take %v", wait)
	}
	if got := breaker.State(now, 0); got != chaos.Closed {
		t.Errorf("the circuit is %s", got)
	}
}
