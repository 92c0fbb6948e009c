package builtins

import (
	"encoding/json"
	"fmt"
	"slices"

	"go.starlark.net/starlark"

	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/dsl"
	"starquake/internal/jsonwrite"
	"starquake/runtime"
)

// KindFault is the kind of the held effect that is one fault on one target.
const KindFault = "fault"

// FaultArgs are the arguments of a fault.
type FaultArgs struct {
	// Target is empty for a fault that is put on none.
	Target string      `json:"target,omitempty"`
	Engine *engine.Ref `json:"engine,omitempty"` // of the target; nil: the embedded proxy
	Name   string      `json:"name,omitempty"`
	Fault  chaos.Fault `json:"fault"`
	Text   string      `json:"text"` // the fault in one line, for people
	// Simulated is laid over the planned answer.
	Simulated json.RawMessage `json:"simulated,omitempty"`
}

// MarshalJSON writes what encoding/json would, which asks of its parts whether they are
// JSON: a plan does it once for every fault.
func (a FaultArgs) MarshalJSON() ([]byte, error) {
	w := jsonwrite.New(len(a.Target) + len(a.Name) + len(a.Text) + len(a.Simulated) + 224)
	w.Open('{')
	if a.Target != "" {
		w.Key("target")
		w.Text(a.Target)
	}
	if a.Engine != nil {
		w.Key("engine")
		w.Any(a.Engine)
	}
	if a.Name != "" {
		w.Key("name")
		w.Text(a.Name)
	}
	w.Key("fault")
	a.Fault.WriteJSON(w)
	w.Key("text")
	w.Text(a.Text)
	if len(a.Simulated) > 0 {
		w.Key("simulated")
		w.Any(a.Simulated)
	}
	w.Close('}')
	return w.Bytes()
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

func applyChaos(c *Call, t *task) (starlark.Value, error) {
	if len(c.Rest()) == 0 {
		return nil, c.Errorf("faults", "expected at least one fault")
	}
	faults, hits, err := c.chaosAsked(t, c.Rest()...)
	if err != nil {
		return nil, err
	}
	c.warnIdle(t, faults)
	c.warnDelay(t, faults)
	minHits, err := c.minHits(hits)
	if err != nil {
		return nil, err
	}
	asks, err := asksFor(faults)
	if err != nil {
		return nil, err
	}
	judgeTogether(asks, minHits)
	for i := range asks {
		asks[i].Terms = hitTerms(c.Int("min_hits"))
	}
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

// chaosAsked is what is asked for where faults are: each bound to its targets, each target
// able to do it. Nothing has been asked for yet.
func (c *Call) chaosAsked(t *task, values ...starlark.Value) (faults []FaultArgs, hits countable, err error) {
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
				return nil, hits, c.Errorf("on", "expected at least one target, got an empty list")
			}
		}
	}
	name := c.String("name") // of the chaos, or of the step that has it
	targeted := false
	for _, v := range values {
		bound, warnings, err := listFaults(v)
		if err != nil {
			return nil, hits, c.Errorf("chaos", "%v", err)
		}
		for _, warning := range warnings {
			t.env.warn(c, t.branch, "no_effect", "%s", warning)
		}
		if len(bound) == 0 { // else an experiment without its chaos would pass
			return nil, hits, c.Errorf("chaos", "expected at least one fault, got %s", describe(v)).WithHint("for a step without chaos write chaos = None")
		}
		for _, f := range bound {
			args := FaultArgs{Name: name, Fault: f.Fault, Text: f.Fault.String()}
			if row, err := chaos.KindOf(f.Fault.Kind); err == nil && !row.Targeted() {
				t.env.guarded(t.branch, "of kind "+f.Fault.Kind)
				hits.not = "a fault of kind " + f.Fault.Kind + " meets no requests"
				faults = append(faults, args)
				continue
			}
			targeted = true
			where, err := c.faultTargets(t, f, on)
			if err != nil {
				return nil, hits, err
			}
			for _, target := range where {
				if err := t.env.name(c, target); err != nil { // the only one may be named by nobody
					return nil, hits, err
				}
				if err := target.supports(&f.Fault); err != nil {
					return nil, hits, runtime.Failf(runtime.ClassScript, CodeUnsupported, "%w", c.Errorf("chaos", "%v", err))
				}
				hits.add(target, &f.Fault)
				args.Target, args.Engine = target.Name, target.Engine
				faults = append(faults, args)
			}
		}
	}
	if on != nil && !targeted {
		return nil, hits, c.Errorf("on", "these faults are put on no target").WithHint("leave on out")
	}
	return faults, hits, nil
}

// Counted reports whether anybody counts what meets the fault.
func (a *FaultArgs) Counted() bool {
	if a.Target == "" || !a.Fault.Counted() {
		return false
	}
	if a.Engine == nil {
		return true
	}
	kind, err := engine.KindOf(a.Engine.Kind)
	return err == nil && kind.Counts
}

// asksFor makes the requests for faults.
func asksFor(faults []FaultArgs) ([]runtime.Ask, error) {
	asks := make([]runtime.Ask, len(faults))
	for i := range faults {
		args, err := faults[i].MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", faults[i].Fault.Kind, err)
		}
		asks[i] = runtime.Ask{Kind: KindFault, Args: args, Value: &faults[i], Chaos: true, Repeat: true}
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
		return []*Target{e.assumeEvery(c, "this run has no target")}, nil
	}
	return nil, c.noTarget()
}
