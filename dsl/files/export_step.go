package files

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/chaos"
	"starquake/dsl"
	"starquake/units"
)

// seconds reads a duration as the language writes it.
func seconds(v starlark.Value) (time.Duration, bool) {
	var d time.Duration
	err := errors.New("no duration")
	switch v := v.(type) {
	case starlark.String:
		d, err = units.ParseDuration(string(v))
	case starlark.Int:
		d, err = units.Seconds(float64(v.Float()))
	case starlark.Float:
		d, err = units.Seconds(float64(v))
	}
	return d, err == nil
}

// secondsNum writes a duration as a number of seconds.
func secondsNum(d time.Duration) *Num {
	text := strconv.FormatInt(int64(d/time.Second), 10)
	if frac := d % time.Second; frac != 0 {
		text += "." + strings.TrimRight(strconv.FormatInt(int64(time.Second+frac), 10)[1:], "0")
	}
	return &Num{Text: text, Value: d.Seconds()}
}

// stepParams are those parameters of step that the schema has, or that are checked to
// say nothing.
func stepParams() []string {
	return []string{"name", "run", "args", "traffic", "chaos", "on", "duration", "delay_before", "timeout", "below", "above", "recovered",
		"min_hits", "retries", "when", "on_failure", "labels"}
}

// step notes a step.
func (x *exporter) step(call dsl.Call) starlark.Value {
	values, ok := x.stepArguments(call)
	if !ok {
		return late{what: "the result of a step"}
	}
	s := Step{Pos: x.placeOf(call.Expr)}
	name, _ := starlark.AsString(values["name"])
	s.Name.Value = name
	switch {
	case strings.TrimSpace(name) == "":
		x.problem(x.arg(call, "name"), "give it a name", "a step without a name cannot be exported")
	case strings.Contains(name, "{{"):
		x.problem(x.arg(call, "name"), "write the name without {{", "this name cannot be exported: a file fills in what stands between {{ and }}")
	}
	if v := values["duration"]; v != nil && v != starlark.None {
		d, fine := seconds(v)
		if !fine {
			x.problem(x.arg(call, "duration"), "give a constant", "the duration is not constant")
		}
		s.DurationSeconds = secondsNum(d)
	}
	if v := values["delay_before"]; v != nil {
		d, fine := seconds(v)
		if !fine {
			x.problem(x.arg(call, "delay_before"), "give a constant", "the delay is not constant")
		}
		if d > 0 {
			s.DelayBeforeSeconds = secondsNum(d)
		}
	}
	switch mode, _ := starlark.AsString(values["on_failure"]); mode {
	case "tolerate":
		s.ContinueOnFailure = &Bool{Value: true}
	case "continue":
		x.problem(x.arg(call, "on_failure"), `on_failure = "tolerate" is continue_on_failure there`,
			`on_failure = "continue" cannot be exported: a file can stop at a failure or tolerate it, not go on and fail at the end`)
	}
	if v := values["chaos"]; v != nil && v != starlark.None {
		x.stepChaos(call, values, &s)
	}
	x.stepLabels(call, values, &s)
	x.act(call.Expr, func(to *actions) { to.steps = append(to.steps, s) })
	return late{what: "the result of a step"}
}

// stepArguments evaluates a step's arguments, and refuses what the schema lacks.
func (x *exporter) stepArguments(call dsl.Call) (map[string]starlark.Value, bool) {
	lacking := map[string]string{
		"run": "a step of a file calls nothing", "args": "a step of a file calls nothing", "traffic": "a file sends no load",
		"below": "a file does not judge", "above": "a file does not judge", "recovered": "a file has no steady state",
		"timeout": "the steps of this schema have none", "retries": "the steps of this schema have none",
	}
	ok := true
	params := slices.DeleteFunc(stepParams(), func(p string) bool {
		arg := x.arg(call, p)
		if lacking[p] == "" || arg == nil {
			return false
		}
		if v := x.quietly(arg); v == nil || !empty(v) {
			x.problem(arg, "leave it out, or keep the script", "%s = … of a step cannot be exported: %s", p, lacking[p])
			ok = false
		}
		return true
	})
	values, fine := x.given(call, params...)
	if when := values["when"]; when != nil && when != starlark.True {
		x.problem(x.arg(call, "when"), "leave it out, or keep the script", "when = … of a step cannot be exported: the steps of this schema have no condition")
		ok = false
	}
	if n, isInt := values["min_hits"].(starlark.Int); isInt && n.Sign() > 0 {
		if m, _ := n.Int64(); m > 1 || x.arg(call, "min_hits") != nil {
			x.problem(x.arg(call, "min_hits"), "write min_hits = 0, or keep the script", "min_hits = %d cannot be exported: a file accepts chaos that no request met", m)
			ok = false
		}
	}
	return values, ok && fine
}

