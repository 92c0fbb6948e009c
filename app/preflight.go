package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"starquake/builtins"
	"starquake/dsl"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// Refusals are the reasons why a run is not started: nothing has been touched.
type Refusals []dsl.Diagnostic

// Diagnostics gives the reasons as what they are.
func (r Refusals) Diagnostics() dsl.Diagnostics { return dsl.Diagnostics(r) }

// Error gives every reason on a line of its own.
func (r Refusals) Error() string { return dsl.Diagnostics(r).Error() }

// preflightHorizon and preflightRecords bound the plan that is made before a run: it
// must not delay the start of a long one.
const (
	preflightHorizon = DefaultHorizon
	preflightRecords = 10_000
)

// preflight plans the run and refuses what can be known to be impossible: a script
// that is wrong before it does anything, commands and hosts that are not permitted,
// questions that nobody can answer, targets and secrets that were not given, faults
// that a target cannot do. What only shows in the real world is found there.
func (s *Script) preflight(opt *RunOptions, policy effects.Policy, o *outside) (Planned, error) {
	secrets := &o.redactor
	gate := newGate(policy)
	defer gate.close()
	gate.canApprove = opt.CanApprove
	gate.secrets = secrets
	gate.folders = &o.folders
	gate.lent = o.lent
	gate.lent.plane = nil // nothing is opened
	planned, err := s.Plan(PlanOptions{
		Options: opt.Options, Horizon: preflightHorizon, MaxRecords: preflightRecords, checkSecret: secrets.check, OnRecord: gate.note, pastFailures: true,
	})
	if err != nil {
		return Planned{}, err
	}
	refused := gate.refusals(s, planned.trail)
	refused = append(refused, s.NoRun(planned)...)
	if out := planned.Outcome; cutShort(out.Reason) {
		refused = Refusals{s.located(dsl.Diagnostic{Severity: dsl.Error, Code: out.Reason,
			Message: "the plan that is made before a run could not be made: " + out.Message})}
	}
	if len(refused) > 0 {
		dsl.Diagnostics(refused).Sort()
		return Planned{}, refused
	}
	return s.planOf(planned), nil
}

// NoRun is why no run is started of which this is the plan, as far as that lies in the
// script and its targets: none of it would be done.
func (s *Script) NoRun(planned *Result) dsl.Diagnostics {
	if planned.Outcome.Verdict == journal.VerdictInvalid {
		return s.Errors(planned)
	}
	var refused dsl.Diagnostics
	for _, f := range planned.Outcome.Failures {
		if isRefused(f.Problem.Code) {
			refused = append(refused, s.located(Diagnostic(f.Problem)))
		}
	}
	return refused
}

// cutShort reports whether a plan ended for a reason that says nothing of where it would
// have led: the script went beyond what it may use, or its process did not last.
func cutShort(reason string) bool {
	switch reason {
	case runtime.CodeScriptMemory, runtime.CodeScriptTime, runtime.CodeScriptOutput, runtime.CodeScriptKilled, runtime.CodeProtocol:
		return true
	}
	return false
}

// isRefused reports whether a failure of the plan will be one of the run, with faults
// on by then.
func isRefused(code string) bool {
	switch code {
	case builtins.CodeNotGiven, builtins.CodeUnsupported, builtins.CodeUnknownParam, builtins.CodeBadLimit:
		return true
	}
	return false
}

// maxRefused bounds what is said of one plan: nobody reads more.
const maxRefused = 100

// gate finds out what of a plan a run would refuse.
type gate struct {
	effects *effects.Effects // under the run's policy
	// canApprove says that somebody can answer approve().
	canApprove bool
	// secrets reveals what hosts and commands are made of; nil: those that a secret
	// names are not looked at.
	secrets *redactor

	// folders are where the files of targets are; nil: they are not looked at.
	folders *folders

	lent     lent
	anyPort  bool // a proxy of the run takes any port, which nobody knows yet
	attached bool // targets of engines were asked for, whose addresses nobody knows yet
	seen     map[effectKey]bool
	refused  []refusedEffect
}

// refusedEffect is an effect that a run would refuse.
type refusedEffect struct {
	place         string // in the plan
	code          string
	message, help string
}

func newGate(policy effects.Policy) *gate {
	base := effects.New(policy, effects.Options{})
	return &gate{effects: new(approvals).with(newTargets(nil, nil).with(base)), seen: map[effectKey]bool{}}
}

