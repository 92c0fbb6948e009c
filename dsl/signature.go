package dsl

import (
	"fmt"
	"slices"
	"strings"
)

// A Builtin is one name of the language as the checker, the reference and the
// help see it. The package builtins adds the function behind it.
type Builtin struct {
	// Sig is the signature as it is printed, and the only place where it is written:
	//
	//	loop(body: function, times: int = None, *, every: duration = None)
	//
	// A dotted name ("fault.latency") is a member of a namespace. A type is one of
	// Types, or several with "|". "*args" and "**kwargs" are written as in Starlark,
	// with a type that holds for each of them if one is given ("*branches: function").
	// A default is Starlark source; a parameter without one is required.
	Sig string
	// Returns is the type of the value, one of Types, or "" where it is not known.
	Returns string
	// Doc is the reference text: its first sentence is the summary.
	Doc string
	// Family groups builtins in the reference: "structure", "chaos", …
	Family string
	// Phase says when it may be called.
	Phase Phase
	// Blocks is set for builtins that can hand over to another branch.
	Blocks bool
	// Looks is set for those that act and may be called in a function probe, too.
	Looks bool
	// Ranges bounds number-like parameters by name, for example {"percent": {0, 100}}.
	Ranges map[string][2]float64
	// Choices lists the strings that a parameter accepts.
	Choices map[string][]string
	// Help says more on parameters, by name, where Doc does not.
	Help map[string]string
	// Planned says what it gives in a plan, where an effect answers as planned.
	Planned string
}

// Phase says when a builtin may be called.
type Phase uint8

// The phases. In a script with main(), the top level only declares.
const (
	Anytime   Phase = iota // makes a value: fault.latency, probe.http, ramp
	Declaring              // top level only: orchestration, param
	Acting                 // main, or the top level of a script without main
)

// Types are the names that a signature may use for the type of a parameter.
// "duration", "size", "share", "bandwidth" and "number" also accept what
// LANGUAGE.md, "Dialect", says; followed by "~" a ramp is accepted as well.
var Types = []string{
	"any", "string", "int", "float", "bool", "number", "bytes",
	"duration", "size", "share", "percent", "bandwidth",
	"function", "list", "dict", "tuple", "iterable", "None",
	"fault", "faults", "target", "targets", "probe", "traffic", "match", "ramp", "secret", "headers",
}

// A Signature is a parsed Builtin.Sig.
type Signature struct {
	Name   string
	Params []Param
	// Args and Kwargs are the names behind "*" and "**", or "".
	Args, Kwargs string
	// Rest and KwRest describe one value of Args and of Kwargs, where these are set.
	Rest, KwRest Param
}

// A Param is one named parameter of a signature.
type Param struct {
	Name        string
	Types       []string // never empty
	Ramp        bool     // accepts a ramp besides Types
	Default     string   // Starlark source
	Required    bool
	KeywordOnly bool
}

// param returns the parameter of a name, or nil.
func (s *Signature) param(name string) *Param {
	for i := range s.Params {
		if s.Params[i].Name == name {
			return &s.Params[i]
		}
	}
	return nil
}

// ParseSignature reads a Builtin.Sig.
func ParseSignature(sig string) (*Signature, error) {
	name, rest, ok := strings.Cut(sig, "(")
	if !ok || !strings.HasSuffix(rest, ")") {
		return nil, fmt.Errorf("signature %q: expected name(parameters)", sig)
	}
	s := &Signature{Name: name}
	keywordOnly := false
	for _, field := range splitTop(strings.TrimSuffix(rest, ")")) {
		stars := len(field) - len(strings.TrimLeft(field, "*"))
		if field == "*" {
			keywordOnly = true
			continue
		}
		p, err := parseParam(sig, field[stars:])
		if err != nil {
			return nil, err
		}
		switch stars {
		case 0:
			p.KeywordOnly = keywordOnly
			s.Params = append(s.Params, p)
		case 1:
			s.Args, s.Rest, keywordOnly = p.Name, p, true
		case 2:
			s.Kwargs, s.KwRest = p.Name, p
		default:
			return nil, fmt.Errorf("signature %q: %q is no parameter", sig, field)
		}
	}
	return s, nil
}

// parseParam reads "name", "name: type|type = default" of the signature sig.
func parseParam(sig, field string) (Param, error) {
	decl, def, hasDefault := strings.Cut(field, " = ")
	name, types, typed := strings.Cut(decl, ": ")
	p := Param{Name: name, Types: []string{"any"}, Default: def, Required: !hasDefault}
	if typed {
		p.Types = strings.Split(types, "|")
	}
	for i, t := range p.Types {
		if base, ramp := strings.CutSuffix(t, "~"); ramp {
			p.Types[i], p.Ramp = base, true
		}
		if !slices.Contains(Types, p.Types[i]) {
			return p, fmt.Errorf("signature %q: parameter %s has the unknown type %q; one of %s", sig, name, p.Types[i], strings.Join(Types, ", "))
		}
	}
	return p, nil
}

// splitTop splits at commas that stand in no bracket and no string.
func splitTop(s string) []string {
	var fields []string
	depth, start, quoted := 0, 0, false
	for i, r := range s {
		switch {
		case r == '"':
			quoted = !quoted
		case quoted:
		case strings.ContainsRune("([{", r):
			depth++
		case strings.ContainsRune(")]}", r):
			depth--
		case r == ',' && depth == 0:
			fields = append(fields, strings.TrimSpace(s[start:i]))
			start = i + 1
		}
	}
	if last := strings.TrimSpace(s[start:]); last != "" {
		fields = append(fields, last)
	}
	return fields
}
