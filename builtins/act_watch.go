package builtins

import (
	"encoding/json"
	"slices"
	"time"

	"go.starlark.net/starlark"

	"starquake/runtime"
)

func steadyState(c *Call, t *task) (starlark.Value, error) {
	if err := c.nameGiven(); err != nil {
		return nil, err
	}
	p, err := c.probe(t, "probe")
	if err != nil {
		return nil, err
	}
	spec := &runtime.SteadySpec{Name: c.String("name"), Probe: p, Share: c.Share("during"), Every: c.Duration("every"), Settle: c.Duration("settle")}
	if spec.Every < time.Millisecond {
		return nil, c.Errorf("every", "expected at least 1ms, got %s", Duration(spec.Every))
	}
	phases, err := c.Strings("when")
	if err != nil {
		return nil, err
	}
	for _, phase := range phases {
		switch phase {
		case "before":
			spec.Before = true
		case "during":
			spec.During = true
		case "after":
			spec.After = true
		default:
			return nil, c.Errorf("when", "expected \"before\", \"during\" or \"after\", got %s", quote(phase))
		}
	}
	if len(phases) == 0 {
		return nil, c.Errorf("when", "expected at least one of \"before\", \"during\", \"after\"")
	}
	return starlark.None, t.branch.SteadyState(spec)
}

// breachInPlan is the probe of a guard that --breach names: bad as soon as a fault is
// on, or from the second reading on in a script that makes no faults.
func breachInPlan(chaos bool) *runtime.Probe {
	readings := 0
	return &runtime.Probe{Func: func(b *runtime.Branch) (runtime.Reading, error) {
		readings++
		breached := b.ChaosOn() > 0 || !chaos && readings > 1
		if !breached {
			return runtime.Reading{OK: true}, nil
		}
		return runtime.Reading{Value: json.RawMessage(`"breached, as --breach asks"`)}, nil
	}}
}

func guard(c *Call, t *task) (starlark.Value, error) {
	if err := c.nameGiven(); err != nil {
		return nil, err
	}
	p, err := c.probe(t, "probe")
	if err != nil {
		return nil, err
	}
	if slices.Contains(t.env.BreachGuards, c.String("name")) {
		p = breachInPlan(t.env.HasChaos)
	}
	spec := &runtime.GuardSpec{
		Name: c.String("name"), Probe: p, Every: c.Duration("every"), Breaches: c.Int("breaches"),
		IgnoreErrors: c.String("on_error") == "ignore", IgnoreNoData: c.String("on_no_data") == "ignore",
		Action: runtime.GuardAction(c.String("action")),
	}
	if spec.Every < time.Millisecond {
		return nil, c.Errorf("every", "expected at least 1ms, got %s", Duration(spec.Every))
	}
	return starlark.None, t.branch.Guard(spec)
}
