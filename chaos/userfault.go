package chaos

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"starquake/units"
)

// The kinds that say how to make and undo a fault of the user's own, as data: they can
// be undone by whoever reads them, without the script that wrote them.

// userParams are what both kinds have besides on and off.
func userParams() []ParamSpec {
	return []ParamSpec{
		{Name: "check", Type: TypeProbe, Default: "None",
			Doc: "a probe that holds once the fault is gone; without it, that off went well is proof enough"},
		{Name: "off_timeout", Type: TypeDuration, Min: float64(time.Millisecond), Max: float64(maxDelay), Default: `"1m"`,
			Doc: "how long off and check may take before the fault counts as not gone"},
	}
}

func execKind() Kind {
	return Kind{
		Name: "exec",
		Doc: "Is a fault of your own, made and undone by programs. off is noted before on is started, may be executed more than once, " +
			"and is confirmed by check; a fault that is not confirmed gone makes the run unclean. The programs need permission.",
		Params: append([]ParamSpec{
			{Name: "name", Type: TypeString, Min: 1, Max: 200,
				Doc: "what the fault is called"},
			{Name: "on", Type: TypeArgvs,
				Doc: `what makes it: a program with its arguments such as ["systemctl", "stop", "redis"], or a list of such lists`},
			{Name: "off", Type: TypeArgvs,
				Doc: "what undoes it; it must be possible to execute it twice"},
		}, userParams()...),
		check: checkUserFault,
		text: func(f *Fault) string {
			return wordText(f.Text("name")) + " " + valueText(TypeArgvs, f.get("on"))
		},
	}
}

func httpKind() Kind {
	return Kind{
		Name: "http",
		Doc: "Is a fault of your own, made and undone by HTTP requests. off is noted before on is sent, may be sent more than once, " +
			"and is confirmed by check; a fault that is not confirmed gone makes the run unclean.",
		Params: append([]ParamSpec{
			{Name: "name", Type: TypeString, Min: 1, Max: 200,
				Doc: "what the fault is called"},
			{Name: "on", Type: TypeRequest,
				Doc: `what makes it: a URL to POST to, or {"url": …, "method": "PUT", "headers": {…}, "body": …, "expect": "2xx", "timeout": "10s"}`},
			{Name: "off", Type: TypeRequest,
				Doc: "what undoes it; it must be possible to send it twice"},
		}, userParams()...),
		check: checkUserFault,
		text: func(f *Fault) string {
			return wordText(f.Text("name")) + " " + valueText(TypeRequest, NewHTTPFault(f).On.WithDefaults())
		},
	}
}

// checkUserFault refuses what a request would decide, since there is none.
func checkUserFault(f *Fault) error {
	switch {
	case f.Match != nil:
		return fmt.Errorf("parameter match: a fault of kind %s meets no requests", f.Kind)
	case f.Probability != Const(1):
		return fmt.Errorf("parameter probability: a fault of kind %s is done once, or not at all", f.Kind)
	case f.Pulse != nil:
		return fmt.Errorf("a fault of kind %s cannot flap: it would be made and undone each time", f.Kind)
	case strings.ContainsFunc(f.Text("name"), isControl):
		return fmt.Errorf("parameter name has a control character")
	}
	return nil
}

// ExecFault is a fault of kind exec made ready.
type ExecFault struct {
	Name string
	// On and Off are commands to execute one after the other; the first that fails
	// ends On, while Off goes on to the last.
	On, Off [][]string
	// Check is a probe as package effects reads it, or nil.
	Check      json.RawMessage
	OffTimeout time.Duration
}

// NewExecFault makes f, which is valid, ready.
func NewExecFault(f *Fault) ExecFault {
	on, _ := f.get("on").([][]string)
	off, _ := f.get("off").([][]string)
	return ExecFault{Name: f.Text("name"), On: on, Off: off, Check: f.JSON("check"), OffTimeout: time.Duration(f.Number("off_timeout").Start)}
}

// HTTPFault is a fault of kind http made ready.
type HTTPFault struct {
	Name    string
	On, Off HTTPCall
	// Check is a probe as package effects reads it, or nil.
	Check      json.RawMessage
	OffTimeout time.Duration
}

// NewHTTPFault makes f, which is valid, ready.
func NewHTTPFault(f *Fault) HTTPFault {
	on, _ := f.get("on").(HTTPCall)
	off, _ := f.get("off").(HTTPCall)
	return HTTPFault{Name: f.Text("name"), On: on, Off: off, Check: f.JSON("check"), OffTimeout: time.Duration(f.Number("off_timeout").Start)}
}