// quietly evaluates an argument of which only its being empty matters; nil if it is not
// constant.
func (x *exporter) quietly(e syntax.Expr) starlark.Value {
	switch e := unparen(e).(type) {
	case *syntax.Ident, *syntax.Literal:
		if v := x.eval(e); constant(v) {
			return v
		}
	case *syntax.DictExpr:
		if len(e.List) == 0 {
			return starlark.None
		}
	case *syntax.ListExpr:
		if len(e.List) == 0 {
			return starlark.None
		}
	case *syntax.TupleExpr:
		if len(e.List) == 0 {
			return starlark.None
		}
	}
	return nil
}

// empty reports whether a value is as good as none given.
func empty(v starlark.Value) bool { return !bool(v.Truth()) }

// stepChaos gives a step its scenario and its targets.
func (x *exporter) stepChaos(call dsl.Call, values map[string]starlark.Value, s *Step) {
	arg := x.arg(call, "chaos")
	set, ok := x.faults(arg, values["chaos"])
	if !ok {
		return
	}
	on, ok := x.stepTargets(call, values, set)
	if !ok {
		return
	}
	for _, t := range on.names {
		s.Target = append(s.Target, Str{Value: t})
	}
	s.Scenario = &Scenario{}
	if hits, given := values["min_hits"].(starlark.Int); (!given || hits.Sign() > 0) && !x.hits {
		x.hits = true
		x.warn(call.Expr, "min_hits is not exported: with the file, chaos that no request met is no reason to be inconclusive")
	}
	if set.preset != "" {
		s.Scenario.Name = &Str{Value: set.preset}
		return
	}
	var faults []chaos.Fault
	for _, f := range set.faults {
		faults = append(faults, f.fault)
	}
	config, err := chaos.ToConfig(faults)
	if err != nil {
		node := syntax.Node(arg)
		var which *chaos.NotInConfig
		if errors.As(err, &which) && which.Index >= 0 {
			node = set.faults[which.Index].node
		}
		x.problem(node, "", "%v", err)
		return
	}
	s.Scenario.Name = &s.Name // a label of its own would be one of the step, too
	s.Scenario.Config = &Config{Entries: configEntries(config), Plain: config}
}

// stepLabels takes over the labels that say of a scenario what a file says of it, as the
// import of a file writes them.
func (x *exporter) stepLabels(call dsl.Call, values map[string]starlark.Value, s *Step) {
	labels, ok := values["labels"].(*starlark.Dict)
	if !ok || labels.Len() == 0 {
		return
	}
	if s.Scenario == nil { // a baseline
		off := map[string]any{"enabled": false}
		s.Scenario = &Scenario{Name: &s.Name, Config: &Config{Entries: configEntries(off), Plain: off}}
	}
	for key, value := range labels.Entries() {
		name, _ := starlark.AsString(key)
		text, isText := starlark.AsString(value)
		str := &Str{Value: text}
		switch {
		case !isText:
			x.problem(x.arg(call, "labels"), "give a constant", "the label %s is not constant", name)
		case name == "scenario" && text == s.Name.Value:
			x.problem(x.arg(call, "labels"), "leave it out, or keep the script", "the label scenario cannot be exported: in a file it is none where it is the step's own name")
		case (name == "start_time" || name == "end_time") && !isTime(text):
			x.problem(x.arg(call, "labels"), "write it as 2026-03-01T12:00:00Z, or leave it out", "the label %s cannot be exported: in a file it is a time", name)
		case name == "scenario" && s.Scenario.Config != nil:
			s.Scenario.Name = str
		case name == "tags":
			for tag := range strings.SplitSeq(text, ", ") {
				s.Scenario.Tags = append(s.Scenario.Tags, Str{Value: tag})
			}
		case name == "start_time":
			s.Scenario.StartTime = str
		case name == "end_time":
			s.Scenario.EndTime = str
		default:
			x.problem(x.arg(call, "labels"), "leave it out, or keep the script", "the label %s cannot be exported: steps of a file have none", name)
		}
	}
}

// isTime tells whether a text is a time as a file has it.
func isTime(text string) bool {
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}

// stepTargets says where a step's chaos goes: a step of a file has one list of targets.
func (x *exporter) stepTargets(call dsl.Call, values map[string]starlark.Value, set faultSet) (*targetRef, bool) {
	var on *targetRef
	if v := values["on"]; v != nil && v != starlark.None {
		var ok bool
		if on, ok = x.targetNames(x.arg(call, "on"), v); !ok {
			return nil, false
		}
		return on, true
	}
	for i, f := range set.faults {
		switch {
		case i == 0:
			on = f.on
		case (on == nil) != (f.on == nil) || on != nil && !slices.Equal(on.names, f.on.names):
			x.problem(f.node, "give them steps of their own, in parallel", "the faults of this step are on different targets: a step of a file has one list of them for all")
			return nil, false
		}
	}
	if on == nil { // the run's only target
		return &targetRef{}, true
	}
	return on, true
}
