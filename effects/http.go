package effects

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/units"
)

// KindHTTP is one HTTP request. Its answer is an HTTPAnswer, whatever happened.
const KindHTTP = "http"

// What an HTTP request gets where its arguments say nothing.
const (
	DefaultHTTPTimeout = 30 * time.Second
	DefaultMaxBody     = 1 << 20
)

// secretSlack is how far beyond the limit a body is read when it is searched for
// secrets, so that one that lies across the limit is found whole.
const secretSlack = 4 << 10

// HTTPArgs are the arguments of kind "http".
type HTTPArgs struct {
	Method  string            `json:"method,omitempty"` // "" is GET
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	// Body is the request's body; BodyBase64 is it where it is no UTF-8.
	Body       string `json:"body,omitempty"`
	BodyBase64 []byte `json:"body_base64,omitempty"`
	// Timeout bounds the whole of it, redirects and body included. 0 is
	// DefaultHTTPTimeout.
	Timeout time.Duration `json:"timeout,omitempty"`
	// MaxBody bounds the answer's body in bytes. 0 is DefaultMaxBody.
	MaxBody int64 `json:"max_body,omitempty"`
	// NoRedirect returns a redirect as it is; else up to ten are followed.
	NoRedirect bool `json:"no_redirect,omitempty"`
	// Fresh makes a connection for this request alone.
	Fresh bool `json:"fresh,omitempty"`
	// TLS is what the request says of its TLS; nil: nothing.
	TLS *TLSArgs `json:"tls,omitempty"`
	// PlannedStatus is the status of the planned answer, the first that the script
	// expects. 0 is 200.
	PlannedStatus int `json:"planned_status,omitempty"`
	// Simulated is laid over the planned answer.
	Simulated json.RawMessage `json:"simulated,omitempty"`

	// keepsMethod returns a redirect as it is that would make another request of this one: of a
	// POST that was moved a GET is left, without its body.
	keepsMethod bool
}

// HTTPAnswer is the answer of kind "http".
type HTTPAnswer struct {
	// Status is 0 if there was no answer. It can be set beside Error, where the
	// answer began well.
	Status int `json:"status"`
	// Headers have lower-case names; those that came several times are joined by ", ".
	Headers map[string]string `json:"headers,omitempty"`
	// Body is the body as far as it came; BodyBase64 is it where it is no UTF-8.
	Body       string `json:"body,omitempty"`
	BodyBase64 []byte `json:"body_base64,omitempty"`
	// Truncated says that there was more than MaxBody. A text is then cut before the
	// character that does not fit.
	Truncated bool `json:"truncated,omitempty"`
	// Elapsed is from the request until the body's end.
	Elapsed time.Duration `json:"elapsed"`
	// Error says why there is no answer, or not all of it.
	Error *journal.EffectError `json:"error,omitempty"`
}

// Bytes are the answer's body.
func (a *HTTPAnswer) Bytes() []byte {
	if a.BodyBase64 != nil {
		return a.BodyBase64
	}
	return []byte(a.Body)
}

// performHTTP is the performer of KindHTTP.
func (e *Effects) performHTTP(ctx context.Context, call *runtime.Call) (any, error) {
	var args HTTPArgs
	if err := decodeArgs(KindHTTP, call.Args, &args); err != nil {
		return nil, err
	}
	answer := e.fetch(ctx, &args)
	if answer.Error != nil && ctx.Err() != nil {
		return nil, stopped(KindHTTP)
	}
	return answer, nil
}

// fetch does one request. Its answer is hidden.
func (e *Effects) fetch(ctx context.Context, args *HTTPArgs) *HTTPAnswer {
	start := time.Now()
	answer := new(HTTPAnswer)
	if probes(ctx) && !args.Fresh { // a kept connection may be another's, or hide that it was dead
		fresh := *args
		fresh.Fresh, args = true, &fresh
	}
	if err := e.client.exchange(ctx, args, answer); err != nil {
		answer.Error = e.opts.hideProblem(classify(err))
	}
	answer.Elapsed = time.Since(start)
	for _, name := range slices.Collect(maps.Keys(answer.Headers)) {
		value := e.opts.hide(answer.Headers[name])
		delete(answer.Headers, name)
		answer.Headers[e.opts.hide(name)] = value
	}
	return answer
}

// exchange sends the request and reads its response into answer.
func (c *client) exchange(ctx context.Context, args *HTTPArgs, answer *HTTPAnswer) error {
	timeout := args.Timeout
	if timeout <= 0 {
		timeout = DefaultHTTPTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, problem(CodeTimeout, "no complete answer within %s", units.FormatDuration(timeout)))
	defer cancel()
	req, err := args.request(ctx)
	if err != nil {
		return err
	}
	if err := c.permits(args); err != nil {
		return err
	}
	client, err := c.pick(args)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return overdue(ctx, err)
	}
	defer resp.Body.Close()
	answer.Status = resp.StatusCode
	answer.Headers = joinHeaders(resp.Header)
	return overdue(ctx, c.readBody(resp.Body, args.MaxBody, answer))
}

