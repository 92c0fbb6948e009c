package proxy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"starquake/chaos"
)

// modelFault is a fault as the tiny model knows it.
type modelFault struct {
	applied *Applied
	fault   chaos.Fault
	draws   chaos.Draws
	on      bool
	seen    uint64
	hit     uint64
	tokens  int // how many more requests a limit lets pass; of a circuit breaker, failures
	limit   int // of a circuit breaker: its tokens when it has seen no failure
}

// enter asks a limit whether it lets a request pass.
func (m *modelFault) enter() bool {
	if m.tokens == 0 {
		return false
	}
	if m.fault.Kind != "circuit_breaker" {
		m.tokens--
	}
	return true
}

// ended tells it how a request ended that it had let pass.
func (m *modelFault) ended(status int) {
	switch {
	case m.fault.Kind == "bulkhead":
		m.tokens++
	case m.fault.Kind != "circuit_breaker" || status == unknown || m.tokens == 0:
	case status == noAnswer || status >= 500:
		m.tokens--
	default:
		m.tokens = m.limit
	}
}

// fires counts a request the way FAULTS.md says and returns its number and the draw.
func (m *modelFault) fires(path string) (uint64, bool) {
	if !m.on || m.fault.Match != nil && m.fault.Match.Path != path {
		return 0, false
	}
	m.seen++
	return m.seen - 1, m.draws.Hit(m.seen-1, m.fault.Probability.Start)
}

// Whatever is put on, lifted, restored and removed in whatever order: what happens to
// a request is what a list of the faults that are on gives, read from the oldest to
// the newest; delays add, each rate limit, bulkhead and circuit breaker counts for itself
// what has come to it, a rate limit only what has passed the others too, the first error answers, the lowest bandwidth wins, and each keeps its own counts.
func TestCompositionModel(t *testing.T) {
	p := startProxy(t, "auto", "127.0.0.1:1")
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		var model []*modelFault
		defer func() {
			for _, m := range model {
				m.applied.Remove()
			}
		}()
		for step := range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch do := rapid.IntRange(0, 9).Draw(t, "do"); {
			case do <= 1:
				model = append(model, applyRandom(t, p, fmt.Sprint(round, "-", step), uint64(round)))
			case do <= 4 && len(model) > 0:
				i := rapid.IntRange(0, len(model)-1).Draw(t, "which")
				m := model[i]
				switch do {
				case 2:
					m.applied.Lift()
					m.on = false
				case 3:
					m.applied.Restore()
					m.on = true
				case 4:
					if s := m.applied.Remove(); s.Seen != m.seen || s.Hit != m.hit {
						t.Fatalf("%s: %+v, the model has %d seen, %d hit", m.fault, s, m.seen, m.hit)
					}
					model = slices.Delete(model, i, i+1)
				}
			default:
				checkRequest(t, p, model, rapid.SampledFrom([]string{"/a", "/b"}).Draw(t, "path"))
			}
		}
	})
}

func applyRandom(t *rapid.T, p *Proxy, id string, seed uint64) *modelFault {
	args := map[string]any{"probability": rapid.SampledFrom([]float64{0, 0.3, 1}).Draw(t, "probability")}
	if path := rapid.SampledFrom([]string{"", "/a", "/b"}).Draw(t, "match"); path != "" {
		args["match"] = map[string]any{"path": path}
	}
	tokens := 0
	kind := rapid.SampledFrom([]string{"latency", "http_error", "connection_error", "reset", "blackhole", "partial_response", "limit_data", "rate_limit", "bulkhead", "circuit_breaker", "bandwidth"}).Draw(t, "kind")
	switch kind {
	case "latency":
		args["delay"] = time.Duration(rapid.IntRange(0, 1000).Draw(t, "delay")) * time.Millisecond
	case "http_error":
		args["codes"] = rapid.IntRange(400, 599).Draw(t, "code")
	case "connection_error":
		args["kind"] = rapid.SampledFrom([]string{"http_503", "tcp_reset", "tcp_close"}).Draw(t, "how")
	case "limit_data":
		args["bytes"] = 100
	case "rate_limit":
		tokens = rapid.IntRange(1, 4).Draw(t, "burst")
		args["rate"], args["burst"] = 0.001, tokens
	case "bulkhead":
		tokens = rapid.IntRange(0, 3).Draw(t, "max_concurrent")
		args["max_concurrent"], args["queue"] = tokens, 0
	case "circuit_breaker":
		tokens = rapid.IntRange(1, 3).Draw(t, "failure_threshold")
		args["failure_threshold"], args["min_requests"], args["timeout"] = tokens, 1000000, time.Hour
	case "bandwidth":
		args["rate"], args["direction"] = rapid.IntRange(1, 1000).Draw(t, "rate"), "response"
	}
	f, err := chaos.New(kind, args)
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.Apply(f, id, seed)
	if err != nil {
		t.Fatal(err)
	}
	return &modelFault{applied: a, fault: f, draws: chaos.NewDraws(seed, id), on: true, tokens: tokens, limit: tokens}
}

