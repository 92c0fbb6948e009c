package builtins

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/dsl"
	"starquake/effects"
	"starquake/effects/load"
)

// Traffic is load as a value: nothing is sent before a step or a call runs it.
type Traffic struct {
	spec      load.Spec
	id        string // the same for equal specifications: what probes look for
	text      string // for people
	simulated json.RawMessage
}

func (t *Traffic) String() string       { return t.text }
func (t *Traffic) Type() string         { return "traffic" }
func (t *Traffic) Freeze()              {}
func (t *Traffic) Truth() starlark.Bool { return true }
func (t *Traffic) Hash() (uint32, error) {
	return 0, fmt.Errorf("traffic cannot be a key of a dict")
}

const trafficFigures = "requests errors error_rate p50 p90 p95 p99 p999 max throughput by_status dropped late unfinished longest_outage generator_limited stopped_by span"

// trafficking are the builtins that make load and run it.
func trafficking() []Builtin {
	ranges := func() map[string][2]float64 {
		return map[string][2]float64{"rate": {0, load.MaxRate}, "duration": someTime, "timeout": {0.001, 3600}, "max_in_flight": {1, load.MaxSlots}}
	}
	help := func(more map[string]string) map[string]string {
		out := map[string]string{
			"rate":          `requests per second: a number, a ramp, or stages such as [(100, "30s"), (ramp(100, 500, over = "1m"), "2m")]`,
			"duration":      "how long it lasts, warm-up included; without one that of the step, or of its stages",
			"warmup":        "requests due before that are sent and not counted",
			"timeout":       "of one request",
			"max_in_flight": "the most requests without an answer yet; by default rate × timeout and at most 10000, so that one that times out frees its slot before it is missed. A request that finds none counts as an error",
			"stop_when":     `conditions on the last 10 s, such as ["error_rate > 50%", "p99 > 5s"], that end it early`,
			"simulated":     `the figures in a plan, for example {"p99": "2s", "error_rate": 0.2}`,
		}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	return []Builtin{
		{dsl.Builtin{
			Sig: `traffic.http(url: string|secret, rate: number~|list, duration: duration|None = None, *, method: string = "GET", headers: headers = {}, body: string|secret|None = None, json: any = None, expect: string|int|list = "2xx,3xx", timeout: duration = "10s", warmup: duration = "0s", max_in_flight: int|None = None, stop_when: list = [], simulated: dict|None = None)`,
			Doc: "Is load of HTTP requests as a value; step(traffic = t), traffic.run(t) and traffic.start(t) send it. It is open-loop: requests are due at the rate however slowly earlier ones are answered, and latencies count from when they were due. " +
				"Load goes only to hosts that the environment or the script's own targets name, and to those of --allow-load; the targets of engines, such as starquake(url).proxy(name), are no targets of its own in that. Redirects are not followed. Its figures: " + trafficFigures + ". " +
				"by_status counts requests by status (\"200\"; of gRPC by name, \"OK\"), or by what came instead of an answer: \"timeout\", \"refused\", \"reset\", \"eof\" (the connection ended), \"dns\", \"tls\", \"too_long\", \"failed\"; " +
				"\"dropped\" found no slot and was not sent, \"local\" failed for want of ports or files of this machine, \"other\" are further statuses where there are very many.",
			Family: "traffic", Ranges: ranges(), Help: help(map[string]string{"expect": `statuses that are no error, such as "2xx" or "200,404"`, "json": "sent as JSON, instead of body"}),
		}, trafficHTTP},
		{dsl.Builtin{
			Sig: `traffic.grpc(addr: string, method: string, rate: number~|list, duration: duration|None = None, *, message: dict = {}, metadata: dict = {}, tls: bool = False, expect: string|list = "OK", timeout: duration = "10s", warmup: duration = "0s", max_in_flight: int|None = None, stop_when: list = [], simulated: dict|None = None)`,
			Doc: "Is load of unary gRPC calls as a value; see traffic.http. What the message is comes from the descriptors that the environment names, else from the server's reflection; an empty one and that of the health check need neither. " +
				"The server is asked once in a run, before the chaos of the first step that sends it goes on, and past the run's own proxies: their faults neither meet nor count it. A server that does not say it ends the run as errored.",
			Family: "traffic", Ranges: ranges(), Help: help(map[string]string{"method": `"package.Service/Method"`, "message": "the request, in protobuf's JSON form", "expect": `codes that are no error, such as ["OK", "NOT_FOUND"]`}),
		}, trafficGRPC},
		{dsl.Builtin{
			Sig:     `traffic.run(traffic: traffic)`,
			Doc:     "Sends the load, waits for its end and gives its figures. Where this machine and not the system was the limit the run is inconclusive.",
			Planned: "requests = rate × duration (without warm-up), each answered as expected in 1 ms; simulated in traffic.http lies over it",
			Family:  "traffic", Phase: dsl.Acting, Blocks: true,
		}, acts(trafficRun)},
		{dsl.Builtin{
			Sig:     `traffic.start(traffic: traffic)`,
			Doc:     "Sends the load in the background, until its duration is over, .stop(), or the scope's end. .window(last = \"10s\") gives the figures of the last so long, at most a minute, of which those are None that nothing was there to measure: error_rate where no request ended, latencies where none was answered; .wait() and .stop() give all; .done says whether it has ended.",
			Planned: "as traffic.run; a window has the requests that are due in its span, each answered in 1 ms",
			Family:  "traffic", Phase: dsl.Acting, Blocks: true,
		}, acts(trafficStart)},
		{dsl.Builtin{
			Sig:    `probe.traffic(traffic: traffic, figure: string, *, below: any = None, above: any = None, window: duration = "10s", simulated: dict|bool|None = None)`,
			Doc:    "Is a probe that holds if the figure of the load's last window is below or above a limit. It holds while the load is not on; it does not while the load is on and nothing was answered for a whole window.",
			Family: "judging", Ranges: map[string][2]float64{"window": {1, load.MaxWindow.Seconds()}},
			Choices: map[string][]string{"figure": load.WindowFigures()},
			Help:    map[string]string{"below": `for a latency a duration such as "1s", for error_rate a share`},
		}, probeTraffic},
	}
}

func trafficHTTP(c *Call) (starlark.Value, error) {
	expect, err := c.statuses("expect")
	if err != nil {
		return nil, err
	}
	method, err := c.method()
	if err != nil {
		return nil, err
	}
	h := &load.HTTP{URL: c.String("url"), Method: method, Body: c.String("body")}
	if err := effects.FormURL(h.URL); err != nil {
		return nil, c.Errorf("url", "%v", err)
	}
	if h.Method == "GET" {
		h.Method = ""
	}
	if s := expect.String(); s != "2xx,3xx" {
		h.Expect = s
	}
	if h.Headers, err = c.headerMap("headers"); err != nil {
		return nil, err
	}
	if c.Has("json") {
		if c.Has("body") {
			return nil, c.Errorf("json", "stands beside body").WithHint("keep one of them")
		}
		raw, err := ToJSON(c.Value("json"))
		if err != nil {
			return nil, c.Errorf("json", "%v", err)
		}
		h.Body, h.Headers = string(raw), saysJSON(h.Headers)
	}
	return c.newTraffic(load.Spec{HTTP: h}, "traffic.http("+quote(h.URL)+")")
}

func trafficGRPC(c *Call) (starlark.Value, error) {
	g := &load.GRPC{Addr: c.String("addr"), Method: strings.TrimPrefix(c.String("method"), "/"), TLS: c.Bool("tls")}
	if err := effects.FormAddress(g.Addr); err != nil {
		return nil, c.Errorf("addr", "%v", err)
	}
	raw, err := ToJSON(c.Value("message"))
	if err != nil {
		return nil, c.Errorf("message", "%v", err)
	}
	if g.Message = string(raw); g.Message == "{}" {
		g.Message = ""
	}
	if g.Metadata, err = c.metadata(); err != nil {
		return nil, err
	}
	names, err := c.Strings("expect")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		code, ok := load.Code(name)
		if !ok {
			return nil, c.Errorf("expect", "%s is no gRPC code", quote(name)).WithHint(`write for example "OK" or "NOT_FOUND"`)
		}
		if code != "OK" || len(names) > 1 {
			g.Expect = append(g.Expect, code)
		}
	}
	return c.newTraffic(load.Spec{GRPC: g}, fmt.Sprintf("traffic.grpc(%s, %s)", quote(g.Addr), quote(g.Method)))
}

