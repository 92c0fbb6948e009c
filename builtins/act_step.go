package builtins

import (
	"slices"
	"strconv"
	"time"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/runtime"
)

// stepping are the builtins around a step.
func stepping() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Sig: `step(name: string, run: function = None, args: tuple|list = (), *, traffic: traffic|None = None, chaos: faults|None = None, on: targets|None = None, duration: duration|None = None, delay_before: duration = "0s", timeout: duration|None = None, below: dict = {}, above: dict = {}, recovered: duration|None = None, min_hits: int = 1, retries: int = 0, retry_delay: duration = "1s", backoff: number = 1, when: bool|function = True, on_failure: string = "stop", labels: dict = {})`,
			Doc: "Runs one step. It waits delay_before and evaluates when, once. Each try then: chaos on; run(*args) and traffic go; chaos off after exactly duration, or without one when run ends; the try ends when all have ended. " +
				"A timeout counts one try. below and above are checks on the traffic's figures, for example {\"p99\": \"800ms\", \"error_rate\": 0.01}, which must be less or more, not equal: {\"error_rate\": 0} never holds, and gets a warning; where this machine was the limit they are not judged and the run is inconclusive. " +
				"recovered fails the step if the steady state is not back that soon after chaos-off. Chaos that fewer than min_hits requests met makes the run inconclusive. " +
				"The result has .name .ok .status .error .value .traffic .duration .started .attempts .faults; status is passed, failed, skipped or stopped. " +
				"ok is True only where the step passed: a skipped one is no failure, but has shown nothing either; ask .status for it.",
			Planned: "its chaos as with apply_chaos; --fail NAME fails it when its body has run",
			Family:  "structure", Phase: dsl.Acting, Blocks: true,
			Ranges:  map[string][2]float64{"retries": {0, 10_000}, "backoff": {1, 100}, "min_hits": {0, 1e9}, "recovered": someTime},
			Choices: map[string][]string{"on_failure": {"stop", "continue", "tolerate"}},
			Help: map[string]string{
				"min_hits":     "how many requests must meet the chaos, in each try for itself. Those of probes count in a step without traffic; in one with traffic they do not, as far as this process makes both probe and proxy",
				"name":         "what it is called in timeline, report and failures; several steps may share a name",
				"chaos":        "faults, lists of them, scenarios or profiles, which are on during each try",
				"on":           "a target or a list of them, of those faults that no .on(target) binds",
				"duration":     "how long chaos is on and traffic goes; without it as long as run goes",
				"delay_before": "how long it waits before all else", "timeout": "of one try, from chaos-on to chaos-off; a try that takes longer fails",
				"below": `upper limits of the traffic's figures, such as {"p99": "800ms", "error_rate": "1%"}`, "above": "lower limits, likewise",
				"recovered": "how soon after chaos-off the steady state has to be back",
				"retries":   "how many more tries there are after one that failed", "retry_delay": "between two tries, without chaos",
				"labels": "words by which reports tell steps apart",
				"args":   "what run is called with",
				"run":    "called with args; what it returns is .value", "backoff": "retry_delay × backoffⁿ passes between tries",
				"traffic": "sent for its own duration, else for that of the step, else while run goes", "when": "a bool or a function, evaluated after delay_before", "on_failure": `"continue" goes on and the run will be failed; "tolerate" goes on, and the failure is shown and counted as tolerated`,
			},
		}, acts(step)},
		{dsl.Builtin{
			Sig: `skip(reason: string)`, Doc: "Ends the innermost step as skipped.",
			Family: "structure", Phase: dsl.Acting,
		}, acts(func(c *Call, t *task) (starlark.Value, error) {
			if !t.branch.InStep() {
				return nil, c.Errorf("", "stands in no step").WithHint("skip() ends the innermost step; to end the run early, return from main()")
			}
			return nil, runtime.Failf(runtime.ClassSkip, "skipped", "%s", c.String("reason"))
		})},
		{dsl.Builtin{
			Sig: `fail(*message)`, Doc: "Ends the innermost step, attempt or run as failed. The message is its arguments, joined by spaces.",
			Family: "structure", Phase: dsl.Acting, Looks: true,
		}, looks(func(c *Call, t *task) (starlark.Value, error) {
			return nil, runtime.Failf(runtime.ClassFailed, "failed", "%s", join(c.Rest()))
		})},
		{dsl.Builtin{
			Sig: `inconclusive(reason: string)`, Doc: "Ends the run as inconclusive: it says nothing about the system.",
			Family: "structure", Phase: dsl.Acting,
		}, acts(func(c *Call, t *task) (starlark.Value, error) {
			return nil, runtime.Failf(runtime.ClassInconclusive, "inconclusive", "%s", c.String("reason"))
		})},
	}
}

