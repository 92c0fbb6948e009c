package files

import "math"

// document makes a document of a tree. What is wrong in the tree has been said and is
// left out here, so that the rules can still look at the rest.
func (c *checker) document(root *node) *Doc {
	doc := &Doc{
		Pos: root.pos,
		Comment: root.beside("targets", "steps", "variables", "advanced_steps", "conditional_steps",
			"hooks", "assertions"),
		Name: root.str("name"), Description: root.str("description"), Tags: root.strs("tags"),
		Parallel: root.boolean("parallel"), LoopOrchestration: root.boolean("loop_orchestration"), MaxIterations: root.num("max_iterations", true),
		Variables: root.get("variables").entries(), EnableReporting: root.boolean("enable_reporting"), ReportPath: root.str("report_path"),
		HasSteps: root.get("steps") != nil, HasAdvanced: root.get("advanced_steps") != nil || root.get("conditional_steps") != nil,
	}
	if targets := root.get("targets"); targets != nil {
		for _, p := range targets.pairs {
			doc.Targets = append(doc.Targets, Target{
				Name: p.key.asStr(), Listen: p.value.str("listen"), Upstream: p.value.str("upstream"), Protocol: p.value.str("protocol"),
				TLS:     p.value.any("tls"),
				Comment: merged(p.entry(), p.value.besideOnly()),
			})
		}
	}
	doc.Steps = each(root, "steps", c.step)
	doc.AdvancedSteps = each(root, "advanced_steps", c.step)
	doc.ConditionalSteps = each(root, "conditional_steps", c.conditional)
	doc.Hooks = each(root, "hooks", c.hook)
	doc.Assertions = each(root, "assertions", c.assertion)
	for _, key := range []string{"targets", "steps", "variables", "advanced_steps", "conditional_steps", "hooks", "assertions"} {
		if k := root.keyOf(key); k != nil {
			doc.Comment = merged(doc.Comment, (&pair{key: k, value: &node{}}).entry())
		}
	}
	return doc
}

// each makes something of every mapping in a list.
func each[T any](n *node, key string, build func(*node) T) []T {
	list := n.get(key)
	if list == nil || len(list.items) == 0 {
		return nil
	}
	out := make([]T, 0, len(list.items))
	for _, item := range list.items {
		if item.kind == mapNode {
			out = append(out, build(item))
		}
	}
	return out
}

func (c *checker) step(n *node) Step {
	s := Step{
		Pos: n.pos, Comment: n.beside("scenario", "condition", "pre_hooks", "post_hooks", "assertions", "variables"),
		DurationSeconds: n.num("duration_seconds", false), DelayBeforeSeconds: n.num("delay_before_seconds", false),
		ContinueOnFailure: n.boolean("continue_on_failure"), Target: n.strs("target"),
		Condition: c.conditionAt(n), PreHooks: each(n, "pre_hooks", c.hook), PostHooks: each(n, "post_hooks", c.hook),
		Assertions: each(n, "assertions", c.assertion), Variables: n.get("variables").entries(), TimeoutSeconds: n.num("timeout_seconds", false),
	}
	s.Name = n.mustStr("name")
	s.Comment = merged(s.Comment, n.keyComments("pre_hooks", "post_hooks", "assertions", "variables"))
	if sc := n.get("scenario"); sc != nil && sc.kind == mapNode {
		s.Scenario = c.scenario(sc)
		s.Scenario.Comment = merged(n.keyComments("scenario"), s.Scenario.Comment)
	}
	if r := n.get("retry"); r != nil && r.kind == mapNode {
		s.Retry = &Retry{Pos: r.pos, MaxAttempts: r.num("max_attempts", true), DelaySeconds: r.num("delay_seconds", false), ExponentialBackoff: r.boolean("exponential_backoff")}
		s.Comment = merged(s.Comment, r.besideOnly())
	}
	return s
}

func (c *checker) scenario(n *node) *Scenario {
	s := &Scenario{
		Pos: n.pos, Comment: n.beside("config", "chaos_config"), Name: n.str("name"), Description: n.str("description"),
		DurationSeconds: n.num("duration_seconds", false), Tags: n.strs("tags"), StartTime: n.str("start_time"), EndTime: n.str("end_time"),
	}
	for _, key := range []string{"config", "chaos_config"} {
		v := n.get(key)
		if v == nil || s.Config != nil || c.configs[v] == nil {
			continue
		}
		s.Config = c.configs[v]
		s.Config.Comment = merged(n.keyComments(key), v.ownComment())
	}
	return s
}

func (c *checker) conditional(n *node) Conditional {
	out := Conditional{
		Pos: n.pos, Comment: merged(n.beside("condition", "then_steps", "else_steps"), n.keyComments("then_steps", "else_steps")),
		Name: n.mustStr("name"), ThenSteps: each(n, "then_steps", c.step), ElseSteps: each(n, "else_steps", c.step),
	}
	if condition := c.conditionAt(n); condition != nil {
		out.Condition = *condition
	}
	return out
}

