package app

import (
	"errors"
	"slices"
	"strings"

	"starquake/builtins"
	"starquake/dsl"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// diagnostic gives an error of the top level, which was executed outside any run.
func (s *Script) diagnostic(err error) dsl.Diagnostic {
	d := dsl.FromEvalError(err)
	var arg *builtins.ArgError
	if errors.As(err, &arg) {
		d.Code, d.Help = "bad_argument", arg.Hint
		plain := *arg
		plain.Hint = ""
		d.Message = plain.Error()
	}
	return s.located(d)
}

// Check is what validate says of a script besides its static checks: it executes the
// top level of one that has main(), and plans it, with params and the defaults of the other
// parameters. Without params those that are required may be missing; with some it is checked
// as what a run with these would do.
func (s *Script) Check(params map[string]builtins.GivenParam) dsl.Diagnostics {
	declared, err := s.Declare(params)
	var empty []string
	for _, p := range declared.Params {
		if _, given := params[p.Name]; p.Required && !given {
			empty = append(empty, p.Name)
		}
	}
	if err == nil {
		return s.foreseen(params, len(empty) == 0)
	}
	d := s.diagnostic(err)
	if len(empty) > 0 {
		help := "without a default, and not given, this is 0 or empty here: " + strings.Join(empty, ", ") + "; give a value with " + builtins.GivenAs(s.loader.ParamAs, "NAME")
		if d.Help != "" {
			help = d.Help + "; " + help
		}
		d.Help = help
	}
	return dsl.Diagnostics{d}
}

// foreseen is what a plan shows that holds wherever the script is run: what no run can
// do, and what makes an experiment less than it seems. What the plan lacks answers for is none
// of that. What it had to assume is a hint, as whoever runs the script may give it, and so is
// that it ends with an error of the script, as other answers may lead elsewhere; that only
// where it is whole, with all parameters. Where nothing was assumed and nothing asked before
// that error it is one: no run begins.
func (s *Script) foreseen(params map[string]builtins.GivenParam, whole bool) dsl.Diagnostics {
	res, err := s.Plan(PlanOptions{Options: Options{Params: params}, Horizon: preflightHorizon, MaxRecords: preflightRecords, pastFailures: true})
	if err != nil {
		return nil
	}
	if res.Outcome.Verdict == journal.VerdictInvalid && (len(params) > 0 || whole && !res.assumes()) {
		return s.Errors(res) // nothing was asked before, so that no answer leads elsewhere
	}
	if out := res.Outcome; cutShort(out.Reason) { // no run is started then
		if diags := s.Errors(res); len(diags) > 0 {
			return diags
		}
		return dsl.Diagnostics{s.located(dsl.Diagnostic{Severity: dsl.Error, Code: out.Reason, Message: out.Message})}
	}
	var diags dsl.Diagnostics
	ends := s.planEnds(params, res)
	for _, f := range res.Outcome.Failures {
		switch {
		case f.Problem.Code == builtins.CodeUnsupported || f.Problem.Code == builtins.CodeBadLimit:
			diags = append(diags, s.located(Diagnostic(f.Problem)))
		case whole && ends && f.Class == runtime.ClassScript && len(f.Problem.Stack) > 0 && f.Problem.Code != builtins.CodeNotGiven && f.Problem.Code != builtins.CodeNoPlannedData:
			d := s.located(Diagnostic(f.Problem))
			d.Severity, d.Message = dsl.Hint, "as planned, the run ends here: "+d.Message
			diags = append(diags, d)
		}
	}
	if res.trail == nil {
		return diags
	}
	for _, n := range res.trail.Notices {
		if n.Code != "" {
			severity := dsl.Warning
			if n.Code == builtins.CodeNotGiven {
				severity = dsl.Hint
			}
			message, help, _ := strings.Cut(n.Message, "; ")
			diags = append(diags, s.located(dsl.Diagnostic{Severity: severity, Code: n.Code, Message: message, Help: help, File: n.At.File, Line: n.At.Line, Col: n.At.Col}))
		}
	}
	return diags
}

// planEnds reports whether a plan that went past the failures of its steps ends with an error of
// the script where it stops at them, too: what lies behind a step that fails only as planned
// has what the step gives wherever a run comes so far.
func (s *Script) planEnds(params map[string]builtins.GivenParam, past *Result) bool {
	of := func(class runtime.Class) func(*runtime.Failure) bool {
		return func(f *runtime.Failure) bool { return f.Class == class }
	}
	if !slices.ContainsFunc(past.Outcome.Failures, of(runtime.ClassScript)) || !slices.ContainsFunc(past.Outcome.Failures, of(runtime.ClassFailed)) {
		return true
	}
	res, err := s.Plan(PlanOptions{Options: Options{Params: params}, Horizon: preflightHorizon, MaxRecords: preflightRecords})
	return err == nil && slices.ContainsFunc(res.Outcome.Failures, of(runtime.ClassScript))
}

// assumes reports whether a plan stands on something that nobody has given, which can be
// otherwise where somebody does.
func (r *Result) assumes() bool {
	return r.trail == nil || slices.ContainsFunc(r.trail.Notices, func(n builtins.Notice) bool { return n.Code == builtins.CodeNotGiven }) ||
		slices.ContainsFunc(r.Outcome.Failures, func(f *runtime.Failure) bool { return f.Problem.Code == builtins.CodeNotGiven })
}

// Errors gives what the script itself did wrong in a run or a plan, each where it
// stands. Where all of the run is invalid there is at least one.
func (s *Script) Errors(res *Result) dsl.Diagnostics {
	var diags dsl.Diagnostics
	invalid := res.Outcome.Verdict == journal.VerdictInvalid
	for _, f := range res.Outcome.Failures {
		if f.Class == runtime.ClassScript && (invalid || len(f.Problem.Stack) > 0) {
			diags = append(diags, s.located(Diagnostic(f.Problem)))
		}
	}
	if invalid && len(diags) == 0 {
		diags = append(diags, s.located(dsl.Diagnostic{Severity: dsl.Error, Code: res.Outcome.Reason, Message: res.Outcome.Message}))
	}
	return diags
}

// located gives a diagnostic that has no place the script as its file.
func (s *Script) located(d dsl.Diagnostic) dsl.Diagnostic {
	if d.File == "" {
		d.File = s.Unit.Main.Name
	}
	return d
}

// Diagnostic gives a problem of a run in the form in which scripts are diagnosed: at
// the innermost line of its backtrace.
func Diagnostic(p journal.Problem) dsl.Diagnostic {
	message, help, _ := strings.Cut(p.Message, "; ")
	switch p.Code {
	case "bad_argument", builtins.CodeNotGiven, builtins.CodeUnsupported, builtins.CodeUnknownParam, builtins.CodeBadLimit:
	default:
		message, help = p.Message, ""
		if hint := dsl.RuntimeHelp(p.Message); hint != "" && p.Code == "script_error" { // which the message of a run has
			message, help = strings.TrimSuffix(p.Message, "; "+hint), hint
		}
	}
	d := dsl.Diagnostic{Severity: dsl.Error, Code: p.Code, Message: message, Help: help}
	for _, f := range p.Stack {
		d.Stack = append(d.Stack, dsl.Frame{File: f.File, Line: f.Line, Col: f.Col, Func: f.Func})
	}
	if n := len(d.Stack); n > 0 {
		in := d.Stack[n-1]
		d.File, d.Line, d.Col = in.File, in.Line, in.Col
	}
	return d
}
