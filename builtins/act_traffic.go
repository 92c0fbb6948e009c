package builtins

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.starlark.net/starlark"

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