// overdue puts the reason of a time-out in place of err if ctx has ended by one.
func overdue(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// request makes the request that the arguments describe.
func (args *HTTPArgs) request(ctx context.Context) (*http.Request, error) {
	body := args.BodyBase64
	if body == nil {
		body = []byte(args.Body)
	}
	if args.Method == http.MethodConnect {
		return nil, problem(CodeInvalid, "method CONNECT makes a tunnel, not a request")
	}
	req, err := http.NewRequestWithContext(ctx, args.Method, args.URL, bytes.NewReader(body))
	if err != nil {
		return nil, problem(CodeInvalid, "%v", unwrapURL(err))
	}
	req.Header.Set("User-Agent", "starquake")
	for _, name := range slices.Sorted(maps.Keys(args.Headers)) {
		value := args.Headers[name]
		if !isToken(name) || strings.ContainsFunc(value, isControl) {
			return nil, problem(CodeInvalid, "%q with the value %q is no header: a name is letters, digits and -, a value has no line breaks", name, value)
		}
		if strings.EqualFold(name, "Host") {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	return req, nil
}

// readBody reads up to limit bytes of body into answer.
func (c *client) readBody(body io.Reader, limit int64, answer *HTTPAnswer) error {
	if limit <= 0 {
		limit = DefaultMaxBody
	}
	if c.maxBody > 0 {
		limit = min(limit, c.maxBody)
	}
	most := limit + 1
	if c.redact != nil {
		most = limit + secretSlack
	}
	data, err := io.ReadAll(io.LimitReader(body, most))
	if c.redact != nil {
		data = []byte(c.redact(string(data)))
	}
	answer.Body, answer.BodyBase64, answer.Truncated = cutText(data, limit)
	if answer.Truncated {
		return nil // what came after the limit is nobody's business
	}
	return err
}

// cutText cuts data to limit bytes and returns it as text, or as bytes where it is
// no UTF-8. A text that was cut ends with a whole character.
func cutText(data []byte, limit int64) (text string, raw []byte, cut bool) {
	whole := data
	if cut = int64(len(data)) > limit; cut {
		data = data[:limit]
		whole = data
		for i := 1; i < utf8.UTFMax && i <= len(data); i++ {
			if tail := data[len(data)-i:]; utf8.RuneStart(tail[0]) {
				if !utf8.FullRune(tail) {
					whole = data[:len(data)-i]
				}
				break
			}
		}
	}
	if utf8.Valid(whole) {
		return string(whole), nil, cut
	}
	return "", data, cut
}

// joinHeaders gives headers with lower-case names and one value each.
func joinHeaders(h http.Header) map[string]string {
	if len(h) == 0 {
		return nil
	}
	joined := make(map[string]string, len(h))
	for name, values := range h {
		joined[strings.ToLower(name)] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	}
	return joined
}

// isToken reports whether s can be the name of a header.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("()<>@,;:\\\"/[]?={}", r)
	})
}

// IsMethod reports whether a request can have that method; CONNECT makes a tunnel.
func IsMethod(s string) bool { return isToken(s) && !strings.EqualFold(s, http.MethodConnect) }

// isControl reports whether r cannot be in the value of a header.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// Form says what is wrong with where the request goes, whatever is permitted.
func (args *HTTPArgs) Form() error { return FormURL(args.URL) }

// checkHTTP is the Check of KindHTTP.
func (e *Effects) checkHTTP(raw json.RawMessage) error {
	var args HTTPArgs
	if err := decodeArgs(KindHTTP, raw, &args); err != nil {
		return err
	}
	return e.client.permits(&args)
}

// permits says whether the policy permits a request.
func (c *client) permits(args *HTTPArgs) error {
	if err := c.network.checkURL(args.URL); err != nil {
		return err
	}
	return c.fits(max(len(args.Body), len(args.BodyBase64)))
}

// plannedElapsed is what a planned answer says it took, in nanoseconds: 10 ms, so that
// a script can divide by it. The plan's own clock does not move for it; it does for an
// elapsed that is simulated.
const plannedElapsed = 10_000_000

// planHTTP is the planner of KindHTTP: the status that is expected and no body.
func planHTTP(req *runtime.Request) (runtime.Planned, error) {
	answer := json.RawMessage(`{"status":200,"elapsed":10000000}`)
	if mentions(req.Args, "planned_status") {
		var args struct {
			PlannedStatus int `json:"planned_status"`
		}
		if err := json.Unmarshal(req.Args, &args); err != nil {
			return runtime.Planned{}, problem(CodeInvalid, "arguments of http: %v", err)
		}
		if args.PlannedStatus != 0 {
			answer = fmt.Appendf(nil, `{"status":%d,"elapsed":%d}`, args.PlannedStatus, plannedElapsed)
		}
	}
	return runtime.Planned{Done: &runtime.PlannedEvent{Data: answer}}, nil
}

// simulatedHTTP is what a simulated HTTPAnswer may contain. "json" is its body as a
// value, and a status below 100 or an error may stand alone.
func simulatedHTTP() *simulation {
	return &simulation{
		answer: func() any { return new(HTTPAnswer) },
		extra:  []string{"json"},
		adapt: func(fields map[string]json.RawMessage) error {
			if value, ok := fields["json"]; ok {
				delete(fields, "json")
				fields["body"], _ = marshal(string(value)) // a string: cannot fail
			}
			if _, failed := fields["error"]; failed && fields["status"] == nil {
				fields["status"] = json.RawMessage("0")
			}
			return nil
		},
	}
}
