package builtins

import (
	"fmt"
	"math"
	"strings"

	"go.starlark.net/starlark"

	"starquake/units"
)

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
