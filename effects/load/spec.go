package load

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"starquake/units"
)

// Limits of a Spec.
const (
	// MaxRate bounds a rate: two orders above what one machine sends.
	MaxRate = 1e6
	// MaxPieces bounds the pieces of a rate.
	MaxPieces = 1000
	// MaxSlots bounds Spec.MaxInFlight: a slot costs some 20 KB and a file descriptor.
	MaxSlots = 50_000
	// defaultSlots bounds what MaxInFlight is by default.
	defaultSlots = 10_000
	// DefaultTimeout is how long one request may take.
	DefaultTimeout = 10 * time.Second
	maxBody        = 1 << 20 // of a request
	// secretOpen begins the name of a secret where its text is to stand: a URL that is one
	// is looked at again when its text is known.
	secretOpen = "⟦secret:"
)

// Spec is load as plain data. Exactly one of HTTP and GRPC is set.
type Spec struct {
	HTTP *HTTP `json:"http,omitempty"`
	GRPC *GRPC `json:"grpc,omitempty"`
	// Rate is the rate's pieces in order. The last one goes on, whatever its length.
	Rate []Piece `json:"rate"`
	// Duration is how long requests are due, Warmup included. 0: until it is ended.
	Duration time.Duration `json:"duration,omitempty"`
	// Warmup is how long requests do not count.
	Warmup time.Duration `json:"warmup,omitempty"`
	// Timeout bounds one request, from when it is sent. 0: DefaultTimeout.
	Timeout time.Duration `json:"timeout,omitempty"`
	// MaxInFlight bounds the requests without an answer yet. 0: the highest rate ×
	// Timeout, so that a request that times out frees its slot before it is missed, and
	// at most 10 000.
	MaxInFlight int `json:"max_in_flight,omitempty"`
	// StopWhen are conditions such as "error_rate > 0.5"; see ParseCondition.
	StopWhen []string `json:"stop_when,omitempty"`
}

// HTTP is one request, sent again and again.
type HTTP struct {
	URL     string            `json:"url"`
	Method  string            `json:"method,omitempty"` // "" is GET
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
	// Expect are the statuses that are no error, as the generator's Accept reads them.
	Expect string `json:"expect,omitempty"`
}

