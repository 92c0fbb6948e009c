package chaos

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// ConfigKey is one key of a chaos configuration, as orchestration files and scripts
// write it: a row of the table from which it is read, and from which the schema and the
// reference are made.
type ConfigKey struct {
	Name string
	// Doc is one line for the reference.
	Doc  string
	Type ConfigType
	// Min and Max bound numbers, of a list each of its items; both 0 is any.
	Min, Max float64
	// Choices are what a string may be; empty is anything.
	Choices []string
	// Default is JSON; empty where the key has none.
	Default  string
	standard any // Default, read
	// Required keys have to be there if their mapping is.
	Required bool
	// For lists the values of the mapping's key "type" beside which this key may stand;
	// empty is any, and any mapping without such a key.
	For []string
	// Ignored says why the key, which is accepted, has no effect; else empty.
	Ignored string
	// Keys are those of a mapping, or of each item of a list of mappings.
	Keys []ConfigKey
}

// ConfigType is the type of the value of a ConfigKey.
type ConfigType string

// The types of values.
const (
	ConfigBool     ConfigType = "bool"
	ConfigInt      ConfigType = "int"
	ConfigNumber   ConfigType = "number"
	ConfigString   ConfigType = "string"
	ConfigStrings  ConfigType = "list of strings"
	ConfigInts     ConfigType = "list of ints"
	ConfigPair     ConfigType = "[min, max]"
	ConfigMapping  ConfigType = "mapping"
	ConfigMappings ConfigType = "list of mappings"
)

// The bounds that several keys have.
const (
	dayMS     = 86_400_000
	maxCount  = 1e6
	maxAmount = 1e9
)

// ConfigBlocks returns the keys of a chaos configuration: enabled and the blocks, in
// the order of the reference. What the rows refer to is not to be changed.
func ConfigBlocks() []ConfigKey { return slices.Clone(configKeys()) }

// configTable is made once, when it is first asked for: a file may have ten thousand
// configurations, and making it takes longer than reading one of them.
var configTable struct {
	once sync.Once
	keys []ConfigKey
}

func configKeys() []ConfigKey {
	configTable.once.Do(func() {
		configTable.keys = makeConfigKeys()
		readDefaults(configTable.keys)
	})
	return configTable.keys
}

func readDefaults(keys []ConfigKey) {
	for i := range keys {
		k := &keys[i]
		if k.Default != "" {
			if err := json.Unmarshal([]byte(k.Default), &k.standard); err != nil {
				panic(fmt.Sprintf("chaos: the default of %s, %s: %v", k.Name, k.Default, err))
			}
		}
		readDefaults(k.Keys)
	}
}

func makeConfigKeys() []ConfigKey {
	return []ConfigKey{
		flagKey("enabled", "true", "false for a baseline: no chaos, and the step still takes its time"),
		blockKey("latency", "adds delay",
			ConfigKey{Name: "fixed_delay_ms", Type: ConfigNumber, Max: dayMS, Doc: "the delay in milliseconds; with random_delay_range_ms, the base to which that is added"},
			ConfigKey{Name: "random_delay_range_ms", Type: ConfigPair, Max: dayMS, Doc: "the least and the greatest delay in milliseconds; the draw falls between"},
			percentKey("jitter_percent", "0", "how far a delay is off at most, in percent of it"),
			shareKey("probability", "1", "how many of the requests are delayed"),
		),
		blockKey("fault_injection", "fails requests", faultInjectionKeys()...),
		blockKey("rate_limit", "lets only so many requests a second pass",
			ConfigKey{Name: "requests_per_second", Type: ConfigNumber, Min: 0.001, Max: maxAmount, Default: "100", Doc: "how many requests a second pass"},
			ConfigKey{Name: "burst_size", Type: ConfigInt, Min: 1, Max: maxAmount, Default: "10", Doc: "how many may come at once after a pause"},
			flagKey("per_ip", "false", "a limit for each client's address"),
			flagKey("per_endpoint", "false", "a limit for each method and path"),
		),
		blockKey("traffic_shaping", "narrows the network",
			ConfigKey{Name: "bandwidth_limit_bps", Type: ConfigNumber, Max: 1 << 40, Default: "0", Doc: "bytes per second of each connection; 0 for no limit"},
			percentKey("packet_loss_percent", "0", "how many of 100 packets are lost"),
			ConfigKey{Name: "max_connections", Type: ConfigInt, Max: maxCount, Default: "0", Doc: "how many connections may be open at once; 0 for no limit"},
			ConfigKey{Name: "connection_timeout_ms", Type: ConfigNumber, Max: dayMS, Doc: "accepted for files that have it",
				Ignored: "connections are not timed out by shaping; fault_injection has timeout_errors and timeout_ms"},
		),
		blockKey("circuit_breaker", "answers 503 while its circuit is open",
			countKey("failure_threshold", 1, "5", "how many failures in a row open the circuit"),
			countKey("success_threshold", 1, "2", "how many successes, while it is half open, close it"),
			millisKey("timeout_ms", 1, "60000", "how long it is open before it is half open"),
			countKey("half_open_max_requests", 1, "3", "how many requests may be under way while it is half open"),
			ConfigKey{Name: "failure_rate_threshold", Type: ConfigNumber, Min: 0.001, Max: 100, Default: "50", Doc: "which percentage of failures within the window opens it too"},
			countKey("min_requests_for_rate", 1, "10", "how many requests the window must have for that"),
			millisKey("rolling_window_ms", 1, "10000", "how far back the rate looks"),
		),
		blockKey("bulkhead", "limits how many requests are under way at once",
			countKey("max_concurrent_requests", 0, "100", "how many requests may be under way"),
			countKey("max_queue_size", 0, "10", "how many more may wait"),
			millisKey("queue_timeout_ms", 0, "5000", "how long one waits"),
		),
	}
}

