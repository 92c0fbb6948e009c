package chaos

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"starquake/units"
)

// FromConfig makes the faults of a chaos configuration, which is what an orchestration
// file has under config and what a script may write as a dict. Numbers may be of any
// type of Go, *big.Int and json.Number among them; nil is a key without a value.
//
// err is ConfigErrors and holds everything that is wrong; warnings are there with and
// without it. An empty configuration has no faults, and neither has one that is not enabled.
func FromConfig(config map[string]any) (faults []Fault, warnings []ConfigNote, err error) {
	r := configReader{}
	root := configKeys()
	r.mapping(make([]string, 0, 8), root, config) // room for the path of any key
	for i := range root {
		block := &root[i]
		values, ok := config[block.Name].(map[string]any)
		if !ok || r.wrong(block.Name) {
			continue
		}
		r.block = configBlock{block.Name, block.Keys, values}
		if r.block.flag("enabled") {
			r.faultsOfBlock()
		}
	}
	if len(r.errors) > 0 {
		return nil, r.warnings, r.errors
	}
	if on, given := config["enabled"].(bool); given && !on {
		return nil, r.warnings, nil
	}
	return r.faults, r.warnings, nil
}

// configReader turns blocks into faults, one after the other.
type configReader struct {
	configChecker
	block  configBlock
	faults []Fault
}

// wrong reports whether an error has been found in a block.
func (r *configReader) wrong(block string) bool {
	return slices.ContainsFunc(r.errors, func(n ConfigNote) bool { return len(n.Path) > 0 && n.Path[0] == block })
}

// configBlock is a mapping of which every value has the type of its key.
type configBlock struct {
	name   string
	keys   []ConfigKey
	values map[string]any
}

func (b *configBlock) given(key string) bool { return b.values[key] != nil }

// value returns what was given, or the default.
func (b *configBlock) value(key string) any {
	if v := b.values[key]; v != nil {
		return v
	}
	if row := keyNamed(b.keys, key); row != nil {
		return row.standard
	}
	return nil
}

func (b *configBlock) flag(key string) bool {
	on, _ := b.value(key).(bool)
	return on
}

func (b *configBlock) text(key string) string {
	s, _ := b.value(key).(string)
	return s
}

func (b *configBlock) number(key string) float64 {
	n, _ := configNumber(b.value(key))
	return n
}

// millis returns a number of milliseconds as a duration.
func (b *configBlock) millis(key string) time.Duration {
	return millisDuration(b.number(key))
}

// numbers returns a list of numbers.
func (b *configBlock) numbers(key string) []float64 {
	list, _ := b.value(key).([]any)
	out := make([]float64, len(list))
	for i := range list {
		out[i], _ = configNumber(list[i])
	}
	return out
}

// add makes a fault of the block.
func (r *configReader) add(kind string, a args) {
	f, err := New(kind, a)
	if err != nil {
		r.fail(ConfigNote{Path: []string{r.block.name}, AtKey: true, Code: "bad_fault", Message: err.Error()})
		return
	}
	r.faults = append(r.faults, f)
}

// warnKey warns of a key of the block.
func (r *configReader) warnKey(key, code, format string, a ...any) {
	r.warn([]string{r.block.name, key}, code, format, a...)
}

func (r *configReader) faultsOfBlock() {
	b := &r.block
	switch b.name {
	case "latency":
		r.latency()
	case "fault_injection":
		r.faultInjection()
	case "rate_limit":
		r.rateLimit()
	case "traffic_shaping":
		if rate := b.number("bandwidth_limit_bps"); rate > 0 {
			r.add("bandwidth", args{"rate": rate})
		}
		if loss := b.number("packet_loss_percent"); loss > 0 {
			r.add("packet_loss", args{"percent": loss})
		}
		if n := b.number("max_connections"); n > 0 {
			r.add("max_connections", args{"n": n})
		}
	case "circuit_breaker":
		r.add("circuit_breaker", args{
			"failure_threshold": b.number("failure_threshold"), "success_threshold": b.number("success_threshold"),
			"timeout": b.millis("timeout_ms"), "half_open_max": b.number("half_open_max_requests"),
			"failure_rate_percent": b.number("failure_rate_threshold"), "min_requests": b.number("min_requests_for_rate"),
			"window": b.millis("rolling_window_ms"),
		})
	case "bulkhead":
		r.add("bulkhead", args{
			"max_concurrent": b.number("max_concurrent_requests"), "queue": b.number("max_queue_size"),
			"queue_timeout": b.millis("queue_timeout_ms"),
		})
	}
}

