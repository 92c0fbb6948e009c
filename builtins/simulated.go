package builtins

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/internal/nearest"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// simulationObject is a simulated run as a test sees it.
func simulationObject(sim *Simulated) *Object {
	run := sim.Run
	steps, checks := named{what: "step"}, named{what: "check"}
	guards, figures := named{what: "guard"}, named{what: "figure"}
	var faults, targets, log []starlark.Value
	for _, s := range run.Steps {
		steps.add(s.Path, simulatedStep(run, s))
	}
	for _, ch := range run.Checks {
		checks.add(ch.Name, simulatedCheck(ch))
	}
	for _, w := range run.Guards {
		guards.add(w.Name, NewObject("simulated_guard",
			Field{Name: "name", Value: starlark.String(w.Name)},
			Field{Name: "ok", Value: starlark.Bool(w.Worst == nil)},
			Field{Name: "path", Value: starlark.String(w.Path)},
			Field{Name: "seen", Value: starlark.MakeInt(w.Seen)},
			Field{Name: "bad", Value: starlark.MakeInt(w.Bad)},
		))
	}
	for _, f := range run.Figures {
		figures.add(f.Name, NewObject("simulated_figure",
			Field{Name: "name", Value: starlark.String(f.Name)},
			Field{Name: "value", Value: starlark.Float(f.Value)},
			Field{Name: "unit", Value: starlark.String(f.Unit)},
			Field{Name: "path", Value: starlark.String(f.Path)},
			Field{Name: "at", Value: Duration(f.At)},
		))
	}
	for _, f := range run.Faults {
		faults = append(faults, simulatedFault(f))
	}
	for _, target := range run.Targets {
		targets = append(targets, starlark.String(target.Name))
	}
	for _, line := range run.Log {
		log = append(log, starlark.String(line.Message))
	}
	verdict := []Field{
		{Name: "verdict", Value: starlark.String(run.Verdict)},
		{Name: "exit", Value: starlark.MakeInt(run.Verdict.ExitCode())},
		{Name: "reason", Value: starlark.String(run.Reason)},
		{Name: "message", Value: starlark.String(run.Message)},
	}
	rest := []Field{
		{Name: "ok", Value: starlark.Bool(run.Verdict == journal.VerdictPassed)},
		{Name: "total", Value: Duration(run.Now)},
		{Name: "tolerated", Value: starlark.MakeInt(run.Tolerated)},
		{Name: "flaky", Value: starlark.MakeInt(run.Flaky)},
		steps.list("steps"), checks.list("checks"), guards.list("guards"), figures.list("figures"),
		{Name: "faults", Value: starlark.NewList(faults)},
		{Name: "timeline", Lazy: func() (starlark.Value, error) { return timeline(sim), nil }},
		{Name: "log", Value: starlark.NewList(log)},
		{Name: "targets", Value: starlark.NewList(targets)},
		{Name: "hosts", Value: stringList(run.Hosts)},
		{Name: "commands", Value: stringList(run.Commands)},
		{Name: "secrets", Value: stringList(run.Secrets)},
		{Name: "max_faults", Value: starlark.MakeInt(run.MaxFaults)},
		steps.method("path"), checks.method("name"), guards.method("name"), figures.method("name"),
	}
	if run.Verdict == journal.VerdictInvalid {
		rest = nothingRan(run, rest)
	}
	return NewObject("simulation", append(verdict, rest...)...)
}

// nothingRan makes the fields of a run that was invalid fail when they are read: there is
// nothing in it, and what is checked of it would hold or not for no reason.
func nothingRan(run *view.Run, fields []Field) []Field {
	for i, f := range fields {
		fields[i] = Field{Name: f.Name, Lazy: func() (starlark.Value, error) {
			return nil, fmt.Errorf("%s: the run is invalid, and nothing of it was done: %s; a test that wants it so reads .verdict, .reason, .message or .exit", f.Name, run.Message)
		}}
	}
	return fields
}

// named are things of a run that are asked for by name.
type named struct {
	what  string
	all   []starlark.Value
	names []string
}