// GRPC is one unary call, made again and again.
type GRPC struct {
	Addr string `json:"addr"` // host:port
	// Method is "package.Service/Method".
	Method string `json:"method"`
	// Message is the request in protobuf's JSON form; "" is an empty one.
	Message  string            `json:"message,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	TLS      bool              `json:"tls,omitempty"`
	// Expect are the codes that are no error, by name. Empty: OK.
	Expect []string `json:"expect,omitempty"`
}

// Piece is a stretch of a rate, in requests per second.
type Piece struct {
	// From is the rate at its start, and always where Over is 0.
	From float64 `json:"from"`
	// To is the rate after Over.
	To   float64       `json:"to,omitempty"`
	Over time.Duration `json:"over,omitempty"`
	// Shape is how From becomes To: "" (linear), "exponential", "steps" or "sine".
	Shape  string        `json:"shape,omitempty"`
	Steps  int           `json:"steps,omitempty"`
	Period time.Duration `json:"period,omitempty"`
	// For is how long the piece lasts; 0 in the last: as long as the load.
	For time.Duration `json:"for,omitempty"`
}

// at is the rate at time t of the piece.
func (p *Piece) at(t time.Duration) float64 {
	if p.Over == 0 {
		return p.From
	}
	if p.Shape == "sine" { // start, end and back once a period, until Over
		if t >= p.Over {
			return p.To
		}
		return p.From + (p.To-p.From)*(1-math.Cos(2*math.Pi*t.Seconds()/p.Period.Seconds()))/2
	}
	x := min(float64(t)/float64(p.Over), 1)
	switch p.Shape {
	case "exponential":
		return p.From * math.Pow(p.To/p.From, x)
	case "steps":
		x = math.Floor(x*float64(p.Steps)) / float64(p.Steps)
	}
	return p.From + (p.To-p.From)*x
}

// Validate returns an error unless the load can be sent.
func (s *Spec) Validate() error {
	switch {
	case (s.HTTP == nil) == (s.GRPC == nil):
		return errors.New("load: expected exactly one of http and grpc")
	case len(s.Rate) == 0 || len(s.Rate) > MaxPieces:
		return fmt.Errorf("rate: it has %d pieces; expected 1 to %d", len(s.Rate), MaxPieces)
	case s.Duration < 0 || s.Duration > units.MaxDuration:
		return fmt.Errorf("duration: %s; expected a time from 0 on", units.FormatDuration(s.Duration))
	case s.Warmup < 0 || s.Duration > 0 && s.Warmup >= s.Duration:
		return fmt.Errorf("warmup: %s; expected less than the duration of %s, for nothing would be counted", units.FormatDuration(s.Warmup), units.FormatDuration(s.Duration))
	case s.Timeout < 0 || s.Timeout > time.Hour:
		return fmt.Errorf("timeout: %s; expected at most 1h", units.FormatDuration(s.Timeout))
	case s.MaxInFlight < 0 || s.MaxInFlight > MaxSlots:
		return fmt.Errorf("max_in_flight: %d; expected 1 to %d", s.MaxInFlight, MaxSlots)
	}
	for i := range s.Rate {
		if err := s.Rate[i].validate(); err != nil {
			return fmt.Errorf("rate: %w", err)
		}
		if s.Rate[i].For == 0 && i < len(s.Rate)-1 {
			return fmt.Errorf("rate: stage %d has no time; expected one for every stage but the last", i+1)
		}
	}
	if s.PeakRate() == 0 {
		return errors.New("rate: it is 0 throughout; expected more")
	}
	for _, text := range s.StopWhen {
		if _, err := ParseCondition(text); err != nil {
			return fmt.Errorf("stop_when: %w", err)
		}
	}
	if s.HTTP != nil {
		return s.HTTP.validate()
	}
	return s.GRPC.validate()
}

func (p *Piece) validate() error {
	for _, r := range []float64{p.From, p.To} {
		if !(r >= 0 && r <= MaxRate) {
			return fmt.Errorf("%v requests per second; expected 0 to %v", r, float64(MaxRate))
		}
	}
	switch {
	case p.For < 0 || p.Over < 0:
		return errors.New("a time is negative")
	case p.Shape == "exponential" && (p.From == 0 || p.To == 0):
		return errors.New("an exponential ramp starts or ends at 0; expected both ends above 0")
	case p.Shape == "steps" && (p.Steps < 1 || p.Steps > 10_000):
		return fmt.Errorf("a ramp of %d steps; expected 1 to 10000", p.Steps)
	case p.Shape == "sine" && p.Period <= 0:
		return errors.New("a sine ramp without a period; expected sine(period)")
	}
	switch p.Shape {
	case "", "linear", "exponential", "steps", "sine":
		return nil
	}
	return fmt.Errorf("shape %q is unknown; expected linear, exponential, steps or sine", p.Shape)
}

func (h *HTTP) validate() error {
	if !strings.HasPrefix(h.URL, "http://") && !strings.HasPrefix(h.URL, "https://") && !strings.HasPrefix(h.URL, secretOpen) {
		return fmt.Errorf("url: %q; expected one that begins with http:// or https://", h.URL)
	}
	if len(h.Body) > maxBody {
		return fmt.Errorf("body: %d bytes; expected at most %d", len(h.Body), maxBody)
	}
	for _, s := range append(headerTexts(h.Headers), h.Method) {
		if strings.ContainsAny(s, "\r\n\x00") {
			return fmt.Errorf("headers: %q has a line break", s)
		}
	}
	return nil
}

func (g *GRPC) validate() error {
	service, method, ok := strings.Cut(strings.TrimPrefix(g.Method, "/"), "/")
	if !ok || service == "" || method == "" || strings.Contains(method, "/") {
		return fmt.Errorf("method: %q; expected \"package.Service/Method\"", g.Method)
	}
	if len(g.Message) > maxBody {
		return fmt.Errorf("message: %d bytes; expected at most %d", len(g.Message), maxBody)
	}
	return nil
}

func headerTexts(h map[string]string) []string {
	var out []string
	for k, v := range h {
		out = append(out, k, v)
	}
	return out
}

// PeakRate is the highest rate that any piece names.
func (s *Spec) PeakRate() float64 {
	peak := 0.0
	for i := range s.Rate {
		peak = max(peak, s.Rate[i].From)
		if s.Rate[i].Over > 0 {
			peak = max(peak, s.Rate[i].To)
		}
	}
	return peak
}

// Patience is Timeout, or its default.
func (s *Spec) Patience() time.Duration {
	if s.Timeout == 0 {
		return DefaultTimeout
	}
	return s.Timeout
}

// Compressed is the load in a run whose time passes so many times faster: it lasts that
// much shorter, at the same rates.
func (s *Spec) Compressed(times int) Spec {
	c := *s
	by := time.Duration(max(times, 1))
	c.Duration, c.Warmup = c.Duration/by, c.Warmup/by
	c.Rate = slices.Clone(s.Rate)
	for i := range c.Rate {
		p := &c.Rate[i]
		p.For, p.Over, p.Period = p.For/by, p.Over/by, p.Period/by
	}
	return c
}

// Slots is MaxInFlight, or its default.
func (s *Spec) Slots() int {
	if s.MaxInFlight > 0 {
		return s.MaxInFlight
	}
	return int(min(max(math.Ceil(s.PeakRate()*s.Patience().Seconds()), 1), defaultSlots))
}