func (r *configReader) latency() {
	b := &r.block
	a := args{"jitter_percent": b.number("jitter_percent"), "probability": b.number("probability")}
	if b.given("fixed_delay_ms") {
		a["delay"] = b.millis("fixed_delay_ms")
	}
	if pair := b.numbers("random_delay_range_ms"); len(pair) == 2 {
		if pair[0] > pair[1] {
			r.fail(ConfigNote{Path: []string{b.name, "random_delay_range_ms"}, Code: "min_above_max",
				Message: fmt.Sprintf("the least delay %v is above the greatest %v; expected [min, max]", pair[0], pair[1])})
			return
		}
		a["between"] = []any{millisText(pair[0]), millisText(pair[1])}
	}
	if a["delay"] == nil && a["between"] == nil {
		r.warn([]string{b.name}, "no_effect", "latency adds no delay: it has neither fixed_delay_ms nor random_delay_range_ms")
		return
	}
	if b.number("probability") > 0 {
		r.add("latency", a)
	}
}

// millisDuration is a number of milliseconds as a duration. It is rounded, since 1.001 is
// a little less than that in binary.
func millisDuration(ms float64) time.Duration {
	return time.Duration(math.Round(ms * float64(time.Millisecond)))
}

// millisText writes milliseconds as a duration that New reads.
func millisText(ms float64) string {
	return units.FormatDuration(millisDuration(ms))
}

func (r *configReader) rateLimit() {
	b := &r.block
	per := []string{}
	if b.flag("per_ip") {
		per = append(per, "ip")
	}
	if b.flag("per_endpoint") {
		per = append(per, "endpoint")
	}
	if len(per) == 0 {
		per = append(per, "all")
	}
	for _, what := range per { // both: a request has to pass both limits
		r.add("rate_limit", args{"rate": b.number("requests_per_second"), "burst": b.number("burst_size"), "per": what})
	}
}

func (r *configReader) faultInjection() {
	match, ok := r.matcher()
	if !ok {
		return
	}
	faults := 0
	defer func() {
		if faults == 0 && len(match) > 0 {
			r.warnKey("request_matcher", "no_effect", "request_matcher has no effect: it picks requests for the faults beside it, and there are none")
		}
	}()
	add := func(kind string, probability float64, a args) {
		if probability <= 0 {
			return
		}
		faults++
		a["probability"] = probability
		if len(match) > 0 {
			a["match"] = match
		}
		r.add(kind, a)
	}
	r.httpErrors(add)
	b := &r.block
	if r.switchedOn("connection_errors", "connection_error_probability", "connection_error_kind") {
		kind := strings.Replace(b.text("connection_error_kind"), "http503", "http_503", 1)
		add("connection_error", b.number("connection_error_probability"), args{"kind": kind})
	}
	if r.switchedOn("timeout_errors", "timeout_probability", "timeout_ms") {
		add("timeout", b.number("timeout_probability"), args{"after": b.millis("timeout_ms")})
	}
	if r.switchedOn("partial_responses", "partial_response_probability") {
		add("partial_response", b.number("partial_response_probability"), args{})
	}
	if r.switchedOn("payload_corruption", "payload_corruption_probability") {
		kind := b.text("corruption_type")
		if kind == "none" {
			r.warnKey("payload_corruption", "no_effect", "payload_corruption changes nothing: corruption_type is none; write random_bytes, truncate or bit_flip")
			return
		}
		add("corrupt", b.number("payload_corruption_probability"), args{"kind": kind})
	} else if b.given("corruption_type") && b.text("corruption_type") != "none" {
		r.warnKey("corruption_type", "no_effect", "corruption_type has no effect: payload_corruption is not true")
	}
}