// newTraffic reads what all traffic has.
func (c *Call) newTraffic(spec load.Spec, text string) (starlark.Value, error) {
	var err error
	if spec.Rate, err = c.rate(); err != nil {
		return nil, err
	}
	spec.Duration, spec.Warmup, spec.Timeout, spec.MaxInFlight = c.Duration("duration"), c.Duration("warmup"), c.Duration("timeout"), c.Int("max_in_flight")
	if last := spec.Rate[len(spec.Rate)-1]; spec.Duration == 0 && last.For > 0 {
		for _, p := range spec.Rate {
			spec.Duration += p.For
		}
	}
	if spec.StopWhen, err = c.Strings("stop_when"); err != nil {
		return nil, err
	}
	if err := spec.Validate(); err != nil {
		param, message, found := strings.Cut(err.Error(), ": ")
		if !found || c.f.param(param) < 0 {
			param, message = "", err.Error()
		}
		return nil, c.Errorf(param, "%s", message)
	}
	t := &Traffic{spec: spec, text: text}
	raw, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	sum := sha256.Sum256(raw)
	t.id = fmt.Sprintf("%x", sum[:8])
	if d := c.Dict("simulated"); d != nil {
		if t.simulated, err = ToJSON(d); err != nil {
			return nil, c.Errorf("simulated", "%v", err)
		}
	}
	return t, nil
}

