package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"starquake/units"
)

// faultJSON is the canonical form: fields in this order, parameters by name, nothing
// that has its default.
type faultJSON struct {
	Kind        string         `json:"kind"`
	Params      map[string]any `json:"params,omitempty"`
	Probability any            `json:"probability,omitempty"`
	Match       *Match         `json:"match,omitempty"`
	Pulse       *pulseJSON     `json:"pulse,omitempty"`
}

type pulseJSON struct {
	On  string `json:"on"`
	Off string `json:"off"`
}

type rampJSON struct {
	Ramp struct {
		Start any    `json:"start"`
		End   any    `json:"end"`
		Over  string `json:"over"`
		Shape string `json:"shape"`
	} `json:"ramp"`
}

// MarshalJSON writes the canonical form: equal faults give equal bytes.
func (f Fault) MarshalJSON() ([]byte, error) {
	row, err := KindOf(f.Kind)
	if err != nil {
		return nil, err
	}
	out := faultJSON{Kind: f.Kind, Match: f.Match}
	if f.Probability != Const(1) {
		out.Probability = encodeValue(TypeShare, f.Probability)
	}
	if f.Pulse != nil {
		out.Pulse = &pulseJSON{units.FormatDuration(f.Pulse.On), units.FormatDuration(f.Pulse.Off)}
	}
	if len(f.Params) > 0 {
		out.Params = make(map[string]any, len(f.Params))
	}
	for name, value := range f.Params {
		spec := row.param(name)
		if spec == nil {
			return nil, fmt.Errorf("fault %s: parameter %q is unknown", f.Kind, name)
		}
		switch v := value.(type) {
		case Value:
			value = encodeValue(spec.Type, v)
		case [2]Value:
			value = []any{encodeValue(TypeDuration, v[0]), encodeValue(TypeDuration, v[1])}
		}
		out.Params[name] = value
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes, and whatever New accepts. The result
// is valid.
func (f *Fault) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var in struct {
		Kind        string         `json:"kind"`
		Params      map[string]any `json:"params"`
		Probability any            `json:"probability"`
		Match       any            `json:"match"`
		Pulse       any            `json:"pulse"`
	}
	if err := dec.Decode(&in); err != nil {
		return fmt.Errorf("fault: %w", err)
	}
	args := make(map[string]any, len(in.Params)+3)
	for name, value := range in.Params {
		args[name] = value
	}
	for name, value := range map[string]any{"probability": in.Probability, "match": in.Match, "pulse": in.Pulse} {
		if _, twice := args[name]; twice {
			return fmt.Errorf("fault %s: %s stands beside params, not among them", in.Kind, name)
		}
		args[name] = value
	}
	made, err := New(in.Kind, args)
	if err != nil {
		return err
	}
	*f = made
	return nil
}

func encodeValue(t ParamType, v Value) any {
	if !v.IsRamp() {
		return encodeNumber(t, v.Start)
	}
	var r rampJSON
	r.Ramp.Start, r.Ramp.End = encodeNumber(t, v.Start), encodeNumber(t, v.End)
	r.Ramp.Over, r.Ramp.Shape = units.FormatDuration(v.Over), v.shapeText()
	return r
}

func encodeNumber(t ParamType, n float64) any {
	if t == TypeDuration {
		return units.FormatDuration(time.Duration(math.Round(n)))
	}
	return n
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
	m := new(Match)
	for _, name := range sortedKeys(fields) {
		if fields[name] == nil {
			continue
		}
		if err := m.set(name, fields[name]); err != nil {
			return nil, err
		}
	}
	return m.orNil(), nil
}

// orNil returns nil for a match of everything, so that equal faults look equal.
func (m *Match) orNil() *Match {
	if m == nil || len(m.Method) == 0 && m.Path == "" && m.After == 0 && m.First == 0 && m.Every == 0 {
		return nil
	}
	return m
}

func (m *Match) set(name string, arg any) error {
	spec := ParamSpec{Name: "match " + name}
	switch name {
	case "path":
		s, ok := arg.(string)
		if !ok {
			return spec.wants("a string", arg)
		}
		m.Path = s
	case "method":
		items, ok := arg.([]any)
		if !ok {
			items = []any{arg}
		}
		for _, item := range items {
			s, ok := item.(string)
			if !ok {
				return spec.wants("a string or a list of strings", item)
			}
			m.Method = append(m.Method, asciiUpper(s))
		}
	case "after", "first", "every":
		n, ok := plainNumber(arg)
		if !ok || n != math.Trunc(n) || n < 0 || n > 1<<53 {
			return spec.wants("a whole number from 0", arg)
		}
		*map[string]*uint64{"after": &m.After, "first": &m.First, "every": &m.Every}[name] = uint64(n)
	default:
		return fmt.Errorf("match: %q is unknown; there are method, path, after, first, every", name)
	}
	return nil
}

// asciiUpper raises the letters a to z: methods are tokens, not text.
func asciiUpper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}
