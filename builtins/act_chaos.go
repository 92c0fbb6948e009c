package builtins

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"go.starlark.net/starlark"

	"starquake/chaos"
	dataplane "starquake/chaos/proxy"
	"starquake/dsl"
	"starquake/runtime"
)

// KindFault is the kind of the held effect that is one fault on one target.
const KindFault = "fault"

// FaultArgs are the arguments of a fault.
type FaultArgs struct {
	Target string      `json:"target"`
	Name   string      `json:"name,omitempty"`
	Fault  chaos.Fault `json:"fault"`
	Text   string      `json:"text"` // the fault in one line, for people
	// Simulated is laid over the planned answer.
	Simulated json.RawMessage `json:"simulated,omitempty"`
}

// KindFaultStats asks a fault that is on for its counts, KindWindow a target for its
// traffic.
const (
	KindFaultStats = "fault.stats"
	KindWindow     = "target.window"
)

// FaultStatsArgs name the fault by its place.
type FaultStatsArgs struct {
	ID string `json:"id"`
}

// WindowArgs ask for a target's traffic of the last so long; 0 is as far as it goes
// back, which is ten minutes.
type WindowArgs struct {
	Target    string          `json:"target"`
	Last      time.Duration   `json:"last,omitempty"`
	Simulated json.RawMessage `json:"simulated,omitempty"`
}

// injecting are the builtins that put faults on.
func injecting() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Sig:     `apply_chaos(*faults: faults, on: targets|None = None, name: string|None = None, duration: duration|None = None, min_hits: int = 1)`,
			Doc:     "Puts faults on now. Without duration they stay until the innermost scope ends; with it the call holds that long. The handle has .revert() and .stats() (.seen .hit .inapplicable, and .faults with those of each); after its scope it is inert.",
			Planned: "on at once; seen is one request a second, at least one, and hit is seen × probability, at least one unless the probability is 0",
			Family:  "chaos", Phase: dsl.Acting, Blocks: true,
			Ranges: map[string][2]float64{"min_hits": {0, 1e9}},
			Help:   map[string]string{"min_hits": "fewer requests that meet the faults make the run inconclusive", "faults": "faults, lists of them, scenarios or profiles", "on": "a target or a list of them; not beside fault.KIND(…).on(target)"},
		}, acts(applyChaos)},
	}
}

// judgeTogether makes the run inconclusive if fewer requests than min have met all the
// faults of one apply_chaos when the last of them is off.
func judgeTogether(asks []runtime.Ask, min int) {
	if min == 0 {
		return
	}
	left, hit := len(asks), uint64(0)
	judge := func(answer json.RawMessage) *runtime.Failure {
		var res faultResult
		if err := json.Unmarshal(answer, &res); err != nil {
			return runtime.Failf(runtime.ClassErrored, "no_stats", "a fault gave no counts when it went off: %v", err)
		}
		left, hit = left-1, hit+res.Hit
		if left > 0 || hit >= uint64(min) {
			return nil
		}
		return runtime.Failf(runtime.ClassInconclusive, "no_hits",
			"%d requests met the chaos of an apply_chaos, expected at least %d: it says nothing about the system; send traffic through the target, or say min_hits = 0", hit, min)
	}
	for i := range asks {
		asks[i].Judge = judge
	}
}

func applyChaos(c *Call, t *task) (starlark.Value, error) {
	if len(c.Rest()) == 0 {
		return nil, c.Errorf("faults", "expected at least one fault")
	}
	asks, err := c.chaosAsks(t, c.Rest()...)
	if err != nil {
		return nil, err
	}
	judgeTogether(asks, c.Int("min_hits"))
	held, err := t.branch.Hold(asks...)
	if err != nil {
		return nil, err
	}
	if c.Has("duration") {
		if err := t.branch.Sleep(c.Duration("duration")); err != nil {
			return nil, err
		}
		if err := t.branch.Release(held...); err != nil {
			return nil, err
		}
	}
	return NewObject("chaos",
		Method(Builtin{dsl.Builtin{Sig: `revert()`}, acts(func(c *Call, t *task) (starlark.Value, error) {
			return starlark.None, t.branch.Release(held...)
		})}),
		Method(Builtin{dsl.Builtin{Sig: `stats()`}, looks(func(c *Call, t *task) (starlark.Value, error) {
			return currentStats(t, held)
		})}),
	), nil
}