func (n *named) add(name string, v starlark.Value) {
	n.all, n.names = append(n.all, v), append(n.names, name)
}

func (n *named) list(name string) Field { return Field{Name: name, Value: starlark.NewList(n.all)} }

// method is the method that gives the first of a name.
func (n *named) method(param string) Field {
	return Method(Builtin{dsl.Builtin{Sig: n.what + "(" + param + ": string)"}, func(c *Call) (starlark.Value, error) {
		if i := slices.Index(n.names, c.String(param)); i >= 0 {
			return n.all[i], nil
		}
		err := c.Errorf(param, "the run has no %s %s", n.what, quote(c.String(param)))
		if near := nearest.Of(c.String(param), n.names); near != "" {
			return nil, err.WithHint("did you mean %q?", near)
		}
		if len(n.names) == 0 {
			return nil, err
		}
		return nil, err.WithHint("it has: %s", clip(strings.Join(n.names, ", "), 300))
	}})
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
		Field{Name: "reason", Value: starlark.String(s.Reason)},
		Field{Name: "tolerated", Value: starlark.Bool(s.Tolerated)},
		Field{Name: "faults", Value: starlark.NewList(faults)},
	)
}

func simulatedCheck(ch *view.Check) *Object {
	value, err := FromJSON(ch.Value)
	if err != nil { // a value that was cut, or none
		value = starlark.None
	}
	if f, ok := starlark.AsFloat(value); ok && ch.Unit == journal.UnitSeconds {
		value = Duration(f * float64(time.Second))
	}
	return NewObject("check",
		Field{Name: "name", Value: starlark.String(ch.Name)},
		Field{Name: "ok", Value: starlark.Bool(ch.OK)},
		Field{Name: "value", Value: value},
		Field{Name: "limit", Value: starlark.String(ch.Limit)},
		Field{Name: "detail", Value: starlark.String(ch.Detail)},
		Field{Name: "path", Value: starlark.String(ch.Path)},
		Field{Name: "at", Value: Duration(ch.At)},
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
		Field{Name: "path", Value: starlark.String(f.Path)},
		Field{Name: "start", Value: Duration(f.Start)},
		Field{Name: "end", Value: Duration(until)},
		Field{Name: "duration", Value: Duration(until - f.Start)},
	)
}

// timeline is what happened in a run, in the order of its journal.
func timeline(sim *Simulated) starlark.Value {
	var all []starlark.Value
	faults := map[string]*view.Fault{}
	for _, f := range sim.Run.Faults {
		faults[f.ID] = f
	}
	names := map[string]string{} // of steps, by path
	for i := range sim.Records {
		rec := &sim.Records[i]
		moment := func(what, name, path string) {
			all = append(all, NewObject("moment",
				Field{Name: "at", Value: Duration(rec.At)}, Field{Name: "what", Value: starlark.String(what)},
				Field{Name: "name", Value: starlark.String(name)}, Field{Name: "path", Value: starlark.String(path)}))
		}
		switch b := rec.Body.(type) {
		case *journal.StepBeginBody:
			names[b.Path] = b.Name
			moment("step", b.Name, b.Path)
		case *journal.StepEndBody:
			moment(string(b.Status), names[b.Path], b.Path)
		case *journal.EffectNoteBody:
			if f := faults[rec.Place.String()]; f != nil && f.WasOn {
				moment("fault_on", f.Kind+" on "+f.Target, f.Path)
			}
		case *journal.EffectEndBody:
			if f := faults[rec.Place.String()]; f != nil && f.WasOn {
				moment("fault_off", f.Kind+" on "+f.Target, f.Path)
			}
		case *journal.CheckBody:
			what := "check_passed"
			if !b.OK {
				what = "check_failed"
			}
			moment(what, b.Name, b.Path)
		case *journal.WatchBody:
			if rec.Kind == journal.Guard && b.State == "breach" {
				moment("breach", b.Name, b.Path)
			}
		case *journal.LogBody:
			moment("log", b.Message, b.Path)
		}
	}
	return starlark.NewList(all)
}
