package builtins

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"starquake/chaos"
	"starquake/dsl"
	"starquake/internal/nearest"
)

// chaosRows are the constructors of faults, made from the table of kinds, and what
// goes with them.
func chaosRows() []Builtin {
	var rows []Builtin
	for _, k := range chaos.Kinds() {
		rows = append(rows, faultRow(k))
	}
	rows = append(rows, patternRows()...)
	return append(rows,
		matchRow(),
		presetRow("scenario", "Is the predefined scenario of that name: a set of faults.", chaos.Scenarios(), chaos.Scenario),
		presetRow("profile", "Is the network profile of that name: a set of faults that make a network of that sort.", chaos.Profiles(), chaos.Profile),
		Builtin{dsl.Builtin{
			Family: "chaos", Returns: "faults",
			Sig: `pulse(fault: faults, on: duration, off: duration)`,
			Doc: "Makes a fault flap: it is on for on, off for off, and so on for as long as it is put on. Of a scenario or profile it makes every fault flap.",
			Ranges: map[string][2]float64{
				"on": {0.001, float64(100 * 365 * 24 * 3600)}, "off": {0.001, float64(100 * 365 * 24 * 3600)},
			},
		}, newPulse},
	)
}

// faultRow makes a constructor from a row of the table of kinds.
func faultRow(k chaos.Kind) Builtin {
	b := dsl.Builtin{
		Family: "chaos", Returns: "fault", Sig: k.Sig, Doc: k.Doc,
		Ranges: map[string][2]float64{}, Choices: map[string][]string{}, Help: map[string]string{},
	}
	if k.Targeted() {
		b.Doc += " Protocols: " + strings.Join(k.Protocols, ", ") + "."
		b.Help["probability"] = "the share of requests, connections or messages that it meets"
		b.Help["match"] = "narrows it to some requests: fault.match(…)"
	}
	for i := range k.Params {
		p := &k.Params[i]
		b.Help[p.Name] = p.Doc
		if len(p.Choices) > 0 {
			b.Choices[p.Name] = p.Choices
		}
		if lo, hi, ok := p.Range(); ok {
			unit := 1.0
			if p.Type == chaos.TypeDuration || p.Type == chaos.TypeRange {
				unit = float64(time.Second) // chaos counts nanoseconds, a signature seconds
			}
			b.Ranges[p.Name] = [2]float64{lo / unit, hi / unit}
		}
	}
	params := k.Params
	if k.Targeted() {
		params = append(params[:len(params):len(params)], chaos.ParamSpec{Name: "probability", Type: chaos.TypeShare}, chaos.ParamSpec{Name: "match"})
	}
	return Builtin{b, func(c *Call) (starlark.Value, error) { return newFault(c, k.Name, params) }}
}

func newFault(c *Call, kind string, params []chaos.ParamSpec) (starlark.Value, error) {
	args := map[string]any{}
	for i := range params {
		p := &params[i]
		if !c.Has(p.Name) {
			continue
		}
		arg, err := faultArg(p.Type, c.Value(p.Name))
		if err != nil {
			return nil, c.Errorf(p.Name, "%v", err)
		}
		args[p.Name] = arg
	}
	f, err := chaos.New(kind, args)
	if err != nil {
		return nil, faultError(c, err)
	}
	return &faultValue{BoundFault{Fault: f}}, nil
}

// faultArg turns an argument into what chaos.New reads. Its type was checked.
func faultArg(t chaos.ParamType, v starlark.Value) (any, error) {
	switch v := v.(type) {
	case *Ramp:
		if t == chaos.TypeRange {
			t = chaos.TypeDuration
		}
		start, err := faultNumber(t, v.Start)
		if err != nil {
			return nil, err
		}
		end, err := faultNumber(t, v.End)
		if err != nil {
			return nil, err
		}
		return chaos.Ramp(start, end, v.Over, v.Shape.Plain())
	case matchValue:
		return v.match, nil
	case *Probe:
		return v.spec, nil
	}
	switch t {
	case chaos.TypeDuration, chaos.TypeShare, chaos.TypePercent, chaos.TypeNumber, chaos.TypeInt, chaos.TypeSize, chaos.TypeBandwidth:
		n, err := faultNumber(t, v)
		return chaos.Const(n), err
	case chaos.TypeRange:
		var ends []any
		for _, e := range elements(v) {
			end, err := faultArg(chaos.TypeDuration, e)
			if err != nil {
				return nil, err
			}
			ends = append(ends, end)
		}
		return ends, nil
	case chaos.TypeJSON:
		return ToJSON(v)
	}
	return plainValue(v, 0)
}