// chaosAsks makes the requests for faults: each bound to its targets, each target
// able to do it. Nothing has been asked for when it returns an error.
func (c *Call) chaosAsks(t *task, values ...starlark.Value) ([]runtime.Ask, error) {
	var on []*Target
	if c.Has("on") {
		v := c.Value("on")
		if one, ok := v.(*Target); ok {
			on = []*Target{one}
		} else {
			for _, item := range elements(v) {
				on = append(on, item.(*Target)) // the signature says targets
			}
			if len(on) == 0 {
				return nil, c.Errorf("on", "expected at least one target, got an empty list")
			}
		}
	}
	name := c.String("name") // of the chaos, or of the step that has it
	var asks []runtime.Ask
	for _, v := range values {
		bound, err := Faults(v)
		if err != nil {
			return nil, c.Errorf("chaos", "%v", err)
		}
		if len(bound) == 0 { // else an experiment without its chaos would pass
			return nil, c.Errorf("chaos", "expected at least one fault, got %s", describe(v)).WithHint("for a step without chaos write chaos = None")
		}
		for _, f := range bound {
			where, err := c.faultTargets(t, f, on)
			if err != nil {
				return nil, err
			}
			for _, target := range where {
				if err := target.supports(f.Fault.Kind); err != nil {
					return nil, runtime.Failf(runtime.ClassScript, CodeUnsupported, "%w", c.Errorf("chaos", "%v", err))
				}
				args, err := json.Marshal(FaultArgs{Target: target.Name, Name: name, Fault: f.Fault, Text: f.Fault.String()})
				if err != nil {
					return nil, fmt.Errorf("%s: %w", f.Fault.Kind, err)
				}
				asks = append(asks, runtime.Ask{Kind: KindFault, Args: args, Chaos: true, Repeat: true})
			}
		}
	}
	return asks, nil
}

// faultTargets says where a fault goes: to the targets it is bound to, to those of
// on =, or to the run's only target. Anything else would be an accident, and so would
// be to go twice to one that two selections have in common.
func (c *Call) faultTargets(t *task, f BoundFault, on []*Target) ([]*Target, error) {
	where, err := c.namedTargets(t, f, on)
	var once []*Target
	for _, target := range where {
		if !slices.Contains(once, target) {
			once = append(once, target)
		}
	}
	return once, err
}

func (c *Call) namedTargets(t *task, f BoundFault, on []*Target) ([]*Target, error) {
	if len(f.Targets) > 0 {
		if on != nil {
			return nil, c.Errorf("on", "the fault %s is bound to a target with .on(…) already", f.Fault.Kind).WithHint("keep one of them")
		}
		var where []*Target
		for _, v := range f.Targets {
			where = append(where, v.(*Target))
		}
		return where, nil
	}
	if on != nil {
		return on, nil
	}
	switch e := t.env; {
	case len(e.targets) == 1:
		return e.targets, nil
	case len(e.targets) > 1:
		return nil, c.Errorf("on", "this run has %d targets: say which", len(e.targets)).
			WithHint("on = one of them; its targets: %s", e.targetList())
	case e.AnyTarget:
		every := everyTarget
		return []*Target{&every}, nil
	}
	return nil, c.noTarget()
}

// faultResult is what a fault's end tells.
type faultResult struct {
	Seen         uint64 `json:"seen"`
	Hit          uint64 `json:"hit"`
	Inapplicable uint64 `json:"inapplicable"`
}

// judgeHits makes the run inconclusive if fewer requests than min met the faults.
func judgeHits(held []*runtime.Held, min int) error {
	if min == 0 {
		return nil
	}
	var seen, hit uint64
	for _, h := range held {
		var res faultResult
		if err := json.Unmarshal(h.Answer().Data, &res); err != nil {
			return runtime.Failf(runtime.ClassErrored, "no_stats", "a fault gave no counts when it went off: %v", err)
		}
		seen, hit = seen+res.Seen, hit+res.Hit
	}
	if hit >= uint64(min) {
		return nil
	}
	return runtime.Failf(runtime.ClassInconclusive, "no_hits",
		"%d requests met the chaos of this step, expected at least %d (%d passed the target): it says nothing about the system; send traffic through the target, or say min_hits = 0", hit, min, seen)
}

