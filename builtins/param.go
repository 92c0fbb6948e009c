package builtins

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/internal/nearest"
)

// param is a parameter of a function, ready to check arguments.
type param struct {
	dsl.Param
	// def is the checked default, copied into the slot of a parameter not given.
	def slot
	// none is set if None may be written. That is so where None is the default or a
	// type, but not for a function with the default None given by position: None there
	// is nearly always f() in place of f.
	none bool
	// lo and hi bound numbers, and the elements of a list of numbers, if ranged.
	ranged bool
	lo, hi float64
	// choices are the strings accepted, also as elements of a list; empty for all.
	choices []string
	// simple is the type if there is only one and neither range nor choices: what
	// set can settle without looking further. Else "".
	simple string
}

const passFunction = "pass the function itself: f, not f(); with arguments: lambda: f(x)"

// newParam makes the param of a signature, its default checked like an argument.
func newParam(b *Builtin, builtin string, p dsl.Param) (param, error) {
	q := param{Param: p, choices: b.Choices[p.Name]}
	if r, ok := b.Ranges[p.Name]; ok {
		q.ranged, q.lo, q.hi = true, r[0], r[1]
	}
	q.none = slices.Contains(p.Types, "None") || slices.Contains(p.Types, "any")
	if len(p.Types) == 1 && !q.ranged && len(q.choices) == 0 {
		q.simple = p.Types[0]
	}
	if p.Required || p.Name == "" { // a signature without *args has a nameless Rest
		return q, nil
	}
	v, err := evalDefault(p.Default)
	if err != nil {
		return q, fmt.Errorf("builtin %s: default of %s: %w", builtin, p.Name, err)
	}
	if v == starlark.None {
		q.def = slot{val: v}
		q.none = q.none || !slices.Contains(p.Types, "function")
		return q, nil
	}
	if err := q.set(builtin, v, &q.def); err != nil {
		return q, fmt.Errorf("the default does not fit its own parameter: %w", err)
	}
	return q, nil
}

// set checks v and puts it into s.
func (p *param) set(builtin string, v starlark.Value, s *slot) error {
	s.val = v
	// The usual arguments first.
	switch x := v.(type) {
	case starlark.String:
		if p.simple == "string" {
			return nil
		}
	case starlark.Int:
		if p.simple == "int" || p.simple == "number" {
			if i, ok := x.Int64(); ok {
				s.i, s.f = i, float64(i)
				return nil
			}
		}
	case Duration:
		if p.simple == "duration" && x >= 0 {
			s.i, s.f = int64(x), time.Duration(x).Seconds()
			return nil
		}
	}
	return p.check(builtin, v, s)
}

// check is set for everything else.
func (p *param) check(builtin string, v starlark.Value, s *slot) error {
	if v == starlark.None && p.none {
		return nil
	}
	if ramp, ok := v.(*Ramp); ok && p.Ramp {
		return p.setRamp(builtin, ramp, s)
	}
	if d, ok := v.(Duration); ok && d < 0 && p.ranged && p.lo < 0 {
		s.i, s.f = int64(d), time.Duration(d).Seconds() // elsewhere no duration is negative
		return p.limit(builtin, v, s)
	}
	var content error // the type fits, but not what it says
	for _, t := range p.Types {
		ok, err := convert(t, v, s)
		if ok && err == nil {
			return p.limit(builtin, v, s)
		}
		if ok && content == nil {
			content = err
		}
	}
	e := &ArgError{Builtin: builtin, Param: p.Name}
	e.Message = fmt.Sprintf("expected %s, got %s", p.expects(), describe(v))
	e.Hint = p.hint(v, content)
	return e
}

// setRamp checks both ends of a ramp as if each were the argument. The slot's number
// is that of the start.
func (p *param) setRamp(builtin string, r *Ramp, s *slot) error {
	plain := *p
	plain.Ramp, plain.none = false, false
	var end slot
	if err := plain.set(builtin, r.End, &end); err != nil {
		return err
	}
	err := plain.set(builtin, r.Start, s)
	s.val = r
	return err
}