// conditionAt makes the condition that stands behind that key, nil if there is none.
func (c *checker) conditionAt(n *node) *Condition {
	v := n.get("condition")
	if v == nil || v.kind != mapNode {
		return nil
	}
	out := c.condition(v)
	out.Comment = merged(n.keyComments("condition"), out.Comment)
	return &out
}

func (c *checker) condition(n *node) Condition {
	return Condition{
		Pos: n.pos, Comment: merged(n.beside("conditions", "condition"), n.keyComments("conditions")), Type: n.mustStr("type"),
		Variable: n.str("variable"), Value: n.any("value"), Conditions: each(n, "conditions", c.condition), Condition: c.conditionAt(n),
		MetricName: n.str("metric_name"), Operator: n.str("operator"), Threshold: n.num("threshold", false),
	}
}

func (c *checker) hook(n *node) Hook {
	return Hook{
		Pos: n.pos, Comment: merged(n.beside("actions", "condition"), n.keyComments("actions")), Name: n.mustStr("name"),
		HookType: n.str("hook_type"), Actions: each(n, "actions", c.action), Condition: c.conditionAt(n),
	}
}

func (c *checker) action(n *node) Action {
	return Action{
		Pos: n.pos, Comment: n.beside(), Type: n.mustStr("type"), Name: n.str("name"), Value: n.any("value"),
		Message: n.str("message"), Level: n.str("level"), URL: n.str("url"), Method: n.str("method"), Body: n.any("body"),
		Command: n.str("command"), Args: n.strs("args"),
	}
}

func (c *checker) assertion(n *node) Assertion {
	return Assertion{
		Pos: n.pos, Comment: n.beside("condition"), Type: n.mustStr("type"), Variable: n.str("variable"), Expected: n.any("expected"),
		Metric: n.str("metric"), Min: n.num("min", false), Max: n.num("max", false), StepName: n.str("step_name"), Condition: c.conditionAt(n),
	}
}

// merged puts one comment below another.
func merged(a, b Comment) Comment {
	return Comment{joinComments(a.Head, b.Head), joinComments(a.Line, b.Line), joinComments(a.Foot, b.Foot)}
}

// keyComments are the comments beside some keys themselves.
func (n *node) keyComments(keys ...string) Comment {
	var c Comment
	for _, key := range keys {
		if k := n.keyOf(key); k != nil && k.comment != nil {
			c = merged(c, *k.comment)
		}
	}
	return c
}

// ownComment is what stands beside a value as a whole.
func (n *node) ownComment() Comment {
	if n.comment == nil {
		return Comment{}
	}
	return *n.comment
}

// besideOnly are the comments within a mapping, without its own.
func (n *node) besideOnly() Comment {
	return (&node{pairs: n.pairs}).beside()
}

func (n *node) asStr() Str { return Str{n.pos, n.text} }

// str returns the string behind a key, nil where there is none.
func (n *node) str(key string) *Str {
	v := n.get(key)
	if v == nil || v.kind != stringNode {
		return nil
	}
	s := v.asStr()
	return &s
}

func (n *node) mustStr(key string) Str {
	if s := n.str(key); s != nil {
		return *s
	}
	return Str{}
}

// strs returns the strings behind a key: a list, or the one that stands for it.
func (n *node) strs(key string) []Str {
	v := n.get(key)
	switch {
	case v == nil:
		return nil
	case v.kind == stringNode:
		return []Str{v.asStr()}
	}
	var out []Str
	for _, item := range v.items {
		if item.kind == stringNode {
			out = append(out, item.asStr())
		}
	}
	return out
}

func (n *node) boolean(key string) *Bool {
	v := n.get(key)
	if v == nil || v.kind != boolNode {
		return nil
	}
	return &Bool{v.pos, v.truth}
}

// num returns the number behind a key; of an integer that was written as 3.0 the text is 3.
func (n *node) num(key string, whole bool) *Num {
	v := n.get(key)
	if v == nil || v.kind != intNode && v.kind != floatNode {
		return nil
	}
	f, isWhole := v.number()
	text := v.text
	if whole && isWhole && v.kind == floatNode && math.Abs(f) < 1<<53 {
		text = bound(f)
	}
	return &Num{v.pos, text, f}
}

func (n *node) any(key string) *Any {
	v := n.get(key)
	if v == nil {
		return nil
	}
	a := v.asAny()
	return &a
}

func (n *node) asAny() Any {
	a := Any{Pos: n.pos}
	switch n.kind {
	case boolNode:
		a.Value = n.truth
	case intNode:
		a.Value = n.bigInt()
	case floatNode:
		a.Value, _ = n.number()
	case stringNode:
		a.Value = n.text
	case listNode:
		list := make([]Any, len(n.items))
		for i, item := range n.items {
			list[i] = item.asAny()
		}
		a.Value = list
	case mapNode:
		a.Value = n.entries()
	}
	return a
}

// entries returns the keys of a mapping in the order of the file; nil of none.
func (n *node) entries() []Entry {
	if n == nil || n.kind != mapNode {
		return nil
	}
	out := make([]Entry, len(n.pairs))
	for i := range n.pairs {
		p := &n.pairs[i]
		out[i] = Entry{Key: p.key.asStr(), Value: p.value.asAny(), Comment: p.entry()}
	}
	return out
}
