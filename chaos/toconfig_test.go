package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// configFaults draws faults that a config can say, in the order in which FromConfig
// gives them.
func configFaults(t *rapid.T) []Fault {
	share := rapid.SampledFrom([]float64{1, 0.5, 0.25, 0.1, 0.05, 0.333, 0.0001})
	ms := rapid.Custom(func(t *rapid.T) string {
		return fmt.Sprintf("%d.%03dms", rapid.IntRange(1, 100_000).Draw(t, "ms"), rapid.IntRange(0, 999).Draw(t, "µs"))
	})
	count := rapid.IntRange(1, 1000)
	var match any
	if rapid.Bool().Draw(t, "match") {
		match = map[string]any{
			"source": []any{"10.0.0.0/8", "192.0.2.1"}, "headers": map[string]any{"x-a": "1", "x-b": "two"},
			"body_size": rapid.SampledFrom([]any{nil, []any{0, 100}, []any{5, nil}, []any{5, 7}}).Draw(t, "size"),
			"chunked":   rapid.SampledFrom([]any{nil, true}).Draw(t, "chunked"),
		}
	}
	var faults []Fault
	add := func(kind string, a args) {
		if !rapid.Bool().Draw(t, kind) {
			return
		}
		f, err := New(kind, a)
		if err != nil {
			t.Fatal(err)
		}
		faults = append(faults, f)
	}
	latency := args{"delay": ms.Draw(t, "delay"), "jitter_percent": rapid.SampledFrom([]float64{0, 10, 12.5}).Draw(t, "jitter"), "probability": share.Draw(t, "p")}
	if rapid.Bool().Draw(t, "between") {
		latency["between"] = []any{"100ms", "250ms"}
	}
	add("latency", latency)
	pattern := rapid.SampledFrom([]any{nil, "burst(5, 10s)", "burst(1, 250ms)", "sequence(503, 500)"}).Draw(t, "pattern")
	add("http_error", args{"codes": codes(rapid.SliceOfN(rapid.IntRange(400, 599), 1, 4).Draw(t, "codes")...), "probability": share.Draw(t, "p"), "pattern": pattern, "match": match})
	add("connection_error", args{"kind": rapid.SampledFrom([]string{"http_503", "tcp_reset", "tcp_close"}).Draw(t, "kind"), "probability": share.Draw(t, "p"), "match": match})
	add("timeout", args{"after": ms.Draw(t, "after"), "probability": share.Draw(t, "p"), "match": match})
	add("partial_response", args{"probability": share.Draw(t, "p"), "match": match})
	add("corrupt", args{"kind": rapid.SampledFrom(corruptions()).Draw(t, "kind"), "probability": share.Draw(t, "p"), "match": match})
	rate, burst := count.Draw(t, "rate"), count.Draw(t, "burst")
	switch per := rapid.SampledFrom([]string{"all", "ip", "endpoint", "both"}).Draw(t, "per"); per {
	case "both":
		before := len(faults)
		add("rate_limit", args{"rate": rate, "burst": burst, "per": "ip"})
		if len(faults) > before {
			f, err := New("rate_limit", args{"rate": rate, "burst": burst, "per": "endpoint"})
			if err != nil {
				t.Fatal(err)
			}
			faults = append(faults, f)
		}
	default:
		add("rate_limit", args{"rate": rate, "burst": burst, "per": per})
	}
	add("bandwidth", args{"rate": rapid.IntRange(1, 1<<40).Draw(t, "bps")})
	add("packet_loss", args{"percent": rapid.SampledFrom([]float64{0.5, 5, 100}).Draw(t, "loss")})
	add("max_connections", args{"n": count.Draw(t, "n")})
	add("circuit_breaker", args{
		"failure_threshold": count.Draw(t, "a"), "success_threshold": count.Draw(t, "b"), "timeout": ms.Draw(t, "c"), "half_open_max": count.Draw(t, "d"),
		"failure_rate_percent": rapid.SampledFrom([]float64{50, 12.5, 100}).Draw(t, "e"), "min_requests": count.Draw(t, "f"), "window": ms.Draw(t, "g"),
	})
	add("bulkhead", args{"max_concurrent": count.Draw(t, "a"), "queue": count.Draw(t, "b"), "queue_timeout": ms.Draw(t, "c")})
	return faults
}

func TestToConfigIsTheInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		faults := configFaults(t)
		config, err := ToConfig(faults)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		var read map[string]any
		if err := json.Unmarshal(raw, &read); err != nil {
			t.Fatal(err)
		}
		back, warnings, err := FromConfig(read)
		if err != nil || len(warnings) > 0 {
			t.Fatal(err, warnings)
		}
		if !reflect.DeepEqual(back, faults) && len(faults) > 0 {
			t.Fatalf("%s\n%s", raw, cmp.Diff(faults, back))
		}
	})
}

// TestToConfigOfPresets says which of the predefined sets a config can say: all.
func TestToConfigOfPresets(t *testing.T) {
	for _, p := range append(Scenarios(), Profiles()...) {
		faults, err := Scenario(p.Name)
		if err != nil {
			faults, err = Profile(p.Name)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ToConfig(faults); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

func TestNotInConfig(t *testing.T) {
	latency := func(more args) Fault {
		more["delay"] = "10ms"
		f, err := New("latency", more)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	of := func(kind string, a args) Fault {
		f, err := New(kind, a)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	ramp := map[string]any{"ramp": map[string]any{"start": 0, "end": 1, "over": "10s"}}
	for _, test := range []struct {
		name   string
		faults []Fault
		index  int
		want   string
	}{
		{"kind", []Fault{latency(args{}), of("refuse", nil)}, 1, "this refuse: it has no key for this kind"},
		{"twice", []Fault{latency(args{}), latency(args{})}, 1, "one fault of a kind"},
		{"limits", []Fault{of("rate_limit", args{"rate": 1, "per": "ip"}), of("rate_limit", args{"rate": 2, "per": "endpoint"})}, 0, "another fault"},
		{"same limits", []Fault{of("rate_limit", args{"rate": 1}), of("rate_limit", args{"rate": 1})}, -1, "the 2 faults would be read back as 1"},
		{"jitter", []Fault{latency(args{"jitter": "5ms"})}, 0, "no key for jitter"},
		{"direction", []Fault{latency(args{"direction": "both"})}, 0, "no key for direction"},
		{"pulse", []Fault{latency(args{"pulse": Pulse{1e9, 1e9}})}, 0, "no key for a pulse"},
		{"ramp", []Fault{latency(args{"probability": ramp})}, 0, "the probability is a ramp"},
		{"ramp of a parameter", []Fault{of("latency", args{"delay": ramp})}, 0, "delay is a ramp"},
		{"match", []Fault{latency(args{"match": map[string]any{"path": "/a"}})}, 0, "no key for a match of this kind"},
		{"path", []Fault{of("timeout", args{"after": "1s", "match": map[string]any{"path": "/a"}})}, 0, "request_matcher has no key for"},
		{"matches", []Fault{of("timeout", args{"after": "1s"}), of("http_error", args{"codes": 500, "match": map[string]any{"chunked": true}})}, 1, "theirs differ"},
		{"probability", []Fault{of("bandwidth", args{"rate": 1, "probability": 0.5})}, 0, "no key for the probability of this kind"},
		{"never", []Fault{of("timeout", args{"after": "1s", "probability": 0})}, 0, "another fault"},
		{"pass", []Fault{of("http_error", args{"codes": 500, "pattern": "sequence(500, pass)"})}, 0, "none that passes"},
		{"body", []Fault{of("http_error", args{"codes": 500, "body": "no"})}, 0, "no key for body"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ToConfig(test.faults)
			var not *NotInConfig
			if !errors.As(err, &not) || not.Index != test.index || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want one of fault %d with %q", err, test.index, test.want)
			}
		})
	}
}
