package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"starquake/units"
)

// MarshalJSON writes the canonical form, so that equal faults give equal bytes: kind,
// params, probability, match and pulse in this order, parameters sorted by name, nothing
// that has its default. It writes what encoding/json would, of which it asks only what is
// rare: faults are written for every step of a plan.
func (f Fault) MarshalJSON() ([]byte, error) {
	row, err := KindOf(f.Kind)
	if err != nil {
		return nil, err
	}
	w := jsonWriter{out: make([]byte, 0, 160)}
	w.raw(`{"kind":`)
	w.word(f.Kind)
	for i, name := range sortedKeys(f.Params) {
		spec := row.param(name)
		if spec == nil {
			return nil, fmt.Errorf("fault %s: parameter %q is unknown", f.Kind, name)
		}
		w.raw(paramSeparator[min(i, 1)])
		w.word(name)
		w.raw(":")
		w.param(spec.Type, f.Params[name])
	}
	if len(f.Params) > 0 {
		w.raw("}")
	}
	if f.Probability != Const(1) {
		w.raw(`,"probability":`)
		w.value(TypeShare, f.Probability)
	}
	if f.Match != nil {
		w.raw(`,"match":`)
		w.any(f.Match)
	}
	if f.Pulse != nil {
		w.raw(`,"pulse":{"on":`)
		w.word(units.FormatDuration(f.Pulse.On))
		w.raw(`,"off":`)
		w.word(units.FormatDuration(f.Pulse.Off))
		w.raw("}")
	}
	w.raw("}")
	return w.out, w.err
}

// paramSeparator stands before the first parameter, and before each of the others.
var paramSeparator = [...]string{`,"params":{`, `,`}

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

// jsonWriter writes the parts of the canonical form.
type jsonWriter struct {
	out []byte
	err error // the first of encoding/json
}

func (w *jsonWriter) raw(text string) { w.out = append(w.out, text...) }

// count writes a whole number behind its key.
func (w *jsonWriter) count(key string, n uint64) {
	w.raw(key)
	w.out = strconv.AppendUint(w.out, n, 10)
}

// word writes a string in which nothing is to be escaped: a name of the tables, or what
// package units writes.
func (w *jsonWriter) word(text string) {
	w.out = append(w.out, '"')
	w.out = append(w.out, text...)
	w.out = append(w.out, '"')
}

// any writes what encoding/json makes of v.
func (w *jsonWriter) any(v any) {
	text, err := json.Marshal(v)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.out = append(w.out, text...)
}

// param writes a parameter's value.
func (w *jsonWriter) param(t ParamType, value any) {
	switch v := value.(type) {
	case Value:
		w.value(t, v)
	case [2]Value:
		w.raw("[")
		w.value(TypeDuration, v[0])
		w.raw(",")
		w.value(TypeDuration, v[1])
		w.raw("]")
	case []int:
		w.raw("[")
		for i, code := range v {
			if i > 0 {
				w.raw(",")
			}
			if t == TypeGRPCCodes {
				w.any(GRPCName(code))
			} else {
				w.out = strconv.AppendInt(w.out, int64(code), 10)
			}
		}
		w.raw("]")
	default:
		w.any(value)
	}
}

// value writes a number or a ramp.
func (w *jsonWriter) value(t ParamType, v Value) {
	if !v.IsRamp() {
		w.number(t, v.Start)
		return
	}
	w.raw(`{"ramp":{"start":`)
	w.number(t, v.Start)
	w.raw(`,"end":`)
	w.number(t, v.End)
	w.raw(`,"over":`)
	w.word(units.FormatDuration(v.Over))
	w.raw(`,"shape":`)
	w.any(v.shapeText())
	w.raw("}}")
}

// number writes a number as encoding/json does, and a duration in its units.
func (w *jsonWriter) number(t ParamType, n float64) {
	switch size := math.Abs(n); {
	case t == TypeDuration:
		w.word(units.FormatDuration(time.Duration(math.Round(n))))
	case size == 0 || 1e-6 <= size && size < 1e21:
		w.out = strconv.AppendFloat(w.out, n, 'f', -1, 64)
	default:
		w.any(n)
	}
}
