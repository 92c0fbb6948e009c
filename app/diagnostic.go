package app

import (
	"errors"
	"strings"

	"starquake/builtins"
	"starquake/dsl"
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
	if d.File == "" {
		d.File = s.Unit.Main.Name
	}
	return d
}

// Check is what validate says of a script besides its static checks: it executes the
// top level of one that has main(), with parameters as they may be given.
func (s *Script) Check(params map[string]builtins.GivenParam) dsl.Diagnostics {
	if _, err := s.Declare(params); err != nil {
		return dsl.Diagnostics{s.diagnostic(err)}
	}
	return nil
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