// join prints values as print does.
func join(values starlark.Tuple) string {
	var out string
	for i, v := range values {
		if i > 0 {
			out += " "
		}
		if s, ok := text(v); ok {
			out += s
		} else {
			out += v.String()
		}
	}
	return out
}

func step(c *Call, t *task) (starlark.Value, error) {
	spec := &runtime.StepSpec{
		Name: c.String("name"), Delay: c.Duration("delay_before"), Duration: c.Duration("duration"), Timed: c.Has("duration"),
		Timeout: c.Duration("timeout"), Retries: c.Int("retries"), Backoff: c.Float("backoff"),
		OnFailure: runtime.OnFailure(c.String("on_failure")), Recovered: c.Duration("recovered"),
		Run: t.callBody(c.Callable("run"), starlark.Tuple(c.List("args"))),
	}
	if spec.Retries > 0 || c.Given("retry_delay") { // else it says nothing, and would stand in every record
		spec.RetryDelay = c.Duration("retry_delay")
	}
	if err := c.nameGiven(); err != nil {
		return nil, err
	}
	if c.Has("timeout") && spec.Timeout == 0 {
		return nil, c.Errorf("timeout", "expected a time longer than 0s").WithHint("leave it out for a step without one")
	}
	if spec.Recovered > 0 && c.Has("chaos") && !t.branch.HasSteadyState() {
		return nil, c.Errorf("recovered", "says how soon the steady state must be back, and there is none around the step").
			WithHint("call steady_state(name, probe) before it")
	}
	if spec.Timed && c.Has("timeout") && spec.Timeout <= spec.Duration {
		return nil, c.Errorf("timeout", "expected longer than duration, got %s beside %s", Duration(spec.Timeout), Duration(spec.Duration)).
			WithHint("a try takes at least its duration")
	}
	if pos := c.Pos(); pos.Line > 0 {
		spec.Pos = pos.Filename() + ":" + strconv.Itoa(int(pos.Line)) + ":" + strconv.Itoa(int(pos.Col))
	}
	var err error
	if spec.Labels, err = c.labels("labels"); err != nil {
		return nil, err
	}
	if when := c.Callable("when"); when != nil {
		spec.When = t.asks(c.Errorf("when", "expected the function to return True or False"), when)
	} else if !c.Bool("when") {
		spec.When = func(*runtime.Branch) (bool, error) { return false, nil }
	}
	traffic, err := c.stepTraffic(t, spec)
	if err != nil {
		return nil, err
	}
	if c.Has("chaos") {
		if err := c.stepChaos(t, spec); err != nil {
			return nil, err
		}
	} else if err := c.noChaos(); err != nil {
		return nil, err
	}
	traffic.judges(spec)
	c.warnLimits(t, traffic)
	if slices.Contains(t.env.FailSteps, spec.Name) {
		failInPlan(spec)
	}
	res, err := t.branch.Step(spec)
	if err != nil {
		return nil, err
	}
	return stepObject(res, traffic), nil
}

// failInPlan makes a step fail once its body has run, as --fail asks.
func failInPlan(spec *runtime.StepSpec) {
	run := spec.Run
	spec.Run = func(b *runtime.Branch) (any, error) {
		if run != nil {
			if _, err := run(b); err != nil {
				return nil, err
			}
		}
		return nil, runtime.Failf(runtime.ClassFailed, "fail_asked", "step %q fails, as --fail asks", spec.Name)
	}
}

