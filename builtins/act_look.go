package builtins

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// requesting are the builtins that send a request and give what came back.
func requesting() []Builtin {
	rows := []Builtin{
		{dsl.Builtin{
			Sig:     `http.request(method: string, url: string|secret, *, headers: headers = {}, body: string|bytes|secret|None = None, json: any = None, timeout: duration = "10s", expect: string|int|list = "2xx,3xx", follow: bool = True, ` + tlsParams + `, simulated: dict|None = None)`,
			Doc:     "Sends a request. The result has .ok .status .headers .text .json() .elapsed .error .truncated; .ok is True for a status of 200 to 399, whatever expect says; .headers is read with names in any case; an unmet expect fails and says what came; expect = \"any\" returns it as it is, .elapsed being None where there was no answer.",
			Planned: "the first status of expect (200 without one), an empty body, elapsed 10 ms, for which the plan's clock does not move; an elapsed in simulated moves it",
			Family:  "effects", Phase: dsl.Acting, Looks: true, Blocks: true,
			Ranges: map[string][2]float64{"timeout": someTime},
			Help: tlsHelp(map[string]string{
				"headers": "names and values", "json": "sent as JSON, instead of body", "expect": `statuses such as "2xx", "200,404", 201 or "any"`,
				"follow": "follow redirects, at most ten", "simulated": `what the plan answers, for example {"status": 503} or {"body": "…", "elapsed": "2s"}`,
			}),
		}, looks(func(c *Call, t *task) (starlark.Value, error) {
			method, err := c.method()
			if err != nil {
				return nil, err
			}
			return httpRequest(c, t, method)
		})},
		{dsl.Builtin{
			Sig:     `exec.run(argv: list, *, env: dict = {}, timeout: duration = "1m", stdin: string|secret = "", expect: int|list|string = 0, simulated: dict|None = None)`,
			Doc:     "Runs a program with a clean environment, where permitted (--allow-exec). The result has .code .stdout .stderr .elapsed .error .truncated; another exit code than expect fails; expect = \"any\" returns it as it is. No shell reads argv.",
			Planned: "the exit code of expect, no output, elapsed 10 ms",
			Family:  "effects", Phase: dsl.Acting, Looks: true, Blocks: true,
			Ranges: map[string][2]float64{"timeout": someTime},
		}, looks(execRun)},
	}
	for _, method := range []string{"get", "head", "delete", "post", "put", "patch"} {
		rows = append(rows, Builtin{dsl.Builtin{
			Sig: `http.` + method + `(url: string|secret, *, headers: headers = {}, body: string|bytes|secret|None = None, json: any = None, timeout: duration = "10s", expect: string|int|list = "2xx,3xx", follow: bool = True, ` + tlsParams + `, simulated: dict|None = None)`,
			Doc: "Sends a " + strings.ToUpper(method) + " request; see http.request.", Planned: "as http.request", Family: "effects", Phase: dsl.Acting, Looks: true, Blocks: true,
			Ranges: map[string][2]float64{"timeout": someTime},
		}, looks(func(c *Call, t *task) (starlark.Value, error) { return httpRequest(c, t, strings.ToUpper(method)) })})
	}
	return rows
}

