package chaos

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

func httpErrorKind() Kind {
	return Kind{
		Name: "http_error",
		Doc: "Answers with an HTTP status instead of the upstream, which is not called. " +
			"One of the codes is picked for each request hit, each as likely as the others. " +
			"GraphQL clients get the status with an error of GraphQL, whose code is the one that stands for it; gRPC clients its code in place of it.",
		Protocols: []string{"http", "graphql"},
		Params: []ParamSpec{
			{Name: "codes", Type: TypeCodes, Min: 200, Max: 599,
				Doc: "a status or a list of them"},
			{Name: "body", Type: TypeString, Default: `""`,
				Doc: "the body; empty for a line that says what it is"},
			{Name: "headers", Type: TypeHeaders, Default: "{}",
				Doc: "more header fields; Content-Type replaces text/plain"},
			{Name: "pattern", Type: TypeString, Default: "None", KeywordOnly: true, canonical: canonicalPattern,
				Doc: `which requests: burst(5, "10s") the first 5 in each 10s, sequence([503, None, 500]) in turn, over and over`},
		},
		check: checkHTTPError,
		text:  httpErrorText,
	}
}

func checkHTTPError(f *Fault) error {
	for _, name := range sortedKeys(f.Headers("headers")) {
		if err := notFraming("headers", name); err != nil {
			return err
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
	match *Match
	// Body and Headers are those of the answer.
	Body    string
	Headers map[string]string

	// burst holds the number of the interval and, in the low 24 bits, how many
	// requests it has had.
	burst atomic.Uint64
}

// NewHTTPError makes f, which is valid, ready.
func NewHTTPError(f *Fault) *HTTPError {
	e := &HTTPError{codes: f.Codes("codes"), match: f.Match, Body: f.Text("body"), Headers: f.Headers("headers")}
	e.pattern, _ = parsePattern(f.Text("pattern")) // checked when the fault was made
	return e
}

// Code returns the status for the n-th request when elapsed has passed since the
// fault went on, or 0 where the pattern lets it pass.
func (e *HTTPError) Code(d Draws, n uint64, elapsed time.Duration) int {
	if len(e.sequence) > 0 {
		return e.sequence[e.match.place(n)%uint64(len(e.sequence))]
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
		if old>>burstBits < interval { // one of an interval that is over counts for the present
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
