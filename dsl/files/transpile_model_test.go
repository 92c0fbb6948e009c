package files_test

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"starquake/app"
	"starquake/chaos"
	"starquake/dsl/files"
	"starquake/runtime/journal"
)

// TestTranspileTimeline plans the program of any document and compares what happens,
// step for step and fault for fault, with what the document says by itself.
func TestTranspileTimeline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := genDoc(t)
		m := &model{doc: doc, vars: map[string]any{}}
		if m.parallel() && len(doc.Variables) > 0 {
			return // which branch sets a variable first is the scheduler's business
		}
		m.run()
		text, _, diags := files.Transpile(doc)
		if diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, text)
		}
		s, diags := app.LoadText("x.star", text)
		if diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, text)
		}
		res, err := s.Plan(app.PlanOptions{Horizon: 100_000 * time.Hour})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if res.Outcome.Verdict != journal.VerdictPassed {
			t.Fatalf("%+v\n%s", res.Outcome, text)
		}
		var got []string
		for i, step := range res.View.Steps {
			var faults []string
			for _, f := range res.View.Faults {
				if f.Step == i {
					faults = append(faults, fmt.Sprintf("%s on %s from %v to %v", f.Text, f.Target, f.Start, f.End))
				}
			}
			got = append(got, stepLine(step.Name, step.Begun, step.Start, step.End, faults))
		}
		if diff := cmp.Diff(m.lines, got); diff != "" {
			t.Fatalf("(-the document +the program):\n%s\n%s", diff, text)
		}
	})
}

func stepLine(name string, begun, start, end time.Duration, faults []string) string {
	slices.Sort(faults)
	return fmt.Sprintf("%q called at %v, from %v to %v: %q", name, begun, start, end, faults)
}

// model interprets a document directly. Everything goes well, as it does in a plan.
type model struct {
	doc     *files.Doc
	now     time.Duration
	vars    map[string]any // float64 or string
	targets []string
	lines   []string
}

func (m *model) parallel() bool { return m.doc.Parallel != nil && m.doc.Parallel.Value }

func (m *model) run() {
	for _, target := range m.doc.Targets {
		m.targets = append(m.targets, target.Name.Value)
	}
	m.set(m.doc.Variables)
	m.hooks("pre_orchestration")
	turns := 1
	if m.doc.LoopOrchestration != nil && m.doc.LoopOrchestration.Value && m.doc.MaxIterations != nil {
		turns = int(m.doc.MaxIterations.Value)
	}
	for range turns {
		m.turn()
	}
	m.hooks("post_orchestration")
}

func (m *model) turn() {
	begun, end := m.now, m.now
	for _, steps := range [][]files.Step{m.doc.Steps, m.doc.AdvancedSteps} {
		for i := range steps {
			if m.parallel() {
				m.now = begun
			}
			m.step(&steps[i])
			end = max(end, m.now)
		}
	}
	m.now = end
	for _, c := range m.doc.ConditionalSteps {
		steps := c.ElseSteps
		if m.holds(&c.Condition) {
			steps = c.ThenSteps
		}
		for i := range steps {
			m.step(&steps[i])
		}
	}
}

func (m *model) step(s *files.Step) {
	if s.Condition != nil && !m.holds(s.Condition) {
		return
	}
	m.set(s.Variables)
	// A program that names a target knows it from then on.
	faults := m.faults(s)
	begun := m.now
	m.now += seconds(s.DelayBeforeSeconds)
	start := m.now
	m.hooks("pre_step")
	m.actions(s.PreHooks)
	length := s.DurationSeconds
	if length == nil && s.Scenario != nil {
		length = s.Scenario.DurationSeconds
	}
	m.now += seconds(length)
	for i := range faults {
		faults[i] += fmt.Sprintf(" from %v to %v", start, m.now)
	}
	m.actions(s.PostHooks)
	m.hooks("post_step")
	m.lines = append(m.lines, stepLine(s.Name.Value, begun, start, m.now, faults))
}

func seconds(n *files.Num) time.Duration {
	if n == nil {
		return 0
	}
	return time.Duration(n.Value * float64(time.Second))
}

// faults are those of a step, each on each of its targets.
func (m *model) faults(s *files.Step) []string {
	var faults []chaos.Fault
	var err error
	switch sc := s.Scenario; {
	case sc == nil:
	case sc.Config == nil:
		faults, err = chaos.Scenario(sc.Name.Value)
	default:
		faults, _, err = chaos.FromConfig(sc.Config.Plain)
	}
	if err != nil {
		panic(err) // the generator makes none that are wrong
	}
	if len(faults) == 0 {
		return nil
	}
	targets := m.targets
	if s.Target != nil {
		targets = nil
		for _, name := range s.Target {
			if targets = append(targets, name.Value); !slices.Contains(m.targets, name.Value) {
				m.targets = append(m.targets, name.Value)
			}
		}
	}
	if len(targets) == 0 {
		targets = []string{"every target"}
	}
	var lines []string
	for _, f := range faults {
		for _, target := range targets {
			lines = append(lines, f.String()+" on "+target)
		}
	}
	return lines
}

func (m *model) set(list []files.Entry) {
	for _, e := range list {
		m.assign(e.Key.Value, e.Value)
	}
}

func (m *model) assign(name string, v files.Any) {
	switch x := v.Value.(type) {
	case *big.Int:
		f, _ := new(big.Float).SetInt(x).Float64()
		m.vars[name] = f
	default:
		m.vars[name] = x
	}
}

func (m *model) hooks(moment string) {
	for _, h := range m.doc.Hooks {
		if h.HookType.Value == moment {
			m.actions([]files.Hook{h})
		}
	}
}

func (m *model) actions(hooks []files.Hook) {
	for _, h := range hooks {
		if h.Condition != nil && !m.holds(h.Condition) {
			continue
		}
		for _, a := range h.Actions {
			if a.Type.Value == "set_variable" {
				m.assign(a.Name.Value, *a.Value)
			}
		}
	}
}

// holds evaluates a condition.
func (m *model) holds(c *files.Condition) bool {
	switch c.Type.Value {
	case "and":
		return !slices.ContainsFunc(c.Conditions, func(c files.Condition) bool { return !m.holds(&c) })
	case "or":
		return slices.ContainsFunc(c.Conditions, func(c files.Condition) bool { return m.holds(&c) })
	case "not":
		return !m.holds(c.Condition)
	case "exists":
		return m.vars[c.Variable.Value] != nil
	case "previous_step_succeeded":
		return true
	case "previous_step_failed":
		return false
	}
	x, y := m.vars[c.Variable.Value], c.Value.Value
	if y == "{{variables.who}}" {
		y = m.vars["who"]
	}
	switch c.Type.Value {
	case "equals":
		return x == y
	case "not_equals":
		return x != y
	}
	n, _ := new(big.Float).SetInt(c.Value.Int()).Float64()
	if c.Type.Value == "greater_than" {
		return x.(float64) > n
	}
	return x.(float64) <= n
}
