package mockforge

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"starquake/chaos"
	"starquake/chaos/link"
)

// Kinds names the kinds of fault that a MockForge configuration can say.
func Kinds() []string {
	return []string{"bandwidth", "bulkhead", "circuit_breaker", "connection_error", "corrupt", "http_error", "latency",
		"max_connections", "packet_loss", "partial_response", "rate_limit", "timeout"}
}

// Fits says why MockForge cannot do a fault, which is valid; nil if it can.
func Fits(f *chaos.Fault) error {
	if !slices.Contains(Kinds(), f.Kind) {
		return fmt.Errorf("MockForge cannot do a fault of kind %s; it can %s", f.Kind, strings.Join(Kinds(), ", "))
	}
	if p := f.Pulse; p != nil && (p.On < link.MinPulse || p.Off < link.MinPulse) {
		return fmt.Errorf("MockForge cannot do this %s: a pulse is on and off for at least %s there", f.Kind, link.MinPulse)
	}
	// A ramp is sent as the constants that it comes by: its two ends tell of all.
	for _, at := range []time.Duration{0, math.MaxInt64} {
		if _, err := configOf([]chaos.Fault{constant(f, at)}); err != nil {
			return fmt.Errorf("MockForge cannot do this %s: %w", f.Kind, reasonOf(err))
		}
	}
	return nil
}

// reasonOf is an error without what repeats whose it is.
func reasonOf(err error) error {
	var not *chaos.NotInConfig
	if errors.As(err, &not) {
		return errors.New("its configuration: " + not.Reason)
	}
	return err
}

// constant is a fault as it is when elapsed has passed, without what changes with time.
func constant(f *chaos.Fault, elapsed time.Duration) chaos.Fault {
	out := *f
	out.Pulse = nil
	out.Probability = chaos.Const(f.Probability.At(elapsed))
	out.Params = maps.Clone(f.Params)
	for name, p := range out.Params {
		switch v := p.(type) {
		case chaos.Value:
			if v.IsRamp() {
				out.Params[name] = chaos.Const(rounded(f.Kind, name, v.At(elapsed)))
			}
		case [2]chaos.Value:
			out.Params[name] = [2]chaos.Value{
				chaos.Const(rounded(f.Kind, name, v[0].At(elapsed))), chaos.Const(rounded(f.Kind, name, v[1].At(elapsed))),
			}
		}
	}
	return canonical(out)
}

// canonical is a fault without parameters that say what holds anyway, as one is that a
// configuration was read into.
func canonical(f chaos.Fault) chaos.Fault {
	text, err := json.Marshal(f)
	if err != nil {
		return f
	}
	var out chaos.Fault
	if json.Unmarshal(text, &out) != nil {
		return f // which says itself what is wrong
	}
	return out
}

// rounded is a number on a ramp as the configuration counts it: durations in whole
// milliseconds, sizes and numbers whole, percentages as they are.
func rounded(kind, param string, n float64) float64 {
	row, err := chaos.KindOf(kind)
	if err != nil {
		return n
	}
	i := slices.IndexFunc(row.Params, func(p chaos.ParamSpec) bool { return p.Name == param })
	if i < 0 {
		return n
	}
	switch row.Params[i].Type {
	case chaos.TypeDuration, chaos.TypeRange:
		return math.Round(n/float64(time.Millisecond)) * float64(time.Millisecond)
	case chaos.TypePercent, chaos.TypeShare:
		return n
	}
	return math.Round(n)
}

// configOf is the configuration that constant faults amount to together: equal kinds
// compose as FAULTS.md says where one entry can say it, else it is an error.
func configOf(faults []chaos.Fault) (map[string]any, error) {
	var merged []chaos.Fault
	for _, f := range faults {
		if idle(&f) {
			continue
		}
		i := slices.IndexFunc(merged, func(m chaos.Fault) bool { return m.Kind == f.Kind })
		if i < 0 {
			merged = append(merged, f)
			continue
		}
		m, err := merge(&merged[i], &f)
		if err != nil {
			return nil, err
		}
		merged[i] = m
	}
	return chaos.ToConfig(merged)
}

// idle reports whether a constant fault does nothing: where a ramp begins, for one.
func idle(f *chaos.Fault) bool {
	return f.Probability == chaos.Const(0) || f.Kind == "packet_loss" && f.Number("percent") == chaos.Const(0)
}

// mergeRule says how two faults of a kind are one: the parameter that is combined. All
// else of them must be equal.
type mergeRule struct {
	kind, param string
	combine     func(a, b float64) float64
}

func mergeRules() []mergeRule {
	return []mergeRule{
		{"latency", "delay", func(a, b float64) float64 { return a + b }},
		{"bandwidth", "rate", math.Min},
		{"rate_limit", "rate", math.Min},
		{"max_connections", "n", math.Min},
		{"bulkhead", "max_concurrent", math.Min},
		{"packet_loss", "percent", func(a, b float64) float64 { return 100 - (100-a)*(100-b)/100 }},
	}
}

