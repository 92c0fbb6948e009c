package chaos

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// NotInConfig says that a fault cannot be said in a config of orchestration files.
type NotInConfig struct {
	// Index is that of the fault, or -1 where it is about all of them.
	Index int
	// Kind is the fault's.
	Kind string
	// Reason says what a config has no key for.
	Reason string
}

// Error says which fault, and why.
func (e *NotInConfig) Error() string {
	if e.Kind == "" {
		return "a config cannot say it: " + e.Reason
	}
	return fmt.Sprintf("a config cannot say this %s: %s", e.Kind, e.Reason)
}

// ToConfig gives faults as a config of orchestration files; FromConfig reads the same
// faults back, in the order of the config's blocks. Where a config cannot say them the
// error is a *NotInConfig.
func ToConfig(faults []Fault) (map[string]any, error) {
	c := configWriter{config: map[string]any{}}
	seen := map[string]bool{}
	for i := range faults {
		f := &faults[i]
		if seen[f.Kind] && f.Kind != "rate_limit" { // which can be two: by address and by endpoint
			return nil, &NotInConfig{i, f.Kind, "it has one fault of a kind, and there is another"}
		}
		seen[f.Kind] = true
		if err := c.add(f); err != "" {
			return nil, &NotInConfig{i, f.Kind, err}
		}
	}
	back, _, err := FromConfig(c.config)
	if err != nil {
		return nil, &NotInConfig{-1, "", err.Error()}
	}
	for i := range faults {
		if !slices.ContainsFunc(back, func(b Fault) bool { return reflect.DeepEqual(b, faults[i]) }) {
			return nil, &NotInConfig{i, faults[i].Kind, "it would be read back as another fault"}
		}
	}
	if len(back) != len(faults) {
		return nil, &NotInConfig{-1, "", fmt.Sprintf("the %d faults would be read back as %d", len(faults), len(back))}
	}
	return c.config, nil
}

// configWriter is one config being made.
type configWriter struct {
	config map[string]any
	// matcher is that of the block fault_injection, which its faults share.
	matcher *Match
	injects bool
}

// configRow says how a config writes a kind of fault.
type configRow struct {
	kind, block string
	// set is the key that switches the fault on, "" if the block or another key does.
	set string
	// keys are the parameters that have a key, in the order of the reference.
	keys []configKey
	// probability is the key of the probability, "" if it is always 1.
	probability string
}

// configKey is one parameter and its key.
type configKey struct {
	param, key string
	// ms says that the key counts milliseconds.
	ms bool
}

// configRows are the kinds of fault that a config can say.
func configRows() []configRow {
	return []configRow{
		{"latency", "latency", "", []configKey{{"delay", "fixed_delay_ms", true}, {"between", "random_delay_range_ms", true}, {"jitter_percent", "jitter_percent", false}}, "probability"},
		{"http_error", "fault_injection", "", []configKey{{"codes", "http_errors", false}, {"pattern", "error_pattern", false}}, "http_error_probability"},
		{"connection_error", "fault_injection", "connection_errors", []configKey{{"kind", "connection_error_kind", false}}, "connection_error_probability"},
		{"timeout", "fault_injection", "timeout_errors", []configKey{{"after", "timeout_ms", true}}, "timeout_probability"},
		{"partial_response", "fault_injection", "partial_responses", nil, "partial_response_probability"},
		{"corrupt", "fault_injection", "payload_corruption", []configKey{{"kind", "corruption_type", false}}, "payload_corruption_probability"},
		{"rate_limit", "rate_limit", "", []configKey{{"rate", "requests_per_second", false}, {"burst", "burst_size", false}, {"per", "", false}}, ""},
		{"bandwidth", "traffic_shaping", "", []configKey{{"rate", "bandwidth_limit_bps", false}}, ""},
		{"packet_loss", "traffic_shaping", "", []configKey{{"percent", "packet_loss_percent", false}}, ""},
		{"max_connections", "traffic_shaping", "", []configKey{{"n", "max_connections", false}}, ""},
		{"circuit_breaker", "circuit_breaker", "", []configKey{
			{"failure_threshold", "failure_threshold", false}, {"success_threshold", "success_threshold", false}, {"timeout", "timeout_ms", true},
			{"half_open_max", "half_open_max_requests", false}, {"failure_rate_percent", "failure_rate_threshold", false},
			{"min_requests", "min_requests_for_rate", false}, {"window", "rolling_window_ms", true},
		}, ""},
		{"bulkhead", "bulkhead", "", []configKey{
			{"max_concurrent", "max_concurrent_requests", false}, {"queue", "max_queue_size", false}, {"queue_timeout", "queue_timeout_ms", true},
		}, ""},
	}
}

// add writes one fault, or says why not.
func (c *configWriter) add(f *Fault) (reason string) {
	rows := configRows()
	i := slices.IndexFunc(rows, func(r configRow) bool { return r.kind == f.Kind })
	if i < 0 {
		return "it has no key for this kind of fault"
	}
	row := rows[i]
	if f.Pulse != nil {
		return "it has no key for a pulse"
	}
	if reason := c.match(f, row.block); reason != "" {
		return reason
	}
	block := c.block(row.block)
	isDefault := defaultsOf(row.block)
	if row.set != "" {
		block[row.set] = true
	}
	switch p := f.Probability; {
	case p.IsRamp():
		return "the probability is a ramp, and a config has only constants"
	case row.block == "latency" && p.Start == 1: // as it is without the key
	case row.probability != "":
		block[row.probability] = (&configKey{}).number(p.Start)
	case p.Start != 1:
		return "it has no key for the probability of this kind"
	}
	for _, name := range sortedKeys(f.Params) {
		if !slices.ContainsFunc(row.keys, func(k configKey) bool { return k.param == name }) {
			return "it has no key for " + name
		}
	}
	for _, key := range row.keys {
		value := f.get(key.param)
		if value == nil || value == "" {
			continue
		}
		_, given := f.Params[key.param]
		if !given && isDefault(&key, value) {
			continue
		}
		if reason := key.write(block, value); reason != "" {
			return reason
		}
	}
	return ""
}

