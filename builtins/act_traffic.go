package builtins

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/dsl"
	"starquake/effects"
	"starquake/effects/load"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// ask is the request that sends the load, for so long unless it says itself; 0: until
// it is released.
func (t *Traffic) ask(duration time.Duration) (runtime.Ask, error) {
	args := effects.LoadArgs{Traffic: t.id, Spec: t.spec, Simulated: t.simulated}
	if args.Spec.Duration == 0 {
		args.Spec.Duration = duration
	}
	if err := args.Spec.Validate(); err != nil {
		return runtime.Ask{}, err
	}
	raw, err := json.Marshal(args)
	return runtime.Ask{Kind: effects.KindLoad, Args: raw, Repeat: true, Anew: true}, err
}

// loadFailure is the failure of load that could not be sent.
func loadFailure(err *journal.EffectError) *runtime.Failure {
	if err.Code == effects.CodeDenied || err.Code == effects.CodeInvalid {
		return runtime.Failf(runtime.ClassScript, "denied", "%s", err.Message)
	}
	return runtime.Failf(runtime.ClassErrored, err.Code, "load: %s", err.Message)
}

// figuresOf reads the figures of load that has ended.
func figuresOf(ans runtime.Answer) (*load.Figures, *runtime.Failure) {
	if ans.Err != nil {
		return nil, loadFailure(ans.Err)
	}
	f := new(load.Figures)
	if err := json.Unmarshal(ans.Data, f); err != nil {
		return nil, runtime.Failf(runtime.ClassErrored, "no_figures", "load gave no figures at its end: %v", err)
	}
	return f, nil
}

// judgeGenerator makes the run inconclusive where the generator was the limit.
func judgeGenerator(f *load.Figures) *runtime.Failure {
	if !f.GeneratorLimited {
		return nil
	}
	return runtime.Failf(runtime.ClassInconclusive, "generator_limited",
		"this machine was the limit, not the system: of %d requests %d were sent late, %d not at all, and %d failed here; send less, or from a machine with more to spare",
		f.Requests, f.Late, f.Dropped-f.ByStatus["dropped"], f.ByStatus["local"])
}

// judged is the Judge of load that no step judges.
func judged(told runtime.Told) *runtime.Failure {
	f, failure := figuresOf(runtime.Answer{Data: told.Answer})
	if failure != nil {
		return failure
	}
	return judgeGenerator(f)
}

// hold puts load on for the innermost scope.
func (t *Traffic) hold(b *runtime.Branch, duration time.Duration, judge func(runtime.Told) *runtime.Failure) (*runtime.Held, error) {
	ask, err := t.ask(duration)
	if err != nil {
		return nil, err
	}
	ask.Judge = judge
	held, err := b.Hold(ask)
	if err != nil {
		return nil, err
	}
	return held[0], nil
}

// ended gives the figures of load that has ended as a script sees them.
func ended(held *runtime.Held) (starlark.Value, error) {
	if torn := held.Torn(); torn != nil {
		return nil, torn
	}
	f, failure := figuresOf(held.Answer())
	if failure == nil {
		failure = judgeRequests(f)
	}
	if failure != nil {
		return nil, failure
	}
	return figuresObject(f), nil
}

// judgeRequests makes the run inconclusive where the figures are of no request, or of the few
// that had an answer: a limit would judge an error rate of 0.
func judgeRequests(f *load.Figures) *runtime.Failure {
	switch {
	case f.Unfinished > f.Requests:
		return runtime.Failf(runtime.ClassInconclusive, "unfinished",
			"%d requests had no answer yet when the traffic was ended, and only %d count: its figures say nothing about the system; give the traffic a duration, at whose end answers are waited for", f.Unfinished, f.Requests)
	case f.Requests == 0:
		return runtime.Failf(runtime.ClassInconclusive, "no_requests", "the traffic sent no request that counts: it says nothing about the system")
	}
	return nil
}

