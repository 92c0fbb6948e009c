package builtins

import (
	"fmt"

	"go.starlark.net/starlark"

	"starquake/chaos"
)

// ownScenarios are the scenarios of the user's library, by name; typ says whether it is
// scenario that asks, or profile, which has none.
func ownScenarios(c *Call, typ string) map[string]string {
	t, ok := c.Thread.Local(taskKey).(*task)
	if !ok || typ != "scenario" {
		return nil
	}
	return t.env.Scenarios
}

// ownScenario is a scenario of the user's library.
func ownScenario(c *Call) (starlark.Value, error) {
	name := c.String("name")
	faults, err := taskOf(c.Thread).env.ownFaults(name)
	if err != nil {
		return nil, err
	}
	set := &faultSet{typ: "scenario", name: name}
	for _, f := range faults {
		set.faults = append(set.faults, &faultValue{f})
	}
	return set, nil
}

// ownFaults calls a scenario of the user's library, on a thread of no branch: it makes
// faults, and could not act.
func (e *Env) ownFaults(name string) ([]BoundFault, error) {
	thread := e.newTask(nil, nil).thread
	globals, err := e.load(thread, e.Scenarios[name])
	if err != nil {
		return nil, err
	}
	before := e.executes(thread)
	v, err := starlark.Call(thread, globals[name], nil, nil)
	e.executes(before)
	if err != nil {
		return nil, err
	}
	faults, err := Faults(v)
	if err != nil {
		return nil, fmt.Errorf("the scenario %s of the library returns no faults: %w", quote(name), err)
	}
	if len(faults) == 0 {
		return nil, fmt.Errorf("the scenario %s of the library returns no faults; end it with return [fault.…]", quote(name))
	}
	return faults, nil
}

// Scenario gives the faults of a scenario of the user's library, outside any run.
func (e *Env) Scenario(name string) ([]chaos.Fault, error) {
	e.reset()
	e.AnyTarget = true
	bound, err := e.ownFaults(name)
	faults := make([]chaos.Fault, len(bound))
	for i, f := range bound {
		faults[i] = f.Fault
	}
	return faults, err
}
