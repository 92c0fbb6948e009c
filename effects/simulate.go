package effects

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/units"
)

// simulation says what simulated answers of a kind may contain. A simulated answer
// is an object whose members replace those of the planned one; "elapsed", a number
// of nanoseconds or a text such as "250ms", is also the virtual time that it takes.
// A nil *simulation takes any members.
type simulation struct {
	// answer makes an empty answer; members that it does not have are errors.
	answer func() any
	// extra are members beyond those of answer, which adapt or plan takes away.
	extra []string
	// adapt rewrites what people write into what the answer holds. May be nil.
	adapt func(fields map[string]json.RawMessage) error
	// plan makes the planned effect anew from the extra members. May be nil.
	plan func(req *runtime.Request, planned runtime.Planned, fields map[string]json.RawMessage) (runtime.Planned, error)
}

// keys are the members that a simulated answer may have, nil for any.
func (s *simulation) keys() []string {
	if s == nil || s.answer == nil {
		return nil
	}
	keys := slices.Clone(s.extra)
	t := reflect.TypeOf(s.answer()).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		keys = append(keys, name)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// over lays a simulated answer over a planned one. For a held effect it lies over
// the answer that it gives at its end.
func (s *simulation) over(req *runtime.Request, planned runtime.Planned, simulated json.RawMessage) (runtime.Planned, error) {
	fields, elapsed, err := s.read(simulated)
	if err != nil {
		return planned, err
	}
	if s != nil && s.plan != nil {
		if planned, err = s.plan(req, planned, fields); err != nil {
			return planned, err
		}
	}
	if err := s.validate(fields); err != nil {
		return planned, err
	}
	if len(fields) == 0 {
		return planned, nil
	}
	if planned.Done == nil {
		planned.End = endWith(planned.End, fields)
		return planned, nil
	}
	if planned.End != nil { // it may be ended before it is done
		planned.End = endWith(planned.End, fields)
	}
	done := *planned.Done
	if elapsed >= 0 {
		done.After = elapsed
	}
	if done.Data, err = merge(done.Data, fields); err != nil {
		return planned, err
	}
	planned.Done = &done
	return planned, nil
}

// endWith is end with fields over its answer.
func endWith(end func(time.Duration) (any, *journal.EffectError), fields map[string]json.RawMessage) func(time.Duration) (any, *journal.EffectError) {
	return func(ran time.Duration) (any, *journal.EffectError) {
		var data any
		if end != nil {
			var problem *journal.EffectError
			if data, problem = end(ran); problem != nil {
				return data, problem
			}
		}
		merged, err := merge(data, fields)
		if err != nil {
			return nil, asProblem(err, CodeInvalid)
		}
		return merged, nil
	}
}

// read takes a simulated answer apart. elapsed is negative where it says none.
func (s *simulation) read(simulated json.RawMessage) (fields map[string]json.RawMessage, elapsed time.Duration, err error) {
	if err := json.Unmarshal(simulated, &fields); err != nil || fields == nil {
		return nil, 0, fmt.Errorf("%s is no object with members such as %s", excerpt(simulated), strings.Join(s.keys(), ", "))
	}
	elapsed = -1
	if raw, ok := fields["elapsed"]; ok {
		if elapsed, err = parseDuration(raw); err != nil {
			return nil, 0, fmt.Errorf("elapsed: %w", err)
		}
		fields["elapsed"], _ = marshal(elapsed) // a number: cannot fail
	}
	if raw, ok := fields["error"]; ok && s != nil && s.hasProblem() && len(raw) > 0 && raw[0] == '"' {
		var code string
		if err := json.Unmarshal(raw, &code); err != nil {
			return nil, 0, fmt.Errorf("error: %w", err)
		}
		fields["error"], _ = marshal(problem(code, "simulated: %s", code)) // two strings: cannot fail
	}
	if s != nil && s.adapt != nil {
		err = s.adapt(fields)
	}
	return fields, elapsed, err
}

// hasProblem reports whether the answer's member "error" is an EffectError, for
// which its code alone may be written.
func (s *simulation) hasProblem() bool {
	if s.answer == nil {
		return false
	}
	field, ok := reflect.TypeOf(s.answer()).Elem().FieldByName("Error")
	return ok && field.Type == reflect.TypeFor[*journal.EffectError]()
}

// validate checks members and their types.
func (s *simulation) validate(fields map[string]json.RawMessage) error {
	if s == nil || s.answer == nil {
		return nil
	}
	keys := s.keys()
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(keys, key) {
			return fmt.Errorf("unknown member %q; known are %s", key, strings.Join(keys, ", "))
		}
	}
	text, err := marshal(fields)
	if err != nil {
		return err
	}
	return decodeStrict(text, s.answer())
}

// merge replaces members of base, which is nil or marshals to an object, by fields.
func merge(base any, fields map[string]json.RawMessage) (json.RawMessage, error) {
	merged := map[string]json.RawMessage{}
	if base != nil {
		text, err := marshal(base)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &merged); err != nil {
			return nil, fmt.Errorf("the planned answer %s is no object, so nothing can be laid over it", excerpt(text))
		}
		if merged == nil {
			merged = map[string]json.RawMessage{}
		}
	}
	maps.Copy(merged, fields)
	return marshal(merged)
}

// parseDuration reads nanoseconds, or a text in the language's form.
func parseDuration(raw json.RawMessage) (time.Duration, error) {
	var ns int64
	if err := json.Unmarshal(raw, &ns); err == nil && !isNull(raw) {
		if ns < 0 || time.Duration(ns) > units.MaxDuration {
			return 0, fmt.Errorf("%d ns is no duration: it must be from 0 to %s", ns, units.FormatDuration(units.MaxDuration))
		}
		return time.Duration(ns), nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return 0, fmt.Errorf("%s is no duration; write a number of nanoseconds or a text such as \"250ms\"", excerpt(raw))
	}
	return units.ParseDuration(text)
}

// excerpt is the beginning of a JSON text, for messages.
func excerpt(text []byte) string {
	const most = 60
	if len(text) == 0 {
		return "nothing"
	}
	if len(text) > most {
		return strings.ToValidUTF8(string(text[:most]), "") + "…"
	}
	return string(text)
}
