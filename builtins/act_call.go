package builtins

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/effects"
	"starquake/internal/nearest"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// tlsParams are the parameters of whatever can be asked over TLS, and tlsHelp what
// they mean.
const tlsParams = `ca: string|secret|None = None, insecure: bool = False, server_name: string|None = None`

func tlsHelp(more map[string]string) map[string]string {
	help := map[string]string{
		"ca":          "certificates in PEM, which alone are trusted: their text, for example secret(\"shop-ca\") from a file",
		"insecure":    "trust whatever certificate comes",
		"server_name": "the name that is asked for, and must be in the certificate",
	}
	for name, text := range more {
		help[name] = text
	}
	return help
}

// tls are the TLS arguments of a call, nil where there are none.
func (c *Call) tls() *effects.TLSArgs {
	args := effects.TLSArgs{CA: c.String("ca"), Insecure: c.Bool("insecure"), ServerName: c.String("server_name")}
	if args == (effects.TLSArgs{}) {
		return nil
	}
	return &args
}

// calling are the builtins that call something other than HTTP and give what came back.
func calling() []Builtin {
	timeout := map[string][2]float64{"timeout": someTime}
	return []Builtin{
		{dsl.Builtin{
			Sig:     `tcp.connect(addr: string, *, timeout: duration = "10s", expect: string = "open", simulated: dict|None = None)`,
			Doc:     "Makes a connection to host:port and closes it. The result has .ok .address .elapsed .error .code, the last being \"refused\", \"timeout\", \"reset\", \"dns\" or \"failed\" where there was no connection; an unmet expect fails. Closed is a port that refuses the connection: that none came in time, or that there is no such name, is not; expect = \"any\" takes these, too. .elapsed is None where there was no connection, unless expect is \"closed\".",
			Planned: "the connection is made, or refused where expect is \"closed\"; elapsed 10 ms",
			Family:  "effects", Phase: dsl.Acting, Looks: true, Blocks: true, Ranges: timeout,
			Choices: map[string][]string{"expect": {"open", "closed", "any"}},
			Help:    map[string]string{"simulated": `what the plan answers, for example {"error": "timeout"}`},
		}, looks(tcpConnect)},
		{dsl.Builtin{
			Sig:     `dns.lookup(name: string, type: string = "A", *, server: string|None = None, timeout: duration = "5s", expect: string = "found", simulated: dict|None = None)`,
			Doc:     "Looks a name up, by the system's resolver or at a server. The result has .ok .records .code .elapsed .error .truncated: the records' data sorted, and the response code (\"NOERROR\", \"NXDOMAIN\", \"SERVFAIL\", …); an unmet expect fails. Found is a name with at least one record of the type. .elapsed is None where there was no answer.",
			Planned: "one record, 192.0.2.1 or 2001:db8::1 or \"planned.invalid.\"; NXDOMAIN where expect is \"missing\"; elapsed 10 ms",
			Family:  "effects", Phase: dsl.Acting, Looks: true, Blocks: true, Ranges: timeout,
			Choices: map[string][]string{"expect": {"found", "missing", "any"}, "type": effects.DNSTypes()},
			Help:    map[string]string{"server": `"host" or "host:port"`, "simulated": `what the plan answers, for example {"records": ["10.0.0.7"]} or {"code": "SERVFAIL"}`},
		}, looks(dnsLookup)},
		{dsl.Builtin{
			Sig:     `grpc.health(addr: string, service: string = "", *, metadata: dict = {}, tls: bool = False, ` + tlsParams + `, timeout: duration = "5s", expect: string = "SERVING", simulated: dict|None = None)`,
			Doc:     "Asks for the health of a gRPC server, or of one service on it, by grpc.health.v1. The result has .ok .status .code .message .elapsed .error; an unmet expect fails, with \"any\" nothing does. .elapsed is None where no server answered.",
			Planned: "the status of expect, elapsed 10 ms",
			Family:  "effects", Phase: dsl.Acting, Looks: true, Blocks: true, Ranges: timeout,
			Choices: map[string][]string{"expect": {effects.GRPCServing, "NOT_SERVING", "any"}},
			Help:    tlsHelp(map[string]string{"tls": "connect over TLS; so do ca, insecure and server_name", "simulated": `what the plan answers, for example {"status": "NOT_SERVING"} or {"code": "UNAVAILABLE"}`}),
		}, looks(grpcHealth)},
		{dsl.Builtin{
			Sig:     `grpc.call(addr: string, method: string, message: dict = {}, *, metadata: dict = {}, tls: bool = False, ` + tlsParams + `, timeout: duration = "10s", expect: string|list = "OK", simulated: dict|None = None)`,
			Doc:     "Calls a unary gRPC method, \"package.Service/Method\", with a message in protobuf's JSON form. What the messages are comes from the descriptors that the environment names, else from the server's reflection. The result has .ok .code .message .json() .metadata .elapsed .error: the status's name and text, and the answer; timeout is the deadline that the server is told. Another status than expect fails; expect = \"any\" returns it as it is, .elapsed being None where no server answered.",
			Planned: "the first status of expect, and for OK a message without fields; elapsed 10 ms",
			Family:  "effects", Phase: dsl.Acting, Looks: true, Blocks: true, Ranges: timeout,
			Help: tlsHelp(map[string]string{"tls": "connect over TLS; so do ca, insecure and server_name", "expect": `statuses such as "OK", ["OK", "NOT_FOUND"] or "any"`, "simulated": `what the plan answers, for example {"json": {"total": 3}} or {"code": "UNAVAILABLE"}`}),
		}, looks(grpcCall)},
		{dsl.Builtin{
			Sig:     `prometheus.query(query: string, *, url: string|secret|None = None, headers: headers = {}, ` + tlsParams + `, timeout: duration = "10s", simulated: dict|None = None)`,
			Doc:     "Asks a Prometheus, that of the environment without url, for the value of an expression now. The result has .value, the number where there is exactly one, else None; .samples, each with .labels and .value; .ok and .no_data, whether there are any and none; .elapsed .error .truncated. A query that could not be answered fails, and the run is errored, also in an attempt: it says nothing of the system. observe(probe.prometheus(…)) looks without that.",
			Planned: "one sample of 0, elapsed 10 ms",
			Family:  "effects", Phase: dsl.Acting, Looks: true, Blocks: true, Ranges: timeout,
			Help: tlsHelp(map[string]string{"url": "the server, below which /api/v1/query is", "simulated": `what the plan answers, for example {"value": 0.02}, or {"value": None} for no data`}),
		}, looks(prometheusQuery)},
		{dsl.Builtin{
			Sig:     `notify(channel: string, message: string, *, simulated: dict|None = None)`,
			Doc:     "Sends a message to a channel that the environment defines (a webhook, Slack, the log). It never fails: the result has .ok .elapsed .error, and what could not be sent is a warning in the run's log.",
			Planned: "the message arrives, elapsed 10 ms",
			Family:  "effects", Phase: dsl.Acting, Looks: true, Blocks: true,
		}, looks(notify)},
	}
}

