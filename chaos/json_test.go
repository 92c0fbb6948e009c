package chaos_test

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"starquake/chaos"
	"starquake/units"
)

// faultFields is the canonical form as encoding/json would write it.
type faultFields struct {
	Kind        string         `json:"kind"`
	Params      map[string]any `json:"params,omitempty"`
	Probability any            `json:"probability,omitempty"`
	Match       *chaos.Match   `json:"match,omitempty"`
	Pulse       *pulseFields   `json:"pulse,omitempty"`
}

type pulseFields struct {
	On  string `json:"on"`
	Off string `json:"off"`
}

type rampFields struct {
	Start any    `json:"start"`
	End   any    `json:"end"`
	Over  string `json:"over"`
	Shape string `json:"shape"`
}

func fieldsOf(t *testing.T, f chaos.Fault) faultFields {
	out := faultFields{Kind: f.Kind, Match: f.Match}
	row, err := chaos.KindOf(f.Kind)
	if err != nil {
		t.Fatal(err)
	}
	if f.Probability != chaos.Const(1) {
		out.Probability = valueField(chaos.TypeShare, f.Probability)
	}
	if p := f.Pulse; p != nil {
		out.Pulse = &pulseFields{units.FormatDuration(p.On), units.FormatDuration(p.Off)}
	}
	for _, spec := range row.Params {
		value, given := f.Params[spec.Name]
		if !given {
			continue
		}
		if out.Params == nil {
			out.Params = map[string]any{}
		}
		switch v := value.(type) {
		case chaos.Value:
			value = valueField(spec.Type, v)
		case [2]chaos.Value:
			value = []any{valueField(chaos.TypeDuration, v[0]), valueField(chaos.TypeDuration, v[1])}
		case []int:
			if spec.Type == chaos.TypeGRPCCodes {
				names := make([]string, len(v))
				for i, code := range v {
					names[i] = chaos.GRPCName(code)
				}
				value = names
			}
		}
		out.Params[spec.Name] = value
	}
	return out
}

func valueField(t chaos.ParamType, v chaos.Value) any {
	number := func(n float64) any {
		if t == chaos.TypeDuration {
			return units.FormatDuration(time.Duration(math.Round(n)))
		}
		return n
	}
	if !v.IsRamp() {
		return number(v.Start)
	}
	shape := string(v.Shape)
	switch v.Shape {
	case chaos.Steps:
		shape = fmt.Sprintf("steps(%d)", v.Steps)
	case chaos.Sine:
		shape = "sine(" + units.FormatDuration(v.Period) + ")"
	}
	return map[string]any{"ramp": rampFields{number(v.Start), number(v.End), units.FormatDuration(v.Over), shape}}
}

// checkWritten holds what a fault writes against encoding/json, byte for byte.
func checkWritten(t *testing.T, f chaos.Fault) {
	t.Helper()
	got, err := f.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(fieldsOf(t, f))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("written %s\nwant    %s", got, want)
	}
	if whole, err := json.Marshal(f); string(whole) != string(got) { // which escapes, and looks whether it is JSON
		t.Errorf("written %s\nbut encoding/json makes of it %s, %v", got, whole, err)
	}
}

func TestFaultIsWrittenAsByEncodingJSON(t *testing.T) {
	for _, g := range goodFaults() {
		f, err := chaos.New(g.kind, g.args)
		if err != nil {
			t.Fatal(err)
		}
		checkWritten(t, f)
	}
	rapid.Check(t, func(r *rapid.T) {
		args := map[string]any{
			"delay":       time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(r, "delay")),
			"probability": rapid.Float64Range(0, 1).Draw(r, "probability"),
		}
		if rapid.Bool().Draw(r, "match") {
			args["match"] = map[string]any{"path": "/" + rapid.StringMatching(`[ -z]{0,10}[é<>&]?`).Draw(r, "path")}
		}
		f, err := chaos.New("latency", args)
		if err != nil {
			return // a path that is none
		}
		checkWritten(t, f)
		if f, err = chaos.New("bandwidth", map[string]any{"rate": rapid.Float64Range(1, 1e12).Draw(r, "rate")}); err == nil {
			checkWritten(t, f)
		}
	})
}

// statsFields is chaos.Stats as encoding/json would write it.
type statsFields struct {
	Seen         uint64  `json:"seen"`
	Hit          uint64  `json:"hit"`
	Probed       uint64  `json:"probed,omitempty"`
	Inapplicable uint64  `json:"inapplicable"`
	AskedMS      float64 `json:"asked_ms"`
	AchievedMS   float64 `json:"achieved_ms"`
	Released     uint64  `json:"released"`
	Delayed      uint64  `json:"delayed_bytes,omitempty"`
	Dropped      uint64  `json:"dropped_bytes,omitempty"`
}

func TestStatsAreWrittenAsByEncodingJSON(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		count := func(name string) uint64 {
			return rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64()).Draw(r, name)
		}
		took := func(name string) time.Duration {
			return time.Duration(rapid.OneOf(rapid.Int64Range(0, 100), rapid.Int64()).Draw(r, name))
		}
		s := chaos.Stats{
			Seen: count("seen"), Hit: count("hit"), Probed: count("probed"), Inapplicable: count("inapplicable"),
			Asked: took("asked"), Achieved: took("achieved"), Released: count("released"), Delayed: count("delayed"), Dropped: count("dropped"),
		}
		ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
		want, err := json.Marshal(statsFields{s.Seen, s.Hit, s.Probed, s.Inapplicable, ms(s.Asked), ms(s.Achieved), s.Released, s.Delayed, s.Dropped})
		if err != nil {
			r.Fatal(err)
		}
		if got, err := s.MarshalJSON(); string(got) != string(want) || err != nil {
			r.Errorf("written %s, %v\nwant    %s", got, err, want)
		}
	})
}