func faultInjectionKeys() []ConfigKey {
	return []ConfigKey{
		{Name: "http_errors", Type: ConfigInts, Min: 200, Max: 599, Default: "[500, 502, 503, 504]", Doc: "the statuses to answer with, each as likely as the others"},
		shareKey("http_error_probability", "", "how many of the requests get one; 0.1 if http_errors is there, else 0; with an error_pattern all that it picks"),
		flagKey("connection_errors", "false", "break connections"),
		shareKey("connection_error_probability", "0.05", "how many of the requests"),
		{Name: "connection_error_kind", Type: ConfigString, Choices: []string{"http503", "tcp_reset", "tcp_close"}, Default: `"http503"`, Doc: "how they break: a 503, a reset, or an end without an answer"},
		flagKey("timeout_errors", "false", "let requests hang"),
		millisKey("timeout_ms", 0, "5000", "for how long, before the connection is closed"),
		shareKey("timeout_probability", "0.05", "how many of the requests"),
		flagKey("partial_responses", "false", "cut responses short"),
		shareKey("partial_response_probability", "0.05", "how many of the responses"),
		flagKey("payload_corruption", "false", "change the bodies of responses"),
		shareKey("payload_corruption_probability", "0.05", "how many of the responses"),
		{Name: "corruption_type", Type: ConfigString, Choices: append([]string{"none"}, corruptions()...), Default: `"none"`, Doc: "what is done to them"},
		{Name: "error_pattern", Type: ConfigMapping, Doc: "which requests get the HTTP errors", Keys: errorPatternKeys()},
		{Name: "mockai_enabled", Type: ConfigBool, Doc: "accepted for files that have it", Ignored: "there is no generated error text; http_errors answer with a line that says what they are"},
		{Name: "request_matcher", Type: ConfigMapping, Doc: "to which requests all of fault_injection is limited", Keys: []ConfigKey{
			{Name: "source_ips", Type: ConfigStrings, Doc: "addresses of clients, or networks such as 10.0.0.0/8"},
			{Name: "headers", Type: ConfigMappings, Doc: "headers that a request must have", Keys: []ConfigKey{
				{Name: "name", Type: ConfigString, Required: true, Doc: "the header's name"},
				{Name: "value", Type: ConfigString, Required: true, Doc: "its value"},
			}},
			{Name: "min_body_size_bytes", Type: ConfigInt, Max: 1 << 50, Doc: "the least size of a request's body"},
			{Name: "max_body_size_bytes", Type: ConfigInt, Max: 1 << 50, Doc: "the greatest size of a request's body"},
			flagKey("chunked_only", "false", "only requests with a chunked body"),
		}},
	}
}

func errorPatternKeys() []ConfigKey {
	burst, random, sequential := []string{"burst"}, []string{"random"}, []string{"sequential"}
	return []ConfigKey{
		{Name: "type", Type: ConfigString, Required: true, Choices: []string{"burst", "random", "sequential"}, Doc: "which pattern"},
		{Name: "count", Type: ConfigInt, Min: 1, Max: 1<<(burstBits-1) - 1, Required: true, For: burst, Doc: "how many requests of each interval, from its beginning"},
		{Name: "interval_ms", Type: ConfigNumber, Min: 1, Max: dayMS, Required: true, For: burst, Doc: "the interval in milliseconds"},
		{Name: "probability", Type: ConfigNumber, Max: 1, Required: true, For: random, Doc: "how many of the requests, in place of http_error_probability"},
		{Name: "sequence", Type: ConfigInts, Min: 200, Max: 599, Required: true, For: sequential, Doc: "the statuses in turn, over and over"},
	}
}

// blockKey is a block: a mapping that can be switched off.
func blockKey(name, doc string, keys ...ConfigKey) ConfigKey {
	enabled := flagKey("enabled", "true", "false leaves the block out")
	return ConfigKey{Name: name, Type: ConfigMapping, Doc: doc, Keys: append([]ConfigKey{enabled}, keys...)}
}

func flagKey(name, def, doc string) ConfigKey {
	return ConfigKey{Name: name, Type: ConfigBool, Default: def, Doc: doc}
}

func shareKey(name, def, doc string) ConfigKey {
	return ConfigKey{Name: name, Type: ConfigNumber, Max: 1, Default: def, Doc: doc + ", from 0 to 1"}
}

func percentKey(name, def, doc string) ConfigKey {
	return ConfigKey{Name: name, Type: ConfigNumber, Max: 100, Default: def, Doc: doc}
}

func countKey(name string, least float64, def, doc string) ConfigKey {
	return ConfigKey{Name: name, Type: ConfigInt, Min: least, Max: maxCount, Default: def, Doc: doc}
}

func millisKey(name string, least float64, def, doc string) ConfigKey {
	return ConfigKey{Name: name, Type: ConfigNumber, Min: least, Max: dayMS, Default: def, Doc: doc + ", in milliseconds"}
}
