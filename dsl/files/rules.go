package files

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"starquake/dsl"
	"starquake/internal/nearest"
)

// isOrchestration tells what kind of file this is, by the keys that only one has.
func isOrchestration(root *node, p *problems) bool {
	var ours, theirs *node
	for _, key := range []string{"steps", "advanced_steps", "conditional_steps"} {
		if k := root.keyOf(key); k != nil && ours == nil {
			ours = k
		}
	}
	for _, key := range []string{"method", "steady-state-hypothesis"} {
		if k := root.keyOf(key); k != nil && theirs == nil {
			theirs = k
		}
	}
	switch {
	case ours != nil && theirs != nil:
		d := p.fail(theirs.pos, "two_formats", "%s belongs to a Chaos Toolkit experiment, and %s to an orchestration; expected one of them", theirs.text, ours.text)
		d.Related = []dsl.Note{{File: p.file, Line: ours.pos.Line, Col: ours.pos.Col, Message: "here is the orchestration's"}}
		return false
	case theirs != nil:
		p.fail(theirs.pos, "experiment", "this is a Chaos Toolkit experiment (it has the key %s), which this version cannot read; expected an orchestration with steps", theirs.text)
		return false
	case ours == nil && (len(root.pairs) == 0 || root.get("name") == nil):
		if slipOf(root, "steps") || slipOf(root, "advanced_steps") || slipOf(root, "conditional_steps") {
			return true // which is said there
		}
		p.fail(headOf(root, nil), "not_an_orchestration", "this is no orchestration: it has none of steps, advanced_steps and conditional_steps").
			Help = "write name: and steps:"
		return false
	}
	return true
}

// slipOf tells whether a mapping has an unknown key that was most likely meant as name.
func slipOf(n *node, name string) bool {
	for _, p := range n.pairs {
		if p.key.text != name && nearest.Of(p.key.text, []string{name}) != "" {
			return true
		}
	}
	return false
}

// rules are what a table of keys and types cannot say. They look at the document as far
// as it could be made.
type rules struct {
	*checker
	doc       *Doc
	scenarios map[string]bool
	library   func(string) bool

	steps     map[string]bool
	variables map[string]bool
	// metrics are those that actions record; anyMetric says that the name of one is filled in.
	metrics   map[string]bool
	anyMetric bool
	templates templates
}

func (r *rules) all(root *node) {
	r.gather()
	r.templates = templates{r}
	r.templates.object(root, r.schema[objectRoot])
	r.top(root)
	steps := [][]Step{r.doc.Steps, r.doc.AdvancedSteps}
	for _, c := range r.doc.ConditionalSteps {
		steps = append(steps, c.ThenSteps, c.ElseSteps)
		r.condition(&c.Condition)
	}
	for _, list := range steps {
		for i := range list {
			r.step(&list[i])
		}
	}
	r.hooks(r.doc.Hooks)
	for _, h := range r.doc.Hooks {
		if h.HookType == nil && h.Name.Pos.Line > 0 {
			r.fail(h.Name.Pos, "missing_key", "the hook %s needs hook_type: it stands at no step that would say when it runs", strconv.Quote(short(h.Name.Value))).
				Help = "write hook_type: pre_orchestration, post_orchestration, pre_step or post_step"
		}
	}
	r.assertions(r.doc.Assertions)
	r.scenarioNodes(root)
}

// gather finds out which steps and variables there are.
func (r *rules) gather() {
	r.steps, r.variables, r.metrics = map[string]bool{}, map[string]bool{}, map[string]bool{}
	entries := func(list []Entry) {
		for _, e := range list {
			r.variables[e.Key.Value] = true
		}
	}
	hooks := func(list []Hook) {
		for _, h := range list {
			for _, a := range h.Actions {
				switch {
				case a.Name == nil:
				case a.Type.Value == "set_variable":
					r.variables[a.Name.Value] = true
				case a.Type.Value == "record_metric":
					r.metrics[a.Name.Value] = true
					r.anyMetric = r.anyMetric || strings.Contains(a.Name.Value, "{{")
				}
			}
		}
	}
	entries(r.doc.Variables)
	hooks(r.doc.Hooks)
	eachStep(r.doc, func(s *Step) {
		r.steps[s.Name.Value] = true
		entries(s.Variables)
		hooks(s.PreHooks)
		hooks(s.PostHooks)
	})
}