// performed asks for an effect and reads its answer into an A.
func performed[A any](c *Call, t *task, kind string, args any, simulated *json.RawMessage, repeat bool) (*A, error) {
	ask, err := c.ask(kind, args, simulated)
	if err != nil {
		return nil, err
	}
	ask.Repeat = repeat
	ans, err := t.branch.Perform(ask)
	if err != nil {
		return nil, err
	}
	a := new(A)
	return a, c.answer(ans, a)
}

// answer reads an answer into a. A call of which nobody knows whether it was done, since
// the process died meanwhile, has the answer that there was none: what that means is for
// expect and for whoever holds the failure to say, as with any other.
func (c *Call) answer(ans runtime.Answer, a any) error {
	data := ans.Data
	switch {
	case ans.Err == nil:
	case ans.Err.Code == journal.CodeUncertain:
		data, _ = json.Marshal(map[string]any{"error": ans.Err}) // two strings: cannot fail
	default:
		return c.effectError(ans)
	}
	if err := json.Unmarshal(data, a); err != nil {
		return fmt.Errorf("%s: the answer is unreadable: %w", c.Name, err)
	}
	return nil
}

// refusal is the error of an answer where nothing was sent: what the policy denies, and
// arguments that make no sense. It is nil for any other.
func (c *Call) refusal(p *journal.EffectError) error {
	if p != nil && (p.Code == effects.CodeDenied || p.Code == effects.CodeInvalid) {
		return denied(c, p.Message)
	}
	return nil
}

