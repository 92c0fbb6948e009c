package builtins

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/effects"
	"starquake/runtime"
)

// Probe is a probe as a value: it can be read, watched, planned and shown.
type Probe struct {
	spec json.RawMessage // as package effects reads it
	text string          // for people
	// reads is the runtime's probe, made when first asked for. A probe belongs to one
	// run, in which one branch at a time executes.
	reads *runtime.Probe
}

func (p *Probe) String() string        { return p.text }
func (p *Probe) Type() string          { return "probe" }
func (p *Probe) Freeze()               {}
func (p *Probe) Truth() starlark.Bool  { return true }
func (p *Probe) Hash() (uint32, error) { return 0, fmt.Errorf("a probe cannot be a key of a dict") }

// probing are the builtins that make probes and judge by them.
func probing() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Sig:    `probe.http(url: string|secret, method: string = "GET", headers: headers = {}, body: string|secret|None = None, status: string|int|list = "2xx", contains: string|None = None, json: dict|None = None, below: duration|None = None, timeout: duration = "2s", *, ` + tlsParams + `, simulated: dict|bool|None = None)`,
			Doc:    "Is a probe that holds if the request is answered with such a status, in less than below, with a body that contains the text and has the values in json (by path, \"a.b[0]\"). Its value is the status.",
			Family: "judging",
			Ranges: map[string][2]float64{"below": someTime, "timeout": someTime},
			Help:   tlsHelp(map[string]string{"simulated": `what a plan reads: False, or {"ok": False, "bad_after": "30s", "bad_for": "10s"} when it is watched`}),
		}, probeHTTP},
		{dsl.Builtin{
			Sig: `probe.tcp(addr: string, below: duration|None = None, timeout: duration = "2s", *, simulated: dict|bool|None = None)`,
			Doc: "Is a probe that holds if a connection to host:port can be made, in less than below.", Family: "judging",
			Ranges: map[string][2]float64{"below": someTime, "timeout": someTime},
		}, func(c *Call) (starlark.Value, error) {
			p := effects.TCPProbe{Kind: "tcp", Addr: c.String("addr"), Below: c.Duration("below"), Timeout: c.Duration("timeout")}
			return c.newProbe(&p, &p.Simulated, "tcp "+p.Addr)
		}},
		{dsl.Builtin{
			Sig: `probe.exec(argv: list, code: int = 0, stdout: string|None = None, timeout: duration = "10s", *, simulated: dict|bool|None = None)`,
			Doc: "Is a probe that holds if the program ends with that exit code and its output contains the text. It needs permission (--allow-exec).", Family: "judging",
			Ranges: map[string][2]float64{"code": {0, 255}, "timeout": someTime},
		}, func(c *Call) (starlark.Value, error) {
			argv, err := c.Strings("argv")
			if err != nil {
				return nil, err
			}
			p := effects.ExecProbe{Kind: "exec", Argv: argv, Code: c.Int("code"), Stdout: c.String("stdout"), Timeout: c.Duration("timeout")}
			return c.newProbe(&p, &p.Simulated, fmt.Sprintf("exec %q", argv))
		}},
		{dsl.Builtin{Sig: `probe.all(*probes)`, Doc: "Is a probe that holds if all of the probes do.", Family: "judging"}, probeNested("all")},
		{dsl.Builtin{Sig: `probe.any(*probes)`, Doc: "Is a probe that holds if one of the probes does.", Family: "judging"}, probeNested("any")},
		{dsl.Builtin{
			Sig: `observe(probe: probe)`,
			Doc: "Reads a probe once and never fails. The result has .ok .value .elapsed .error; .elapsed is None where nothing answered.", Planned: "the probe holds: an HTTP probe with the first of its statuses; no time passes",
			Family: "judging", Phase: dsl.Acting, Looks: true, Blocks: true,
		}, looks(observe)},
		{dsl.Builtin{
			Sig:     `steady_state(name: string, probe: probe|function, when: list = ["before", "during", "after"], during: share = "100%", every: duration = "1s", settle: duration = "0s")`,
			Doc:     "Is the hypothesis. It is read at its call and again before the first fault: if it does not hold nothing is injected and the run is inconclusive. While faults are on, if less than during of the readings hold, the run is failed: the first begins when a fault is on, and one that is under way when the last goes off still counts. When the scope ends it must hold again within settle. Its readings, and those of a guard, are requests like any other: a probe that goes through a target meets the chaos there, and is counted in seen and hit, and in min_hits where the step has no traffic of its own; probe past the target what shall say nothing of the chaos itself.",
			Planned: "it holds before, during and after",
			Help: map[string]string{
				"name": "what it is called in messages and reports", "probe": "a probe, or a function that may only look and gives whether it holds",
				"when": "when it is read; without \"during\" nothing is read while faults are on", "during": "the least share of readings that has to hold while faults are on",
				"every": "from a reading to the next", "settle": "how long after the faults it has to hold again",
			},
			Family: "judging", Phase: dsl.Acting, Blocks: true,
		}, acts(steadyState)},
		{dsl.Builtin{
			Sig:     `guard(name: string, probe: probe|function, every: duration = "1s", breaches: int = 1, on_error: string = "breach", on_no_data: string = "breach", action: string = "abort")`,
			Doc:     "Watches a probe while its scope lives, first before it returns. After that many bad readings in a row it takes the faults off and aborts the run; stop_scope and lift_faults do less. A function is called on a branch of its own and may only look; what it raises, and taking longer than 10 s or every, is a bad reading.",
			Planned: "it holds; --breach NAME breaches it at its first reading with a fault on, or at its second in a script without faults",
			Family:  "judging", Phase: dsl.Acting, Blocks: true,
			Ranges: map[string][2]float64{"breaches": {1, 1e6}},
			Help: map[string]string{
				"name": "what it is called in messages and reports", "probe": "a probe, or a function that may only look and gives whether all is well",
				"every": "from a reading to the next", "breaches": "how many bad readings in a row are a breach", "on_error": "what a reading is that could not be made",
				"on_no_data": "what a reading without data is, of Prometheus and of load", "action": `"abort" ends the run, "stop_scope" the scope that the guard belongs to, "lift_faults" only takes the scope's faults off`,
			},
			Choices: map[string][]string{"on_error": {"breach", "ignore"}, "on_no_data": {"breach", "ignore"}, "action": {"abort", "stop_scope", "lift_faults"}},
		}, acts(guard)},
	}
}

