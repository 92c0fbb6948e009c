package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"starquake/chaos"
	"starquake/units"
)

// A toxic is a fault in the words of Toxiproxy. There is one mechanism: what is added as
// a toxic is seen as a fault by /v1, under the same name, and the other way round.

// toxicRow is one type of toxic.
type toxicRow struct {
	name       string
	attributes []string
	// fault gives the kind of fault that it is, and its parameters; "" is none.
	fault func(a map[string]int64) (kind string, args map[string]any)
}

// toxicRows are the types of Toxiproxy. Durations are seconds here.
func toxicRows() []toxicRow {
	const ms, us = 1e-3, 1e-6
	return []toxicRow{
		{"latency", []string{"latency", "jitter"}, func(a map[string]int64) (string, map[string]any) {
			return "latency", map[string]any{"delay": float64(a["latency"]) * ms, "jitter": float64(a["jitter"]) * ms}
		}},
		{"bandwidth", []string{"rate"}, func(a map[string]int64) (string, map[string]any) {
			if a["rate"] == 0 {
				return "blackhole", map[string]any{}
			}
			return "bandwidth", map[string]any{"rate": float64(a["rate"]) * 1000}
		}},
		{"slow_close", []string{"delay"}, func(a map[string]int64) (string, map[string]any) {
			return "slow_close", map[string]any{"delay": float64(a["delay"]) * ms}
		}},
		{"timeout", []string{"timeout"}, func(a map[string]int64) (string, map[string]any) {
			if a["timeout"] == 0 {
				return "blackhole", map[string]any{}
			}
			return "timeout", map[string]any{"after": float64(a["timeout"]) * ms}
		}},
		{"reset_peer", []string{"timeout"}, func(a map[string]int64) (string, map[string]any) {
			return "reset", map[string]any{"after": float64(a["timeout"]) * ms}
		}},
		{"slicer", []string{"average_size", "size_variation", "delay"}, func(a map[string]int64) (string, map[string]any) {
			average := a["average_size"]
			if average == 0 { // nothing is cut
				average = 1 << 30
			}
			return "slicer", map[string]any{"average": float64(average), "variation": float64(a["size_variation"]), "delay": float64(a["delay"]) * us}
		}},
		{"limit_data", []string{"bytes"}, func(a map[string]int64) (string, map[string]any) {
			return "limit_data", map[string]any{"bytes": float64(a["bytes"])}
		}},
		{"noop", nil, func(map[string]int64) (string, map[string]any) { return "", nil }},
	}
}

// toxic is a toxic as the API writes it. What Toxiproxy does not have is there only if it
// was given.
type toxic struct {
	Attributes any     `json:"attributes"`
	Name       string  `json:"name"`
	Type       string  `json:"type"`
	Stream     string  `json:"stream"`
	Toxicity   float32 `json:"toxicity"`
	// TTL is how long it lives without being updated; Seed and Match are those of a fault.
	TTL   string          `json:"ttl,omitempty"`
	Seed  *uint64         `json:"seed,omitempty"`
	Match json.RawMessage `json:"match,omitempty"`
}

// toxicInput is a toxic as a request has it. The names of these types are in the messages
// of package json, as those of Toxiproxy are.
type toxicInput struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Stream     string          `json:"stream"`
	Toxicity   float32         `json:"toxicity"`
	Attributes attributes      `json:"attributes"`
	TTL        string          `json:"ttl"`
	Seed       *uint64         `json:"seed"`
	Match      json.RawMessage `json:"match"`
}

// attributes are those that a request gives.
type attributes map[string]json.RawMessage

// UnmarshalJSON fills in the defaults.
func (in *toxicInput) UnmarshalJSON(data []byte) error {
	type ToxicWrapper toxicInput
	w := ToxicWrapper{Stream: "downstream", Toxicity: 1}
	err := json.Unmarshal(data, &w)
	*in = toxicInput(w)
	return err
}

// The errors of Toxiproxy.
var (
	errInvalidStream = &apiError{"stream was invalid, can be either upstream or downstream", http.StatusBadRequest}
	errInvalidToxic  = &apiError{"invalid toxic type", http.StatusBadRequest}
	errToxicExists   = &apiError{"toxic already exists", http.StatusConflict}
	errNoToxic       = &apiError{"toxic not found", http.StatusNotFound}
)

func badBody(err error) error {
	return &apiError{"bad request body: " + err.Error(), http.StatusBadRequest}
}

// newToxic makes the toxic that a request asks for, and what puts it on.
// taken says which names it cannot have.
func (p *Plane) newToxic(in toxicInput, taken func(name string) bool) (*toxic, Put, error) {
	if s := strings.ToLower(in.Stream); s != "upstream" && s != "downstream" {
		return nil, Put{}, errInvalidStream
	}
	if in.Name == "" {
		in.Name = in.Type + "_" + in.Stream
	}
	if k, err := chaos.KindOf(in.Type); (err != nil || !k.Targeted()) && !slices.ContainsFunc(toxicRows(), func(r toxicRow) bool { return r.name == in.Type }) {
		return nil, Put{}, errInvalidToxic
	}
	if taken(in.Name) {
		return nil, Put{}, errToxicExists
	}
	t := &toxic{Name: in.Name, Type: in.Type, Stream: in.Stream, Toxicity: in.Toxicity, TTL: in.TTL, Seed: in.Seed, Match: notNull(in.Match)}
	kind, args, err := t.read(in.Attributes, nil)
	if err != nil {
		return nil, Put{}, err
	}
	put, err := p.putOf(t, kind, args)
	return t, put, err
}

func notNull(raw json.RawMessage) json.RawMessage {
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return nil
	}
	return raw
}

