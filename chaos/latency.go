package chaos

import (
	"errors"
	"math"
	"time"
)

// maxDelay bounds injected delays: a longer one is a black hole, and meant as one.
const maxDelay = 24 * time.Hour

func latencyKind() Kind {
	limit := float64(maxDelay)
	return Kind{
		Name: "latency",
		Doc: "Adds delay. On tcp every chunk is held back, in order and without limiting the " +
			"throughput; on http a request or its answer is, once, as a whole: one that is under way when the fault goes on is not, nor are the later messages of a gRPC stream. Delays of several faults add up. " +
			"What is still held when the fault goes off is released, so that a delay longer than the time for which it is on shows no more than that time.",
		Protocols: Protocols(),
		Params: []ParamSpec{
			{Name: "delay", Type: TypeDuration, Max: limit, Ramp: true, Default: "None",
				Doc: "the delay; with between, it is added to what that draws"},
			{Name: "jitter", Type: TypeDuration, Max: limit, Ramp: true, Default: "0",
				Doc: "how far a delay is off: at most (uniform), the standard deviation (normal), or on average later (pareto)"},
			{Name: "distribution", Type: TypeString, Default: `"uniform"`, Choices: []string{"uniform", "normal", "pareto"},
				Doc: "of the jitter, and of between"},
			directionParam("response", "what is delayed; both delays each way, each with a draw of its own"),
			{Name: "between", Type: TypeRange, Max: limit, Ramp: true, Default: "None", KeywordOnly: true,
				Doc: "the least and the greatest delay; the draw falls between"},
			{Name: "jitter_percent", Type: TypePercent, Max: 100, Ramp: true, Default: "0", KeywordOnly: true,
				Doc: "jitter as a percentage of the delay drawn"},
		},
		does:  []string{"delay", "between", "jitter"}, // jitter_percent is of these
		check: checkLatency,
		text:  latencyText,
	}
}

func checkLatency(f *Fault) error {
	_, delay := f.Value("delay")
	_, between := f.Range("between")
	if !delay && !between {
		return errors.New(`needs delay or between, as in fault.latency("250ms") or fault.latency(between = ("100ms", "300ms"))`)
	}
	jitter, _ := f.Value("jitter")
	percent, _ := f.Value("jitter_percent")
	if jitter.Max() > 0 && percent.Max() > 0 {
		return errors.New("has both jitter and jitter_percent; give one of them")
	}
	return nil
}

func latencyText(f *Fault) string {
	var s string
	if v, ok := f.Value("delay"); ok {
		s = TypeDuration.show(v)
	}
	if r, ok := f.Range("between"); ok {
		if s != "" {
			s += " + "
		}
		s += TypeDuration.show(r[0]) + "–" + TypeDuration.show(r[1])
	}
	if v, _ := f.Value("jitter"); v.Max() > 0 {
		s += " ±" + TypeDuration.show(v)
	}
	if v, _ := f.Value("jitter_percent"); v.Max() > 0 {
		s += " ±" + TypePercent.show(v)
	}
	if d := f.Text("distribution"); d != "uniform" {
		s += " " + d
	}
	if d := f.Text("direction"); d != "response" {
		s += " " + d
	}
	return s
}

// Latency is a fault of kind latency made ready. It has no state.
type Latency struct {
	delay, jitter, percent Value
	between                [2]Value
	ranged                 bool
	distribution           string
	// Request and Response say which ways are delayed.
	Request, Response bool
}

// NewLatency makes f, which is valid, ready.
func NewLatency(f *Fault) Latency {
	var l Latency
	l.delay, _ = f.Value("delay")
	l.jitter, _ = f.Value("jitter")
	l.percent, _ = f.Value("jitter_percent")
	l.between, l.ranged = f.Range("between")
	l.distribution = f.Text("distribution")
	l.Request, l.Response = Ways(f)
	return l
}

// Delay returns the n-th delay when elapsed has passed since the fault went on. It is
// never negative and never above a day.
func (l *Latency) Delay(d Draws, n uint64, elapsed time.Duration) time.Duration {
	ns := l.delay.At(elapsed)
	if l.ranged {
		lo, hi := l.between[0].At(elapsed), l.between[1].At(elapsed)
		ns += lo + (hi-lo)*l.within(d.Spread(n))
	}
	jitter := l.jitter.At(elapsed)
	if p := l.percent.At(elapsed); p > 0 {
		jitter = ns * p / 100
	}
	if jitter > 0 {
		ns += jitter * l.off(d.Jitter(n))
	}
	return time.Duration(math.Min(math.Max(0, ns), float64(maxDelay)))
}

// within turns an even draw into a place in a range, 0 its beginning and 1 its end.
// Normal has its middle in the middle and two deviations to each side; pareto begins
// at the beginning with an average of a quarter. What would fall outside is cut.
func (l *Latency) within(u float64) float64 {
	switch l.distribution {
	case "normal":
		return math.Min(math.Max(0, 0.5+normal(u)/4), 1)
	case "pareto":
		return math.Min(pareto(u)/4, 1)
	}
	return u
}

// off turns an even draw into a deviation, in units of the jitter.
func (l *Latency) off(u float64) float64 {
	switch l.distribution {
	case "normal":
		return normal(u)
	case "pareto":
		return math.Min(pareto(u), 100)
	}
	return 2*u - 1
}

// normal returns the standard normal quantile of u, which is in [0, 1).
func normal(u float64) float64 {
	return math.Sqrt2 * math.Erfinv(2*math.Max(u, 1e-12)-1)
}

// pareto returns the quantile of a Pareto distribution with exponent 3, moved to begin
// at 0 and scaled to the average 1: many are small, a few are very late.
func pareto(u float64) float64 {
	return 2 * (math.Pow(1-u, -1.0/3) - 1)
}