func probeHTTP(c *Call) (starlark.Value, error) {
	status, err := c.statuses("status")
	if err != nil {
		return nil, err
	}
	method, err := c.method()
	if err != nil {
		return nil, err
	}
	p := effects.HTTPProbe{Kind: "http", URL: c.String("url"), Method: method, Body: c.String("body"), Contains: c.String("contains"), Below: c.Duration("below"), Timeout: c.Duration("timeout"), TLS: c.tls()}
	if p.Method == "GET" {
		p.Method = ""
	}
	if status.String() != "2xx" {
		p.Status = status
	}
	if p.Headers, err = c.headerMap("headers"); err != nil {
		return nil, err
	}
	if d := c.Dict("json"); d != nil {
		p.JSON = make(map[string]json.RawMessage, d.Len())
		for k, v := range d.Entries() {
			path, ok := text(k)
			if !ok {
				return nil, c.Errorf("json", "expected paths as strings, got %s", describe(k))
			}
			if p.JSON[path], err = ToJSON(v); err != nil {
				return nil, c.Errorf("json", "%s: %v", path, err)
			}
		}
	}
	return c.newProbe(&p, &p.Simulated, fmt.Sprintf("http %s %s", method, p.URL))
}

// wrongProbe is what package effects says of a probe, without the kind that the call
// names already.
func (c *Call) wrongProbe(err error) string {
	return strings.TrimPrefix(err.Error(), "probe: "+strings.TrimPrefix(c.Name, "probe.")+": ")
}