// merge makes one fault of two of a kind.
func merge(a, b *chaos.Fault) (chaos.Fault, error) {
	no := fmt.Errorf("MockForge has one fault of kind %s at a time: %s and %s cannot be one", a.Kind, a, b)
	rules := mergeRules()
	i := slices.IndexFunc(rules, func(r mergeRule) bool { return r.kind == a.Kind })
	if i < 0 || a.Probability != chaos.Const(1) || b.Probability != chaos.Const(1) {
		return chaos.Fault{}, no
	}
	rule := rules[i]
	va, oka := a.Value(rule.param)
	vb, okb := b.Value(rule.param)
	if !oka || !okb {
		return chaos.Fault{}, no
	}
	out, other := *a, maps.Clone(b.Params)
	out.Params = maps.Clone(a.Params)
	delete(out.Params, rule.param)
	delete(other, rule.param)
	if !reflect.DeepEqual(out.Params, other) && len(out.Params)+len(other) > 0 {
		return chaos.Fault{}, no
	}
	if out.Params == nil {
		out.Params = map[string]any{}
	}
	out.Params[rule.param] = chaos.Const(rule.combine(va.Start, vb.Start))
	return canonical(out), nil
}

// over lays the configuration of faults over the prior one. A block that is written is
// complete, since MockForge wants every key of it.
func over(prior map[string]any, config map[string]any) map[string]any {
	out := maps.Clone(prior)
	if out == nil {
		out = map[string]any{}
	}
	defaults := blocks()
	if !on(prior) {
		// What slept in the configuration must not wake up beside our faults.
		for name := range defaults {
			out[name] = nil
		}
	}
	for name, block := range config {
		full := maps.Clone(defaults[name])
		if was, ok := out[name].(map[string]any); ok { // keys of versions that we do not know
			maps.Copy(full, was)
		}
		if name == "fault_injection" { // what is not asked for is not on, whatever it was
			for key := range full {
				if on, ok := full[key].(bool); ok && on {
					full[key] = false
				}
			}
			full["http_error_probability"] = 0
		}
		maps.Copy(full, block.(map[string]any))
		full["enabled"] = true
		out[name] = full
	}
	out["enabled"] = true
	return normal(out)
}

// blocks are the blocks of a configuration with all keys that MockForge wants, as they
// are where nothing is asked for.
func blocks() map[string]map[string]any {
	return map[string]map[string]any{
		"latency": {"fixed_delay_ms": nil, "random_delay_range_ms": nil, "jitter_percent": 0, "probability": 1},
		"fault_injection": {
			"http_errors": []any{500, 502, 503, 504}, "http_error_probability": 0,
			"connection_errors": false, "connection_error_probability": 0, "timeout_errors": false, "timeout_ms": 5000, "timeout_probability": 0,
			"partial_responses": false, "partial_response_probability": 0,
			"payload_corruption": false, "payload_corruption_probability": 0, "corruption_type": "none",
		},
		"rate_limit":      {"requests_per_second": 100, "burst_size": 10, "per_ip": false, "per_endpoint": false},
		"traffic_shaping": {"bandwidth_limit_bps": 0, "packet_loss_percent": 0, "max_connections": 0, "connection_timeout_ms": 30000},
		"circuit_breaker": {
			"failure_threshold": 5, "success_threshold": 2, "timeout_ms": 60000, "half_open_max_requests": 3,
			"failure_rate_threshold": 50, "min_requests_for_rate": 10, "rolling_window_ms": 10000,
		},
		"bulkhead": {"max_concurrent_requests": 100, "max_queue_size": 10, "queue_timeout_ms": 5000},
	}
}

// normal gives a configuration as JSON reads it, so that it can be compared.
func normal(config map[string]any) map[string]any {
	text, err := json.Marshal(config)
	if err != nil {
		return config
	}
	var out map[string]any
	if json.Unmarshal(text, &out) != nil {
		return config
	}
	return out
}

// has reports whether a configuration that was read has all that was written. Keys that
// only it has do not matter: versions differ in them.
func has(read, written any) bool {
	switch w := written.(type) {
	case map[string]any:
		r, ok := read.(map[string]any)
		if !ok {
			return false
		}
		for key, value := range w {
			if _, there := r[key]; !there && !isBlock(value) {
				continue // a key that this version does not know: it was not taken, and asks for nothing
			}
			if !has(r[key], value) {
				return false
			}
		}
		return true
	case []any:
		r, ok := read.([]any)
		if !ok || len(r) != len(w) {
			return false
		}
		for i := range w {
			if !has(r[i], w[i]) {
				return false
			}
		}
		return true
	case float64:
		r, ok := read.(float64)
		return ok && math.Abs(r-w) <= 1e-6*math.Max(1, math.Abs(w))
	}
	return reflect.DeepEqual(read, written)
}

// hasMore reports whether a configuration that was read has a block in force of which there
// was nothing in what was written: the one that was there before.
func hasMore(read, written map[string]any) bool {
	for name := range blocks() {
		if block, _ := read[name].(map[string]any); on(block) && written[name] == nil {
			return true
		}
	}
	return false
}

// isBlock reports whether a value is more than nothing: what is missing where it was
// written was not done.
func isBlock(value any) bool {
	switch v := value.(type) {
	case nil:
		return false
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v != "" && v != "none" && v != "http503" // which say what holds anyway
	}
	return true
}
