package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"starquake/units"
)

// Fault is one fault as a plain value: what to do to whom, not where. Make it with
// New, which checks; a literal has to be given its Probability, whose zero is never.
type Fault struct {
	// Kind is the name of a row of Kinds.
	Kind string
	// Params holds what was given and differs from the default, in the types that
	// ParamType lists. It is not changed once the fault is made.
	Params map[string]any
	// Probability is drawn once for each request or connection.
	Probability Value
	// Match is nil for everything.
	Match *Match
	// Pulse is nil for a fault that is on all the time.
	Pulse *Pulse
}

// Pulse makes a fault flap: on for On, off for Off, and again. Ramps go on meanwhile.
type Pulse struct {
	On, Off time.Duration
}

// New makes a fault from arguments as a script or a file gives them. Besides the
// types of ParamType an argument may be a string in its unit ("250ms", "5%"), any
// number (of seconds, for a duration), a time.Duration, a list, or a ramp, as in the
// JSON form: {"ramp": {"start": …, "end": …, "over": …, "shape": …}}.
// The names probability, match and pulse are those of the fields. A nil argument
// stands for the default. args is not changed.
func New(kind string, args map[string]any) (Fault, error) {
	row, err := KindOf(kind)
	if err != nil {
		return Fault{}, inPart("kind", err)
	}
	f := Fault{Kind: kind, Probability: Const(1)}
	names := make([]string, 0, len(args))
	for name := range args {
		names = append(names, name)
	}
	slices.Sort(names) // so that of two wrong arguments always the same is reported
	for _, name := range names {
		if args[name] == nil {
			continue
		}
		if err := f.set(&row, name, args[name]); err != nil {
			return Fault{}, fmt.Errorf("fault %s: %w", kind, err)
		}
	}
	if err := f.validate(&row); err != nil {
		return f, fmt.Errorf("fault %s: %w", kind, err)
	}
	return f, nil
}

// set reads one argument.
func (f *Fault) set(row *Kind, name string, arg any) (err error) {
	switch name {
	case "probability":
		f.Probability, err = readValue(&ParamSpec{Name: name, Type: TypeShare, Ramp: true}, arg)
	case "match":
		f.Match, err = readMatch(arg)
	case "pulse":
		f.Pulse, err = readPulse(arg)
	default:
		return inPart("params", f.setParam(row, name, arg))
	}
	return inPart(name, err)
}

func (f *Fault) setParam(row *Kind, name string, arg any) error {
	spec := row.param(name)
	if spec == nil {
		return fmt.Errorf("parameter %s is unknown; there are %s", describe(name), row.paramNames())
	}
	value, err := readParam(spec, arg)
	if err != nil {
		return err
	}
	if spec.isDefault(value) {
		return nil
	}
	if f.Params == nil {
		f.Params = make(map[string]any)
	}
	f.Params[name] = value
	return nil
}

// Counted reports whether anybody can count what meets the fault. Connections to an
// address at which nothing listens are refused by the system, which tells nobody: with a
// probability or a match they are accepted first, and counted.
func (f *Fault) Counted() bool {
	return f.Kind != "refuse" || f.Probability != Const(1) || f.Match != nil
}

// Validate says what is wrong with the fault: the kind, a parameter with its range
// and what was found, the probability, the match or the pulse.
func (f Fault) Validate() error {
	row, err := KindOf(f.Kind)
	if err != nil {
		return inPart("kind", err)
	}
	if err := f.validate(&row); err != nil {
		return fmt.Errorf("fault %s: %w", f.Kind, err)
	}
	return nil
}

func (f *Fault) validate(row *Kind) error {
	if err := f.validateParams(row); err != nil {
		return inPart("params", err)
	}
	probability := ParamSpec{Name: "probability", Type: TypeShare, Max: 1, Ramp: true}
	if err := probability.validate(f.Probability); err != nil {
		return inPart("probability", err)
	}
	if f.Match != nil {
		if _, err := f.Match.Compile(); err != nil {
			return inPart("match", err)
		}
	}
	if p := f.Pulse; p != nil && (p.On < time.Millisecond || p.Off < time.Millisecond || p.On > units.MaxDuration || p.Off > units.MaxDuration) {
		return inPart("pulse", fmt.Errorf("pulse on %s, off %s: expected 1ms or more for both",
			units.FormatDuration(p.On), units.FormatDuration(p.Off)))
	}
	if row.check == nil {
		return nil
	}
	return inPart("params", row.check(f))
}