// outcomeOf is what a request gets: by the code, and by the model.
type outcomeOf struct {
	delay  time.Duration
	status int
	end    ending
	fates  int
	cuts   int
	limits int
	rate   float64 // 0 is any
}

// stages are the kinds above in the order of FAULTS.md.
func stages() [][]string {
	return [][]string{{"reset", "blackhole"}, {"rate_limit"}, {"bulkhead"}, {"circuit_breaker"}, {"latency"}, {"http_error", "connection_error"}, {"partial_response", "limit_data"}, {"bandwidth"}}
}

func (o *outcomeOf) meet(m *modelFault, passed []*modelFault) (did, inside bool) {
	switch m.fault.Kind {
	case "reset", "blackhole":
		o.fates++
	case "latency":
		v, _ := m.fault.Value("delay")
		o.delay += time.Duration(v.Start)
	case "partial_response":
		o.cuts++
	case "limit_data":
		o.limits++
	case "bandwidth":
		v, _ := m.fault.Value("rate")
		if o.rate == 0 || v.Start < o.rate {
			o.rate = v.Start
		}
	case "rate_limit", "bulkhead", "circuit_breaker":
		if o.status != 0 && m.fault.Kind != "circuit_breaker" {
			return false, false // it does not come here
		}
		if m.enter() {
			return false, true
		}
		if o.status != 0 {
			return false, false
		}
		if o.status = 503; m.fault.Kind == "rate_limit" {
			o.status = 429
			for _, other := range passed { // which are rate limits so far
				other.tokens++
			}
		}
	default:
		if o.status != 0 || o.end != endNever {
			return false, false
		}
		switch m.fault.Text("kind") {
		case "tcp_reset":
			o.end = endReset
		case "tcp_close":
			o.end = endClose
		case "http_503":
			o.status = 503
		default:
			o.status = m.fault.Codes("codes")[0]
		}
	}
	return true, false
}

func checkRequest(t *rapid.T, p *Proxy, model []*modelFault, path string) {
	var want outcomeOf
	var inside []*modelFault // those that are told how it ends
	for _, kinds := range stages() {
		for _, m := range model {
			if !slices.Contains(kinds, m.fault.Kind) {
				continue
			}
			if _, fires := m.fires(path); fires {
				did, in := want.meet(m, inside)
				if did {
					m.hit++
				}
				if in {
					inside = append(inside, m)
				}
			}
		}
		if want.status != 0 || want.end != endNever {
			break
		}
	}
	var got outcomeOf
	v := p.decide(nil, &chaos.Request{Method: []byte("GET"), Target: []byte(path)})
	if v != nil {
		for _, d := range append(v.request, v.response...) {
			got.delay += d.d
		}
		got.status, got.end, got.fates = v.answer.status, v.answer.end, len(v.fates)
		got.cuts, got.limits = len(v.cuts[toClient]), len(v.flows[toClient].limits)
		var rates []float64
		for _, p := range v.flows[toClient].paces {
			rates = append(rates, p.rate(0))
		}
		if len(rates) > 0 {
			got.rate = slices.Min(rates)
		}
	}
	if got != want {
		t.Fatalf("%s gets %+v; the model says %+v", path, got, want)
	}
	if rapid.Bool().Draw(t, "ends") { // else it goes on for ever
		status := want.status
		if status == 0 {
			status = rapid.SampledFrom([]int{200, 404, 500, noAnswer, unknown}).Draw(t, "status")
		}
		v.done(status)
		for _, m := range inside {
			m.ended(status)
		}
	}
}

// The order of kinds is that of FAULTS.md, whatever the order of Apply.
func TestOrderOfKinds(t *testing.T) {
	p := startProxy(t, "auto", "127.0.0.1:1")
	for i, kind := range []string{"http_error", "latency", "http_error", "latency"} {
		args := map[string]any{"codes": 500}
		if kind == "latency" {
			args = map[string]any{"delay": "1ms"}
		}
		apply(t, p, fmt.Sprint(i), kind, args)
	}
	var order []string
	for _, a := range p.faults.Load().order {
		order = append(order, a.id)
	}
	if want := []string{"1", "3", "0", "2"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v: latency before errors, oldest first", order, want)
	}
}
