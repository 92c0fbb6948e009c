package chaos

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"starquake/units"
)

// SizeRange bounds a size in bytes, both ends included. Written as JSON it is
// [min, max], of which max is null for any.
type SizeRange struct{ Min, Max int64 }

// NoMax is the Max of a SizeRange without one.
const NoMax = math.MaxInt64

// MarshalJSON writes [min, max].
func (s SizeRange) MarshalJSON() ([]byte, error) {
	if s.Max == NoMax {
		return json.Marshal([]any{s.Min, nil})
	}
	return json.Marshal([]int64{s.Min, s.Max})
}

// String writes the range for people.
func (s *SizeRange) String() string {
	if s.Max == NoMax {
		return "from " + units.FormatSize(s.Min)
	}
	return units.FormatSize(s.Min) + " to " + units.FormatSize(s.Max)
}

// readMatch reads a match as JSON or a script gives it.
func readMatch(arg any) (*Match, error) {
	switch m := arg.(type) {
	case *Match:
		return m.orNil(), nil
	case Match:
		return m.orNil(), nil
	}
	fields, ok := arg.(map[string]any)
	if !ok {
		return nil, (&ParamSpec{Name: "match"}).wants("a match", arg)
	}
	return NewMatch(fields)
}

// NewMatch makes a match of its fields as a script or a file gives them: numbers,
// strings and lists. It is nil for a match of everything. A nil field is not given.
func NewMatch(fields map[string]any) (*Match, error) {
	m := new(Match)
	for _, name := range sortedKeys(fields) {
		if fields[name] == nil {
			continue
		}
		if err := m.set(name, fields[name]); err != nil {
			return nil, err
		}
	}
	if _, err := m.Compile(); err != nil {
		return nil, err
	}
	return m.orNil(), nil
}

// orNil returns nil for a match of everything, so that equal faults look equal.
func (m *Match) orNil() *Match {
	if m == nil || m.isZero() {
		return nil
	}
	return m
}

// set reads one field.
func (m *Match) set(name string, arg any) (err error) {
	spec := ParamSpec{Name: "match " + name, Type: TypeString}
	text := map[string]*string{
		"path": &m.Path, "host": &m.Host, "grpc_method": &m.GRPCMethod,
		"graphql_operation": &m.GraphQLOperation, "graphql_type": &m.GraphQLType,
	}[name]
	if text != nil {
		var ok bool
		if *text, ok = arg.(string); !ok {
			return spec.wants("a string", arg)
		}
		return nil
	}
	spec.Type = TypeStrings
	switch name {
	case "method":
		m.Method, err = readStrings(&spec, arg)
		for i, method := range m.Method {
			m.Method[i] = asciiUpper(method)
		}
	case "source":
		m.Source, err = readStrings(&spec, arg)
	case "headers":
		m.Headers, err = readPatterns(&spec, arg, true)
	case "query":
		m.Query, err = readPatterns(&spec, arg, false)
	case "body_size":
		m.BodySize, err = readSizes(&spec, arg)
	case "chunked":
		chunked, ok := arg.(bool)
		if !ok {
			return spec.wants("true or false", arg)
		}
		m.Chunked = &chunked
	case "after", "first", "every":
		least := 1.0 // none would say that it is not given
		if name == "after" {
			least = 0
		}
		n, ok := plainNumber(arg)
		if !ok || n != math.Trunc(n) || n < least || n > 1<<53 {
			return spec.wants(fmt.Sprintf("a whole number from %g", least), arg)
		}
		*map[string]*uint64{"after": &m.After, "first": &m.First, "every": &m.Every}[name] = uint64(n)
	default:
		return fmt.Errorf("match: %s is unknown; there are method, path, host, headers, query, source, body_size, chunked, "+
			"grpc_method, graphql_operation, graphql_type, after, first, every", describe(name))
	}
	return err
}

// readPatterns reads a dict of names and patterns.
func readPatterns(spec *ParamSpec, arg any, header bool) (map[string]string, error) {
	given, err := readHeaders(&ParamSpec{Name: spec.Name, Type: TypeHeaders}, arg)
	if err != nil || len(given) == 0 {
		return nil, err
	}
	if !header {
		return given, nil
	}
	out := make(map[string]string, len(given))
	for name, pattern := range given {
		lower := asciiLower(name)
		if _, twice := out[lower]; twice {
			return nil, fmt.Errorf("parameter %s: %s stands twice, in other letters", spec.Name, describe(lower))
		}
		out[lower] = pattern
	}
	return out, nil
}

// readSizes reads [min, max], of which either may be nil.
func readSizes(spec *ParamSpec, arg any) (*SizeRange, error) {
	switch a := arg.(type) {
	case *SizeRange:
		return a, nil
	case SizeRange:
		return &a, nil
	}
	list, ok := arg.([]any)
	if !ok || len(list) != 2 {
		return nil, spec.wants("two sizes, the smaller first", arg)
	}
	s := &SizeRange{0, NoMax}
	for i, into := range []*int64{&s.Min, &s.Max} {
		if list[i] == nil {
			continue
		}
		n, err := readNumber(&ParamSpec{Name: spec.Name, Type: TypeSize}, list[i])
		if err != nil {
			return nil, err
		}
		if n != math.Trunc(n) || n < 0 || n > 1<<53 {
			return nil, spec.wants("two sizes of at most 8PiB, the smaller first", list[i])
		}
		*into = int64(n)
	}
	if *s == (SizeRange{0, NoMax}) {
		return nil, nil
	}
	return s, nil
}

// asciiUpper raises the letters a to z: methods are tokens, not text.
func asciiUpper(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

// asciiLower lowers the letters A to Z: names of fields are tokens, not text.
func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r - 'A' + 'a'
		}
		return r
	}, s)
}
