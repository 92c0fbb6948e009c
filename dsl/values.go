package dsl

import (
	"fmt"
	"math/big"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/units"
)

// value is what is known of an expression without executing it.
type value struct {
	// kind is one of Types, "set" or "namespace"; "" where nothing is known.
	kind string
	// text is the value of a string, number that of an int or float.
	text   string
	number float64
	// items are the elements of a list or tuple that is written out.
	items []syntax.Expr
}

// valueOf looks at an expression: a literal, a name that stands for one, a
// function, or a call whose result has a known type.
func (c *checker) valueOf(f *facts, e syntax.Expr) value {
	switch e := f.constant(e).(type) {
	case *syntax.Literal:
		return literal(e)
	case *syntax.UnaryExpr:
		v := c.valueOf(f, e.X)
		if e.Op == syntax.MINUS && (v.kind == "int" || v.kind == "float") {
			v.number = -v.number
			return v
		}
		if e.Op == syntax.NOT {
			return value{kind: "bool"}
		}
	case *syntax.ListExpr:
		return value{kind: "list", items: e.List}
	case *syntax.TupleExpr:
		return value{kind: "tuple", items: e.List}
	case *syntax.Comprehension:
		if e.Curly {
			return value{kind: "dict"}
		}
		return value{kind: "list"}
	case *syntax.DictExpr:
		return value{kind: "dict"}
	case *syntax.LambdaExpr:
		return value{kind: "function"}
	case *syntax.Ident:
		return c.nameValue(f, e)
	case *syntax.CallExpr:
		return c.resultOf(e)
	}
	return value{}
}

func literal(e *syntax.Literal) value {
	switch v := e.Value.(type) {
	case string:
		if e.Token == syntax.BYTES {
			return value{kind: "bytes", text: v}
		}
		return value{kind: "string", text: v}
	case int64:
		return value{kind: "int", number: float64(v)}
	case *big.Int:
		n, _ := new(big.Float).SetInt(v).Float64()
		return value{kind: "int", number: n}
	case float64:
		return value{kind: "float", number: v}
	}
	return value{}
}

// nameValue looks at a name that stands for no literal.
func (c *checker) nameValue(f *facts, id *syntax.Ident) value {
	if variable(id) == nil {
		switch {
		case id.Name == "None":
			return value{kind: "None"}
		case id.Name == "True" || id.Name == "False":
			return value{kind: "bool"}
		case c.table.namespace(id.Name):
			return value{kind: "namespace", text: id.Name}
		case c.table.byName[id.Name] != nil || starlark.Universe[id.Name] != nil:
			return value{kind: "function"}
		}
		return value{}
	}
	if fns := c.defined(f, id); len(fns) == 1 && f.bound[variable(id)] == 1 {
		return value{kind: "function"}
	}
	return value{}
}

// resultTypes are the types that some calls of Starlark itself have.
var resultTypes = map[string]string{
	"str": "string", "repr": "string", "list": "list", "dict": "dict", "tuple": "tuple", "int": "int", "float": "float",
	"bool": "bool", "len": "int", "sorted": "list", "set": "set", "type": "string",
}

func (c *checker) resultOf(call *syntax.CallExpr) value {
	name, e := c.table.callee(call.Fn)
	if e != nil {
		if e.Returns == "any" {
			return value{}
		}
		return value{kind: e.Returns}
	}
	v := value{kind: resultTypes[name]}
	switch v.kind {
	case "string", "int", "float":
		return value{} // its type is known, its value is not
	}
	return v
}

// String says what the value is, for messages.
func (v value) String() string {
	switch v.kind {
	case "string":
		text := v.text
		if r := []rune(text); len(r) > 40 {
			text = string(r[:40]) + "…"
		}
		return fmt.Sprintf("the string %q", text)
	case "int", "float":
		return fmt.Sprintf("the number %v", v.number)
	case "None":
		return "None"
	case "namespace":
		return "the namespace " + v.text
	}
	return article(v.kind)
}

