package builtins

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/units"
)

// param is a parameter of a function, ready to check arguments.
type param struct {
	dsl.Param
	// def is the checked default, copied into the slot of a parameter not given.
	def slot
	// none is set if None may be written. That is so where None is the default or a
	// type, but not for a function with the default None: an explicit None there is
	// nearly always f() in place of f.
	none bool
	// lo and hi bound numbers, and the elements of a list of numbers, if ranged.
	ranged bool
	lo, hi float64
	// choices are the strings accepted, also as elements of a list; empty for all.
	choices []string
}

const passFunction = "pass the function itself: f, not f(); with arguments: lambda: f(x)"

// newParam makes the param of a signature, its default checked like an argument.
func newParam(b *Builtin, builtin string, p dsl.Param) (param, error) {
	q := param{Param: p, choices: b.Choices[p.Name]}
	if r, ok := b.Ranges[p.Name]; ok {
		q.ranged, q.lo, q.hi = true, r[0], r[1]
	}
	q.none = slices.Contains(p.Types, "None") || slices.Contains(p.Types, "any")
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
		if near := nearest(word, p.choices); near != "" {
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
func (p *param) within() string {
	write := func(n float64) string {
		switch p.Types[0] {
		case "duration":
			if d, err := units.Seconds(n); err == nil {
				return fmt.Sprintf("%q", units.FormatDuration(d))
			}
		case "size":
			if n >= 1000 && n < 1<<62 {
				return fmt.Sprintf("%q", units.FormatSize(int64(n)))
			}
		}
		return trimNumber(n)
	}
	switch {
	case math.IsInf(p.hi, 1) && math.IsInf(p.lo, -1):
		return ""
	case math.IsInf(p.hi, 1):
		return "at least " + write(p.lo)
	case math.IsInf(p.lo, -1):
		return "at most " + write(p.hi)
	}
	return "from " + write(p.lo) + " to " + write(p.hi)
}

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
	switch v := v.(type) {
	case starlark.String:
		if is("duration") {
			if d, ok := guessDuration(string(v)); ok {
				return fmt.Sprintf("write %q", d)
			}
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

// phrases say what a type expects.
var phrases = map[string]string{
	"any": "a value", "string": "a string", "int": "an int", "float": "a number", "bool": "True or False",
	"number": "a number", "bytes": "bytes",
	"duration": `a duration such as "30s"`, "size": `a size such as "400KB"`, "share": `a share such as 0.05 or "5%"`,
	"percent": "a percentage from 0 to 100", "bandwidth": `a bandwidth such as "125KB/s"`,
	"function": "a function", "list": "a list", "dict": "a dict", "tuple": "a tuple", "iterable": "a list", "None": "None",
	"fault": "a fault such as fault.latency(\"100ms\")", "faults": "a fault, a list of faults, a scenario or a profile",
	"target": "a target such as proxy(…) or target(name)", "targets": "a target or a list of targets",
	"probe": "a probe such as probe.http(url)", "traffic": "traffic such as traffic.http(url, rate)",
	"match": "a fault.match(…)", "ramp": "a ramp", "secret": "a secret", "headers": "a dict of headers",
}

// TargetValue is a target as a script sees it.
type TargetValue interface {
	starlark.Value
	TargetName() string
}

// convert tries to take v as a t. It returns false if v has not the right type; an
// error means that it has, but that its content does not do.
func convert(t string, v starlark.Value, s *slot) (bool, error) {
	switch t {
	case "any":
		convertNumber(v, s)
		return true, nil
	case "string":
		_, ok := v.(starlark.String)
		return ok, nil
	case "int":
		n, ok := v.(starlark.Int)
		if !ok {
			return false, nil
		}
		return true, convertInt(n, s)
	case "float", "number":
		return convertNumber(v, s)
	case "bool":
		_, ok := v.(starlark.Bool)
		return ok, nil
	case "function":
		_, ok := v.(starlark.Callable)
		if _, ns := v.(*namespace); ns {
			return false, nil
		}
		return ok, nil
	case "duration", "size", "share", "percent", "bandwidth":
		return convertQuantity(t, v, s)
	}
	return convertOther(t, v), contentError(t, v)
}

func convertInt(n starlark.Int, s *slot) error {
	i, ok := n.Int64()
	if !ok {
		return fmt.Errorf("the number must fit 64 bits")
	}
	s.i, s.f = i, float64(i)
	return nil
}

// convertNumber takes an int or a finite float.
func convertNumber(v starlark.Value, s *slot) (bool, error) {
	switch v := v.(type) {
	case starlark.Int:
		return true, convertInt(v, s)
	case starlark.Float:
		s.f = float64(v)
		if math.IsNaN(s.f) || math.IsInf(s.f, 0) {
			return true, fmt.Errorf("the number must be finite")
		}
		return true, nil
	}
	return false, nil
}

// convertQuantity takes a number or a string with a unit.
func convertQuantity(t string, v starlark.Value, s *slot) (bool, error) {
	str, isString := v.(starlark.String)
	text := string(str)
	if t == "duration" {
		d, ok, err := toDuration(v)
		s.i, s.f = int64(d), d.Seconds()
		return ok, err
	}
	if !isString {
		if ok, err := convertNumber(v, s); !ok || err != nil {
			return ok, err
		}
	}
	var err error
	switch t {
	case "share":
		if isString {
			s.f, err = units.ParseShare(text)
		} else {
			err = units.CheckShare(s.f)
		}
	case "percent":
		if isString {
			if s.f, err = units.ParseShare(text); !strings.HasSuffix(strings.TrimSpace(text), "%") {
				err = fmt.Errorf("write a number from 0 to 100, or a string such as \"5%%\"")
			}
			s.f *= 100
		}
		if err == nil && (s.f < 0 || s.f > 100) {
			err = fmt.Errorf("it must be from 0 to 100")
		}
	case "size":
		err = convertSize(text, isString, v, s)
	case "bandwidth":
		if isString {
			s.f, err = units.ParseBandwidth(text)
		}
		if err == nil && (s.f <= 0 || math.IsInf(s.f, 0)) {
			err = fmt.Errorf("it must be above 0; for none at all there is fault.blackhole()")
		}
	}
	return true, err
}

func convertSize(text string, isString bool, v starlark.Value, s *slot) (err error) {
	if isString {
		s.i, err = units.ParseSize(text)
		s.f = float64(s.i)
		return err
	}
	switch {
	case s.f < 0:
		return fmt.Errorf("it must not be negative")
	case s.f != math.Trunc(s.f) || s.f > 1<<62:
		return fmt.Errorf("it must be a whole number of bytes, at most 1 << 62")
	}
	if _, isFloat := v.(starlark.Float); isFloat {
		s.i = int64(s.f)
	}
	return nil
}

// convertOther tells the types that carry no number.
func convertOther(t string, v starlark.Value) bool {
	switch t {
	case "bytes":
		_, ok := v.(starlark.Bytes)
		return ok
	case "list":
		switch v.(type) {
		case *starlark.List, starlark.Tuple:
			return true
		}
		return false
	case "dict", "headers":
		_, ok := v.(*starlark.Dict)
		return ok
	case "tuple":
		_, ok := v.(starlark.Tuple)
		return ok
	case "iterable":
		_, ok := v.(starlark.Iterable)
		return ok
	case "None":
		return v == starlark.None
	case "ramp":
		_, ok := v.(*Ramp)
		return ok
	case "secret":
		_, ok := v.(Secret)
		return ok
	case "target":
		_, ok := v.(TargetValue)
		return ok
	case "targets":
		return isTargets(v)
	case "faults":
		return isFaults(v)
	}
	return v.Type() == t // fault, match, probe, traffic: known by their type's name
}

// isTargets accepts a target, and a list or tuple of nothing else.
func isTargets(v starlark.Value) bool {
	if _, ok := v.(TargetValue); ok {
		return true
	}
	switch v.(type) {
	case *starlark.List, starlark.Tuple:
	default:
		return false
	}
	for _, e := range elements(v) {
		if _, ok := e.(TargetValue); !ok {
			return false
		}
	}
	return true
}

// maxElements bounds what a builtin goes through in one call, in which nothing can
// stop it: range(1 << 60) is an iterable, too.
const maxElements = 10_000_000

// contentError checks what convertOther does not look at.
func contentError(t string, v starlark.Value) error {
	if n := starlark.Len(v); t == "iterable" && n > maxElements {
		return fmt.Errorf("%d elements are too many: at most %d", n, maxElements)
	}
	if d, ok := v.(*starlark.Dict); ok && t == "headers" {
		return headersError(d)
	}
	return nil
}

// headersError checks the contents of a dict of headers.
func headersError(d *starlark.Dict) error {
	for k, v := range d.Entries() {
		name, ok := starlark.AsString(k)
		if !ok || name == "" || strings.ContainsAny(name, "\r\n\x00: ") {
			return fmt.Errorf("the name of a header must be a string without spaces, colons and line breaks, not %s", describe(k))
		}
		values := []starlark.Value{v}
		if l, ok := v.(*starlark.List); ok {
			values = elements(l)
		}
		for _, v := range values {
			if s, ok := headerText(v); !ok || strings.ContainsAny(s, "\r\n\x00") {
				return fmt.Errorf("the header %s must be a string without line breaks, or a list of such, not %s", quote(name), describe(v))
			}
		}
	}
	return nil
}

// headerText is the text of one header value.
func headerText(v starlark.Value) (string, bool) {
	if n, ok := v.(starlark.Int); ok {
		i, small := n.Int64()
		return fmt.Sprint(i), small
	}
	return text(v)
}
