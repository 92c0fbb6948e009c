package files

// documentTree gives a document's keys in the order of the schema.
func documentTree(doc *Doc) *written {
	w := &written{kind: writtenMapping}
	w.put("name", strTree(doc.Name))
	w.put("description", strTree(doc.Description))
	w.put("tags", strsTree(doc.Tags))
	if len(doc.Targets) > 0 {
		w.put("targets", targetsTree(doc.Targets))
	}
	w.put("steps", orEmpty(listTree(doc.Steps, stepTree), doc.HasSteps))
	w.put("parallel", boolTree(doc.Parallel))
	w.put("loop_orchestration", boolTree(doc.LoopOrchestration))
	w.put("max_iterations", numTree(doc.MaxIterations))
	if len(doc.Variables) > 0 {
		w.put("variables", entriesTree(doc.Variables))
	}
	w.put("advanced_steps", orEmpty(listTree(doc.AdvancedSteps, stepTree), doc.HasAdvanced && len(doc.ConditionalSteps) == 0))
	w.put("conditional_steps", listTree(doc.ConditionalSteps, conditionalTree))
	w.put("hooks", listTree(doc.Hooks, hookTree))
	w.put("assertions", listTree(doc.Assertions, assertionTree))
	w.put("enable_reporting", boolTree(doc.EnableReporting))
	w.put("report_path", strTree(doc.ReportPath))
	return w
}

// orEmpty is an empty list where a key is there that holds nothing.
func orEmpty(w *written, there bool) *written {
	if w == nil && there {
		return &written{kind: writtenList}
	}
	return w
}

func targetsTree(targets []Target) *written {
	w := &written{kind: writtenMapping}
	for _, t := range targets {
		one := &written{kind: writtenMapping}
		one.put("listen", strTree(t.Listen))
		one.put("upstream", strTree(t.Upstream))
		one.put("protocol", strTree(t.Protocol))
		one.put("tls", anyTree(t.TLS))
		w.put(t.Name.Value, one)
		w.comment(t.Comment)
	}
	return w
}

func stepTree(s *Step) (*written, Comment) {
	w := &written{kind: writtenMapping}
	w.put("name", strTree(&s.Name))
	if s.Scenario != nil {
		w.put("scenario", scenarioTree(s.Scenario))
		w.comment(s.Scenario.Comment)
	}
	w.put("duration_seconds", numTree(s.DurationSeconds))
	w.put("delay_before_seconds", numTree(s.DelayBeforeSeconds))
	w.put("continue_on_failure", boolTree(s.ContinueOnFailure))
	if len(s.Target) == 1 {
		w.put("target", strTree(&s.Target[0]))
	} else {
		w.put("target", strsTree(s.Target))
	}
	w.putCondition(s.Condition)
	w.put("pre_hooks", listTree(s.PreHooks, hookTree))
	w.put("post_hooks", listTree(s.PostHooks, hookTree))
	w.put("assertions", listTree(s.Assertions, assertionTree))
	if len(s.Variables) > 0 {
		w.put("variables", entriesTree(s.Variables))
	}
	w.put("timeout_seconds", numTree(s.TimeoutSeconds))
	w.put("retry", retryTree(s.Retry))
	return w, s.Comment
}

// putCondition appends the key condition.
func (w *written) putCondition(c *Condition) {
	if c != nil {
		w.put("condition", conditionTree(c))
		w.comment(c.Comment)
	}
}

func scenarioTree(s *Scenario) *written {
	w := &written{kind: writtenMapping}
	w.put("name", strTree(s.Name))
	w.put("description", strTree(s.Description))
	if s.Config != nil {
		w.put("config", entriesTree(s.Config.Entries))
		w.comment(s.Config.Comment)
	}
	w.put("duration_seconds", numTree(s.DurationSeconds))
	w.put("tags", strsTree(s.Tags))
	w.put("start_time", strTree(s.StartTime))
	w.put("end_time", strTree(s.EndTime))
	return w
}

func retryTree(r *Retry) *written {
	if r == nil {
		return nil
	}
	w := &written{kind: writtenMapping}
	w.put("max_attempts", numTree(r.MaxAttempts))
	w.put("delay_seconds", numTree(r.DelaySeconds))
	w.put("exponential_backoff", boolTree(r.ExponentialBackoff))
	return w
}

func conditionalTree(c *Conditional) (*written, Comment) {
	w := &written{kind: writtenMapping}
	w.put("name", strTree(&c.Name))
	w.putCondition(&c.Condition)
	w.put("then_steps", orEmpty(listTree(c.ThenSteps, stepTree), true))
	w.put("else_steps", listTree(c.ElseSteps, stepTree))
	return w, c.Comment
}

func conditionTree(c *Condition) *written {
	w := &written{kind: writtenMapping}
	w.put("type", strTree(&c.Type))
	w.put("variable", strTree(c.Variable))
	w.put("value", anyTree(c.Value))
	w.put("conditions", listTree(c.Conditions, func(c *Condition) (*written, Comment) { return conditionTree(c), c.Comment }))
	w.putCondition(c.Condition)
	w.put("metric_name", strTree(c.MetricName))
	w.put("operator", strTree(c.Operator))
	w.put("threshold", numTree(c.Threshold))
	return w
}

func hookTree(h *Hook) (*written, Comment) {
	w := &written{kind: writtenMapping}
	w.put("name", strTree(&h.Name))
	w.put("hook_type", strTree(h.HookType))
	w.put("actions", orEmpty(listTree(h.Actions, actionTree), true))
	w.putCondition(h.Condition)
	return w, h.Comment
}

func actionTree(a *Action) (*written, Comment) {
	w := &written{kind: writtenMapping}
	w.put("type", strTree(&a.Type))
	w.put("name", strTree(a.Name))
	w.put("value", anyTree(a.Value))
	w.put("message", strTree(a.Message))
	w.put("level", strTree(a.Level))
	w.put("url", strTree(a.URL))
	w.put("method", strTree(a.Method))
	w.put("body", anyTree(a.Body))
	w.put("command", strTree(a.Command))
	w.put("args", strsTree(a.Args))
	return w, a.Comment
}

func assertionTree(a *Assertion) (*written, Comment) {
	w := &written{kind: writtenMapping}
	w.put("type", strTree(&a.Type))
	w.put("variable", strTree(a.Variable))
	w.put("expected", anyTree(a.Expected))
	w.put("metric", strTree(a.Metric))
	w.put("min", numTree(a.Min))
	w.put("max", numTree(a.Max))
	w.put("step_name", strTree(a.StepName))
	w.putCondition(a.Condition)
	return w, a.Comment
}
