package chaos

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Kind is one kind of fault: a row of the table that constructors, checks, help,
// reference and engines go by.
type Kind struct {
	// Name is the constructor's: fault.NAME.
	Name string
	// Sig is the constructor's signature, made from Params, in the notation of the
	// language's other builtins.
	Sig string
	// Doc says what the client sees. Its first sentence is the summary.
	Doc string
	// Params are the kind's own parameters, in the order of the signature.
	// probability and match, which every kind has, are not among them.
	Params []ParamSpec
	// Protocols lists those the kind can be done on.
	Protocols []string

	// check looks for what no single parameter shows; each is known to be in range.
	check func(f *Fault) error
	// text writes the parameters for people, without the kind's name.
	text func(f *Fault) string
}

// ParamSpec is one parameter of a kind.
type ParamSpec struct {
	Name string
	// Doc is one line for the reference.
	Doc  string
	Type ParamType
	// Min and Max bound numbers, both included, in the Type's unit; both 0 is any.
	Min, Max float64
	// Ramp says that a ramp may stand for the value.
	Ramp bool
	// Default is Starlark source; empty marks a required parameter.
	Default string
	// Choices are what a string may be; empty is anything.
	Choices []string
	// KeywordOnly parameters stand behind the "*" of the signature.
	KeywordOnly bool
}

// ParamType is the type of a parameter and says how Fault.Params holds it.
type ParamType string

// The types of parameters.
const (
	TypeDuration  ParamType = "duration"  // Value, nanoseconds
	TypeShare     ParamType = "share"     // Value, 0..1
	TypePercent   ParamType = "percent"   // Value, 0..100
	TypeNumber    ParamType = "number"    // Value
	TypeSize      ParamType = "size"      // Value, bytes
	TypeBandwidth ParamType = "bandwidth" // Value, bytes per second
	TypeString    ParamType = "string"    // string
	TypeCodes     ParamType = "codes"     // []int, one or more; written as one number or a list
	TypeHeaders   ParamType = "headers"   // map[string]string
	TypeRange     ParamType = "range"     // [2]Value of durations, the smaller first
)

// Kinds returns the table of fault kinds, in the order of the reference. The caller
// owns the result.
func Kinds() []Kind { return slices.Clone(kinds()) }

// table is made once, when it is first asked for: looking a kind up is part of putting
// a fault on. It has no initializer because the rows refer to functions that look
// kinds up.
var table struct {
	once sync.Once
	rows []Kind
}

func kinds() []Kind {
	table.once.Do(func() {
		table.rows = []Kind{latencyKind(), httpErrorKind()}
		for i := range table.rows {
			table.rows[i].Sig = signature(&table.rows[i])
		}
	})
	return table.rows
}

// KindOf returns the row of a kind, or an error that names those there are.
func KindOf(name string) (Kind, error) {
	var names []string
	for _, k := range kinds() {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return Kind{}, fmt.Errorf("fault kind %q is unknown; there are %s", name, strings.Join(names, ", "))
}

// Speaks returns nil if the kind can be done on protocol, else an error that says on
// which it can. Every kind can be put on "auto".
func (k *Kind) Speaks(protocol string) error {
	if protocol == "auto" || slices.Contains(k.Protocols, protocol) {
		return nil
	}
	return fmt.Errorf("a fault of kind %s cannot be done on protocol %s; it can on %s and auto",
		k.Name, protocol, strings.Join(k.Protocols, ", "))
}

func (k *Kind) param(name string) *ParamSpec {
	for i := range k.Params {
		if k.Params[i].Name == name {
			return &k.Params[i]
		}
	}
	return nil
}

// expected names the type in an error.
func (t ParamType) expected() string {
	switch t {
	case TypeCodes:
		return "a status or a list of them"
	case TypeHeaders:
		return "a dict of header names and values"
	case TypeRange:
		return "two durations, the smaller first"
	case TypePercent:
		return "a percentage"
	}
	return "a " + string(t)
}

// sigType is the word of the signature notation for a type.
func sigType(t ParamType) string {
	switch t {
	case TypeCodes:
		return "int|list"
	case TypeHeaders:
		return "dict"
	case TypeRange:
		return "tuple|list"
	}
	return string(t)
}

// signature writes the constructor of k. It is made, not written, so that it cannot
// say other than Params.
func signature(k *Kind) string {
	var b strings.Builder
	b.WriteString("fault." + k.Name + "(")
	starred := false
	for i, p := range k.Params {
		if i > 0 {
			b.WriteString(", ")
		}
		if p.KeywordOnly && !starred {
			starred = true
			b.WriteString("*, ")
		}
		b.WriteString(p.Name + ": " + sigType(p.Type))
		if p.Ramp && p.Type != TypeRange { // there each end may be a ramp, not the pair
			b.WriteString("~")
		}
		if p.Default != "" {
			b.WriteString(" = " + p.Default)
		}
	}
	if len(k.Params) > 0 {
		b.WriteString(", ")
	}
	if !starred {
		b.WriteString("*, ")
	}
	b.WriteString("probability: share~ = 1, match: match = None)")
	return b.String()
}
