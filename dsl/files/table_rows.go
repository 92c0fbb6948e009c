package files

import (
	"slices"

	"starquake/chaos"
	"starquake/units"
)

// maxCounted bounds what is counted: iterations and tries.
const maxCounted = 1_000_000_000

func longest() float64 { return units.MaxDuration.Seconds() }

func rootObject() Object {
	return Object{Name: objectRoot, Noun: "an orchestration", Doc: "the file as a whole", Fields: []Field{
		{Name: "$schema", Type: TypeString, AsWritten: true, Doc: "the schema that an editor holds the file against; it has no effect here"},
		{Name: "name", Type: TypeString, Required: true, Doc: "what the orchestration is called"},
		{Name: "description", Type: TypeString, Default: `""`, Doc: "what it is for"},
		{Name: "tags", Type: TypeStrings, Default: "[]", MayBeEmpty: true, Doc: "words to find it by"},
		{Name: "targets", Type: TypeTargets, Of: objectTarget, Doc: "proxies that live as long as the run, by name, so that the file can stand alone"},
		{Name: "steps", Type: TypeObjects, Of: objectStep, MayBeEmpty: true, Doc: "what is done, in turn; here, in advanced_steps or in conditional_steps there has to be a step"},
		{Name: "parallel", Type: TypeBool, Default: "false", Doc: "all steps at once instead of in turn"},
		{Name: "loop_orchestration", Type: TypeBool, Default: "false", Doc: "repeat the whole"},
		{Name: "max_iterations", Type: TypeInt, Max: maxCounted, Default: "1", Doc: "how often, with loop_orchestration; 0 is for ever"},
		{Name: "variables", Type: TypeValues, Advanced: true, Template: true, Doc: "variables and what they are at the beginning"},
		{Name: "advanced_steps", Type: TypeObjects, Of: objectAdvanced, Advanced: true, MayBeEmpty: true, Doc: "steps with conditions, hooks and retries, after steps"},
		{Name: "conditional_steps", Type: TypeObjects, Of: objectConditional, Advanced: true, MayBeEmpty: true, Doc: "steps behind a condition, after advanced_steps"},
		{Name: "hooks", Type: TypeObjects, Of: objectHook, Advanced: true, MayBeEmpty: true, Doc: "actions at the beginning and the end of the run or of every step"},
		{Name: "assertions", Type: TypeObjects, Of: objectAssertion, Advanced: true, MayBeEmpty: true, Doc: "what must hold at the end of the run"},
		{Name: "enable_reporting", Type: TypeBool, Default: "false", Advanced: true, Doc: "write a report"},
		{Name: "report_path", Type: TypeString, Advanced: true, AsWritten: true, Doc: "where to, below the working folder; nothing is filled in"},
	}}
}

func targetObject() Object {
	return Object{Name: objectTarget, Noun: "a target", Doc: "a proxy", Fields: []Field{
		{Name: "listen", Type: TypeString, Required: true, Check: chaos.CheckAddress, Doc: "the address on which it listens, such as 127.0.0.1:18081"},
		{Name: "upstream", Type: TypeString, Required: true, Check: chaos.CheckUpstream, Doc: "the address to which it passes on"},
		{Name: "protocol", Type: TypeString, Default: `"auto"`, Choices: append([]string{"auto"}, chaos.Protocols()...), Doc: "what is spoken on it"},
		{Name: "tls", Type: TypeObject, Of: objectTLS, MayBeEmpty: true, Doc: "how it terminates TLS; without it a connection that is TLS passes as it is"},
	}}
}

// tlsObject is the table of package chaos.
func tlsObject() Object {
	o := Object{Name: objectTLS, Noun: "a target's TLS", Doc: "how a proxy terminates TLS; {} is enough. Files are named from this file's folder and below it"}
	for _, k := range chaos.TLSKeys() {
		f := Field{Name: k.Name, Type: TypeString, Choices: k.Choices, Doc: k.Doc}
		switch {
		case k.IsBool():
			f.Type, f.Default = TypeBool, k.Default
		case len(k.Choices) > 0:
			f.Default = k.Default
		case k.Default != "":
			f.Doc += " (without it: " + k.Default + ")"
		}
		o.Fields = append(o.Fields, f)
	}
	return o
}

func stepFields() []Field {
	return []Field{
		{Name: "name", Type: TypeString, Required: true, Template: true, Doc: "what the step is called; several may share a name"},
		{Name: "scenario", Type: TypeObject, Of: objectScenario, Doc: "the chaos of the step; without one it only waits"},
		{Name: "duration_seconds", Type: TypeNumber, Max: longest(), Doc: "how long; without it as long as the scenario says, else 0"},
		{Name: "delay_before_seconds", Type: TypeNumber, Max: longest(), Default: "0", Doc: "how long to wait before it"},
		{Name: "continue_on_failure", Type: TypeBool, Default: "false", Doc: "go on if it fails; the failure is tolerated"},
		{Name: "target", Type: TypeNames, Doc: "the targets of its chaos; without it every target of the run"},
	}
}