// top holds for the orchestration as a whole.
func (r *rules) top(root *node) {
	doc := r.doc
	if r.isEmpty(root) && (r.lenient || !slipOf(root, "steps")) {
		pos := headOf(root, nil)
		for _, key := range []string{"steps", "advanced_steps", "conditional_steps"} {
			if k := root.keyOf(key); k != nil {
				pos = k.pos
				break
			}
		}
		r.fail(pos, "no_steps", "the orchestration has no step; expected one or more").Help = "write a step with a name below steps:"
	}
	if on, p := doc.EnableReporting, doc.ReportPath; on != nil && on.Value && p != nil && hasTemplate(Any{Value: p.Value}) {
		r.fail(p.Pos, "not_filled_in", "nothing is filled in here: the report's file is named before the run").Help = "write the path itself"
	}
	looping := doc.LoopOrchestration != nil && doc.LoopOrchestration.Value
	if n := doc.MaxIterations; n != nil && n.Value == 0 && !looping {
		r.fail(n.Pos, "needs_loop", "max_iterations 0 means for ever, which needs loop_orchestration: true").
			Help = "write loop_orchestration: true, or how often"
	}
}

// isEmpty tells whether none of the lists of steps has an item, right or wrong.
func (r *rules) isEmpty(root *node) bool {
	for _, key := range []string{"steps", "advanced_steps", "conditional_steps"} {
		if v := root.get(key); v != nil && (len(v.items) > 0 || v.kind != listNode && v.kind != nullNode) {
			return false
		}
	}
	return true
}

func (r *rules) step(s *Step) {
	if s.Condition != nil {
		r.condition(s.Condition)
	}
	r.hooks(s.PreHooks)
	r.hooks(s.PostHooks)
	r.assertions(s.Assertions)
	if sc := s.Scenario; sc != nil {
		r.scenario(sc)
	}
}

// onlyOn reports whether a config says that it is on, and of what not.
func (c *Config) onlyOn() bool {
	if c == nil {
		return false
	}
	on, _ := c.Plain["enabled"].(bool)
	return on && c.faults != nil && len(*c.faults) == 0
}

// scenario holds for a scenario. One without a config is that of its name.
func (r *rules) scenario(sc *Scenario) {
	if sc.StartTime != nil && sc.EndTime != nil {
		start, err1 := time.Parse(time.RFC3339, sc.StartTime.Value)
		end, err2 := time.Parse(time.RFC3339, sc.EndTime.Value)
		if err1 == nil && err2 == nil && end.Before(start) {
			r.fail(sc.EndTime.Pos, "min_above_max", "end_time is before start_time")
		}
	}
	if sc.Name != nil && r.scenarios[sc.Name.Value] && sc.Config.onlyOn() {
		r.warn(sc.Name.Pos, "empty_config", "the config beside it has no chaos, and the name of a scenario with a config is a label").Help = "leave config out for the scenario of that name"
	}
	if sc.Config != nil || sc.Name == nil || r.scenarios[sc.Name.Value] || r.library != nil && r.library(sc.Name.Value) {
		return
	}
	d := r.fail(sc.Name.Pos, "unknown_scenario", "there is no scenario %s, and this one has no config", strconv.Quote(short(sc.Name.Value)))
	d.Help = suggest(sc.Name.Value, slices.Sorted(maps.Keys(r.scenarios)), "write its config, or name one of")
}

// scenarioNodes holds for scenarios as they are written.
func (r *rules) scenarioNodes(root *node) {
	for _, key := range []string{"steps", "advanced_steps", "conditional_steps"} {
		list := root.get(key)
		if list == nil {
			continue
		}
		for _, item := range list.items {
			r.scenarioNode(item.get("scenario"), item.keyOf("scenario"))
			for _, branch := range []string{"then_steps", "else_steps"} {
				if steps := item.get(branch); steps != nil {
					for _, step := range steps.items {
						r.scenarioNode(step.get("scenario"), step.keyOf("scenario"))
					}
				}
			}
		}
	}
}