func trafficRun(c *Call, t *task) (starlark.Value, error) {
	traffic := c.Value("traffic").(*Traffic)
	if traffic.spec.Duration == 0 {
		return nil, c.Errorf("traffic", "it has no duration, so it would never end").WithHint(`give one to the traffic, or send it with traffic.start(t) or a step`)
	}
	if err := traffic.ready(t.env, t.branch); err != nil {
		return nil, err
	}
	held, err := traffic.hold(t.branch, 0, judged)
	if err != nil {
		return nil, err
	}
	if err := t.branch.AwaitEnd(held); err != nil {
		return nil, err
	}
	return ended(held)
}

func trafficStart(c *Call, t *task) (starlark.Value, error) {
	traffic := c.Value("traffic").(*Traffic)
	if err := traffic.ready(t.env, t.branch); err != nil {
		return nil, err
	}
	held, err := traffic.hold(t.branch, 0, judged)
	if err != nil {
		return nil, err
	}
	began := t.branch.Now()
	return NewObject("load",
		Method(Builtin{dsl.Builtin{Sig: `window(last: duration = "10s")`, Ranges: map[string][2]float64{"last": {1, load.MaxWindow.Seconds()}}},
			looks(func(c *Call, t *task) (starlark.Value, error) { return loadWindow(c, t, held, traffic, began) })}),
		Method(Builtin{dsl.Builtin{Sig: `stop()`}, acts(func(c *Call, t *task) (starlark.Value, error) {
			if err := t.branch.Release(held); err != nil {
				return nil, err
			}
			return ended(held)
		})}),
		Method(Builtin{dsl.Builtin{Sig: `wait()`}, acts(func(c *Call, t *task) (starlark.Value, error) {
			if err := t.branch.AwaitEnd(held); err != nil {
				return nil, err
			}
			return ended(held)
		})}),
		Field{Name: "done", Always: func() starlark.Value { return starlark.Bool(held.Off()) }},
	), nil
}