func advancedFields() []Field {
	return []Field{
		{Name: "condition", Type: TypeObject, Of: objectCondition, Advanced: true, Doc: "whether it is done"},
		{Name: "pre_hooks", Type: TypeObjects, Of: objectHook, Advanced: true, MayBeEmpty: true, Doc: "actions before its chaos"},
		{Name: "post_hooks", Type: TypeObjects, Of: objectHook, Advanced: true, MayBeEmpty: true, Doc: "actions after it, also after a failure"},
		{Name: "assertions", Type: TypeObjects, Of: objectAssertion, Advanced: true, MayBeEmpty: true, Doc: "what must hold at its end"},
		{Name: "variables", Type: TypeValues, Advanced: true, Template: true, Doc: "variables that are set when it begins"},
		{Name: "timeout_seconds", Type: TypeNumber, Max: longest(), Advanced: true, Doc: "how long a try may take"},
		{Name: "retry", Type: TypeObject, Of: objectRetry, Advanced: true, Doc: "how often it is tried"},
	}
}

func scenarioObject() Object {
	return Object{Name: objectScenario, Noun: "a scenario", Doc: "a chaos: a predefined one by its name, or the config as written", Fields: []Field{
		{Name: "name", Type: TypeString, Doc: "a predefined scenario, or with a config a label"},
		{Name: "description", Type: TypeString, Doc: "what it is"},
		{Name: "config", Type: TypeConfig, MayBeEmpty: true, Doc: "the chaos"},
		{Name: "chaos_config", Type: TypeConfig, Alias: "config", MayBeEmpty: true, Doc: "the same as config"},
		{Name: "duration_seconds", Type: TypeNumber, Max: longest(), Doc: "how long, where the step does not say it"},
		{Name: "tags", Type: TypeStrings, Default: "[]", MayBeEmpty: true, Doc: "words to find it by"},
		{Name: "start_time", Type: TypeTime, Doc: "when it was recorded"},
		{Name: "end_time", Type: TypeTime, Doc: "until when"},
	}}
}

func retryObject() Object {
	return Object{Name: objectRetry, Noun: "a retry", Doc: "how often a step is tried", Fields: []Field{
		{Name: "max_attempts", Type: TypeInt, Required: true, Min: 1, Max: maxCounted, Advanced: true, Doc: "tries in all"},
		{Name: "delay_seconds", Type: TypeNumber, Max: longest(), Default: "1", Advanced: true, Doc: "how long between them, without chaos"},
		{Name: "exponential_backoff", Type: TypeBool, Default: "false", Advanced: true, Doc: "twice as long each time"},
	}}
}

func conditionalObject() Object {
	return Object{Name: objectConditional, Noun: "a conditional step", Doc: "steps behind a condition", Fields: []Field{
		{Name: "name", Type: TypeString, Required: true, Advanced: true, Doc: "what it is called"},
		{Name: "condition", Type: TypeObject, Of: objectCondition, Required: true, Advanced: true, Doc: "which steps are done"},
		{Name: "then_steps", Type: TypeObjects, Of: objectAdvanced, Required: true, Advanced: true, MayBeEmpty: true, Doc: "those where it holds"},
		{Name: "else_steps", Type: TypeObjects, Of: objectAdvanced, Default: "[]", Advanced: true, MayBeEmpty: true, Doc: "those where it does not"},
	}}
}

func comparisons() []string {
	return []string{"equals", "not_equals", "greater_than", "less_than", "greater_than_or_equal", "less_than_or_equal"}
}

func conditionObject() Object {
	withValue := comparisons()
	types := slices.Concat(withValue, []string{"exists", "and", "or", "not", "previous_step_succeeded", "previous_step_failed", "metric_threshold"})
	metric := []string{"metric_threshold"}
	return Object{Name: objectCondition, Noun: "a condition", Doc: "what is true or not", Fields: []Field{
		{Name: "type", Type: TypeString, Required: true, Advanced: true, Choices: types, Doc: "which condition"},
		{Name: "variable", Type: TypeString, Required: true, Advanced: true, AsWritten: true, For: slices.Concat(withValue, []string{"exists"}), Doc: "the name of a variable"},
		{Name: "value", Type: TypeAny, Required: true, Advanced: true, For: withValue, Template: true, MayBeEmpty: true, Doc: "with what it is compared"},
		{Name: "conditions", Type: TypeObjects, Of: objectCondition, Required: true, Advanced: true, For: []string{"and", "or"}, Doc: "the conditions, of which all or one must hold"},
		{Name: "condition", Type: TypeObject, Of: objectCondition, Required: true, Advanced: true, For: []string{"not"}, Doc: "the condition that must not hold"},
		{Name: "metric_name", Type: TypeString, Required: true, Advanced: true, For: metric, Template: true, Doc: "the name of a metric"},
		{Name: "operator", Type: TypeString, Required: true, Advanced: true, For: metric, Choices: comparisons(), Doc: "how it is compared"},
		{Name: "threshold", Type: TypeNumber, Required: true, Advanced: true, For: metric, Doc: "with which number"},
	}}
}

