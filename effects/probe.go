package effects

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"starquake/runtime"
	"starquake/units"
)

// KindProbe reads a probe once. Its arguments are the probe; its answer is a
// Reading, whatever happened.
const KindProbe = "probe"

// maxProbes bounds how many probes one may contain, itself included.
const maxProbes = 64

// Reading is what reading a probe gave.
type Reading struct {
	// OK says that all held which the probe asks for.
	OK bool `json:"ok"`
	// Value is what was looked at: of an HTTP probe the status, or null where there
	// was no answer.
	Value   any           `json:"value"`
	Elapsed time.Duration `json:"elapsed"`
	// Error says why it is not OK, with what was expected.
	Error string `json:"error,omitempty"`
	// NoData says that there was an answer with nothing in it to judge.
	NoData bool `json:"no_data,omitempty"`
}

// probe is a probe that was read from its JSON form.
type probe interface {
	// read looks once. It ends soon after ctx does.
	read(ctx context.Context, e *Effects) Reading
	// planned is the reading in the virtual world.
	planned() Reading
	// check says whether the policy permits it.
	check(e *Effects) error
}

// probeKind is one kind of probe. Its JSON form is an object with "kind" and what
// parse reads; "simulated" is taken by all of them.
type probeKind struct {
	kind  string
	parse func(spec json.RawMessage, budget *int) (probe, error)
}

// probeKinds is the table of the kinds of probe: one row and one file each.
func probeKinds() []probeKind {
	return []probeKind{
		{"http", parseHTTPProbe},
		{"tcp", parseTCPProbe},
		{"exec", parseExecProbe},
		{"dns", parseDNSProbe},
		{"grpc", parseGRPCProbe},
		{"prometheus", parsePrometheusProbe},
		{"traffic", parseTrafficProbe},
		{"all", parseAllProbe},
		{"any", parseAnyProbe},
	}
}

// CheckProbe returns an error unless spec is the JSON form of a probe.
func CheckProbe(spec json.RawMessage) error {
	_, err := parseProbe(spec)
	return err
}

// parseProbe reads the JSON form of a probe.
func parseProbe(spec json.RawMessage) (probe, error) {
	budget := maxProbes
	p, err := parseNested(spec, &budget)
	if err != nil {
		return nil, problem(CodeInvalid, "probe: %v", err)
	}
	return p, nil
}

// parseNested reads one probe; budget is how many more there may be.
func parseNested(spec json.RawMessage, budget *int) (probe, error) {
	if *budget--; *budget < 0 {
		return nil, fmt.Errorf("it contains more than %d probes", maxProbes)
	}
	var head struct {
		Kind      string          `json:"kind"`
		Simulated json.RawMessage `json:"simulated"`
	}
	if err := json.Unmarshal(spec, &head); err != nil {
		return nil, fmt.Errorf("%s is no probe: %w", excerpt(spec), err)
	}
	kinds := probeKinds()
	i := slices.IndexFunc(kinds, func(k probeKind) bool { return k.kind == head.Kind })
	if i < 0 {
		var known []string
		for _, k := range kinds {
			known = append(known, k.kind)
		}
		return nil, fmt.Errorf("unknown kind %q; known are %s", head.Kind, strings.Join(known, ", "))
	}
	p, err := kinds[i].parse(spec, budget)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", head.Kind, err)
	}
	if !isNull(head.Simulated) {
		return simulateProbe(p, head.Simulated)
	}
	return p, nil
}

// performProbe is the performer of KindProbe.
func (e *Effects) performProbe(ctx context.Context, call *runtime.Call) (any, error) {
	p, err := parseProbe(call.Args)
	if err != nil {
		return nil, err
	}
	reading := e.look(ctx, p)
	if !reading.OK && ctx.Err() != nil {
		return nil, stopped(KindProbe)
	}
	return reading, nil
}

// checkProbe is the Check of KindProbe.
func (e *Effects) checkProbe(spec json.RawMessage) error {
	p, err := parseProbe(spec)
	if err != nil {
		return err
	}
	return p.check(e)
}

// maxPlannedProbes bounds how many probes a readingPlanner remembers.
const maxPlannedProbes = 1000

// readingPlanner is the planner of KindProbe: the probe holds. A script reads the same
// few probes again and again, and reading their form costs more than all else about
// a planned reading, so the answers are remembered.
type readingPlanner struct {
	mu    sync.Mutex
	known map[string]runtime.Planned // by the arguments; never changed once there
}

// Plan implements runtime.Planner.
func (p *readingPlanner) Plan(req *runtime.Request) (runtime.Planned, error) {
	p.mu.Lock()
	planned, ok := p.known[string(req.Args)]
	p.mu.Unlock()
	if ok {
		return planned, nil
	}
	probe, err := parseProbe(req.Args)
	if err != nil {
		return runtime.Planned{}, err
	}
	reading := probe.planned()
	data, err := marshal(reading)
	if err != nil {
		return runtime.Planned{}, err
	}
	planned = runtime.Planned{Done: &runtime.PlannedEvent{After: reading.Elapsed, Data: json.RawMessage(data)}}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[string]runtime.Planned{}
	}
	if len(p.known) < maxPlannedProbes {
		p.known[string(req.Args)] = planned
	}
	return planned, nil
}

// simulatedProbe is a probe whose planned reading the script gave.
type simulatedProbe struct {
	probe
	reading Reading
}

func (p simulatedProbe) planned() Reading { return p.reading }

// simulateProbe lays a simulated reading over the planned one of p.
func simulateProbe(p probe, simulated json.RawMessage) (probe, error) {
	planned := runtime.Planned{Done: &runtime.PlannedEvent{Data: p.planned()}}
	planned, err := simulatedReading().over(nil, planned, simulated)
	if err != nil {
		return nil, fmt.Errorf("simulated: %w", err)
	}
	text, err := marshal(planned.Done.Data)
	if err != nil {
		return nil, fmt.Errorf("simulated: %w", err)
	}
	var reading Reading
	if err := json.Unmarshal(text, &reading); err != nil {
		return nil, fmt.Errorf("simulated: %w", err)
	}
	return simulatedProbe{p, reading}, nil
}

// simulatedReading is what a simulated Reading may contain. An error alone is a
// reading that is not OK.
func simulatedReading() *simulation {
	return &simulation{
		answer: func() any { return new(Reading) },
		adapt: func(fields map[string]json.RawMessage) error {
			_, failed := fields["error"]
			if string(fields["no_data"]) == "true" && !failed {
				fields["error"], failed = json.RawMessage(`"no data"`), true
			}
			if failed && fields["ok"] == nil {
				fields["ok"] = json.RawMessage("false")
			}
			if !failed && string(fields["ok"]) == "false" {
				fields["error"] = json.RawMessage(`"simulated"`)
			}
			return nil
		},
	}
}

// tookTooLong is the error of a reading that was not fast enough.
func tookTooLong(took, below time.Duration) string {
	limit := "below " + units.FormatDuration(below)
	return "took " + units.Measured(took, limit) + ", expected " + limit
}

// besideLimit writes a number, or a latency in seconds, and the limit that it does not keep.
func besideLimit(n float64, side string, bound float64, latency bool) (value, limit string) {
	if latency {
		d, err := units.Seconds(n)
		most, err2 := units.Seconds(bound)
		if err == nil && err2 == nil {
			limit = side + " " + units.FormatDuration(most)
			return units.Measured(d, limit), limit
		}
	}
	limit = fmt.Sprintf("%s %v", side, bound)
	return units.MeasuredNumber(n, limit), limit
}
