package report

import (
	"encoding/json"
	"io"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// jsonVersion is the version of the form. Fields are only ever added within one.
const jsonVersion = 1

// jsonReport is a run for programs. Times are in seconds since the run's start, shares
// 0 to 1; docs/reports.md explains every field.
type jsonReport struct {
	Report   int                        `json:"starquake_report"`
	ID       string                     `json:"id,omitempty"`
	Name     string                     `json:"name"`
	Verdict  string                     `json:"verdict"`
	Reason   string                     `json:"reason"`
	Message  string                     `json:"message"`
	ExitCode int                        `json:"exit_code"`
	Started  time.Time                  `json:"started"`
	Seconds  float64                    `json:"seconds"`
	World    string                     `json:"world"`
	Compress int                        `json:"compress,omitempty"`
	Script   string                     `json:"script"`
	Params   json.RawMessage            `json:"params,omitempty"`
	Seed     uint64                     `json:"seed,string"`
	Repeat   string                     `json:"repeat"`
	By       string                     `json:"by,omitempty"`
	Labels   map[string]string          `json:"labels,omitempty"`
	Version  string                     `json:"version,omitempty"`
	Counts   view.Counts                `json:"counts"`
	Tolerate int                        `json:"tolerated"`
	Flaky    int                        `json:"flaky"`
	Findings []jsonFinding              `json:"findings"`
	More     int                        `json:"findings_left_out"`
	Warnings []string                   `json:"warnings"`
	Steps    []jsonStep                 `json:"steps"`
	Faults   []jsonFault                `json:"faults"`
	Checks   []jsonCheck                `json:"checks"`
	Watches  []jsonWatch                `json:"watches"`
	Loads    []jsonLoad                 `json:"loads"`
	Figures  []jsonFigure               `json:"figures"`
	Summary  *jsonResilience            `json:"resilience"`
	LeftOut  map[string]int             `json:"left_out,omitempty"`
	Unclean  []journal.Problem          `json:"unclean,omitempty"`
	Meta     map[string]json.RawMessage `json:"meta,omitempty"`
}

type (
	jsonFinding struct {
		Code      string `json:"code"`
		Message   string `json:"message"`
		Path      string `json:"path,omitempty"`
		Tolerated bool   `json:"tolerated,omitempty"`
		Retried   bool   `json:"retried,omitempty"`
		File      string `json:"file,omitempty"`
		Line      int    `json:"line,omitempty"`
		Col       int    `json:"col,omitempty"`
	}
	jsonStep struct {
		Path      string            `json:"path"`
		Status    string            `json:"status"`
		Tolerated bool              `json:"tolerated,omitempty"`
		Start     float64           `json:"start"`
		Seconds   float64           `json:"seconds"`
		Tries     int               `json:"tries"`
		Reason    string            `json:"reason,omitempty"`
		Error     *journal.Problem  `json:"error,omitempty"`
		Labels    map[string]string `json:"labels,omitempty"`
	}
	jsonFault struct {
		Target    string  `json:"target"`
		Kind      string  `json:"kind"`
		Text      string  `json:"text"`
		Path      string  `json:"path,omitempty"`
		State     string  `json:"state"`
		Start     float64 `json:"start"`
		Seconds   float64 `json:"seconds"`
		Seen      *int64  `json:"seen,omitempty"` // nil where nobody counts
		Hit       *int64  `json:"hit,omitempty"`
		Uncounted bool    `json:"uncounted,omitempty"`
		Error     string  `json:"error,omitempty"`
	}
	jsonCheck struct {
		Path      string          `json:"path,omitempty"`
		Name      string          `json:"name"`
		OK        bool            `json:"ok"`
		Tolerated bool            `json:"tolerated,omitempty"`
		At        float64         `json:"at"`
		Value     json.RawMessage `json:"value,omitempty"`
		Unit      string          `json:"unit,omitempty"`
		Limit     string          `json:"limit,omitempty"`
		Detail    string          `json:"detail,omitempty"`
	}
	jsonWatch struct {
		Kind   string `json:"kind"`
		Name   string `json:"name"`
		Path   string `json:"path,omitempty"`
		State  string `json:"state"`
		Held   bool   `json:"held"`
		Seen   int    `json:"seen"`
		Bad    int    `json:"bad"`
		Detail string `json:"detail,omitempty"`
	}
	jsonLoad struct {
		Text       string           `json:"text"`
		Path       string           `json:"path,omitempty"`
		Start      float64          `json:"start"`
		Seconds    float64          `json:"seconds"`
		Requests   int64            `json:"requests"`
		Errors     int64            `json:"errors"`
		ErrorRate  float64          `json:"error_rate"`
		P50        float64          `json:"p50"`
		P90        float64          `json:"p90"`
		P95        float64          `json:"p95"`
		P99        float64          `json:"p99"`
		P999       float64          `json:"p999"`
		Max        float64          `json:"max"`
		Throughput float64          `json:"throughput"`
		ByStatus   map[string]int64 `json:"by_status,omitempty"`
		Limited    bool             `json:"generator_limited,omitempty"`
		StoppedBy  string           `json:"stopped_by,omitempty"`
	}
	jsonFigure struct {
		Path   string  `json:"path,omitempty"`
		Name   string  `json:"name"`
		Value  float64 `json:"value"`
		Unit   string  `json:"unit,omitempty"`
		Better string  `json:"better,omitempty"`
	}
	jsonResilience struct {
		Score    *float64      `json:"score"`
		Formula  string        `json:"formula"`
		Unscored string        `json:"unscored,omitempty"`
		Faults   jsonExposure  `json:"faults"`
		Probes   []jsonMeasure `json:"probes"`
		Loads    []jsonMeasure `json:"loads"`
	}
	jsonExposure struct {
		On       int     `json:"on"`
		Met      int     `json:"met"`
		Requests int64   `json:"requests"`
		Hits     int64   `json:"hits"`
		FirstOn  float64 `json:"first_on"`
		LastOff  float64 `json:"last_off"`
		StillOn  int     `json:"still_on"`
	}
	jsonMeasure struct {
		Name     string     `json:"name"`
		Score    *float64   `json:"score"`
		Detect   *float64   `json:"time_to_detect"`
		Recover  *float64   `json:"time_to_recover"`
		Lost     bool       `json:"lost"`
		Baseline *jsonPhase `json:"baseline"`
		Fault    *jsonPhase `json:"fault"`
		Recovery *jsonPhase `json:"recovery"`
	}
	jsonPhase struct {
		Readings     int     `json:"readings"`
		Bad          int     `json:"bad"`
		Availability float64 `json:"availability"`
		ErrorRate    float64 `json:"error_rate"`
		P50          float64 `json:"p50"`
		P99          float64 `json:"p99"`
	}
)

// The bounds of the lists for programs, which read more than people do.
const maxJSON = 10000

func writeJSON(w io.Writer, r *Run) error {
	out := jsonReport{
		Report: jsonVersion, ID: r.ID, Name: r.Name, Verdict: r.verdict(), Reason: r.reason(), Message: r.because(), ExitCode: r.exitCode(),
		Started: r.Origin.UTC(), Seconds: r.Now.Seconds(), World: r.World, Compress: r.Compress, Script: r.file(r.Script), Params: r.Params,
		Seed: r.Seed, Repeat: r.command(), By: r.By, Labels: r.Labels, Version: r.Version, Counts: r.Counts, Tolerate: r.Tolerated, Flaky: r.Flaky,
		Findings: []jsonFinding{}, Warnings: r.Warnings(), Steps: []jsonStep{}, Faults: []jsonFault{}, Checks: []jsonCheck{},
		Watches: []jsonWatch{}, Loads: []jsonLoad{}, Figures: []jsonFigure{}, LeftOut: map[string]int{}, Unclean: r.Unclean,
	}
	if out.Warnings == nil {
		out.Warnings = []string{}
	}
	_ = json.Unmarshal(r.Meta, &out.Meta) // a journal's own text: what is no object has no fields
	list, more := findings(r)
	out.More = more
	for _, f := range list {
		out.Findings = append(out.Findings, jsonFinding{f.Code, f.Message, f.Path, f.Tolerated, f.Retried, f.File, f.Line, f.Col})
	}
	r.jsonLists(&out)
	if r.Summary != nil {
		out.Summary = jsonSummary(r.Summary)
	}
	return encode(w, out)
}

func (r *Run) jsonLists(out *jsonReport) {
	cut := func(what string, left int) {
		if left > 0 {
			out.LeftOut[what] = left
		}
	}
	steps, left := pick(r.Steps, maxJSON, func(s *view.Step) bool { return s.Status == journal.Failed })
	cut("steps", left)
	for _, s := range steps {
		out.Steps = append(out.Steps, jsonStep{s.Path, string(s.Status), s.Tolerated, s.Start.Seconds(), s.Took(r.Now).Seconds(), s.Tries, s.Reason, s.Error, s.Labels})
	}
	faults, left := pick(r.Faults, maxJSON, troubled)
	cut("faults", left)
	for _, f := range faults {
		jf := jsonFault{f.Target, f.Kind, f.Text, f.Path, string(f.State), f.Start.Seconds(), r.OnFor(f, r.Now).Seconds(), nil, nil, f.Uncounted, ""}
		if !f.Uncounted {
			jf.Seen, jf.Hit = &f.Seen, &f.Hit
		}
		if f.Error != nil {
			jf.Error = f.Error.Message
		}
		out.Faults = append(out.Faults, jf)
	}
	checks, left := pick(r.Checks, maxJSON, func(c *view.Check) bool { return !c.OK })
	cut("checks", left)
	for _, c := range checks {
		out.Checks = append(out.Checks, jsonCheck{c.Path, c.Name, c.OK, c.Tolerated, c.At.Seconds(), c.Value, c.Unit, c.Limit, c.Detail})
	}
	for _, kind := range []struct {
		name string
		all  []*view.Watch
	}{{"guard", r.Guards}, {"steady_state", r.Steady}} {
		watches, left := pick(kind.all, maxJSON, func(w *view.Watch) bool { return w.Worst != nil })
		cut(kind.name+"s", left)
		for _, w := range watches {
			jw := jsonWatch{Kind: kind.name, Name: w.Name, Path: w.Path, State: w.State, Held: w.Worst == nil && w.Read(), Seen: w.Seen, Bad: w.Bad}
			if w.Worst != nil {
				jw.Detail = reading(w)
			}
			out.Watches = append(out.Watches, jw)
		}
	}
	for _, l := range r.Loads {
		jl := jsonLoad{Text: l.Text, Path: l.Path, Start: l.Start.Seconds(), Seconds: (l.End - l.Start).Seconds()}
		if f := l.Figures; f != nil {
			jl.Requests, jl.Errors, jl.ErrorRate, jl.Throughput, jl.ByStatus = f.Requests, f.Errors, f.ErrorRate, f.Throughput, f.ByStatus
			jl.P50, jl.P90, jl.P95, jl.P99, jl.P999, jl.Max = f.P50.Seconds(), f.P90.Seconds(), f.P95.Seconds(), f.P99.Seconds(), f.P999.Seconds(), f.Max.Seconds()
			jl.Limited, jl.StoppedBy = f.GeneratorLimited, f.StoppedBy
		}
		out.Loads = append(out.Loads, jl)
	}
	for _, f := range r.Figures {
		out.Figures = append(out.Figures, jsonFigure{f.Path, f.Name, f.Value, f.Unit, f.Better})
	}
}

// troubled says whether a fault did not go the way that it should.
func troubled(f *view.Fault) bool {
	return f.State == view.FaultUnclean || f.State == view.FaultFailed || f.State == view.FaultExpired
}

func jsonSummary(s *view.Summary) *jsonResilience {
	f := s.Faults
	out := &jsonResilience{
		Score: s.Score, Formula: s.Formula, Unscored: s.Unscored, Probes: []jsonMeasure{}, Loads: []jsonMeasure{},
		Faults: jsonExposure{f.On, f.Met, f.Requests, f.Hits, f.FirstOn.Seconds(), f.LastOff.Seconds(), f.StillOn},
	}
	for _, p := range s.Probes {
		out.Probes = append(out.Probes, jsonMeasureOf(p))
	}
	for _, p := range s.Loads {
		out.Loads = append(out.Loads, jsonMeasureOf(p))
	}
	return out
}

func jsonMeasureOf(p *view.ProbeSummary) jsonMeasure {
	in := func(d *time.Duration) *float64 {
		if d == nil {
			return nil
		}
		s := d.Seconds()
		return &s
	}
	phase := func(p *view.Phase) *jsonPhase {
		if p == nil {
			return nil
		}
		return &jsonPhase{p.Readings, p.Bad, p.Availability, p.ErrorRate, p.P50.Seconds(), p.P99.Seconds()}
	}
	return jsonMeasure{p.Name, p.Score, in(p.Detect), in(p.Recover), p.Lost, phase(p.Baseline), phase(p.Fault), phase(p.Recovery)}
}
