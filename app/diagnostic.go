package app

import (
	"errors"
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
// top level of one that has main(), with parameters as they may be given.
func (s *Script) Check(params map[string]builtins.GivenParam) dsl.Diagnostics {
	if _, err := s.Declare(params); err != nil {
		return dsl.Diagnostics{s.diagnostic(err)}
	}
	return nil
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
	case "bad_argument", builtins.CodeNotGiven, builtins.CodeUnsupported, builtins.CodeUnknownParam:
	default:
		message, help = p.Message, ""
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