// limit applies range and choices.
func (p *param) limit(builtin string, v starlark.Value, s *slot) error {
	if !p.ranged && len(p.choices) == 0 {
		return nil
	}
	list := elements(v)
	if _, isDict := v.(*starlark.Dict); isDict {
		list = nil
	}
	if p.ranged {
		if err := p.limitRange(builtin, v, list, s); err != nil {
			return err
		}
	}
	if len(p.choices) == 0 {
		return nil
	}
	if list == nil {
		list = []starlark.Value{v}
	}
	for _, e := range list {
		word, ok := starlark.AsString(e)
		if !ok || slices.Contains(p.choices, word) {
			continue // what is no string was accepted as another type
		}
		e := &ArgError{Builtin: builtin, Param: p.Name}
		e.Message = fmt.Sprintf("expected %s, got %s", oneOf(quoteAll(p.choices)), quote(word))
		if near := nearest.Of(word, p.choices); near != "" {
			e.Hint = fmt.Sprintf("did you mean %q?", near)
		}
		return e
	}
	return nil
}

func (p *param) limitRange(builtin string, v starlark.Value, list []starlark.Value, s *slot) error {
	out := func(n float64) bool { return !(n >= p.lo && n <= p.hi) } // so that NaN is out
	for i, e := range list {
		if n, ok := starlark.AsFloat(e); ok && out(n) {
			return &ArgError{builtin, p.Name, fmt.Sprintf("expected %s, got %s at position %d", p.within(), describe(e), i), ""}
		}
	}
	if isNumeric(v) && out(s.f) {
		return &ArgError{builtin, p.Name, fmt.Sprintf("expected %s, got %s", p.within(), describe(v)), ""}
	}
	return nil
}

// isNumeric reports whether a slot of v has its number set.
func isNumeric(v starlark.Value) bool {
	switch v.(type) {
	case starlark.Int, starlark.Float, starlark.String, Duration:
		return true
	}
	return false
}

// within words the range in the parameter's own unit.
func (p *param) within() string { return p.Within(p.lo, p.hi) }

// trimNumber writes n as Starlark would read it, whole numbers without ".0".
func trimNumber(n float64) string {
	if n == math.Trunc(n) && math.Abs(n) < 1<<53 {
		return fmt.Sprintf("%d", int64(n))
	}
	return starlark.Float(n).String()
}

func quoteAll(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = fmt.Sprintf("%q", w)
	}
	return out
}

// expects words the types accepted.
func (p *param) expects() string {
	if len(p.choices) > 0 {
		return oneOf(quoteAll(p.choices))
	}
	var words []string
	for _, t := range p.Types {
		words = append(words, phrases[t])
	}
	if p.Ramp {
		words = append(words, "a ramp")
	}
	return oneOf(words)
}

// hint says what to write in place of v.
func (p *param) hint(v starlark.Value, content error) string {
	is := func(t string) bool { return slices.Contains(p.Types, t) }
	if p.Name == "level" { // of log
		return `values go behind the text under names, such as log("answered", status = 200)`
	}
	switch v := v.(type) {
	case starlark.String:
		if p.Name == "argv" && len(strings.Fields(string(v))) > 1 {
			return fmt.Sprintf(`write ["%s"]: no shell takes it apart`, strings.Join(strings.Fields(string(v)), `", "`))
		}
		if is("duration") {
			if d, ok := guessDuration(string(v)); ok {
				return fmt.Sprintf("write %q", d)
			}
		}
		if is("number") && is("list") {
			return "write a number, without quotes and unit"
		}
		if is("list") || is("iterable") {
			return fmt.Sprintf("write [%s]", describe(v))
		}
		if (is("int") || is("float") || is("number") || is("bool")) && content == nil {
			return "write it without quotes"
		}
	case starlark.NoneType:
		if is("function") {
			return passFunction
		}
	case starlark.Callable:
		return "it is the function itself: call it, for example " + clip(v.Name(), 40) + "()"
	case starlark.Bool:
	case starlark.Float:
		if is("int") && float64(v) == math.Trunc(float64(v)) {
			return "write int(…)"
		}
	case starlark.Int:
		if is("string") {
			return "write str(…)"
		}
		if is("bool") {
			return "write True or False"
		}
	}
	if is("function") && v.Type() != "string" {
		return passFunction
	}
	if content != nil {
		return content.Error()
	}
	return ""
}