func (g *gate) close() { g.effects.Close() }

// note looks at a record of the plan.
func (g *gate) note(rec journal.Record) {
	start, ok := rec.Body.(*journal.EffectStartBody)
	if !ok {
		return
	}
	key := keyOf(start.Kind, start.Args)
	if g.seen[key] {
		return
	}
	if len(g.seen) < maxAsked {
		g.seen[key] = true
	}
	refuse := func(code, message, help string) {
		if len(g.refused) < maxRefused && !slices.ContainsFunc(g.refused, func(o refusedEffect) bool { return o.message == message }) {
			g.refused = append(g.refused, refusedEffect{rec.Place.String(), code, message, help})
		}
	}
	judge := func(code, message string) {
		if code != "" {
			message, help, _ := strings.Cut(message, "; ")
			refuse(code, message, help)
		}
	}
	switch start.Kind {
	case builtins.KindProxy:
		var target builtins.Target
		if json.Unmarshal(start.Args, &target) == nil {
			judge(codeOf(g.lent.open(&target)))
		}
		g.anyPort = g.anyPort || strings.HasSuffix(target.Listen, ":0")
		g.effects.NameTarget(target.Listen, target.Upstream)
		if g.folders != nil {
			if _, err := g.folders.load(target.TLS); err != nil {
				judge("tls", fmt.Sprintf("target %q: %v", target.Name, err))
			}
		}
	case builtins.KindApprove:
		if !g.canApprove {
			refuse("nobody_to_approve", "approve(…) waits for a person, and nobody can answer here",
				"run it on a terminal, on a server, or with --attended, and answer with starquake approve from another shell")
		}
	case builtins.KindFault, builtins.KindAttach:
		g.attached = g.attached || start.Kind == builtins.KindAttach
		var args builtins.AttachArgs
		if start.Kind == builtins.KindAttach && json.Unmarshal(start.Args, &args) == nil {
			judge(codeOf(g.lent.attach(&args)))
		}
		for _, t := range touches(start) {
			judge(g.check(t.kind, t.args))
		}
	default:
		judge(g.check(start.Kind, start.Args))
	}
}

// codeOf gives code and message of an effect's error.
func codeOf(err error) (code, message string) {
	var p *journal.EffectError
	if errors.As(err, &p) {
		return p.Code, p.Message
	}
	return "", ""
}

// check gives code and message of what the policy says against an effect; "" where it
// has nothing to say, or it is found out when it is done.
func (g *gate) check(kind string, args json.RawMessage) (code, message string) {
	if g.attached && bytes.Contains(args, []byte(unknownHost)) {
		return "", "" // an address that only an engine knows
	}
	if g.secrets != nil {
		args = builtins.RevealJSON(args, g.secrets.lookup)
	}
	err := g.effects.Check(kind, args)
	var p *journal.EffectError
	switch {
	case err == nil:
		return "", ""
	case !errors.As(err, &p):
		p = &journal.EffectError{Code: effects.CodeDenied, Message: err.Error()}
	case g.secrets == nil && p.Code != effects.CodeDenied && p.Code != effects.CodeNotFound:
		return "", "" // it hangs on what only a run is given
	case g.anyPort && p.Code == effects.CodeInvalid:
		return "", ""
	}
	message = p.Message
	if g.secrets != nil {
		message = g.secrets.redact(message)
	} else if strings.Contains(message, "⟦secret:") {
		return "", ""
	}
	return "denied", message
}

// refusals are what was found, each at the call that asks for it.
func (g *gate) refusals(s *Script, t *trail) Refusals {
	var out Refusals
	for _, r := range g.refused {
		d := dsl.Diagnostic{Severity: dsl.Error, Code: r.code, Message: r.message, Help: r.help}
		if t != nil {
			at := t.Asked[r.place]
			d.File, d.Line, d.Col = at.File, at.Line, at.Col
		}
		out = append(out, s.located(d))
	}
	return out
}

// warnings say of a plan what a run would refuse.
func (g *gate) warnings(t *trail) []string {
	var out []string
	for _, r := range g.refused {
		message := "run would refuse this: " + r.message
		if r.help != "" {
			message += "; " + r.help
		}
		if t != nil {
			message = at(t.Asked[r.place], message)
		}
		out = append(out, message)
	}
	return out
}

// at puts a place in the script before a message.
func at(f journal.Frame, message string) string {
	if f.Line == 0 {
		return message
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Col, message)
}