// noChaos refuses what says something of chaos that there is not. chaos = None, written
// out, is what a function hands on that has none.
func (c *Call) noChaos() error {
	for _, name := range []string{"on", "min_hits", "recovered"} {
		if c.Has(name) && !c.Given("chaos") {
			return c.Errorf(name, "there is no chaos beside it").WithHint("add chaos = fault.…, or leave %s out", name)
		}
	}
	return nil
}

// stepChaos adds what chaos and on ask for.
func (c *Call) stepChaos(t *task, spec *runtime.StepSpec) error {
	if spec.Run == nil && !spec.Timed {
		return c.Errorf("chaos", "there is neither run, traffic nor duration, so the chaos would be over at once").
			WithHint("add duration = \"30s\", or a function to run meanwhile")
	}
	faults, hits, err := c.chaosAsked(t, c.Value("chaos"))
	if err != nil {
		return err
	}
	c.warnIdle(t, faults)
	c.warnDelay(t, faults)
	c.warnPast(t, faults)
	minHits, err := c.minHits(hits)
	if err != nil {
		return err
	}
	asks, err := asksFor(faults)
	if err != nil {
		return err
	}
	spec.Chaos = func() ([]runtime.Ask, error) { return asks, nil }
	spec.Terms = hitTerms(c.Int("min_hits"))
	met := func(try *runtime.Try) error { return judgeHits(try, minHits, c.Has("traffic")) }
	spec.Doubt = met
	spec.Judge = func(_ *runtime.Branch, try *runtime.Try) error { return met(try) }
	return nil
}

// asks makes a function that calls fn and expects a bool.
func (t *task) asks(wrong *ArgError, fn starlark.Callable, args ...starlark.Value) func(*runtime.Branch) (bool, error) {
	return func(b *runtime.Branch) (bool, error) {
		v, err := starlark.Call(t.on(b).thread, fn, args, nil)
		if err != nil {
			return false, err
		}
		yes, ok := v.(starlark.Bool)
		if !ok {
			e := *wrong
			e.Message += ", got " + describe(v)
			return false, &e
		}
		return bool(yes), nil
	}
}

// labels reads a dict of strings.
func (c *Call) labels(name string) (map[string]string, error) {
	d := c.Dict(name)
	if d == nil || d.Len() == 0 {
		return nil, nil
	}
	out := make(map[string]string, d.Len())
	for k, v := range d.Entries() {
		key, ok := k.(starlark.String)
		val, also := v.(starlark.String)
		if !ok || !also {
			return nil, c.Errorf(name, "expected strings, got %s = %s", describe(k), describe(v))
		}
		out[string(key)] = string(val)
	}
	return out, nil
}

// stepObject is a step's result as a script sees it.
func stepObject(res *runtime.StepResult, traffic *stepTraffic) *Object {
	err := errorText(res.Err)
	if res.Reason != "" {
		err = starlark.String(res.Reason)
	}
	started := res.Started
	return NewObject("step_result",
		Field{Name: "name", Value: starlark.String(res.Name)},
		Field{Name: "ok", Value: starlark.Bool(res.OK())},
		Field{Name: "status", Value: starlark.String(res.Status)},
		Field{Name: "error", Value: err},
		Field{Name: "value", Value: value(res.Value)},
		Field{Name: "traffic", Lazy: traffic.object},
		Field{Name: "duration", Value: Duration(res.Duration)},
		Field{Name: "started", Lazy: func() (starlark.Value, error) { return Time(started.UTC()), nil }},
		Field{Name: "attempts", Value: starlark.MakeInt(res.Attempts)},
		Field{Name: "recovery", Value: durationOrNone(res.Recovery)},
		Field{Name: "faults", Lazy: func() (starlark.Value, error) { return faultStats(res.Held), nil }},
	)
}

func durationOrNone(d time.Duration) starlark.Value {
	if d == 0 {
		return starlark.None
	}
	return Duration(d)
}
