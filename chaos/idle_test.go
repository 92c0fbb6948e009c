package chaos

import (
	"slices"
	"testing"
)

// A fault is idle if nothing of what it does is ever above 0.
func TestIdle(t *testing.T) {
	ramp := map[string]any{"ramp": map[string]any{"start": 0, "end": 1, "over": "1s"}}
	for _, test := range []struct {
		kind string
		args map[string]any
		want bool
	}{
		{"latency", map[string]any{"delay": 0}, true},
		{"latency", map[string]any{"delay": 0, "jitter_percent": 50}, true},
		{"latency", map[string]any{"between": []any{0, 0}}, true},
		{"latency", map[string]any{"between": []any{0, "1ms"}}, false},
		{"latency", map[string]any{"delay": 0, "jitter": "1ms"}, false},
		{"latency", map[string]any{"delay": ramp}, false},
		{"packet_loss", map[string]any{"percent": 0}, true},
		{"packet_loss", map[string]any{"percent": ramp}, false},
		{"ws_delay", map[string]any{"delay": 0}, true},
		{"ws_delay", map[string]any{"delay": 0, "jitter": "1ms"}, false},
		{"slow_close", map[string]any{"delay": 0}, true},
		{"graphql_slow_fields", map[string]any{"fields": "a", "delay": 0}, true},
		{"reset", nil, false},
		{"limit_data", map[string]any{"bytes": 0}, false},
	} {
		f, err := New(test.kind, test.args)
		if err != nil {
			t.Fatal(err)
		}
		if f.Idle() != test.want {
			t.Errorf("%s: idle is %v, want %v", f, f.Idle(), test.want)
		}
	}
	for _, k := range Kinds() {
		for _, name := range k.does {
			if !slices.ContainsFunc(k.Params, func(p ParamSpec) bool { return p.Name == name }) {
				t.Errorf("%s has no parameter %s", k.Name, name)
			}
		}
	}
}
