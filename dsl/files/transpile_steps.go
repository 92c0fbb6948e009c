package files

import (
	"maps"
	"slices"
	"strings"
	"time"

	"starquake/internal/nearest"
	"starquake/units"
)

// step writes a step, with what stands around it.
func (t *transpiler) step(s *Step) []stmt {
	var body []stmt
	for _, v := range s.Variables {
		value, _ := t.value(v.Value)
		set := simple(t.setVariable(v.Key, value))
		set.comments, set.remark = commentLines(v.Comment.Head), oneLine(v.Comment.Line)
		body = append(body, set)
	}
	main := stmt{step: s, remark: oneLine(s.Comment.Line)}
	var said bool
	main.head, said = t.stepCall(s)
	body = append(body, main)
	comments := commentLines(s.Comment.Head)
	if s.Scenario != nil && !said {
		comments = append(comments, t.scenarioComments(s.Scenario)...)
	}
	if s.Condition != nil {
		comments = append(comments, commentLines(s.Condition.Comment.Head)...)
		body = []stmt{block(join(atom(s.Condition.Pos, "if "), t.condition(s.Condition)), body)}
	}
	body[0].comments = append(comments, body[0].comments...)
	body[len(body)-1].feet = commentLines(s.Comment.Foot)
	return body
}

// scenarioComments are what a person wrote of a scenario, beside it and in it.
func (t *transpiler) scenarioComments(sc *Scenario) []string {
	lines := slices.Concat(commentLines(sc.Comment.Head), commentLines(valueOr(sc.Description, "")), commentLines(sc.Comment.Line))
	if sc.Config != nil {
		lines = append(lines, commentLines(sc.Config.Comment.Head)...)
		lines = append(lines, commentLines(sc.Config.Comment.Line)...)
		lines = entryComments(lines, sc.Config.Entries)
		lines = append(lines, commentLines(sc.Config.Comment.Foot)...)
	}
	return append(lines, commentLines(sc.Comment.Foot)...)
}

// entryComments appends the comments of entries and of those in them.
func entryComments(lines []string, entries []Entry) []string {
	for _, e := range entries {
		lines = append(lines, commentLines(e.Comment.Head)...)
		lines = append(lines, commentLines(e.Comment.Line)...)
		if below, ok := e.Value.Value.([]Entry); ok {
			lines = entryComments(lines, below)
		}
		lines = append(lines, commentLines(e.Comment.Foot)...)
	}
	return lines
}

// stepCall writes the call of step; said tells that the comments of its scenario stand
// elsewhere.
func (t *transpiler) stepCall(s *Step) (e expr, said bool) {
	if strings.TrimSpace(s.Name.Value) == "" {
		t.fail(s.Name.Pos, "bad_value", "a step needs a name, and this one is empty")
	}
	e = call(s.Name.Pos, "step")
	e.room(6) // what a step with chaos has
	e.arg(t.text(s.Name))
	during, pos := t.stepDuration(s)
	chaos, has, said := t.scenarios.of(s)
	if s.Scenario == nil && len(s.Target) > 0 {
		t.warn(s.Target[0].Pos, "no_effect", "target has no effect: the step has no chaos")
	}
	if has && during == 0 {
		t.warn(s.Name.Pos, "no_time", "the step has chaos and no duration: it is on for no time").help("write duration_seconds")
	}
	if work := t.stepWork(s, chaos, has, during, pos); work != "" {
		e.arg(atom(s.Name.Pos, work))
	} else {
		if has || during > 0 {
			e.named("duration", atom(pos, durationText(during)))
		}
		if has {
			e.named("chaos", chaos)
			e.named("on", t.targets(s))
			e.named("min_hits", atom(Pos{}, "0"))
		}
	}
	t.stepOptions(s, during, &e)
	t.stepLabels(s, &e)
	return e, said
}

// stepDuration is how long a step lasts: its own duration, else its scenario's.
func (t *transpiler) stepDuration(s *Step) (time.Duration, Pos) {
	n := s.DurationSeconds
	if n == nil && s.Scenario != nil {
		n = s.Scenario.DurationSeconds
	}
	if n == nil {
		return 0, Pos{}
	}
	return t.duration(n, "a duration"), n.Pos
}

