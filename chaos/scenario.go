package chaos

import (
	"fmt"
	"strings"
)

// Preset is a predefined set of faults: a scenario or a network profile.
type Preset struct {
	Name string
	// Doc is one line for the reference.
	Doc string

	faults []presetFault
}

// presetFault is what New is given.
type presetFault struct {
	kind string
	args args
}

type args = map[string]any

// Scenarios returns the predefined scenarios in the order of the reference.
func Scenarios() []Preset {
	return []Preset{
		{Name: "network_degradation", Doc: "a slow, lossy, narrow network", faults: []presetFault{
			{"latency", args{"delay": "500ms", "jitter_percent": 20, "probability": 0.8}},
			{"packet_loss", args{"percent": 5}},
			{"bandwidth", args{"rate": 100_000}},
		}},
		{Name: "service_instability", Doc: "a service that now and then fails or hangs", faults: []presetFault{
			{"http_error", args{"codes": codes(500, 502, 503, 504), "probability": 0.2}},
			{"timeout", args{"after": "5s", "probability": 0.1}},
		}},
		{Name: "cascading_failure", Doc: "overload: slow, failing, and turning clients away", faults: []presetFault{
			{"latency", args{"between": []any{"1s", "5s"}, "jitter_percent": 30, "probability": 0.7}},
			{"http_error", args{"codes": codes(500, 503), "probability": 0.3}},
			{"timeout", args{"after": "5s", "probability": 0.2}},
			{"connection_error", args{"kind": "http_503", "probability": 0.1}},
			{"rate_limit", args{"rate": 10, "burst": 2, "per": "ip"}},
		}},
		{Name: "peak_traffic", Doc: "a limit on requests", faults: []presetFault{
			{"rate_limit", args{"rate": 50, "burst": 10, "per": "endpoint"}},
		}},
		{Name: "slow_backend", Doc: "every answer takes two seconds longer", faults: []presetFault{
			{"latency", args{"delay": "2s", "jitter_percent": 10}},
		}},
	}
}

// Profiles returns the network profiles in the order of the reference.
func Profiles() []Preset {
	return []Preset{
		network("slow_3g", "300ms", "500ms", 10, 1, 400_000),
		network("fast_3g", "100ms", "200ms", 5, 0.5, 1_500_000),
		network("flaky_wifi", "30ms", "100ms", 20, 5, 0,
			presetFault{"http_error", args{"codes": codes(500, 502, 503), "probability": 0.05}},
			presetFault{"connection_error", args{"kind": "http_503", "probability": 0.03}}),
		network("cable", "10ms", "30ms", 2, 0, 10_000_000),
		network("dialup", "1500ms", "2500ms", 15, 2, 50_000),
	}
}

// network is a profile: latency in a range, and loss and bandwidth where above 0.
func network(name, least, most string, jitterPercent, loss float64, bandwidth int, more ...presetFault) Preset {
	faults := []presetFault{{"latency", args{"between": []any{least, most}, "jitter_percent": jitterPercent}}}
	doc := "latency " + least + " to " + most
	if loss > 0 {
		faults = append(faults, presetFault{"packet_loss", args{"percent": loss}})
		doc += ", loss " + TypePercent.format(loss)
	}
	if bandwidth > 0 {
		faults = append(faults, presetFault{"bandwidth", args{"rate": bandwidth}})
		doc += ", " + TypeBandwidth.format(float64(bandwidth))
	}
	if len(more) > 0 {
		doc += ", now and then an error"
	}
	return Preset{Name: name, Doc: doc, faults: append(faults, more...)}
}

func codes(list ...int) []any {
	out := make([]any, len(list))
	for i, c := range list {
		out[i] = c
	}
	return out
}

// Scenario returns the faults of a predefined scenario.
func Scenario(name string) ([]Fault, error) { return preset("scenario", Scenarios(), name) }

// Profile returns the faults of a network profile.
func Profile(name string) ([]Fault, error) { return preset("profile", Profiles(), name) }

func preset(what string, presets []Preset, name string) ([]Fault, error) {
	var names []string
	for _, p := range presets {
		if p.Name != name {
			names = append(names, p.Name)
			continue
		}
		faults := make([]Fault, len(p.faults))
		for i, pf := range p.faults {
			f, err := New(pf.kind, pf.args)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", what, name, err)
			}
			faults[i] = f
		}
		return faults, nil
	}
	return nil, fmt.Errorf("%s %s is unknown; there are %s", what, describe(name), strings.Join(names, ", "))
}