// param is the place of a parameter, -1 for none.
func (f *function) param(name string) int {
	for i := range f.params {
		if f.params[i].Name == name {
			return i
		}
	}
	return -1
}

// rate reads a number, a ramp, or stages.
func (c *Call) rate() ([]load.Piece, error) {
	if _, isList := c.Value("rate").(starlark.Iterable); !isList {
		p, err := c.piece(c.Value("rate"))
		return []load.Piece{p}, err
	}
	var pieces []load.Piece
	for i, v := range c.List("rate") {
		pair := elements(v)
		if len(pair) != 2 {
			return nil, c.Errorf("rate", "stage %d is %s", i+1, describe(v)).WithHint(`write stages as (rate, time), for example [(100, "30s"), (ramp(100, 500, over = "1m"), "2m")]`)
		}
		p, err := c.piece(pair[0])
		if err != nil {
			return nil, err
		}
		d, ok, err := toDuration(pair[1])
		if !ok || err != nil || d <= 0 {
			return nil, c.Errorf("rate", "stage %d lasts %s; expected a duration such as \"30s\"", i+1, describe(pair[1]))
		}
		p.For = time.Duration(d)
		pieces = append(pieces, p)
	}
	if len(pieces) == 0 {
		return nil, c.Errorf("rate", "expected a number, a ramp or stages, got an empty list")
	}
	return pieces, nil
}

// piece reads one rate.
func (c *Call) piece(v starlark.Value) (p load.Piece, err error) {
	wrong := func(v starlark.Value) error {
		return c.Errorf("rate", "expected requests per second as a number, got %s", describe(v))
	}
	r, isRamp := v.(*Ramp)
	if !isRamp {
		f, ok := number(v)
		if !ok {
			return p, wrong(v)
		}
		return load.Piece{From: f}, nil
	}
	from, ok := number(r.Start)
	if !ok {
		return p, wrong(r.Start)
	}
	to, ok := number(r.End)
	if !ok {
		return p, wrong(r.End)
	}
	p = load.Piece{From: from, To: to, Over: r.Over, Shape: r.Shape.Name, Steps: r.Shape.Steps, Period: r.Shape.Period}
	if p.Shape == "linear" {
		p.Shape = ""
	}
	return p, nil
}

func probeTraffic(c *Call) (starlark.Value, error) {
	t := c.Value("traffic").(*Traffic)
	p := effects.TrafficProbe{Kind: "traffic", Traffic: t.id, Figure: c.String("figure"), Window: c.Duration("window")}
	text := fmt.Sprintf("%s of %s", p.Figure, t.text)
	for _, side := range []struct {
		op    syntax.Token
		limit **float64
	}{{syntax.LT, &p.Below}, {syntax.GT, &p.Above}} {
		name := limitName[side.op]
		if !c.Has(name) {
			continue
		}
		v := figureLimit(p.Figure, c.Value(name))
		var f float64
		switch v := v.(type) {
		case Duration:
			if !load.IsLatency(p.Figure) {
				return nil, c.Errorf(name, "%s is no time, got %s", p.Figure, describe(v))
			}
			f = time.Duration(v).Seconds()
		default:
			n, ok := number(v)
			if !ok {
				return nil, c.Errorf(name, "expected a limit for %s, got %s", p.Figure, describe(v))
			}
			f = n
		}
		if err := c.shareLimit(name, p.Figure, f); err != nil {
			return nil, err
		}
		if never := neverHolds(p.Figure, v, side.op); never != "" {
			return nil, c.Errorf(name, "%s %s %s never holds: %s", p.Figure, name, limitText(c.Value(name), v), never)
		}
		*side.limit = &f
	}
	for _, name := range []string{"below", "above"} {
		if c.Has(name) {
			text += fmt.Sprintf(" %s %s", name, limitText(c.Value(name), c.Value(name)))
		}
	}
	return c.newProbe(&p, &p.Simulated, text)
}

// shareLimit is the error for a limit on a share that is none: 5 where 5% is meant would
// never be broken.
func (c *Call) shareLimit(name, figure string, limit float64) error {
	if load.IsShare(figure) && !(limit >= 0 && limit <= 1) {
		return c.Errorf(name, "%s is a share from 0 to 1, and the limit is %g", figure, limit).WithHint(`write for example 0.05 or "5%%"`)
	}
	return nil
}

// figureLimit reads a limit the way the figure is: of a latency a time.
func figureLimit(figure string, v starlark.Value) starlark.Value {
	if load.IsLatency(figure) || figure == "longest_outage" {
		return likeValue(Duration(0), v)
	}
	return likeValue(starlark.Float(0), v)
}