// unmet is the failure of an expectation.
func unmet(format string, args ...any) error {
	return runtime.Failf(runtime.ClassFailed, "unexpected_answer", format, args...)
}

// errorValue is an error in an answer as a script sees it.
func errorValue(p *journal.EffectError) starlark.Value {
	if p == nil {
		return starlark.None
	}
	return starlark.String(p.Message)
}

func tcpConnect(c *Call, t *task) (starlark.Value, error) {
	args := effects.TCPArgs{Addr: c.String("addr"), Timeout: c.Duration("timeout")}
	expect := c.String("expect")
	if expect == "closed" {
		args.PlannedError = effects.CodeRefused
	}
	a, err := performed[effects.TCPAnswer](c, t, effects.KindTCP, &args, &args.Simulated, true)
	if err == nil {
		err = c.refusal(a.Error)
	}
	if err != nil {
		return nil, err
	}
	code := starlark.Value(starlark.None)
	if a.Error != nil {
		code = starlark.String(a.Error.Code)
	}
	switch open := a.Error == nil; {
	case expect == "open" && !open:
		return nil, unmet("tcp %s: expected a connection, got none: %s", args.Addr, a.Error.Message)
	case expect == "closed" && open:
		return nil, unmet("tcp %s: expected it to be closed, and it is open", args.Addr)
	case expect == "closed" && a.Error.Code != effects.CodeRefused: // of which nobody knows
		return nil, unmet("tcp %s: expected the connection to be refused, got none for another reason: %s", args.Addr, a.Error.Message)
	}
	elapsed := answeredIn(a.Elapsed, a.Error)
	if expect == "closed" {
		elapsed = Duration(a.Elapsed) // to be refused is what was asked for
	}
	return NewObject("tcp_result",
		Field{Name: "ok", Value: starlark.Bool(a.Error == nil)},
		Field{Name: "address", Value: starlark.String(a.Address)},
		Field{Name: "elapsed", Value: elapsed},
		Field{Name: "error", Value: errorValue(a.Error)},
		Field{Name: "code", Value: code},
	), nil
}

func dnsLookup(c *Call, t *task) (starlark.Value, error) {
	args := effects.DNSArgs{Name: c.String("name"), Type: c.String("type"), Server: c.String("server"), Timeout: c.Duration("timeout")}
	expect := c.String("expect")
	if expect == "missing" {
		args.PlannedCode = effects.DNSMissing
	}
	a, err := performed[effects.DNSAnswer](c, t, effects.KindDNS, &args, &args.Simulated, true)
	if err == nil {
		err = c.refusal(a.Error)
	}
	if err != nil {
		return nil, err
	}
	found := a.Error == nil && a.Code == effects.DNSFound && len(a.Records) > 0
	missing := a.Error == nil && !found && (a.Code == effects.DNSFound || a.Code == effects.DNSMissing)
	if expect == "found" && !found || expect == "missing" && !missing {
		got := a.Code
		switch {
		case a.Error != nil:
			got = "no answer: " + a.Error.Message
		case found:
			got = clip(strings.Join(a.Records, ", "), 200)
		case a.Code == effects.DNSFound:
			got = "no record of that type"
		}
		return nil, unmet("%s of %s: expected it to be %s, got %s", args.Type, args.Name, expect, got)
	}
	return NewObject("dns_result",
		Field{Name: "ok", Value: starlark.Bool(found)},
		Field{Name: "records", Value: stringList(a.Records)},
		Field{Name: "code", Value: starlark.String(a.Code)},
		Field{Name: "elapsed", Value: answeredIn(a.Elapsed, a.Error)},
		Field{Name: "error", Value: errorValue(a.Error)},
		Field{Name: "truncated", Value: starlark.Bool(a.Truncated)},
	), nil
}