// switchedOn reports whether a fault's flag is on, and warns of its other keys if not.
func (r *configReader) switchedOn(flag string, others ...string) bool {
	if r.block.flag(flag) {
		return true
	}
	for _, key := range others {
		if r.block.given(key) {
			r.warnKey(key, "no_effect", "%s has no effect: %s is not true", key, flag)
		}
	}
	return false
}

func (r *configReader) httpErrors(add func(kind string, probability float64, a args)) {
	b := &r.block
	pattern, _ := b.value("error_pattern").(map[string]any)
	explicit := b.given("http_error_probability")
	probability := b.number("http_error_probability")
	switch {
	case explicit:
	case pattern != nil:
		probability = 1 // the pattern picks the requests
	case b.given("http_errors"):
		probability = 0.1
	}
	a := args{}
	if list, _ := b.value("http_errors").([]any); len(list) > 0 {
		a["codes"] = list
	} else {
		r.warnKey("http_errors", "no_effect", "http_errors is empty: no request gets one")
		return
	}
	switch p := (configBlock{values: pattern}); p.text("type") {
	case "burst":
		a["pattern"] = fmt.Sprintf("burst(%d, %s)", int(p.number("count")), units.FormatDuration(p.millis("interval_ms")))
	case "random":
		if explicit {
			r.warnKey("http_error_probability", "no_effect", "http_error_probability has no effect: the error_pattern has a probability of its own")
		}
		probability = p.number("probability")
	case "sequential":
		var sequence []string
		for _, code := range p.numbers("sequence") {
			sequence = append(sequence, strconv.Itoa(int(code)))
		}
		if len(sequence) == 0 {
			r.fail(ConfigNote{Path: []string{b.name, "error_pattern", "sequence"}, Code: "empty_list", Message: "sequence is empty; expected one status or more"})
			return
		}
		a["pattern"] = "sequence(" + strings.Join(sequence, ", ") + ")"
	}
	add("http_error", probability, a)
}

// matcher makes the match of request_matcher, empty where it limits nothing; ok is
// false if it is wrong.
func (r *configReader) matcher() (match map[string]any, ok bool) {
	values, _ := r.block.value("request_matcher").(map[string]any)
	b := configBlock{values: values}
	match = map[string]any{}
	before := len(r.errors)
	at := func(key ...string) []string { return append([]string{r.block.name, "request_matcher"}, key...) }
	ips, _ := b.value("source_ips").([]any)
	for i, ip := range ips {
		text, _ := ip.(string)
		if _, err := netip.ParsePrefix(text); err != nil {
			if _, err := netip.ParseAddr(text); err != nil {
				r.fail(ConfigNote{Path: at("source_ips", strconv.Itoa(i)), Code: "bad_address",
					Message: fmt.Sprintf("expected an address or a network such as 10.0.0.0/8, found %s", foundInConfig(text))})
			}
		}
	}
	if len(ips) > 0 {
		match["source"] = ips
	}
	if headers := r.matchHeaders(&b, at); len(headers) > 0 {
		match["headers"] = headers
	}
	least, greatest := b.number("min_body_size_bytes"), b.number("max_body_size_bytes")
	if b.given("max_body_size_bytes") && least > greatest {
		r.fail(ConfigNote{Path: at("min_body_size_bytes"), Code: "min_above_max",
			Message: fmt.Sprintf("min_body_size_bytes %v is above max_body_size_bytes %v", least, greatest)})
	}
	switch {
	case b.given("max_body_size_bytes"):
		match["body_size"] = []any{least, greatest}
	case least > 0:
		match["body_size"] = []any{least, nil}
	}
	if b.flag("chunked_only") {
		match["chunked"] = true
	}
	return match, len(r.errors) == before
}

func (r *configReader) matchHeaders(b *configBlock, at func(...string) []string) map[string]any {
	list, _ := b.value("headers").([]any)
	headers := map[string]any{}
	for i, item := range list {
		h, _ := item.(map[string]any)
		name, _ := h["name"].(string)
		for other := range headers {
			if strings.EqualFold(other, name) {
				r.fail(ConfigNote{Path: at("headers", strconv.Itoa(i)), Code: "duplicate_header",
					Message: fmt.Sprintf("the header %s is named twice; expected each once", describe(name))})
			}
		}
		headers[name] = h["value"]
	}
	return headers
}