// duration reads seconds, and says where they are none.
func (t *transpiler) duration(n *Num, what string) time.Duration {
	d, err := units.Seconds(n.Value)
	if err != nil {
		t.fail(n.Pos, "out_of_range", "%s: %v", what, err)
	}
	return d
}

// targets are where the chaos of a step goes.
func (t *transpiler) targets(s *Step) expr {
	if len(s.Target) == 0 {
		return call(Pos{}, "targets")
	}
	var all []expr
	for _, name := range s.Target {
		if constant, ok := t.targetNames[name.Value]; ok {
			all = append(all, atom(name.Pos, constant))
			continue
		}
		// The environment may define it; but a name that nearly is one of the file's is a slip,
		// unless it is so short that any is near.
		if meant := nearest.Within(name.Value, slices.Sorted(maps.Keys(t.targetNames)), (len(name.Value)-1)/3); meant != "" {
			t.warn(name.Pos, "unknown_target", "the file's targets have no %q: it must come from the environment", name.Value).help("did you mean " + meant + "?")
		}
		all = append(all, call(name.Pos, "target", str(name)))
	}
	if len(all) == 1 {
		return all[0]
	}
	return list(Pos{}, all...)
}

// stepWork gives the name of the function that does what a step does besides its chaos,
// and then its chaos, too; "" for a step that needs none.
func (t *transpiler) stepWork(s *Step, chaos expr, has bool, during time.Duration, pos Pos) string {
	before := slices.Concat(t.hooksAt(preStep), s.PreHooks)
	after := slices.Concat(s.PostHooks, t.hooksAt(postStep))
	if len(before)+len(after)+len(s.Assertions) == 0 {
		return ""
	}
	for _, wrong := range []struct {
		hooks []Hook
		place string
	}{{s.PreHooks, preStep}, {s.PostHooks, postStep}} {
		for _, h := range wrong.hooks {
			if h.HookType != nil && h.HookType.Value != wrong.place {
				t.warn(h.HookType.Pos, "hook_place", "this hook is %s by its place, whatever its hook_type says", wrong.place)
			}
		}
	}
	var middle []stmt
	switch {
	case has:
		apply := call(s.Name.Pos, "apply_chaos", chaos)
		apply.named("on", t.targets(s))
		apply.named("duration", atom(pos, durationText(during)))
		apply.named("min_hits", atom(Pos{}, "0"))
		middle = append(middle, simple(apply))
	case during > 0:
		middle = append(middle, simple(call(s.Name.Pos, "sleep", atom(pos, durationText(during)))))
	}
	return t.define(s.Name, "step", t.around(s, before, middle, after, s.Assertions))
}

// around is the body of a step, or of the orchestration where s is nil, with its hooks
// and its assertions. The hooks behind it run after a failure, too.
func (t *transpiler) around(s *Step, before []Hook, middle []stmt, after []Hook, assertions []Assertion) []stmt {
	var body []stmt
	asking, then := afterStep, inBetween
	if s == nil {
		asking, then = atEnd, atGoodEnd
	}
	if len(after) > 0 {
		t.uses.afterwards, t.asking = true, asking
		hooks := list(Pos{})
		for i := range after {
			hooks.arg(atom(after[i].Name.Pos, t.hook(&after[i])))
		}
		t.asking = inBetween
		register := call(after[0].Pos, "afterwards")
		if s == nil && len(t.uses.statusAtEnd) > 0 {
			register.arg(atom(Pos{}, nowOver))
		}
		register.items = append(register.items, hooks.items...)
		body = append(body, stmt{head: join(atom(after[0].Pos, "finish = "), spread(register)), prepares: s})
	}
	for i := range before {
		body = append(body, simple(call(before[i].Name.Pos, t.hook(&before[i]))))
	}
	body = append(body, middle...)
	if len(after) > 0 {
		body = append(body, stmt{head: call(after[0].Pos, "finish"), finishes: s})
	}
	t.asking = then
	for i := range assertions {
		body = append(body, t.assertion(s, &assertions[i]))
	}
	t.asking = inBetween
	return body
}

// define makes a function and gives its name.
func (t *transpiler) define(words Str, kind string, body []stmt) string {
	name := t.names.give(words.Value, kind)
	t.functions = append(t.functions, block(call(words.Pos, "def "+name), body))
	return name
}