func prometheusQuery(c *Call, t *task) (starlark.Value, error) {
	address, err := c.prometheusURL(t.env)
	if err != nil {
		return nil, err
	}
	args := effects.PrometheusArgs{URL: address, Query: c.String("query"), TLS: c.tls(), Timeout: c.Duration("timeout")}
	if args.Headers, err = c.headerMap("headers"); err != nil {
		return nil, err
	}
	a, err := performed[effects.PrometheusAnswer](c, t, effects.KindPrometheus, &args, &args.Simulated, true)
	if err == nil {
		err = c.refusal(a.Error)
	}
	if err != nil {
		return nil, err
	}
	if a.Error != nil {
		// It says nothing of the system that is under test: whoever looks at it did not answer.
		return nil, runtime.Failf(runtime.ClassErrored, "query_failed", "prometheus.query %s: %s", quote(args.Query), a.Error.Message)
	}
	value := starlark.Value(starlark.None)
	samples := make([]starlark.Value, len(a.Samples))
	for i, s := range a.Samples {
		v, err := s.Number()
		if err != nil {
			return nil, fmt.Errorf("%s: the sample %s is no number", c.Name, quote(s.Value))
		}
		labels := starlark.NewDict(len(s.Labels))
		for _, k := range keys(s.Labels) {
			_ = labels.SetKey(starlark.String(k), starlark.String(s.Labels[k])) // a fresh dict takes strings
		}
		samples[i] = NewObject("sample", Field{Name: "labels", Value: labels}, Field{Name: "value", Value: starlark.Float(v)})
		if len(a.Samples) == 1 {
			value = starlark.Float(v)
		}
	}
	return NewObject("prometheus_result",
		Field{Name: "ok", Value: starlark.Bool(len(samples) > 0)},
		Field{Name: "value", Value: value},
		Field{Name: "samples", Value: starlark.NewList(samples)},
		Field{Name: "elapsed", Value: Duration(a.Elapsed)},
		Field{Name: "no_data", Value: starlark.Bool(len(samples) == 0)},
		Field{Name: "error", Value: starlark.None},
		Field{Name: "truncated", Value: starlark.Bool(a.Truncated)},
	), nil
}

// prometheusURL is the Prometheus to ask: that of the call, else of the environment.
func (c *Call) prometheusURL(e *Env) (string, error) {
	switch {
	case c.Has("url"):
		return c.String("url"), nil
	case e.Prometheus != "":
		return e.Prometheus, nil
	case e.AnyTarget:
		const stands = "http://prometheus.invalid"
		e.assumed(c, "no Prometheus is given, and %s stands for it; name its address under prometheus in --env, or give url =", stands)
		return stands, nil
	}
	return "", notGiven(c.Errorf("url", "no Prometheus is given to this run").WithHint("give url =, or name its address under prometheus in the file given with --env"))
}

func notify(c *Call, t *task) (starlark.Value, error) {
	args := effects.NotifyArgs{Channel: c.String("channel"), Message: c.String("message")}
	switch e := t.env; {
	case slices.Contains(e.Channels, args.Channel):
	case !e.AnyTarget:
		err := c.Errorf("channel", "the environment defines no channel %q", args.Channel)
		if near := nearest.Of(args.Channel, e.Channels); near != "" {
			return nil, notGiven(err.WithHint("did you mean %q?", near))
		}
		return nil, notGiven(err.WithHint("name it under notify in the file given with --env"))
	default:
		e.assumed(c, "the channel %q is not defined; name it under notify in --env", args.Channel)
	}
	a, err := performed[effects.NotifyAnswer](c, t, effects.KindNotify, &args, &args.Simulated, false)
	if err != nil {
		return nil, err
	}
	if a.Error != nil {
		t.branch.Log("warn", fmt.Sprintf("the message to %s was not sent: %s", args.Channel, a.Error.Message), nil)
	}
	return NewObject("notify_result",
		Field{Name: "ok", Value: starlark.Bool(a.Error == nil)},
		Field{Name: "elapsed", Value: Duration(a.Elapsed)},
		Field{Name: "error", Value: errorValue(a.Error)},
	), nil
}
