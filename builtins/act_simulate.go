package builtins

import (
	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/effects"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// Simulation is what simulate(…) asks for.
type Simulation struct {
	File    string
	Params  map[string]GivenParam
	Answers *effects.Answers // nil: as planned
	Seed    *uint64
	Fail    []string
	Breach  []string
}

// Simulated is the run that came of it.
type Simulated struct {
	Run     *view.Run
	Records []journal.Record
}

// simulating is the builtin with which people test their orchestrations.
func simulating() []Builtin {
	return []Builtin{{dsl.Builtin{
		Sig: `simulate(file: string, params: dict = {}, answers: dict|list = {}, seed: int|None = None, fail: list = [], breach: list = [])`,
		Doc: "Runs an orchestration in the virtual world and gives the whole run: .verdict .reason .message .ok .exit .total .tolerated .flaky .steps .checks .faults .guards .figures .timeline .log .targets .hosts .commands .secrets .max_faults, and .step(path), .check(name), .guard(name) and .figure(name) for one of them, the first of that name. " +
			"A step has .path .name .ok .status .error .reason .start .end .duration .tries .tolerated .faults, a check .name .ok .value .limit .detail .path .at, a fault .target .kind .text .path .start .end .duration, a guard .name .ok .path .seen .bad (how many readings, and how many did not hold), a figure .name .value .unit .path .at; .log has the messages, .targets the names. The timeline is what happened, in order: each has .at .what .name .path, and .what is one of step, passed, failed, skipped, stopped, fault_on, fault_off, check_passed, check_failed, breach and log. " +
			"Of a run that is invalid only .verdict .reason .message .exit can be read: any other is an error, as is an answer that nothing asked for, and a guard in breach that was not breached. A run that fails is no failure of the test: check its verdict. It works under starquake test.",
		Family: "testing", Phase: dsl.Acting,
		Help: map[string]string{
			"answers": `what effects answer: {"http://shop/**": {"status": 503}}, or rules as in --answers. In place of an answer there can be a list of them, one after the other, of which the last stays, or a function of (call, at) that gives one, or None for the planned answer: call has .kind .path .method .url .addr .argv0 .name .query .args, and .number, how often it was asked before. A list is taken effect by effect, so that one answer is for all readings of a watched probe; a function gives each reading`,
			"fail":    "names of steps that are to fail", "breach": "names of guards that are to be breached once a fault is on",
		},
	}, acts(simulate)}}
}

func simulate(c *Call, t *task) (starlark.Value, error) {
	if t.env.Simulate == nil {
		return nil, c.Errorf("", "works only in a test").WithHint("put it into a file named NAME_test.star, in a function test_…(), and run starquake test")
	}
	sim := Simulation{File: c.String("file"), Params: map[string]GivenParam{}}
	for k, v := range c.Dict("params").Entries() {
		name, ok := text(k)
		raw, err := ToJSON(v)
		if !ok || err != nil {
			return nil, c.Errorf("params", "%s: %v", describe(k), errorOr(err, c.Errorf("params", "expected a string as a name")))
		}
		sim.Params[name] = GivenParam{JSON: raw}
	}
	var err error
	if sim.Fail, err = c.Strings("fail"); err != nil {
		return nil, err
	}
	if sim.Breach, err = c.Strings("breach"); err != nil {
		return nil, err
	}
	if c.Has("seed") {
		seed := uint64(c.Int("seed"))
		sim.Seed = &seed
	}
	answers, err := c.answers(t)
	if err != nil {
		return nil, err
	}
	sim.Answers = answers.read
	run, err := t.env.Simulate(sim)
	if answers.failed != nil {
		return nil, answers.failed
	}
	if err != nil {
		return nil, c.Errorf("", "%v", err)
	}
	return simulationObject(run), nil
}