func hookObject() Object {
	return Object{Name: objectHook, Noun: "a hook", Doc: "actions at one moment", Fields: []Field{
		{Name: "name", Type: TypeString, Required: true, Advanced: true, Doc: "what it is called"},
		{Name: "hook_type", Type: TypeString, Advanced: true, Choices: []string{"pre_step", "post_step", "pre_orchestration", "post_orchestration"},
			Doc: "when; pre_hooks and post_hooks of a step say it by their place"},
		{Name: "actions", Type: TypeObjects, Of: objectAction, Required: true, Advanced: true, Doc: "what is done, in turn"},
		{Name: "condition", Type: TypeObject, Of: objectCondition, Advanced: true, Doc: "whether it is done"},
	}}
}

func actionObject() Object {
	types := []string{"set_variable", "log", "http_request", "command", "record_metric"}
	set, log, request, command, record := types[:1], types[1:2], types[2:3], types[3:4], types[4:5]
	return Object{Name: objectAction, Noun: "an action", Doc: "one thing that a hook does", Fields: []Field{
		{Name: "type", Type: TypeString, Required: true, Advanced: true, Choices: types, Doc: "which action"},
		{Name: "name", Type: TypeString, Required: true, Advanced: true, For: set, Doc: "the name of the variable"},
		{Name: "name", Type: TypeString, Required: true, Advanced: true, For: record, Template: true, Doc: "the name of the metric"},
		{Name: "value", Type: TypeAny, Required: true, Advanced: true, For: set, Template: true, MayBeEmpty: true, Doc: "what it is set to"},
		{Name: "value", Type: TypeFigure, Required: true, Advanced: true, For: record, Template: true, Doc: "a number, or a string that becomes one when it is filled in"},
		{Name: "message", Type: TypeString, Required: true, Advanced: true, For: log, Template: true, Doc: "what is logged"},
		{Name: "level", Type: TypeString, Default: `"info"`, Advanced: true, For: log, Choices: []string{"trace", "debug", "info", "warn", "warning", "error"}, Doc: "how grave it is"},
		{Name: "url", Type: TypeString, Required: true, Advanced: true, For: request, Template: true, Doc: "where to"},
		{Name: "method", Type: TypeString, Default: `"GET"`, Advanced: true, For: request, Choices: []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}, Doc: "how"},
		{Name: "body", Type: TypeBody, Advanced: true, For: request, Template: true, Doc: "what is sent; a mapping is sent as JSON"},
		{Name: "command", Type: TypeString, Required: true, Advanced: true, For: command, Template: true, Doc: "a program, which needs permission"},
		{Name: "args", Type: TypeStrings, Default: "[]", Advanced: true, For: command, Template: true, MayBeEmpty: true, Doc: "its arguments"},
	}}
}

func assertionObject() Object {
	types := []string{"variable_equals", "metric_in_range", "step_succeeded", "step_failed", "condition"}
	variable, metric, step, condition := types[:1], types[1:2], types[2:4], types[4:5]
	return Object{Name: objectAssertion, Noun: "an assertion", Doc: "what must hold; if not, its step or the run fails", Fields: []Field{
		{Name: "type", Type: TypeString, Required: true, Advanced: true, Choices: types, Doc: "which assertion"},
		{Name: "variable", Type: TypeString, Required: true, Advanced: true, AsWritten: true, For: variable, Doc: "the name of a variable"},
		{Name: "expected", Type: TypeAny, Required: true, Advanced: true, For: variable, Template: true, MayBeEmpty: true, Doc: "what it must be"},
		{Name: "metric", Type: TypeString, Required: true, Advanced: true, For: metric, Template: true, Doc: "the name of a metric"},
		{Name: "min", Type: TypeNumber, Advanced: true, For: metric, Doc: "the least it may be; min, max or both have to be there"},
		{Name: "max", Type: TypeNumber, Advanced: true, For: metric, Doc: "the greatest it may be"},
		{Name: "step_name", Type: TypeString, Required: true, Advanced: true, AsWritten: true, For: step, Doc: "the name of a step, as it is written there"},
		{Name: "condition", Type: TypeObject, Of: objectCondition, Required: true, Advanced: true, For: condition, Doc: "the condition that must hold"},
	}}
}
