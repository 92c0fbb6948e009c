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
		out.Params[name] = encodeParam(spec.Type, value)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes, and whatever New accepts. The result
// is valid.
func (f *Fault) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	dec.UseNumber() // for parameters that are JSON themselves
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

// encodeParam turns a parameter's value into what json.Marshal writes in its form.
func encodeParam(t ParamType, value any) any {
	switch v := value.(type) {
	case Value:
		return encodeValue(t, v)
	case [2]Value:
		return []any{encodeValue(TypeDuration, v[0]), encodeValue(TypeDuration, v[1])}
	case []int:
		if t == TypeGRPCCodes {
			return namesOf(v)
		}
	}
	return value
}

// namesOf returns the names of gRPC codes.
func namesOf(codes []int) []string {
	names := make([]string, len(codes))
	for i, code := range codes {
		names[i] = GRPCName(code)
	}
	return names
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