// faultStats are the counts of faults that are off.
func faultStats(held []*runtime.Held) starlark.Value {
	var out []starlark.Value
	for _, h := range held {
		var args FaultArgs
		if json.Unmarshal(h.Args(), &args) != nil {
			continue // what this package marshalled can be read
		}
		var res faultResult
		if json.Unmarshal(h.Answer().Data, &res) != nil {
			continue // it never was on
		}
		out = append(out, statsObject(args, res))
	}
	return starlark.NewList(out)
}

func statsObject(args FaultArgs, res faultResult) *Object {
	return NewObject("fault_stats",
		Field{Name: "target", Value: starlark.String(args.Target)},
		Field{Name: "kind", Value: starlark.String(args.Fault.Kind)},
		Field{Name: "seen", Value: starlark.MakeUint64(res.Seen)},
		Field{Name: "hit", Value: starlark.MakeUint64(res.Hit)},
		Field{Name: "inapplicable", Value: starlark.MakeUint64(res.Inapplicable)},
	)
}

// currentStats asks faults that are on for their counts, and takes the last ones of
// those that are off. The result has the sums, and each fault's own.
func currentStats(t *task, held []*runtime.Held) (starlark.Value, error) {
	var each []starlark.Value
	var sum faultResult
	for _, h := range held {
		var args FaultArgs
		if err := json.Unmarshal(h.Args(), &args); err != nil {
			return nil, err
		}
		raw := h.Answer().Data
		if !h.Off() {
			ask, _ := json.Marshal(FaultStatsArgs{ID: h.ID().String()}) // a string: cannot fail
			ans, err := t.branch.Perform(runtime.Ask{Kind: KindFaultStats, Args: ask, Repeat: true})
			if err != nil {
				return nil, err
			}
			if ans.Err != nil {
				return nil, runtime.Failf(runtime.ClassErrored, ans.Err.Code, "the counts of %s on %q: %s", args.Fault.Kind, args.Target, ans.Err.Message)
			}
			raw = ans.Data
			if h.Off() { // it went off meanwhile: these are its last
				raw = h.Answer().Data
			}
		}
		var res faultResult
		if err := json.Unmarshal(raw, &res); err != nil {
			return nil, runtime.Failf(runtime.ClassErrored, "no_stats", "%s on %q gave no counts when it went off: %v", args.Fault.Kind, args.Target, err)
		}
		sum.Seen, sum.Hit, sum.Inapplicable = sum.Seen+res.Seen, sum.Hit+res.Hit, sum.Inapplicable+res.Inapplicable
		each = append(each, statsObject(args, res))
	}
	return NewObject("chaos_stats",
		Field{Name: "seen", Value: starlark.MakeUint64(sum.Seen)},
		Field{Name: "hit", Value: starlark.MakeUint64(sum.Hit)},
		Field{Name: "inapplicable", Value: starlark.MakeUint64(sum.Inapplicable)},
		Field{Name: "faults", Value: starlark.NewList(each)},
	), nil
}

// window gives a target's traffic.
func (t *Target) window(c *Call, task *task) (starlark.Value, error) {
	args := WindowArgs{Target: t.Name, Last: c.Duration("last")}
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
	return windowObject(ans.Data)
}

// windowObject is a target's traffic as a script sees it.
func windowObject(raw json.RawMessage) (starlark.Value, error) {
	var w dataplane.WindowStats
	if err := json.Unmarshal(raw, &w); err != nil {
		return nil, fmt.Errorf("the traffic of a target is unreadable: %w", err)
	}
	latencies := func(l dataplane.Latencies) *Object {
		ms := func(name string, v float64) Field {
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
		Field{Name: "errors", Value: starlark.MakeUint64(w.Status[5])},
		Field{Name: "span", Value: Duration(w.Span)},
		Field{Name: "all", Value: latencies(w.All)},
		Field{Name: "faulted", Value: latencies(w.Faulted)},
		Field{Name: "clean", Value: latencies(w.Clean)},
	), nil
}

// CheckUpstream checks "host:port" of something to connect to.
func CheckUpstream(s string) error {
	host, port, err := net.SplitHostPort(s)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 || host == "" {
		return fmt.Errorf("expected an address to connect to such as \"127.0.0.1:8081\", got %s", quote(s))
	}
	return nil
}

// CheckAddress checks "host:port"; the host may be empty, the port 0.
func CheckAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("expected an address such as \"127.0.0.1:8080\", got %s", quote(s))
	}
	return nil
}