// faultNumber reads a number as package chaos counts it: durations in nanoseconds.
func faultNumber(t chaos.ParamType, v starlark.Value) (float64, error) {
	var s slot
	ok, err := convert(string(t), v, &s)
	switch {
	case !ok:
		return 0, fmt.Errorf("expected %s, got %s", phrases[string(t)], describe(v))
	case err != nil:
		return 0, err
	case t == chaos.TypeDuration:
		return float64(s.i), nil
	}
	return s.f, nil
}

// plainValue turns strings, numbers, lists and dicts into Go's, as JSON would.
func plainValue(v starlark.Value, depth int) (any, error) {
	if depth > 20 {
		return nil, fmt.Errorf("the value is nested more than 20 deep")
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		return bool(v), nil
	case starlark.Int:
		n, ok := v.Int64()
		if !ok {
			return nil, fmt.Errorf("the number must fit 64 bits")
		}
		return n, nil
	case starlark.Float:
		return float64(v), nil
	case Duration:
		return time.Duration(v), nil
	case *starlark.Dict:
		out := map[string]any{}
		for k, e := range v.Entries() {
			name, ok := text(k)
			if !ok {
				return nil, fmt.Errorf("expected strings as keys, got %s", describe(k))
			}
			plain, err := plainValue(e, depth+1)
			if err != nil {
				return nil, err
			}
			out[name] = plain
		}
		return out, nil
	case *starlark.List, starlark.Tuple:
		out := []any{}
		for _, e := range elements(v) {
			plain, err := plainValue(e, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, plain)
		}
		return out, nil
	}
	if s, ok := text(v); ok {
		return s, nil
	}
	return nil, fmt.Errorf("%s is not possible here", withArticle(v.Type()))
}

// paramError fits errors of package chaos that are about one parameter, or one of match.
var paramError = regexp.MustCompile(`(?s)^(?:parameter |match |parameter match )(\w+)(?:: | )(.*)$`)

// faultError makes an ArgError of an error of package chaos.
func faultError(c *Call, err error) error {
	message := strings.TrimPrefix(err.Error(), "fault "+strings.TrimPrefix(c.Name, "fault.")+": ")
	if m := paramError.FindStringSubmatch(message); m != nil && slices.Contains(c.f.paramNames(), m[1]) {
		return c.Errorf(m[1], "%s", m[2])
	}
	return c.Errorf("", "%s", message)
}

func newPulse(c *Call) (starlark.Value, error) {
	p := &chaos.Pulse{On: c.Duration("on"), Off: c.Duration("off")}
	flap := func(f BoundFault) (BoundFault, error) {
		if f.Fault.Pulse != nil {
			return f, c.Errorf("fault", "fault %s has a pulse already", f.Fault.Kind)
		}
		f.Fault.Pulse = p
		return f, f.Fault.Validate()
	}
	v := c.Value("fault")
	if list := elements(v); list != nil {
		set, err := Faults(v)
		if err != nil {
			return nil, c.Errorf("fault", "%v", err)
		}
		all := make(starlark.Tuple, len(set))
		for i, f := range set {
			if all[i], err = mapFaults(&faultValue{f}, flap); err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	return mapFaults(v, flap)
}

// presetRow makes scenario or profile.
func presetRow(typ, doc string, presets []chaos.Preset, find func(string) ([]chaos.Fault, error)) Builtin {
	for _, p := range presets {
		doc += fmt.Sprintf(" %q: %s.", p.Name, p.Doc)
	}
	return Builtin{dsl.Builtin{
		Family: "chaos", Returns: "faults", Doc: doc,
		Sig: typ + `(name: string)`,
	}, func(c *Call) (starlark.Value, error) {
		own := ownScenarios(c, typ)
		if _, ok := own[c.String("name")]; ok {
			return ownScenario(c)
		}
		faults, err := find(c.String("name"))
		if err != nil {
			names := keys(own)
			for _, p := range presets {
				names = append(names, p.Name)
			}
			e := c.Errorf("name", "%v", err)
			if near := nearest.Of(c.String("name"), names); near != "" && near != c.String("name") {
				return nil, e.WithHint("did you mean %q?", near)
			}
			return nil, e
		}
		set := &faultSet{typ: typ, name: c.String("name")}
		for _, f := range faults {
			set.faults = append(set.faults, &faultValue{BoundFault{Fault: f}})
		}
		return set, nil
	}}
}