// loadWindow gives the figures of the last so long of load that is on. Those that nothing was
// there to measure are None: 0 would be below every limit while nothing is answered.
func loadWindow(c *Call, t *task, held *runtime.Held, traffic *Traffic, began time.Time) (starlark.Value, error) {
	if held.Off() {
		return nil, runtime.Failf(runtime.ClassScript, "not_found", "window: this load has ended; .wait() gives its figures")
	}
	args := effects.LoadWindowArgs{ID: held.ID().String(), Last: c.Duration("last")}
	if inPlan(c.Thread) {
		var err error
		if args.Simulated, err = json.Marshal(traffic.spec.PlannedWindow(t.branch.Now().Sub(began), args.Last)); err != nil {
			return nil, err
		}
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	ans, err := t.branch.Perform(runtime.Ask{Kind: effects.KindLoadWindow, Args: raw, Repeat: true})
	if err != nil {
		return nil, err
	}
	if ans.Err != nil {
		return nil, runtime.Failf(runtime.ClassErrored, ans.Err.Code, "window: %s", ans.Err.Message)
	}
	var w load.Window
	if err := json.Unmarshal(ans.Data, &w); err != nil {
		return nil, fmt.Errorf("the window of load is unreadable: %w", err)
	}
	rate := starlark.Value(starlark.Float(w.ErrorRate))
	latencies := latencyFields(w.P50, w.P90, w.P95, w.P99, w.P999, w.Max)
	if _, ok := w.Figure("error_rate"); !ok {
		rate = starlark.None
	}
	for i, l := range latencies {
		if _, ok := w.Figure(l.Name); !ok {
			latencies[i].Value = starlark.None
		}
	}
	return NewObject("window", append(latencies,
		countField("requests", w.Requests), countField("errors", w.Errors), countField("dropped", w.Dropped),
		Field{Name: "error_rate", Value: rate},
		Field{Name: "throughput", Value: starlark.Float(w.Throughput)},
		Field{Name: "span", Value: Duration(w.Span)})...), nil
}

func countField(name string, n int64) Field { return Field{Name: name, Value: starlark.MakeInt64(n)} }

func latencyFields(p50, p90, p95, p99, p999, most time.Duration) []Field {
	return []Field{
		{Name: "p50", Value: Duration(p50)}, {Name: "p90", Value: Duration(p90)}, {Name: "p95", Value: Duration(p95)},
		{Name: "p99", Value: Duration(p99)}, {Name: "p999", Value: Duration(p999)}, {Name: "max", Value: Duration(most)},
	}
}

// figuresObject is what came of load as a script sees it. Where no request was even sent, since
// all slots were taken, its latencies are None: 0 would be below every limit.
func figuresObject(f *load.Figures) *Object {
	latencies := latencyFields(f.P50, f.P90, f.P95, f.P99, f.P999, f.Max)
	if !measured(f) {
		for i := range latencies {
			latencies[i].Value = starlark.None
		}
	}
	statuses := starlark.NewDict(len(f.ByStatus))
	for _, status := range slices.Sorted(maps.Keys(f.ByStatus)) {
		_ = statuses.SetKey(starlark.String(status), starlark.MakeInt64(f.ByStatus[status])) // a new dict takes strings
	}
	return NewObject("traffic_result", append([]Field{
		countField("requests", f.Requests), countField("errors", f.Errors),
		{Name: "error_rate", Value: starlark.Float(f.ErrorRate)},
	}, append(latencies,
		Field{Name: "throughput", Value: starlark.Float(f.Throughput)},
		Field{Name: "by_status", Value: statuses},
		countField("dropped", f.Dropped), countField("late", f.Late), countField("unfinished", f.Unfinished),
		Field{Name: "longest_outage", Value: Duration(f.LongestOutage)},
		Field{Name: "generator_limited", Value: starlark.Bool(f.GeneratorLimited)},
		Field{Name: "stopped_by", Value: starlark.String(f.StoppedBy)},
		Field{Name: "span", Value: Duration(f.Span)})...)...)
}

// measured reports whether any request took a time: those that found no slot did not.
func measured(f *load.Figures) bool { return f.Requests > f.ByStatus["dropped"] || f.Unfinished > 0 }

// stepTraffic is the load of one step.
type stepTraffic struct {
	traffic  *Traffic
	duration time.Duration // of the step
	limits   []trafficLimit
	held     *runtime.Held // of the last try
}

// trafficLimit is one entry of below or above.
type trafficLimit struct {
	figure, word string
	bound        starlark.Value
	text         string
	op           syntax.Token
}

// stepTraffic adds what traffic, below and above ask for; nil where there is none.
func (c *Call) stepTraffic(t *task, spec *runtime.StepSpec) (*stepTraffic, error) {
	if !c.Has("traffic") {
		for _, name := range []string{"below", "above"} {
			if d := c.Dict(name); d != nil && d.Len() > 0 && !c.Given("traffic") {
				return nil, c.Errorf(name, "limits the figures of traffic, and there is none").WithHint("add traffic = traffic.http(…), or leave %s out", name)
			}
		}
		return nil, nil
	}
	st := &stepTraffic{traffic: c.Value("traffic").(*Traffic), duration: spec.Duration}
	if st.traffic.spec.Duration == 0 && !spec.Timed && spec.Run == nil {
		return nil, c.Errorf("traffic", "there is neither run nor duration, so the load would never end").WithHint(`add duration = "30s" to the step or to the traffic`)
	}
	if st.traffic.spec.Duration == 0 && spec.Duration == 0 && spec.Run == nil {
		return nil, c.Errorf("duration", "load for 0s says nothing").WithHint("give a longer one, or leave the traffic out")
	}
	if _, err := st.traffic.ask(spec.Duration); err != nil {
		return nil, c.Errorf("traffic", "%v", err)
	}
	for _, op := range []syntax.Token{syntax.LT, syntax.GT} {
		name := limitName[op]
		limits, err := c.trafficLimits(name, op)
		switch {
		case err != nil && isNone(c.Dict(name)): // as what a step gives that failed only as planned
			return nil, err
		case err != nil:
			return nil, runtime.Failf(runtime.ClassScript, CodeBadLimit, "%w", err)
		}
		st.limits = append(st.limits, limits...)
	}
	slices.SortStableFunc(st.limits, func(a, b trafficLimit) int { return int(b.op) - int(a.op) })
	spec.Ready = func(b *runtime.Branch) error { return st.traffic.ready(t.env, b) }
	run := spec.Run
	spec.Run = func(b *runtime.Branch) (any, error) { return st.send(b, run) }
	return st, nil
}

// isNone reports whether one of the limits is None: a value that is not there.
func isNone(limits *starlark.Dict) bool {
	for _, v := range limits.Entries() {
		if v == starlark.None {
			return true
		}
	}
	return false
}

func (c *Call) trafficLimits(name string, op syntax.Token) ([]trafficLimit, error) {
	var out []trafficLimit
	empty := figuresObject(&load.Figures{Requests: 1})
	for k, v := range c.Dict(name).Entries() {
		figure, _ := text(k)
		value, err := empty.Attr(figure)
		if err != nil {
			return nil, c.Errorf(name, "%v", err)
		}
		bound := likeValue(value, v)
		if _, err := compare(op, value, bound); err != nil {
			return nil, c.cannotCompare(name, value, v)
		}
		if n, ok := number(bound); ok {
			if err := c.shareLimit(name, figure, n); err != nil {
				return nil, err
			}
		}
		out = append(out, trafficLimit{figure, name, bound, name + " " + limitText(v, bound), op})
	}
	return out, nil
}

// send runs the body under load.
func (st *stepTraffic) send(b *runtime.Branch, run runtime.Body) (v any, err error) {
	if st.held, err = st.traffic.hold(b, st.duration, nil); err != nil {
		return nil, err
	}
	if run != nil {
		if v, err = run(b); err != nil {
			return v, err
		}
	}
	if st.traffic.spec.Duration > 0 || st.duration > 0 {
		return v, b.AwaitEnd(st.held)
	}
	return v, b.Release(st.held)
}

// judge checks the figures. Those of a generator that was the limit say nothing, and
// those of load that a crash has torn.
func (st *stepTraffic) judge(b *runtime.Branch) error {
	if torn := st.held.Torn(); torn != nil {
		return torn
	}
	f, failure := figuresOf(st.held.Answer())
	if failure == nil {
		failure = judgeGenerator(f)
	}
	if failure != nil {
		return failure
	}
	figures := figuresObject(f)
	for _, l := range st.limits {
		value, err := figures.Attr(l.figure)
		if err != nil {
			return err
		}
		ok, err := compare(l.op, value, l.bound)
		if err != nil {
			return err
		}
		raw, err := ToJSON(value)
		if err != nil {
			return err
		}
		spec := runtime.CheckSpec{Name: "traffic " + l.figure, OK: ok, Value: raw, Unit: unitOf(value), Limit: l.text}
		if value == starlark.None {
			spec.Detail = "no request was sent that could have been measured"
		}
		if err := b.Check(spec); err != nil {
			return err
		}
	}
	if failure := judgeRequests(f); failure != nil {
		return failure
	}
	return nil
}

// doubt is what makes a failed try say nothing about the system: its generator was the limit.
func (st *stepTraffic) doubt() error {
	if st.held == nil || !st.held.Off() {
		return nil
	}
	if f, failure := figuresOf(st.held.Answer()); failure == nil {
		if limited := judgeGenerator(f); limited != nil {
			return limited
		}
	}
	return nil
}

// object is the figures of a step, None where there are none.
func (st *stepTraffic) object() (starlark.Value, error) {
	if st == nil || st.held == nil || !st.held.Off() {
		return starlark.None, nil
	}
	if f, failure := figuresOf(st.held.Answer()); failure == nil {
		return figuresObject(f), nil
	}
	return starlark.None, nil
}

// judges makes the step judge its load, before its chaos: of load that could not be
// sent no request met it.
func (st *stepTraffic) judges(spec *runtime.StepSpec) {
	if st == nil {
		return
	}
	hits := spec.Judge
	spec.Judge = func(b *runtime.Branch, try *runtime.Try) error {
		if err := st.judge(b); err != nil || hits == nil {
			return err
		}
		return hits(b, try)
	}
	met := spec.Doubt
	spec.Doubt = func(try *runtime.Try) error {
		if err := st.doubt(); err != nil || met == nil {
			return err
		}
		return met(try)
	}
	if len(st.limits) == 0 {
		return
	}
	terms := map[string]any{}
	if spec.Terms != nil {
		_ = json.Unmarshal(spec.Terms, &terms) // an object of this package
	}
	for _, l := range st.limits {
		terms[l.figure+" "+l.word] = l.text
	}
	spec.Terms, _ = json.Marshal(terms) // strings and numbers
}
