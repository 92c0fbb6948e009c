package builtins

import (
	"encoding/json"
	"strings"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// Simulation is what simulate(…) asks for.
type Simulation struct {
	File    string
	Params  map[string]GivenParam
	Answers []byte // rules in the form of --answers, as JSON; nil: none
	Seed    *uint64
	Fail    []string
	Breach  []string
}

// simulating is the builtin with which people test their orchestrations.
func simulating() []Builtin {
	return []Builtin{{dsl.Builtin{
		Sig:    `simulate(file: string, params: dict = {}, answers: dict|list = {}, seed: int|None = None, fail: list = [], breach: list = [])`,
		Doc:    "Runs an orchestration in the virtual world and gives the whole run: .verdict .reason .message .ok .total .steps .checks .faults .targets .hosts .commands, and .step(path) for one step. It works under starquake test.",
		Family: "testing", Phase: dsl.Acting,
		Help: map[string]string{
			"answers": `what effects answer: {"http://shop/**": {"status": 503}}, with a list for one answer after the other, or rules as in --answers`,
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
	if sim.Answers, err = answerRules(c.Value("answers")); err != nil {
		return nil, c.Errorf("answers", "%v", err)
	}
	run, err := t.env.Simulate(sim)
	if err != nil {
		return nil, c.Errorf("", "%v", err)
	}
	return simulationObject(run), nil
}

// answerRules gives answers in the form of a file of them. The short form is a dict
// whose keys are globs of URLs, with a method before them if need be, of addresses
// ("shop:9000"), or the names of programs.
func answerRules(v starlark.Value) ([]byte, error) {
	d, short := v.(*starlark.Dict)
	if !short {
		raw, err := ToJSON(v)
		if err != nil || string(raw) == "[]" {
			return nil, err
		}
		return raw, nil
	}
	var rules []map[string]any
	for k, answer := range d.Entries() {
		key, _ := text(k)
		raw, err := ToJSON(answer)
		if err != nil {
			return nil, err
		}
		match := map[string]any{}
		method, url, hasMethod := strings.Cut(key, " ")
		switch {
		case hasMethod:
			match["method"], match["url"] = method, url
		case strings.Contains(key, "://"):
			match["url"] = key
		case strings.Contains(key, ":"):
			match["addr"] = key
		default:
			match["argv0"] = key
		}
		rule := map[string]any{"match": match, "answer": json.RawMessage(raw)}
		if len(raw) > 0 && raw[0] == '[' {
			delete(rule, "answer")
			rule["sequence"] = json.RawMessage(raw)
		}
		rules = append(rules, rule)
	}
	if rules == nil {
		return nil, nil
	}
	return json.Marshal(rules)
}

// simulationObject is a simulated run as a test sees it.
func simulationObject(run *view.Run) *Object {
	byPath := map[string]starlark.Value{}
	var steps, faults, checks, targets []starlark.Value
	for _, s := range run.Steps {
		o := simulatedStep(run, s)
		byPath[s.Path] = o
		steps = append(steps, o)
	}
	for _, f := range run.Faults {
		faults = append(faults, simulatedFault(f))
	}
	for _, ch := range run.Checks {
		checks = append(checks, NewObject("check",
			Field{Name: "name", Value: starlark.String(ch.Name)},
			Field{Name: "ok", Value: starlark.Bool(ch.OK)},
			Field{Name: "limit", Value: starlark.String(ch.Limit)},
			Field{Name: "path", Value: starlark.String(ch.Path)},
		))
	}
	for _, target := range run.Targets {
		targets = append(targets, starlark.String(target.Name))
	}
	return NewObject("simulation",
		Field{Name: "verdict", Value: starlark.String(run.Verdict)},
		Field{Name: "ok", Value: starlark.Bool(run.Verdict == journal.VerdictPassed)},
		Field{Name: "reason", Value: starlark.String(run.Reason)},
		Field{Name: "message", Value: starlark.String(run.Message)},
		Field{Name: "total", Value: Duration(run.Now)},
		Field{Name: "steps", Value: starlark.NewList(steps)},
		Field{Name: "faults", Value: starlark.NewList(faults)},
		Field{Name: "checks", Value: starlark.NewList(checks)},
		Field{Name: "targets", Value: starlark.NewList(targets)},
		Field{Name: "hosts", Value: stringList(run.Hosts)},
		Field{Name: "commands", Value: stringList(run.Commands)},
		Field{Name: "max_faults", Value: starlark.MakeInt(run.MaxFaults)},
		Method(Builtin{dsl.Builtin{Sig: `step(path: string)`}, func(c *Call) (starlark.Value, error) {
			if s := byPath[c.String("path")]; s != nil {
				return s, nil
			}
			var paths []string
			for _, s := range run.Steps {
				paths = append(paths, s.Path)
			}
			err := c.Errorf("path", "the run has no step %s", quote(c.String("path")))
			if near := nearest(c.String("path"), paths); near != "" {
				return nil, err.WithHint("did you mean %q?", near)
			}
			return nil, err.WithHint("its steps: %s", clip(strings.Join(paths, ", "), 300))
		}}),
	)
}

func stringList(list []string) *starlark.List {
	values := make([]starlark.Value, len(list))
	for i, s := range list {
		values[i] = starlark.String(s)
	}
	return starlark.NewList(values)
}

func simulatedStep(run *view.Run, s *view.Step) *Object {
	var faults []starlark.Value
	for _, f := range run.Faults {
		if f.Path == s.Path {
			faults = append(faults, simulatedFault(f))
		}
	}
	problem := starlark.Value(starlark.None)
	if s.Error != nil {
		problem = starlark.String(s.Error.Message)
	}
	return NewObject("simulated_step",
		Field{Name: "path", Value: starlark.String(s.Path)},
		Field{Name: "name", Value: starlark.String(s.Name)},
		Field{Name: "ok", Value: starlark.Bool(s.Status == journal.Passed)},
		Field{Name: "status", Value: starlark.String(s.Status)},
		Field{Name: "start", Value: Duration(s.Start)},
		Field{Name: "end", Value: Duration(s.End)},
		Field{Name: "duration", Value: Duration(s.End - s.Start)},
		Field{Name: "tries", Value: starlark.MakeInt(s.Tries)},
		Field{Name: "error", Value: problem},
		Field{Name: "faults", Value: starlark.NewList(faults)},
	)
}

func simulatedFault(f *view.Fault) *Object {
	until := f.Start
	if f.End > until {
		until = f.End
	}
	return NewObject("simulated_fault",
		Field{Name: "target", Value: starlark.String(f.Target)},
		Field{Name: "kind", Value: starlark.String(f.Kind)},
		Field{Name: "text", Value: starlark.String(f.Text)},
		Field{Name: "start", Value: Duration(f.Start)},
		Field{Name: "end", Value: Duration(until)},
		Field{Name: "duration", Value: Duration(until - f.Start)},
	)
}
