package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"starquake/internal/badjson"
	"starquake/internal/jsonwrite"
	"starquake/units"
)

// MarshalJSON writes the canonical form, so that equal faults give equal bytes: kind,
// params, probability, match and pulse in this order, parameters sorted by name, nothing
// that has its default.
func (f Fault) MarshalJSON() ([]byte, error) {
	w := jsonwrite.New(160)
	f.WriteJSON(w)
	return w.Bytes()
}

// WriteJSON is MarshalJSON as a part of something else.
func (f Fault) WriteJSON(w *jsonwrite.Writer) {
	row, err := KindOf(f.Kind)
	if err != nil {
		w.Fail(err)
		return
	}
	w.Open('{')
	w.Key("kind")
	w.Text(f.Kind)
	if len(f.Params) > 0 {
		w.Key("params")
		w.Open('{')
		for _, name := range sortedKeys(f.Params) {
			spec := row.param(name)
			if spec == nil {
				w.Fail(fmt.Errorf("fault %s: parameter %q is unknown", f.Kind, name))
				return
			}
			w.Key(name)
			writeParam(w, spec.Type, f.Params[name])
		}
		w.Close('}')
	}
	if f.Probability != Const(1) {
		w.Key("probability")
		writeValue(w, TypeShare, f.Probability)
	}
	if f.Match != nil {
		w.Key("match")
		w.Any(f.Match)
	}
	if f.Pulse != nil {
		w.Key("pulse")
		w.Open('{')
		w.Key("on")
		w.Text(units.FormatDuration(f.Pulse.On))
		w.Key("off")
		w.Text(units.FormatDuration(f.Pulse.Off))
		w.Close('}')
	}
	w.Close('}')
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
		var wrong *json.UnmarshalTypeError
		switch {
		case !errors.As(err, &wrong):
			return fmt.Errorf("fault: %w", badjson.Plain(err))
		case wrong.Field == "params":
			return inPart("params", fmt.Errorf("params: expected an object with the fault's parameters by name, found %s", badjson.Noun(wrong.Value)))
		case wrong.Field == "kind":
			return inPart("kind", fmt.Errorf("kind: expected the name of a fault as a string, found %s", badjson.Noun(wrong.Value)))
		}
		return fmt.Errorf("fault: expected an object with kind and params, found %s", badjson.Noun(wrong.Value))
	}
	if row := rowOf(in.Kind); row != nil {
		for _, name := range sortedKeys(in.Params) {
			if row.param(name) == nil && !slices.Contains([]string{"probability", "match", "pulse"}, name) {
				return inPart("params", fmt.Errorf("fault %s: parameter %s is unknown; %s", in.Kind, describe(name), row.besideNames()))
			}
		}
	}
	args := make(map[string]any, len(in.Params)+3)
	for name, value := range in.Params {
		args[name] = value
	}
	for name, value := range map[string]any{"probability": in.Probability, "match": in.Match, "pulse": in.Pulse} {
		if _, twice := args[name]; twice {
			return inPart("params", fmt.Errorf("fault %s: %s stands beside params, not among them", in.Kind, name))
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

// besideNames says which parameters there are where probability and match stand beside them.
func (k *Kind) besideNames() string {
	names := strings.Join(k.ownNames(), ", ")
	if names == "" {
		return "it has none"
	}
	return "there are " + names
}

// writeParam writes a parameter's value.
func writeParam(w *jsonwrite.Writer, t ParamType, value any) {
	switch v := value.(type) {
	case Value:
		writeValue(w, t, v)
	case [2]Value:
		w.Open('[')
		for _, bound := range v {
			w.Next()
			writeValue(w, TypeDuration, bound)
		}
		w.Close(']')
	case []int:
		w.Open('[')
		for _, code := range v {
			w.Next()
			if t == TypeGRPCCodes {
				w.Text(GRPCName(code))
			} else {
				w.Int(int64(code))
			}
		}
		w.Close(']')
	default:
		w.Any(value)
	}
}

// writeValue writes a number or a ramp.
func writeValue(w *jsonwrite.Writer, t ParamType, v Value) {
	if !v.IsRamp() {
		writeNumber(w, t, v.Start)
		return
	}
	w.Open('{')
	w.Key("ramp")
	w.Open('{')
	w.Key("start")
	writeNumber(w, t, v.Start)
	w.Key("end")
	writeNumber(w, t, v.End)
	w.Key("over")
	w.Text(units.FormatDuration(v.Over))
	w.Key("shape")
	w.Text(v.shapeText())
	w.Close('}')
	w.Close('}')
}

// writeNumber writes a number, and a duration in its units.
func writeNumber(w *jsonwrite.Writer, t ParamType, n float64) {
	if t == TypeDuration {
		w.Text(units.FormatDuration(time.Duration(math.Round(n))))
		return
	}
	w.Float(n)
}