func (f *Fault) validateParams(row *Kind) error {
	for _, name := range sortedKeys(f.Params) {
		spec := row.param(name)
		if spec == nil {
			return fmt.Errorf("parameter %s is unknown; there are %s", describe(name), row.paramNames())
		}
		if err := spec.validate(f.Params[name]); err != nil {
			return err
		}
	}
	for i := range row.Params {
		spec := &row.Params[i]
		if spec.Default != "" {
			continue
		}
		if _, given := f.Params[spec.Name]; !given {
			return fmt.Errorf("parameter %s is missing; expected %s", spec.Name, spec.Type.expected())
		}
	}
	return nil
}

// ActiveAt reports whether the pulse has the fault on when elapsed has passed since
// it went on. Without a pulse it is on from 0.
func (f *Fault) ActiveAt(elapsed time.Duration) bool {
	if f.Pulse == nil {
		return true
	}
	return elapsed%(f.Pulse.On+f.Pulse.Off) < f.Pulse.On
}

// Value returns a numeric parameter, or its default; given is false where it is None.
func (f *Fault) Value(name string) (v Value, given bool) {
	v, given = f.get(name).(Value)
	return v, given
}

// Text returns a string parameter, or its default.
func (f *Fault) Text(name string) string {
	s, _ := f.get(name).(string)
	return s
}

// Number returns a numeric parameter whose default is not None.
func (f *Fault) Number(name string) Value {
	v, _ := f.Value(name)
	return v
}

// Strings returns a parameter of type strings or graphql_codes. The caller must not
// change it.
func (f *Fault) Strings(name string) []string {
	s, _ := f.get(name).([]string)
	return s
}

// Codes returns a parameter of type codes or grpc_codes. The caller must not change it.
func (f *Fault) Codes(name string) []int {
	c, _ := f.get(name).([]int)
	return c
}

// Headers returns a parameter of type headers. The caller must not change it.
func (f *Fault) Headers(name string) map[string]string {
	h, _ := f.get(name).(map[string]string)
	return h
}

// JSON returns a parameter of type json or probe, or nil. The caller must not change it.
func (f *Fault) JSON(name string) json.RawMessage {
	j, _ := f.get(name).(json.RawMessage)
	return j
}

// Range returns a parameter of type range.
func (f *Fault) Range(name string) (r [2]Value, given bool) {
	r, given = f.get(name).([2]Value)
	return r, given
}

// get returns a parameter as given or by default; nil where that is None.
func (f *Fault) get(name string) any {
	if v, ok := f.Params[name]; ok {
		return v
	}
	row := rowOf(f.Kind)
	if row == nil {
		return nil
	}
	spec := row.param(name)
	if spec == nil {
		return nil
	}
	return spec.value
}

var errNoPulse = errors.New(`pulse: expected {"on": duration, "off": duration}`)

func readPulse(arg any) (*Pulse, error) {
	switch p := arg.(type) {
	case *Pulse:
		return p, nil
	case Pulse:
		return &p, nil
	}
	fields, ok := arg.(map[string]any)
	if !ok || len(fields) != 2 {
		return nil, errNoPulse
	}
	p := new(Pulse)
	for _, part := range []struct {
		name string
		into *time.Duration
	}{{"on", &p.On}, {"off", &p.Off}} {
		v, err := readValue(&ParamSpec{Name: "pulse " + part.name, Type: TypeDuration}, fields[part.name])
		if err != nil {
			return nil, err
		}
		*part.into = time.Duration(v.Start)
	}
	return p, nil
}

// Idle reports whether the fault does nothing to what it hits, such as a latency of 0s.
func (f *Fault) Idle() bool {
	row := rowOf(f.Kind)
	if row == nil || len(row.does) == 0 {
		return false
	}
	for _, name := range row.does {
		v, _ := f.Value(name)
		r, _ := f.Range(name)
		if max(v.Max(), r[0].Max(), r[1].Max()) > 0 {
			return false
		}
	}
	return true
}

// LeastDelay is how long the fault holds back, at least, what it hits; 0 if it does not.
func (f *Fault) LeastDelay() time.Duration {
	delay, _ := f.Value("delay")
	least := delay.Min()
	if between, ok := f.Range("between"); ok {
		least += between[0].Min()
	}
	return time.Duration(least)
}