// updated makes a toxic with what a request changes: attributes are merged.
func (p *Plane) updated(old *toxic, body []byte) (*toxic, Put, error) {
	in := toxicInput{Toxicity: old.Toxicity, TTL: old.TTL, Seed: old.Seed, Match: old.Match}
	type plain toxicInput // without the defaults
	if err := decodeFirst(body, (*plain)(&in)); err != nil {
		return nil, Put{}, badBody(err)
	}
	t := &toxic{Name: old.Name, Type: old.Type, Stream: old.Stream, Toxicity: in.Toxicity, TTL: in.TTL, Seed: in.Seed, Match: notNull(in.Match)}
	kind, args, err := t.read(in.Attributes, old.Attributes)
	if err != nil {
		return nil, Put{}, err
	}
	put, err := p.putOf(t, kind, args)
	return t, put, err
}

// read sets the attributes, given ones over old ones, and returns the fault that they are.
func (t *toxic) read(given attributes, old any) (kind string, args map[string]any, err error) {
	rows := toxicRows()
	i := slices.IndexFunc(rows, func(r toxicRow) bool { return r.name == t.Type })
	if i < 0 {
		return t.readKind(given, old)
	}
	row := rows[i]
	values := map[string]int64{}
	was, _ := old.(map[string]int64)
	for _, name := range row.attributes {
		values[name] = was[name]
	}
	for name, raw := range given {
		known := slices.IndexFunc(row.attributes, func(a string) bool { return strings.EqualFold(a, name) })
		if known < 0 {
			return "", nil, badBody(fmt.Errorf("a toxic of type %s has no attribute %q; it has %q", t.Type, name, row.attributes))
		}
		v := values[row.attributes[known]] // null leaves it
		if err := json.Unmarshal(raw, &v); err != nil {
			return "", nil, badBody(fmt.Errorf("attribute %s of a toxic of type %s is a whole number: %w", name, t.Type, err))
		}
		if v < 0 {
			return "", nil, badBody(fmt.Errorf("attribute %s of a toxic of type %s is %d: expected 0 or more", name, t.Type, v))
		}
		values[row.attributes[known]] = v
	}
	t.Attributes = values
	kind, args = row.fault(values)
	return kind, args, nil
}

// readKind is for the kinds of fault that Toxiproxy does not have: their parameters are
// the attributes.
func (t *toxic) readKind(given attributes, old any) (kind string, args map[string]any, err error) {
	values := map[string]any{}
	if was, ok := old.(map[string]any); ok {
		for name, v := range was {
			values[name] = v
		}
	}
	for name, raw := range given {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			return "", nil, badBody(err)
		}
		values[name] = v
	}
	t.Attributes = values
	args = map[string]any{}
	for name, v := range values {
		if name == "probability" || name == "match" || name == "pulse" {
			return "", nil, badBody(fmt.Errorf("%s is no attribute of a toxic; its toxicity is the probability, and match stands beside the attributes", name))
		}
		args[name] = v
	}
	return t.Type, args, nil
}

// putOf is what puts a toxic on.
func (p *Plane) putOf(t *toxic, kind string, args map[string]any) (Put, error) {
	put := Put{toxic: t, Seed: p.Seed}
	if t.Seed != nil {
		put.Seed = *t.Seed
	}
	if !(t.Toxicity >= 0 && t.Toxicity <= 1) { // no number is neither
		return put, badBody(fmt.Errorf("toxicity is %v: expected 0 to 1", t.Toxicity))
	}
	if t.TTL != "" {
		ttl, err := units.ParseDuration(t.TTL)
		if err == nil && (ttl < MinTTL || ttl > MaxTTL) {
			err = fmt.Errorf("expected %s to %s, got %s", units.FormatDuration(MinTTL), units.FormatDuration(MaxTTL), units.FormatDuration(ttl))
		}
		if err != nil {
			return put, badBody(fmt.Errorf("ttl: %w", err))
		}
		put.TTL = ttl
	}
	if kind == "" {
		return put, nil
	}
	// As it is written in the request, not as 32 bits come nearest to it.
	args["probability"], _ = strconv.ParseFloat(strconv.FormatFloat(float64(t.Toxicity), 'g', -1, 32), 64)
	if len(t.Match) > 0 {
		var match map[string]any
		if err := json.Unmarshal(t.Match, &match); err != nil {
			return put, badBody(fmt.Errorf("match: %w", err))
		}
		args["match"] = match
	}
	k, err := chaos.KindOf(kind)
	if err != nil {
		return put, err
	}
	if _, given := args["direction"]; !given && slices.ContainsFunc(k.Params, func(s chaos.ParamSpec) bool { return s.Name == "direction" }) {
		args["direction"] = "response"
		if strings.EqualFold(t.Stream, "upstream") {
			args["direction"] = "request"
		}
	}
	if put.Fault, err = chaos.New(kind, args); err != nil {
		return put, badBody(err)
	}
	return put, nil
}

// asToxic is a fault that /v1 has put on, in the words of Toxiproxy: the type is its kind,
// and the attributes are its parameters.
func asToxic(id string, f *chaos.Fault) (*toxic, error) {
	text, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	var form struct {
		Params map[string]any
		Match  json.RawMessage
	}
	if err := json.Unmarshal(text, &form); err != nil {
		return nil, err
	}
	if form.Params == nil {
		form.Params = map[string]any{}
	}
	t := &toxic{Name: id, Type: f.Kind, Stream: "downstream", Toxicity: float32(f.Probability.Start), Attributes: form.Params, Match: form.Match}
	if f.Text("direction") == "request" {
		t.Stream = "upstream"
	}
	return t, nil
}

// decodeFirst reads the first JSON value of a body, as Toxiproxy does.
func decodeFirst(body []byte, v any) error { return json.NewDecoder(bytes.NewReader(body)).Decode(v) }