// HTTPCall is one request that a fault of kind http sends.
type HTTPCall struct {
	URL string `json:"url"`
	// Method is POST unless said.
	Method  string            `json:"method,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
	// Expect are the statuses that are a success, as in "2xx,404"; empty is 2xx.
	Expect string `json:"expect,omitempty"`
	// Timeout is 0 for 10s.
	Timeout time.Duration `json:"-"`
}

// What stands for fields of an HTTPCall that are not given.
const (
	defaultMethod  = "POST"
	defaultExpect  = "2xx"
	defaultTimeout = 10 * time.Second
)

// WithDefaults fills in what was not given.
func (h HTTPCall) WithDefaults() HTTPCall {
	if h.Method == "" {
		h.Method = defaultMethod
	}
	if h.Expect == "" {
		h.Expect = defaultExpect
	}
	if h.Timeout == 0 {
		h.Timeout = defaultTimeout
	}
	return h
}

// MarshalJSON writes what readRequest reads, without what has its default.
func (h HTTPCall) MarshalJSON() ([]byte, error) {
	type plain HTTPCall
	out := struct {
		plain
		Timeout string `json:"timeout,omitempty"`
	}{plain: plain(h)}
	if h.Timeout != 0 {
		out.Timeout = units.FormatDuration(h.Timeout)
	}
	return json.Marshal(out)
}

// readRequest reads a URL, or a dict of what HTTPCall has.
func readRequest(spec *ParamSpec, arg any) (HTTPCall, error) {
	var h HTTPCall
	switch a := arg.(type) {
	case HTTPCall:
		return a.withoutDefaults(), nil
	case string:
		h.URL = a
		return h, nil
	case map[string]any:
		for _, name := range sortedKeys(a) {
			if a[name] == nil {
				continue
			}
			if err := h.set(&ParamSpec{Name: spec.Name + " (" + name + ")"}, name, a[name]); err != nil {
				return h, err
			}
		}
		return h.withoutDefaults(), nil
	}
	return h, spec.wants(spec.Type.expected(), arg)
}

func (h *HTTPCall) set(spec *ParamSpec, name string, arg any) (err error) {
	text := map[string]*string{"url": &h.URL, "method": &h.Method, "body": &h.Body, "expect": &h.Expect}[name]
	switch {
	case text != nil:
		var ok bool
		if *text, ok = arg.(string); !ok {
			return spec.wants("a string", arg)
		}
		return nil
	case name == "headers":
		h.Headers, err = readHeaders(spec, arg)
		return err
	case name == "timeout":
		spec.Type = TypeDuration
		v, err := readValue(spec, arg)
		h.Timeout = time.Duration(v.Start)
		return err
	}
	return fmt.Errorf("parameter %s is unknown; there are url, method, headers, body, expect, timeout", spec.Name)
}

// withoutDefaults takes out what says only what holds anyway, so that equal requests
// look equal.
func (h HTTPCall) withoutDefaults() HTTPCall {
	h.Method = asciiUpper(h.Method)
	if h.Method == defaultMethod {
		h.Method = ""
	}
	if h.Expect == defaultExpect {
		h.Expect = ""
	}
	if h.Timeout == defaultTimeout {
		h.Timeout = 0
	}
	if len(h.Headers) == 0 {
		h.Headers = nil
	}
	return h
}

func (spec *ParamSpec) validateRequest(h HTTPCall) error {
	u, err := url.Parse(h.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(h.URL) > 8192 || strings.ContainsFunc(h.URL, isControl) {
		return fmt.Errorf("parameter %s: the URL is %s; expected one such as \"http://127.0.0.1:9000/fault\"", spec.Name, describe(h.URL))
	}
	if strings.ContainsFunc(h.Method, func(r rune) bool { return !isToken(r) }) || len(h.Method) > 32 {
		return fmt.Errorf("parameter %s: the method is %s; expected one such as \"POST\"", spec.Name, describe(h.Method))
	}
	if len(h.Body) > maxText {
		return fmt.Errorf("parameter %s: the body has %d bytes; expected at most %d", spec.Name, len(h.Body), maxText)
	}
	if err := checkStatuses(h.Expect); err != nil {
		return fmt.Errorf("parameter %s: expect: %w", spec.Name, err)
	}
	if h.Timeout < 0 || h.Timeout > maxDelay {
		return fmt.Errorf("parameter %s: the timeout is %s; expected 1ms to %s", spec.Name, units.FormatDuration(h.Timeout), units.FormatDuration(maxDelay))
	}
	headers := ParamSpec{Name: spec.Name}
	return headers.validateHeaders(h.Headers)
}

// checkStatuses checks a list such as "2xx,404".
func checkStatuses(list string) error {
	if list == "" {
		return nil
	}
	if len(list) > 1000 {
		return fmt.Errorf("it has %d characters; expected at most 1000", len(list))
	}
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if class, ok := strings.CutSuffix(item, "xx"); ok && slices.Contains([]string{"1", "2", "3", "4", "5"}, class) {
			continue
		}
		if n, err := strconv.Atoi(item); err != nil || n < 100 || n > 599 {
			return fmt.Errorf("%s is no status; expected some such as \"2xx,404\"", describe(item))
		}
	}
	return nil
}