func (r *rules) scenarioNode(n, key *node) {
	if n == nil || n.kind != mapNode {
		return
	}
	config, alias := n.keyOf("config"), n.keyOf("chaos_config")
	switch {
	case config != nil && alias != nil:
		d := r.fail(alias.pos, "both_keys", "config and chaos_config are two spellings of one key; expected one of them")
		d.Related = []dsl.Note{{File: r.file, Line: config.pos.Line, Col: config.pos.Col, Message: "here is the other"}}
	case config == nil && alias == nil && n.get("name") == nil:
		r.fail(headOf(n, key), "missing_key", "a scenario needs a name or a config: a predefined scenario is meant by its name").
			Help = suggest("", slices.Sorted(maps.Keys(r.scenarios)), "the predefined ones are")
	}
}

func (r *rules) hooks(list []Hook) {
	for _, h := range list {
		if h.Condition != nil {
			r.condition(h.Condition)
		}
	}
}

func (r *rules) condition(c *Condition) {
	for i := range c.Conditions {
		r.condition(&c.Conditions[i])
	}
	if c.Condition != nil {
		r.condition(c.Condition)
	}
	if c.Variable != nil && c.Type.Value != "exists" {
		r.variable(*c.Variable)
	}
	if c.MetricName != nil {
		r.metric(*c.MetricName)
	}
}

// metric says where a metric is asked for that nothing ever records. Which one a name is that
// is filled in shows in the run.
func (r *rules) metric(name Str) {
	if r.metrics[name.Value] || r.anyMetric || len(r.metrics) > 0 && hasTemplate(Any{Value: name.Value}) {
		return
	}
	d := r.fail(name.Pos, "unknown_metric", "nothing records a metric %s", strconv.Quote(short(name.Value)))
	d.Help = suggest(name.Value, slices.Sorted(maps.Keys(r.metrics)), "the metrics are")
	if len(r.metrics) == 0 {
		d.Help = "record it in a hook, with an action of type record_metric"
	}
}

// variable says where a variable is asked for that nothing ever sets.
func (r *rules) variable(name Str) {
	if r.variables[name.Value] {
		return
	}
	d := r.fail(name.Pos, "unknown_variable", "nothing sets a variable %s", strconv.Quote(short(name.Value)))
	d.Help = suggest(name.Value, slices.Sorted(maps.Keys(r.variables)), "the variables are")
	switch {
	case hasTemplate(Any{Value: name.Value}):
		d.Help = asWrittenHelp
	case len(r.variables) == 0:
		d.Help = "set it under variables:"
	}
}

// stepName says where a step is asked for that there is not.
func (r *rules) stepName(name Str) {
	if r.steps[name.Value] {
		return
	}
	d := r.fail(name.Pos, "unknown_step", "there is no step %s", strconv.Quote(short(name.Value)))
	d.Help = suggest(name.Value, slices.Sorted(maps.Keys(r.steps)), "the steps are")
	if hasTemplate(Any{Value: name.Value}) {
		d.Help = asWrittenHelp
	}
}

// asWrittenHelp is for names in which something would have to be filled in.
const asWrittenHelp = "nothing is filled in here: write the name as it stands in the file"

func (r *rules) assertions(list []Assertion) {
	for _, a := range list {
		if a.Condition != nil {
			r.condition(a.Condition)
		}
		if a.StepName != nil {
			r.stepName(*a.StepName)
		}
		if a.Variable != nil {
			r.variable(*a.Variable)
		}
		if a.Metric != nil {
			r.metric(*a.Metric)
		}
		switch {
		case a.Type.Value != "metric_in_range":
		case a.Min == nil && a.Max == nil:
			r.fail(a.Type.Pos, "missing_key", "an assertion of type metric_in_range needs min, max or both")
		case a.Min != nil && a.Max != nil && a.Min.Value > a.Max.Value:
			r.fail(a.Min.Pos, "min_above_max", "min %s is above max %s", short(a.Min.Text), short(a.Max.Text))
		}
	}
}