// defaultsOf reports whether a parameter has the value that its key has by default.
func defaultsOf(block string) func(key *configKey, value any) bool {
	blocks := ConfigBlocks()
	i := slices.IndexFunc(blocks, func(k ConfigKey) bool { return k.Name == block })
	return func(key *configKey, value any) bool {
		v, isNumber := value.(Value)
		j := slices.IndexFunc(blocks[i].Keys, func(k ConfigKey) bool { return k.Name == key.key })
		return j >= 0 && isNumber && !v.IsRamp() && blocks[i].Keys[j].Default == fmt.Sprint(key.number(v.Start))
	}
}

// match notes a fault's match: the faults of fault_injection share one, others have none.
func (c *configWriter) match(f *Fault, block string) (reason string) {
	if block != "fault_injection" {
		if f.Match != nil {
			return "it has no key for a match of this kind"
		}
		return ""
	}
	if c.injects && !reflect.DeepEqual(f.Match, c.matcher) {
		return "it has one match for all faults that answer in the upstream's place, and theirs differ"
	}
	c.injects, c.matcher = true, f.Match
	if f.Match == nil {
		return ""
	}
	matcher, reason := matcherConfig(f.Match)
	c.block(block)["request_matcher"] = matcher
	return reason
}

func (c *configWriter) block(name string) map[string]any {
	block, ok := c.config[name].(map[string]any)
	if !ok {
		block = map[string]any{}
		c.config[name] = block
	}
	return block
}

// write writes one parameter, or says why not.
func (k *configKey) write(block map[string]any, value any) (reason string) {
	switch v := value.(type) {
	case Value:
		if v.IsRamp() {
			return k.param + " is a ramp, and a config has only constants"
		}
		block[k.key] = k.number(v.Start)
	case [2]Value:
		if v[0].IsRamp() || v[1].IsRamp() {
			return k.param + " is a ramp, and a config has only constants"
		}
		block[k.key] = []any{k.number(v[0].Start), k.number(v[1].Start)}
	case []int:
		list := make([]any, len(v))
		for i, n := range v {
			list[i] = int64(n)
		}
		block[k.key] = list
	case string:
		return k.writeText(block, v)
	}
	return ""
}

// number is a number as a config counts it: whole ones as integers.
func (k *configKey) number(n float64) any {
	if k.ms {
		n /= float64(time.Millisecond)
	}
	if n == math.Trunc(n) && math.Abs(n) < 1<<53 {
		return int64(n)
	}
	return n
}

func (k *configKey) writeText(block map[string]any, text string) (reason string) {
	switch k.param {
	case "per":
		switch text {
		case "ip":
			block["per_ip"] = true
		case "endpoint":
			block["per_endpoint"] = true
		}
	case "pattern":
		p, err := parsePattern(text)
		if err != nil {
			return err.Error()
		}
		block[k.key], reason = patternConfig(p)
		return reason
	default:
		if text == "http_503" {
			text = "http503"
		}
		block[k.key] = text
	}
	return ""
}

// patternConfig is a pattern as the key error_pattern has it.
func patternConfig(p pattern) (config map[string]any, reason string) {
	if len(p.sequence) == 0 {
		ms := configKey{ms: true}
		return map[string]any{"type": "burst", "count": int64(p.count), "interval_ms": ms.number(float64(p.interval))}, ""
	}
	list := make([]any, len(p.sequence))
	for i, code := range p.sequence {
		if code == 0 {
			return nil, "its sequence of statuses has none that passes"
		}
		list[i] = int64(code)
	}
	return map[string]any{"type": "sequential", "sequence": list}, ""
}

// matcherConfig is a match as the key request_matcher has it.
func matcherConfig(m *Match) (config map[string]any, reason string) {
	rest := *m
	rest.Source, rest.Headers, rest.BodySize, rest.Chunked = nil, nil, nil, nil
	if !reflect.DeepEqual(rest, Match{}) {
		return nil, "request_matcher has no key for " + strconv.Quote(rest.String())
	}
	config = map[string]any{}
	if len(m.Source) > 0 {
		list := make([]any, len(m.Source))
		for i, source := range m.Source {
			list[i] = source
		}
		config["source_ips"] = list
	}
	if len(m.Headers) > 0 {
		var list []any
		for _, name := range sortedKeys(m.Headers) {
			list = append(list, map[string]any{"name": name, "value": m.Headers[name]})
		}
		config["headers"] = list
	}
	if size := m.BodySize; size != nil {
		if size.Min > 0 {
			config["min_body_size_bytes"] = size.Min
		}
		if size.Max != NoMax {
			config["max_body_size_bytes"] = size.Max
		}
	}
	if m.Chunked != nil {
		if !*m.Chunked {
			return nil, "request_matcher has no key for bodies that are not chunked"
		}
		config["chunked_only"] = true
	}
	return config, ""
}
