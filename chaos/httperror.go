package chaos

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"starquake/units"
)

func httpErrorKind() Kind {
	return Kind{
		Name: "http_error",
		Doc: "Answers with an HTTP status instead of the upstream, which is not called. " +
			"One of the codes is picked for each request hit, each as likely as the others.",
		Protocols: []string{"http"},
		Params: []ParamSpec{
			{Name: "codes", Type: TypeCodes, Min: 200, Max: 599,
				Doc: "a status or a list of them"},
			{Name: "body", Type: TypeString, Default: `""`,
				Doc: "the body; empty for a line that says what it is"},
			{Name: "headers", Type: TypeHeaders, Default: "{}",
				Doc: "more header fields; Content-Type replaces text/plain"},
			{Name: "pattern", Type: TypeString, Default: `""`, KeywordOnly: true,
				Doc: `"burst(5, 10s)": the first 5 requests in each 10s; "sequence(503, pass, 500)": in turn, over and over`},
		},
		check: checkHTTPError,
		text:  httpErrorText,
	}
}

func checkHTTPError(f *Fault) error {
	for name := range f.Headers("headers") {
		switch asciiUpper(name) {
		case "CONTENT-LENGTH", "TRANSFER-ENCODING", "CONNECTION":
			return fmt.Errorf("parameter headers: %s is set by the proxy, which knows how the body is sent", name)
		}
	}
	_, err := parsePattern(f.Text("pattern"))
	return err
}

func httpErrorText(f *Fault) string {
	var codes []string
	for _, code := range f.Codes("codes") {
		codes = append(codes, strconv.Itoa(code))
	}
	s := strings.Join(codes, ",")
	if p := f.Text("pattern"); p != "" {
		s += " " + p
	}
	return s
}

// HTTPError is a fault of kind http_error made ready. Only a burst has state, which
// belongs to the fault: use one HTTPError for all connections.
type HTTPError struct {
	codes []int
	pattern
	// Body and Headers are those of the answer.
	Body    string
	Headers map[string]string

	// burst holds the number of the interval and, in the low 24 bits, how many
	// requests it has had.
	burst atomic.Uint64
}

// NewHTTPError makes f, which is valid, ready.
func NewHTTPError(f *Fault) *HTTPError {
	e := &HTTPError{codes: f.Codes("codes"), Body: f.Text("body"), Headers: f.Headers("headers")}
	e.pattern, _ = parsePattern(f.Text("pattern")) // checked when the fault was made
	return e
}

// Code returns the status for the n-th request when elapsed has passed since the
// fault went on, or 0 where the pattern lets it pass.
func (e *HTTPError) Code(d Draws, n uint64, elapsed time.Duration) int {
	if len(e.sequence) > 0 {
		return e.sequence[n%uint64(len(e.sequence))]
	}
	if e.count > 0 && !e.inBurst(elapsed) {
		return 0
	}
	return e.codes[d.Pick(n, len(e.codes))]
}

const burstBits = 24

// inBurst counts a request and reports whether it is among the first of its interval.
func (e *HTTPError) inBurst(elapsed time.Duration) bool {
	interval := uint64(max(elapsed, 0) / e.interval)
	for {
		old := e.burst.Load()
		next := old + 1
		if old>>burstBits != interval {
			next = interval<<burstBits | 1
		}
		if n := next & (1<<burstBits - 1); n == 0 || n > e.count {
			return false
		}
		if e.burst.CompareAndSwap(old, next) {
			return true
		}
	}
}

// pattern is when an http_error answers. The zero pattern is always.
type pattern struct {
	count    uint64
	interval time.Duration
	sequence []int // 0 lets pass
}

// parsePattern reads "", "burst(count, interval)" or "sequence(code, …)".
func parsePattern(s string) (pattern, error) {
	var p pattern
	if s == "" {
		return p, nil
	}
	name, rest, called := strings.Cut(s, "(")
	args, closed := strings.CutSuffix(rest, ")")
	if !called || !closed || len(s) > 8192 {
		return p, fmt.Errorf("parameter pattern is %s; expected \"burst(5, 10s)\" or \"sequence(503, pass, 500)\"", describe(s))
	}
	list := strings.Split(args, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	switch strings.TrimSpace(name) {
	case "burst":
		return parseBurst(list)
	case "sequence":
		for _, item := range list {
			code := 0
			if item != "pass" {
				var err error
				if code, err = strconv.Atoi(item); err != nil || code < 200 || code > 599 {
					return p, fmt.Errorf("parameter pattern: sequence has %s; expected a status from 200 to 599 or pass", describe(item))
				}
			}
			p.sequence = append(p.sequence, code)
		}
		return p, nil
	}
	return p, fmt.Errorf("parameter pattern: %s is unknown; expected burst or sequence", describe(name))
}

func parseBurst(args []string) (p pattern, err error) {
	if len(args) != 2 {
		return p, fmt.Errorf("parameter pattern: burst has %d arguments; expected a count and an interval, as in \"burst(5, 10s)\"", len(args))
	}
	if p.count, err = strconv.ParseUint(args[0], 10, burstBits-1); err != nil || p.count == 0 {
		return p, fmt.Errorf("parameter pattern: the count of burst is %s; expected 1 to %d", describe(args[0]), 1<<(burstBits-1)-1)
	}
	if p.interval, err = units.ParseDuration(args[1]); err != nil {
		return p, fmt.Errorf("parameter pattern: the interval of burst: %w", err)
	}
	if p.interval < time.Millisecond {
		return p, fmt.Errorf("parameter pattern: the interval of burst is %s; expected 1ms or more", describe(args[1]))
	}
	return p, nil
}