// stepOptions adds the arguments of a step that are not about its chaos.
func (t *transpiler) stepOptions(s *Step, during time.Duration, e *expr) {
	if n := s.DelayBeforeSeconds; n != nil {
		if d := t.duration(n, "a delay"); d > 0 {
			e.named("delay_before", atom(n.Pos, durationText(d)))
		}
	}
	if n := s.TimeoutSeconds; n != nil {
		t.timeout(n, during, t.hooksTakeTime(s), e)
	}
	if r := s.Retry; r != nil {
		t.retry(r, e)
	}
	if c := s.ContinueOnFailure; c != nil && c.Value {
		e.named("on_failure", atom(c.Pos, `"tolerate"`))
	}
}

// hooksTakeTime tells whether some hook of a step does what takes time.
func (t *transpiler) hooksTakeTime(s *Step) bool {
	for _, h := range slices.Concat(t.hooksAt(preStep), s.PreHooks, s.PostHooks, t.hooksAt(postStep)) {
		if slices.ContainsFunc(h.Actions, func(a Action) bool { return a.Type.Value == "http_request" || a.Type.Value == "command" }) {
			return true
		}
	}
	return false
}

func (t *transpiler) timeout(n *Num, during time.Duration, hooks bool, e *expr) {
	switch d := t.duration(n, "a timeout"); {
	case d == 0:
		t.warn(n.Pos, "no_effect", "a timeout of 0 is none")
	case d < during:
		t.fail(n.Pos, "timeout_too_short", "the step takes %s and could never end within its timeout of %s", units.FormatDuration(during), units.FormatDuration(d)).
			help("give it a timeout longer than its duration, or leave it out")
	case d == during && !hooks:
		t.warn(n.Pos, "no_effect", "the timeout is as long as the step takes, and is left out")
	default:
		if d == during {
			t.warn(n.Pos, "timeout_too_short", "the timeout is as long as the step takes, and its hooks take time besides").
				help("give it a timeout longer than its duration and its hooks")
		}
		e.named("timeout", atom(n.Pos, durationText(d)))
	}
}

// maxRetries is what the language allows.
const maxRetries = 10_000

func (t *transpiler) retry(r *Retry, e *expr) {
	tries := 1
	if r.MaxAttempts != nil {
		tries = int(r.MaxAttempts.Value)
	}
	if tries < 2 {
		t.warn(r.Pos, "no_effect", "max_attempts counts all tries, so this is no retry").help("write max_attempts: 2 for one more try")
		return
	}
	if tries-1 > maxRetries {
		t.fail(r.MaxAttempts.Pos, "out_of_range", "max_attempts is %d, and must be at most %d", tries, maxRetries+1)
	}
	e.named("retries", atom(r.MaxAttempts.Pos, plainNumber(float64(tries-1))))
	if n := r.DelaySeconds; n != nil {
		if d := t.duration(n, "a delay"); d != time.Second { // which is the default
			e.named("retry_delay", atom(n.Pos, durationText(d)))
		}
	}
	if b := r.ExponentialBackoff; b != nil && b.Value {
		e.named("backoff", atom(b.Pos, "2"))
	}
}

// stepLabels keeps what a scenario says of itself.
func (t *transpiler) stepLabels(s *Step, e *expr) {
	sc := s.Scenario
	if sc == nil {
		return
	}
	labels := dict(sc.Pos)
	if sc.Config != nil && sc.Name != nil && sc.Name.Value != s.Name.Value {
		labels.entry("scenario", str(*sc.Name))
	}
	if len(sc.Tags) > 0 {
		var tags []string
		for _, tag := range sc.Tags {
			tags = append(tags, tag.Value)
		}
		labels.entry("tags", atom(sc.Tags[0].Pos, quote(strings.Join(tags, ", "))))
	}
	for _, time := range []struct {
		key   string
		value *Str
	}{{"start_time", sc.StartTime}, {"end_time", sc.EndTime}} {
		if time.value != nil {
			labels.entry(time.key, str(*time.value))
			t.warn(time.value.Pos, "no_effect", "%s is kept as a label; it begins and ends nothing", time.key)
		}
	}
	if len(labels.items) > 0 {
		e.named("labels", labels)
	}
}