// newProbe makes a probe of its arguments in the form of package effects, which
// checks them.
func (c *Call) newProbe(spec any, simulated *json.RawMessage, text string) (starlark.Value, error) {
	if c.Has("simulated") {
		raw, err := ToJSON(c.Value("simulated"))
		if err != nil {
			return nil, c.Errorf("simulated", "%v", err)
		}
		if ok, isBool := c.Value("simulated").(starlark.Bool); isBool {
			raw = json.RawMessage(fmt.Sprintf(`{"ok":%t}`, bool(ok)))
		}
		*simulated = raw
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	if err := effects.CheckProbe(raw); err != nil {
		return nil, c.Errorf("", "%s", c.wrongProbe(err))
	}
	return &Probe{spec: raw, text: text}, nil
}

// probeNested makes probe.all and probe.any.
func probeNested(kind string) func(*Call) (starlark.Value, error) {
	return func(c *Call) (starlark.Value, error) {
		var of []json.RawMessage
		text := kind + "("
		for i, v := range c.Rest() {
			p, ok := v.(*Probe)
			if !ok {
				return nil, c.Errorf("probes", "expected probes such as probe.http(url), got %s", describe(v))
			}
			of = append(of, p.spec)
			if i > 0 {
				text += ", "
			}
			text += p.text
		}
		raw, err := json.Marshal(map[string]any{"kind": kind, "of": of})
		if err != nil {
			return nil, err
		}
		if err := effects.CheckProbe(raw); err != nil {
			return nil, c.Errorf("probes", "%s", c.wrongProbe(err))
		}
		return &Probe{spec: raw, text: text + ")"}, nil
	}
}

// probe makes the runtime's probe of a parameter that is a probe or a function.
func (c *Call) probe(t *task, name string) (*runtime.Probe, error) {
	if p, ok := c.Value(name).(*Probe); ok {
		if p.reads == nil {
			p.reads = &runtime.Probe{Kind: effects.KindProbe, Args: p.spec, Watch: p.watch}
		}
		return p.reads, nil
	}
	fn := c.Callable(name)
	return &runtime.Probe{Func: func(b *runtime.Branch) (runtime.Reading, error) {
		v, err := starlark.Call(t.on(b).thread, fn, nil, nil)
		if err != nil {
			return runtime.Reading{}, err
		}
		return c.readingOf(name, v)
	}}, nil
}

// watch is the request that watches the probe.
func (p *Probe) watch(w runtime.WatchOptions) (runtime.Ask, error) {
	args, err := json.Marshal(effects.WatchArgs{
		Probe: p.spec, Every: w.Every, Breaches: w.Breaches, HoldOnPause: w.Hold, IgnoreErrors: w.IgnoreErrors, IgnoreNoData: w.IgnoreNoData,
	})
	return runtime.Ask{Kind: effects.KindWatch, Args: args, Repeat: true}, err
}

// readingOf makes a reading of what a function probe returned.
func (c *Call) readingOf(name string, v starlark.Value) (runtime.Reading, error) {
	switch v := v.(type) {
	case starlark.Bool:
		return runtime.Reading{OK: bool(v)}, nil
	case *Object:
		ok, err := v.Attr("ok")
		if b, isBool := ok.(starlark.Bool); err == nil && isBool {
			r := runtime.Reading{OK: bool(b)}
			for _, field := range []string{"value", "status"} {
				if val, err := v.Attr(field); err == nil && val != nil && val != starlark.None {
					r.Value, _ = ToJSON(val) // for people: what has no JSON form is left out
					break
				}
			}
			if none, err := v.Attr("no_data"); err == nil && none == starlark.True {
				r.NoData = true
			}
			if e, err := v.Attr("error"); err == nil && e != nil {
				r.Error, _ = text(e)
			}
			return r, nil
		}
	}
	err := c.Errorf(name, "expected the function to return True, False, or a result with .ok, got %s", describe(v))
	if _, probe := v.(*Probe); probe {
		err = err.WithHint("give the probe itself and not a function that makes it, or return observe(probe)")
	}
	return runtime.Reading{}, err
}

// readingValue is a reading as a script sees it.
func readingValue(r runtime.Reading) (starlark.Value, error) {
	val := starlark.Value(starlark.None)
	if len(r.Value) > 0 {
		v, err := FromJSON(r.Value)
		if err != nil {
			return nil, fmt.Errorf("a reading's value: %w", err)
		}
		val = v
	}
	problem, elapsed := starlark.Value(starlark.None), starlark.Value(Duration(r.Elapsed))
	if r.Error != "" {
		problem = starlark.String(r.Error)
		if val == starlark.None { // nothing came: a limit would take that for a quick answer
			elapsed = starlark.None
		}
	}
	return NewObject("reading",
		Field{Name: "ok", Value: starlark.Bool(r.OK)},
		Field{Name: "value", Value: val},
		Field{Name: "elapsed", Value: elapsed},
		Field{Name: "error", Value: problem},
	), nil
}

func observe(c *Call, t *task) (starlark.Value, error) {
	p, err := c.probe(t, "probe")
	if err != nil {
		return nil, err
	}
	r, err := t.branch.Read(p)
	if err != nil {
		return nil, err
	}
	return readingValue(r)
}
