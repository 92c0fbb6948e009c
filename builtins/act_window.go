package builtins

import (
	"encoding/json"
	"fmt"
	"time"

	"go.starlark.net/starlark"

	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/runtime"
)

// KindWindow asks a target for its traffic.
const KindWindow = "target.window"

// WindowArgs ask for a target's traffic of the last so long, or since a moment of the
// run's time; neither is as far as it goes back, which is ten minutes.
type WindowArgs struct {
	Target    string          `json:"target"`
	Engine    *engine.Ref     `json:"engine,omitempty"`
	Last      time.Duration   `json:"last,omitempty"`
	Since     time.Time       `json:"since,omitzero"`
	Simulated json.RawMessage `json:"simulated,omitempty"`
}

// window gives a target's traffic.
func (t *Target) window(c *Call, task *task) (starlark.Value, error) {
	if t.Engine != nil {
		if kind, err := engine.KindOf(t.Engine.Kind); err != nil || !kind.HasWindow() {
			return nil, runtime.Failf(runtime.ClassScript, CodeUnsupported, "target %q: %s does not tell of its traffic; look at that of the step, or at probes", t.Name, t.Engine.Kind)
		}
	}
	args := WindowArgs{Target: t.Name, Engine: t.Engine, Last: c.Duration("last")}
	if since := c.Value("since"); since != starlark.None && since != nil {
		moment, ok := since.(Time)
		switch {
		case !ok:
			return nil, c.Errorf("since", "expected a moment such as now() gives, got %s", describe(since))
		case c.Given("last"):
			return nil, c.Errorf("since", "has both last and since; give one of them")
		}
		if args.Since = time.Time(moment).UTC(); args.Since.After(task.branch.Now()) {
			return nil, c.Errorf("since", "expected a moment that has come, got %s", moment)
		}
	}
	ask, err := c.ask(KindWindow, &args, &args.Simulated)
	if err != nil {
		return nil, err
	}
	ans, err := task.branch.Perform(ask)
	if err != nil {
		return nil, err
	}
	if ans.Err != nil {
		return nil, runtime.Failf(runtime.ClassErrored, ans.Err.Code, "target %q: %s", t.Name, ans.Err.Message)
	}
	return windowObject(ans.Data, inPlan(c.Thread))
}

// windowObject is a target's traffic as a script sees it. The latencies of no request are
// None: 0 would be below every limit. A plan has no requests, and goes on with 0.
func windowObject(raw json.RawMessage, planned bool) (starlark.Value, error) {
	var w chaos.WindowStats
	if err := json.Unmarshal(raw, &w); err != nil {
		return nil, fmt.Errorf("the traffic of a target is unreadable: %w", err)
	}
	latencies := func(l chaos.Latencies) *Object {
		ms := func(name string, v float64) Field {
			if l.Count == 0 && !planned {
				return Field{Name: name, Value: starlark.None}
			}
			return Field{Name: name, Value: Duration(v * float64(time.Millisecond))}
		}
		return NewObject("latencies", Field{Name: "count", Value: starlark.MakeUint64(l.Count)},
			ms("mean", l.MeanMS), ms("p50", l.P50MS), ms("p90", l.P90MS), ms("p95", l.P95MS), ms("p99", l.P99MS), ms("p999", l.P999MS), ms("max", l.MaxMS))
	}
	return NewObject("window",
		Field{Name: "requests", Value: starlark.MakeUint64(w.Requests)},
		Field{Name: "connections", Value: starlark.MakeUint64(w.Connections)},
		Field{Name: "active", Value: starlark.MakeInt(w.ActiveConns)},
		Field{Name: "bytes_in", Value: starlark.MakeUint64(w.BytesIn)},
		Field{Name: "bytes_out", Value: starlark.MakeUint64(w.BytesOut)},
		Field{Name: "errors", Value: starlark.MakeUint64(w.Status[0] + w.Status[5])},
		Field{Name: "span", Value: Duration(w.Span)},
		Field{Name: "all", Value: latencies(w.All)},
		Field{Name: "faulted", Value: latencies(w.Faulted)},
		Field{Name: "clean", Value: latencies(w.Clean)},
	), nil
}