// ask makes a request of args, a pointer to the arguments of that kind. Where the
// script gives simulated = it goes into the place for it.
func (c *Call) ask(kind string, args any, simulated *json.RawMessage) (runtime.Ask, error) {
	if d := c.Dict("simulated"); d != nil {
		raw, err := ToJSON(d)
		if err != nil {
			return runtime.Ask{}, c.Errorf("simulated", "%v", err)
		}
		*simulated = raw
	}
	if formed, ok := args.(interface{ Form() error }); ok { // what no answer makes better is said in a plan too
		if err := formed.Form(); err != nil {
			return runtime.Ask{}, c.Errorf("", "%v", err)
		}
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return runtime.Ask{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	return runtime.Ask{Kind: kind, Args: raw}, nil
}

// denied is the error for what the policy does not permit: the script's mistake, or
// its user's.
func denied(c *Call, message string) error {
	return runtime.Failf(runtime.ClassScript, "denied", "%s: %s", c.Name, message)
}

func httpRequest(c *Call, t *task, method string) (starlark.Value, error) {
	expect, err := c.statuses("expect")
	if err != nil {
		return nil, err
	}
	args := effects.HTTPArgs{Method: method, URL: c.String("url"), Timeout: c.Duration("timeout"), NoRedirect: !c.Bool("follow"), TLS: c.tls(), PlannedStatus: expect.First()}
	if args.Method == "GET" {
		args.Method = ""
	}
	if args.Headers, err = c.headerMap("headers"); err != nil {
		return nil, err
	}
	body := c.String("body")
	if c.Has("json") {
		if c.Has("body") {
			return nil, c.Errorf("json", "stands beside body").WithHint("keep one of them")
		}
		raw, err := ToJSON(c.Value("json"))
		if err != nil {
			return nil, c.Errorf("json", "%v", err)
		}
		body, args.Headers = string(raw), saysJSON(args.Headers)
	}
	if utf8.ValidString(body) {
		args.Body = body
	} else {
		args.BodyBase64 = []byte(body)
	}
	ask, err := c.ask(effects.KindHTTP, &args, &args.Simulated)
	if err != nil {
		return nil, err
	}
	ask.Repeat = method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS"
	ans, err := t.branch.Perform(ask)
	if err != nil {
		return nil, err
	}
	var a effects.HTTPAnswer
	if err := c.answer(ans, &a); err != nil {
		return nil, err
	}
	if a.Error != nil && (a.Error.Code == effects.CodeDenied || a.Error.Code == effects.CodeInvalid) {
		return nil, denied(c, a.Error.Message)
	}
	if expect.String() != "any" && (a.Error != nil || !expect.Has(a.Status)) {
		got := fmt.Sprintf("got %d", a.Status)
		if a.Error != nil {
			got = "got no answer: " + a.Error.Message
		} else if body := strings.TrimSpace(a.Body); body != "" {
			got += ": " + clip(strings.Join(strings.Fields(body), " "), 200)
		}
		return nil, runtime.Failf(runtime.ClassFailed, "unexpected_answer", "%s %s: expected %s, %s", method, args.URL, expect, got)
	}
	return httpObject(&a), nil
}

// saysJSON has headers say that a body is JSON, unless they say what it is.
func saysJSON(headers map[string]string) map[string]string {
	if headers == nil {
		headers = map[string]string{}
	}
	if !slices.ContainsFunc(keys(headers), func(name string) bool { return strings.EqualFold(name, "Content-Type") }) {
		headers["Content-Type"] = "application/json"
	}
	return headers
}

// effectError is an effect that was not done at all.
func (c *Call) effectError(ans runtime.Answer) error {
	if ans.Err.Code == effects.CodeDenied || ans.Err.Code == effects.CodeInvalid {
		return denied(c, ans.Err.Message)
	}
	return runtime.Failf(runtime.ClassErrored, ans.Err.Code, "%s: %s", c.Name, ans.Err.Message)
}

// sayBody is the help where a plan's answer lacks the body that the script reads.
const sayBody = `say it with simulated = {"body": "…"} beside the call, or with --answers FILE`

// inPlan reports whether effects answer as planned.
func inPlan(thread *starlark.Thread) bool {
	t := taskOf(thread)
	return t.branch != nil && t.branch.Run().Virtual()
}

// statuses reads an expectation of HTTP statuses.
func (c *Call) statuses(name string) (effects.Statuses, error) {
	var parts []string
	for _, v := range append(elements(c.Value(name)), c.Value(name)) {
		switch v := v.(type) {
		case starlark.String:
			parts = append(parts, string(v))
		case starlark.Int:
			parts = append(parts, v.String())
		}
	}
	set, err := effects.ParseStatuses(strings.Join(parts, ","))
	if err != nil {
		return set, c.Errorf(name, "%v", err)
	}
	return set, nil
}

// headerMap reads headers; several values of one name are joined as RFC 9110, 5.3,
// has it.
func (c *Call) headerMap(name string) (map[string]string, error) {
	list := c.Headers(name)
	if len(list) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(list))
	for _, h := range list {
		if have, ok := out[h.Name]; ok {
			out[h.Name] = have + ", " + h.Value
		} else {
			out[h.Name] = h.Value
		}
	}
	return out, nil
}

// answeredIn is how long an answer took, None where none came: a limit would take a refusal
// for a quick answer.
func answeredIn(d time.Duration, err *journal.EffectError) starlark.Value {
	if err != nil {
		return starlark.None
	}
	return Duration(d)
}

func httpObject(a *effects.HTTPAnswer) *Object {
	elapsed, problem := starlark.Value(Duration(a.Elapsed)), starlark.Value(starlark.None)
	if a.Error != nil {
		problem = starlark.String(a.Error.Message)
		if a.Status == 0 {
			elapsed = starlark.None
		}
	}
	body := string(a.Bytes())
	return NewObject("http_response",
		Field{Name: "status", Value: starlark.MakeInt(a.Status)},
		Field{Name: "ok", Value: starlark.Bool(a.Error == nil && a.Status >= 200 && a.Status < 400)},
		Field{Name: "headers", Lazy: func() (starlark.Value, error) { return newHeaderDict(a.Headers), nil }},
		Field{Name: "text", Value: starlark.String(body)},
		Method(Builtin{dsl.Builtin{Sig: `json()`}, func(c *Call) (starlark.Value, error) {
			v, err := FromJSON([]byte(body))
			if err != nil && body == "" && inPlan(c.Thread) {
				return nil, runtime.Failf(runtime.ClassScript, CodeNoPlannedData, "the planned answer has no body, so it is not known what json() gives; "+sayBody)
			}
			if err != nil {
				return nil, runtime.Failf(runtime.ClassFailed, "not_json", "the body is not JSON: %v; it begins with %s", err, quote(body))
			}
			return v, nil
		}}),
		Field{Name: "elapsed", Value: elapsed},
		Field{Name: "error", Value: problem},
		Field{Name: "truncated", Value: starlark.Bool(a.Truncated)},
	)
}