// source is the value as a script writes it.
func (v value) source() string {
	if v.kind == "string" {
		return fmt.Sprintf("%q", v.text)
	}
	return fmt.Sprint(v.number)
}

func article(kind string) string {
	if strings.ContainsRune("aeiou", rune(kind[0])) {
		return "an " + kind
	}
	return "a " + kind
}

// typeNames say what each type of a signature is, for messages.
var typeNames = map[string]string{
	"string": "a string", "int": "a whole number", "float": "a number", "number": "a number", "bool": "True or False",
	"bytes": "bytes", "duration": `a duration such as "250ms" or a number of seconds`, "size": `a size such as "400KB" or a number of bytes`,
	"share": `a share from 0 to 1 or such as "5%"`, "percent": "a number from 0 to 100", "bandwidth": `a bandwidth such as "125KB/s" or "1Mbit/s"`,
	"function": "a function", "list": "a list", "dict": "a dict", "tuple": "a tuple", "iterable": "a list", "None": "None",
	"fault": "a fault such as fault.latency(…)", "faults": "a fault such as fault.latency(…), or a list of them",
	"target": "a target such as proxy(…) or target(…)", "targets": "a target such as proxy(…) or target(…), or a list of them",
	"probe": "a probe such as probe.http(…)", "traffic": "traffic such as traffic.http(…)", "match": "fault.match(…)",
	"ramp": "ramp(…)", "secret": "secret(…)", "headers": "a dict of headers",
}

// expected says what a parameter takes.
func expected(p *Param) string {
	var names []string
	for _, t := range p.Types {
		if t != "None" || len(p.Types) == 1 {
			names = append(names, typeNames[t])
		}
	}
	if p.Ramp {
		names = append(names, "ramp(…)")
	}
	return strings.Join(names, ", or ")
}

// accepts tells whether a parameter of type t takes v. Where it does not, why may
// say more than that the type is wrong. n is the value in the type's base unit
// (seconds, bytes, bytes a second, 0..1), if it has one.
func accepts(t string, v value) (ok bool, n float64, why error) {
	number := v.kind == "int" || v.kind == "float"
	switch t {
	case "any", v.kind:
		return true, v.number, nil
	case "number", "float":
		return number, v.number, nil
	case "percent":
		if number && (v.number < 0 || v.number > 100) {
			return false, 0, fmt.Errorf("%v is no percentage: it must be from 0 to 100", v.number)
		}
		return number, v.number, nil
	case "duration":
		if number {
			d, err := units.Seconds(v.number)
			return err == nil, d.Seconds(), err
		}
		if v.kind == "string" {
			d, err := units.ParseDuration(v.text)
			return err == nil, d.Seconds(), err
		}
	case "size":
		if number {
			return v.kind == "int" && v.number >= 0, v.number, nil
		}
		if v.kind == "string" {
			n, err := units.ParseSize(v.text)
			return err == nil, float64(n), err
		}
	case "share":
		if number {
			err := units.CheckShare(v.number)
			return err == nil, v.number, err
		}
		if v.kind == "string" {
			n, err := units.ParseShare(v.text)
			return err == nil, n, err
		}
	case "bandwidth":
		if number {
			return v.number > 0, v.number, nil
		}
		if v.kind == "string" {
			n, err := units.ParseBandwidth(v.text)
			return err == nil, n, err
		}
	case "bytes":
		return v.kind == "string", 0, nil
	case "iterable":
		return v.kind == "list" || v.kind == "tuple" || v.kind == "dict" || v.kind == "set" || v.kind == "targets" || v.kind == "faults", 0, nil
	case "fault":
		return v.kind == "dict" || v.kind == "faults", 0, nil
	case "faults":
		return v.kind == "fault" || v.kind == "dict" || v.kind == "list" || v.kind == "tuple", 0, nil
	case "targets":
		return v.kind == "target" || v.kind == "list" || v.kind == "tuple", 0, nil
	case "target":
		return v.kind == "targets", 0, nil
	case "headers":
		return v.kind == "dict", 0, nil
	case "string":
		return v.kind == "secret", 0, nil
	}
	return false, 0, nil
}
