package chaos

import (
	"math"
	"sync"
	"time"
)

func bandwidthKind() Kind {
	return Kind{
		Name: "bandwidth",
		Doc: "Limits the throughput. Every connection has the rate for itself, or all of the target share it; " +
			"of several such faults the lowest rate holds.",
		Protocols: Protocols(),
		Params: []ParamSpec{
			{Name: "rate", Type: TypeBandwidth, Min: 1, Max: 1 << 40, Ramp: true,
				Doc: "bytes per second"},
			{Name: "per", Type: TypeString, Default: `"connection"`, Choices: []string{"connection", "target"},
				Doc: "what the rate is for: each connection, or all of the target together"},
			directionParam("both", "which way is limited; both limits each way for itself"),
		},
	}
}

// Bandwidth is a fault of kind bandwidth made ready. It has no state.
type Bandwidth struct {
	rate Value
	// PerTarget says that all connections share the rate: the fault has one Pacer each
	// way, else each connection has.
	PerTarget bool
	// Request and Response say which ways are limited.
	Request, Response bool
}

// NewBandwidth makes f, which is valid, ready.
func NewBandwidth(f *Fault) Bandwidth {
	b := Bandwidth{rate: f.Number("rate"), PerTarget: f.Text("per") == "target"}
	b.Request, b.Response = Ways(f)
	return b
}

// Ways reads the parameter direction: which ways a fault acts on.
func Ways(f *Fault) (request, response bool) {
	direction := f.Text("direction")
	return direction != "response", direction != "request"
}

// Rate returns the bytes per second when elapsed has passed since the fault went on.
func (b *Bandwidth) Rate(elapsed time.Duration) float64 { return b.rate.At(elapsed) }

// How a Pacer spaces what is sent.
const (
	// paceUnit is the time that one piece takes: short enough to look like a steady
	// stream, long enough to be kept by a timer.
	paceUnit = 20 * time.Millisecond
	// paceSlack is how far a stream may be behind and still catch up, so that timers
	// which ring late cost no throughput. It is half a percent of 5 s.
	paceSlack = 25 * time.Millisecond
	// paceMax bounds a piece: it is the size of the buffers.
	paceMax = 64 << 10
)

// Piece returns how many bytes to send at once at a rate in bytes per second.
func Piece(rate float64) int {
	return int(min(max(1, rate*paceUnit.Seconds()), paceMax))
}

// Pacer spaces the pieces of one stream, or of all that share a rate. The zero Pacer
// is ready, and may be used by several connections at once.
type Pacer struct {
	mu  sync.Mutex
	due time.Time // when what has been taken so far is through
}

// Take returns how long to wait before n bytes have passed at rate, after all that was
// taken before. They may be sent then; that they take their time first, not afterwards,
// keeps a stream of any length below the rate.
func (p *Pacer) Take(n int, rate float64, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.due.Before(now.Add(-paceSlack)) {
		p.due = now // it was idle, so there is nothing to catch up with
	}
	p.due = p.due.Add(time.Duration(math.Ceil(min(float64(n)/rate*float64(time.Second), float64(maxDelay)))))
	return max(0, p.due.Sub(now))
}
