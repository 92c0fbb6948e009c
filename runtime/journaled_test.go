package runtime_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// journalOf runs body in the virtual world and gives its journal, without its end: a
// run that is replayed has none yet.
func journalOf(t *testing.T, cfg runtime.Config, body runtime.Body) string {
	t.Helper()
	mem := &journal.Memory{}
	cfg.Begin.Name, cfg.Begin.Origin, cfg.Begin.World = "test", runtime.VirtualOrigin, "virtual"
	runtime.New(cfg, newScripted(answers{}, mem)).Execute(body)
	recs := mem.Records()
	var b strings.Builder
	if err := journal.Write(&b, recs[:len(recs)-1]); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// varies asserts that each argument of an operation stands in the journal: for every
// field of its struct S, but those named in closures, there is a way to vary it, and
// the journal is another then.
func varies[S any](t *testing.T, name string, base S, do func(*runtime.Branch, S) error, vary map[string]func(*S), closures ...string) {
	t.Helper()
	run := func(args S) string {
		return journalOf(t, runtime.Config{}, func(b *runtime.Branch) (any, error) { return nil, do(b, args) })
	}
	want := run(base)
	for _, field := range reflect.VisibleFields(reflect.TypeFor[S]()) {
		if !field.IsExported() || slices.Contains(closures, field.Name) {
			continue
		}
		change := vary[field.Name]
		if change == nil {
			t.Errorf("%s: nothing varies the argument %s", name, field.Name)
			continue
		}
		args := base
		change(&args)
		if reflect.DeepEqual(args, base) && field.Type.Kind() != reflect.Func {
			t.Errorf("%s: %s was not varied", name, field.Name)
		}
		if run(args) == want {
			t.Errorf("%s: another %s leaves the journal as it is:\n%s", name, field.Name, want)
		}
	}
}

// TestEveryArgumentIsJournaled: no operation replays silently with another argument
// than it was asked for with.
func TestEveryArgumentIsJournaled(t *testing.T) {
	pass := func(*runtime.Branch) (any, error) { return nil, nil }
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	probe := func(name string) *runtime.Probe {
		return newInterp(nil).probe(&node{opts: map[string]string{"probe": name}})
	}
	function := &runtime.Probe{Func: func(*runtime.Branch) (runtime.Reading, error) { return runtime.Reading{OK: true}, nil }}

	type sleep struct{ D time.Duration }
	varies(t, "sleep", sleep{time.Second}, func(b *runtime.Branch, a sleep) error { return b.Sleep(a.D) },
		map[string]func(*sleep){"D": func(a *sleep) { a.D++ }})
	varies(t, "max_duration", sleep{time.Hour}, func(b *runtime.Branch, a sleep) error {
		b.Run().SetMaxDuration(a.D)
		return nil
	}, map[string]func(*sleep){"D": func(a *sleep) { a.D++ }})

	varies(t, "step", runtime.StepSpec{Name: "a", Run: pass}, func(b *runtime.Branch, s runtime.StepSpec) error {
		_, err := b.Step(&s)
		return err
	}, map[string]func(*runtime.StepSpec){
		"Name":       func(s *runtime.StepSpec) { s.Name = "b" },
		"Labels":     func(s *runtime.StepSpec) { s.Labels = map[string]string{"a": "b"} },
		"Pos":        func(s *runtime.StepSpec) { s.Pos = "x.star:1:2" },
		"Delay":      func(s *runtime.StepSpec) { s.Delay = 1 },
		"Duration":   func(s *runtime.StepSpec) { s.Duration = 1 },
		"Timed":      func(s *runtime.StepSpec) { s.Timed = true },
		"Timeout":    func(s *runtime.StepSpec) { s.Timeout = time.Second },
		"Retries":    func(s *runtime.StepSpec) { s.Retries = 1 },
		"RetryDelay": func(s *runtime.StepSpec) { s.RetryDelay = 1 },
		"Backoff":    func(s *runtime.StepSpec) { s.Backoff = 2 },
		"OnFailure":  func(s *runtime.StepSpec) { s.OnFailure = runtime.FailureContinues },
		"When":       func(s *runtime.StepSpec) { s.When = func(*runtime.Branch) (bool, error) { return true, nil } },
		"Ready": func(s *runtime.StepSpec) {
			s.Ready = func(b *runtime.Branch) error { _, err := b.Perform(ask("effect", "e")); return err }
		},
		"Chaos": func(s *runtime.StepSpec) {
			s.Chaos = func() ([]runtime.Ask, error) { return []runtime.Ask{ask("fault", "f")}, nil }
		},
		"Recovered": func(s *runtime.StepSpec) { s.Recovered = 1 },
		"Terms":     func(s *runtime.StepSpec) { s.Terms = raw(`{"min_hits":2}`) },
	}, "Run", "Judge", "Doubt") // what these judge by is in Terms

	varies(t, "effect", ask("effect", "e"), func(b *runtime.Branch, a runtime.Ask) error {
		_, err := b.Perform(a)
		return err
	}, map[string]func(*runtime.Ask){
		"Kind":   func(a *runtime.Ask) { a.Kind = "fault" },
		"Args":   func(a *runtime.Ask) { a.Args = raw(`{"name":"f"}`) },
		"Chaos":  func(a *runtime.Ask) { a.Chaos = true },
		"Repeat": func(a *runtime.Ask) { a.Repeat = true },
		"Terms":  func(a *runtime.Ask) { a.Terms = raw(`{"min_hits":2}`) },
	}, "Judge", "Setup", "Live", "Anew", "Value") // Live and Anew go with the kind, and Value with Args
	varies(t, "effect with a limit", sleep{time.Second}, func(b *runtime.Branch, a sleep) error {
		_, _, err := b.PerformWithin(ask("effect", "e"), a.D)
		return err
	}, map[string]func(*sleep){"D": func(a *sleep) { a.D++ }})

	varies(t, "wait_until", runtime.WaitSpec{Probe: function, Timeout: time.Minute, Every: time.Second}, func(b *runtime.Branch, s runtime.WaitSpec) error {
		_, err := b.WaitUntil(&s)
		return err
	}, map[string]func(*runtime.WaitSpec){
		"Probe":   func(s *runtime.WaitSpec) { s.Probe = probe("q") },
		"Timeout": func(s *runtime.WaitSpec) { s.Timeout++ },
		"Every":   func(s *runtime.WaitSpec) { s.Every++ },
		"Stable":  func(s *runtime.WaitSpec) { s.Stable++ },
		"Must":    func(s *runtime.WaitSpec) { s.Must = true },
	})

	specs := []runtime.BranchSpec{{Label: "a", Body: pass}, {Body: pass}}
	type parallel struct {
		Specs   []runtime.BranchSpec
		Limit   int
		RunAll  bool
		Label   string
		Another bool
	}
	varies(t, "parallel", parallel{Specs: specs}, func(b *runtime.Branch, a parallel) error {
		all := slices.Clone(a.Specs)
		if all[1].Label = a.Label; a.Another {
			all = append(all, all[0])
		}
		_, err := b.Parallel(all, runtime.ParallelOptions{Limit: a.Limit, RunAll: a.RunAll})
		return err
	}, map[string]func(*parallel){
		"Specs":   func(a *parallel) { a.Specs = append(slices.Clone(a.Specs), a.Specs[0]) },
		"Limit":   func(a *parallel) { a.Limit = 2 },
		"RunAll":  func(a *parallel) { a.RunAll = true },
		"Label":   func(a *parallel) { a.Label = "b" },
		"Another": func(a *parallel) { a.Another = true },
	})
	if n := reflect.TypeFor[runtime.ParallelOptions]().NumField(); n != 2 {
		t.Errorf("parallel has %d options, and 2 of them are varied", n)
	}

	varies(t, "loop", runtime.LoopSpec{Times: 1, Bounded: true, Body: func(*runtime.Branch, int) (any, error) { return nil, nil }},
		func(b *runtime.Branch, s runtime.LoopSpec) error {
			_, err := b.Loop(&s)
			return err
		}, map[string]func(*runtime.LoopSpec){
			"Times":    func(s *runtime.LoopSpec) { s.Times = 2 },
			"Duration": func(s *runtime.LoopSpec) { s.Duration = time.Hour },
			"Every":    func(s *runtime.LoopSpec) { s.Every = 1 },
			"Until":    func(s *runtime.LoopSpec) { s.Until = func(*runtime.Branch, any) (bool, error) { return true, nil } },
			"Bounded": func(s *runtime.LoopSpec) {
				s.Bounded, s.Until = false, func(*runtime.Branch, any) (bool, error) { return true, nil }
			},
		}, "Body")

	type none struct{ Attempt bool }
	varies(t, "attempt", none{}, func(b *runtime.Branch, a none) error {
		if a.Attempt {
			_, err := b.Attempt(pass)
			return err
		}
		return nil
	}, map[string]func(*none){"Attempt": func(a *none) { a.Attempt = true }})

	type named struct{ When, Label string }
	varies(t, "on_exit", named{"always", "a"}, func(b *runtime.Branch, a named) error {
		return b.OnExit(runtime.ExitWhen(a.When), a.Label, pass)
	}, map[string]func(*named){
		"When": func(a *named) { a.When = "stop" }, "Label": func(a *named) { a.Label = "b" },
	})
	type label struct{ Label string }
	varies(t, "start", label{"a"}, func(b *runtime.Branch, a label) error {
		_, err := b.Start(a.Label, pass)
		return err
	}, map[string]func(*label){"Label": func(a *label) { a.Label = "b" }})

	varies(t, "guard", runtime.GuardSpec{Name: "g", Probe: probe("p"), Every: time.Second, Breaches: 1, Action: runtime.BreachAborts},
		func(b *runtime.Branch, s runtime.GuardSpec) error { return b.Guard(&s) }, map[string]func(*runtime.GuardSpec){
			"Name":         func(s *runtime.GuardSpec) { s.Name = "h" },
			"Probe":        func(s *runtime.GuardSpec) { s.Probe = probe("q") },
			"Every":        func(s *runtime.GuardSpec) { s.Every++ },
			"Breaches":     func(s *runtime.GuardSpec) { s.Breaches++ },
			"IgnoreErrors": func(s *runtime.GuardSpec) { s.IgnoreErrors = true },
			"IgnoreNoData": func(s *runtime.GuardSpec) { s.IgnoreNoData = true },
			"Action":       func(s *runtime.GuardSpec) { s.Action = runtime.BreachLifts },
		})
	varies(t, "steady_state", runtime.SteadySpec{Name: "s", Probe: probe("p"), Every: time.Second, Share: 1},
		func(b *runtime.Branch, s runtime.SteadySpec) error { return b.SteadyState(&s) }, map[string]func(*runtime.SteadySpec){
			"Name":   func(s *runtime.SteadySpec) { s.Name = "t" },
			"Probe":  func(s *runtime.SteadySpec) { s.Probe = probe("q") },
			"Before": func(s *runtime.SteadySpec) { s.Before = true },
			"During": func(s *runtime.SteadySpec) { s.During = true },
			"After":  func(s *runtime.SteadySpec) { s.After = true },
			"Share":  func(s *runtime.SteadySpec) { s.Share = 0.5 },
			"Every":  func(s *runtime.SteadySpec) { s.Every++ },
			"Settle": func(s *runtime.SteadySpec) { s.Settle++ },
		})

	varies(t, "check", runtime.CheckSpec{Name: "c", OK: true, Value: raw("1")},
		func(b *runtime.Branch, c runtime.CheckSpec) error { return b.Check(c) }, map[string]func(*runtime.CheckSpec){
			"Name":   func(c *runtime.CheckSpec) { c.Name = "d" },
			"OK":     func(c *runtime.CheckSpec) { c.OK = false },
			"Value":  func(c *runtime.CheckSpec) { c.Value = raw("2") },
			"Unit":   func(c *runtime.CheckSpec) { c.Unit = journal.UnitSeconds },
			"Limit":  func(c *runtime.CheckSpec) { c.Limit = "below 2" },
			"Detail": func(c *runtime.CheckSpec) { c.Detail = "why" },
		})
	varies(t, "record", journal.FigureBody{Name: "f", Value: 1}, func(b *runtime.Branch, f journal.FigureBody) error {
		b.Figure(f.Name, f.Value, f.Unit, f.Better)
		return nil
	}, map[string]func(*journal.FigureBody){
		"Name":   func(f *journal.FigureBody) { f.Name = "g" },
		"Value":  func(f *journal.FigureBody) { f.Value = 2 },
		"Unit":   func(f *journal.FigureBody) { f.Unit = "s" },
		"Better": func(f *journal.FigureBody) { f.Better = "lower" },
	}, "Path")
	varies(t, "log", journal.LogBody{Level: "info", Message: "m"}, func(b *runtime.Branch, l journal.LogBody) error {
		b.Log(l.Level, l.Message, &runtime.Fields{JSON: l.Fields, Units: l.Units})
		return nil
	}, map[string]func(*journal.LogBody){
		"Level":   func(l *journal.LogBody) { l.Level = "warn" },
		"Message": func(l *journal.LogBody) { l.Message = "n" },
		"Fields":  func(l *journal.LogBody) { l.Fields = raw(`{"a":1}`) },
		"Units":   func(l *journal.LogBody) { l.Units = map[string]string{"a": "s"} },
	}, "Path")

	begin := func(cfg runtime.Config) string { return journalOf(t, cfg, pass) }
	plain := begin(runtime.Config{})
	for name, cfg := range map[string]runtime.Config{
		"strict": {Strict: true}, "cleanup timeout": {CleanupTimeout: time.Second}, "seed": {Begin: journal.RunBeginBody{Seed: 1}},
	} {
		if begin(cfg) == plain {
			t.Errorf("another %s leaves the journal as it is", name)
		}
	}
}
