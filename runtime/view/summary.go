package view

import (
	"cmp"
	"slices"
	"time"

	"starquake/runtime/series"
)

// Summary says how resilient the system was: what each probe read, and how each load
// was answered, before, while and after faults were on. A run without faults or without readings has none.
type Summary struct {
	Probes []*ProbeSummary `json:"probes"`
	// Loads are the same of load: its requests are the readings.
	Loads  []*ProbeSummary `json:"loads,omitempty"`
	Faults FaultSummary    `json:"faults"`
	// Score is the mean of the scores of probes and loads, 0 to 100; nil where none has one.
	Score *float64 `json:"score,omitempty"`
	// Formula says how a probe's score is made.
	Formula string `json:"formula,omitempty"`
}

// FaultSummary counts the faults that were on.
type FaultSummary struct {
	On       int           `json:"on"`
	Met      int           `json:"met"` // of them those that met at least one request
	Requests int64         `json:"requests"`
	Hits     int64         `json:"hits"`
	FirstOn  time.Duration `json:"first_on"`
	LastOff  time.Duration `json:"last_off"`
	StillOn  int           `json:"still_on,omitempty"`
}

// ProbeSummary is one probe, however many guards, steady states and calls read it.
type ProbeSummary struct {
	Name string `json:"name"`
	// Baseline is before the first fault, Fault while any was on, Recovery otherwise; nil
	// for a phase without readings.
	Baseline *Phase `json:"baseline,omitempty"`
	Fault    *Phase `json:"fault,omitempty"`
	Recovery *Phase `json:"recovery,omitempty"`
	// Detect is from the first fault until the first bad reading; nil if none was bad.
	Detect *time.Duration `json:"detect,omitempty"`
	// Recover is from the last fault's end until the first of the good readings that
	// the run ended with: 0 if the last reading of the faults was good. Nil where the
	// run did not end with one.
	Recover *time.Duration `json:"recover,omitempty"`
	// The parts of the score, 0 to 1 each; nil where there is nothing to make one of.
	Availability *float64 `json:"availability,omitempty"`
	Speed        *float64 `json:"speed,omitempty"`
	Recovered    *float64 `json:"recovered,omitempty"`
	Score        *float64 `json:"score,omitempty"`
}

// Phase are the readings of one phase.
type Phase struct {
	Readings     int           `json:"readings"`
	Bad          int           `json:"bad"`
	Availability float64       `json:"availability"` // the share of good ones
	ErrorRate    float64       `json:"error_rate"`   // the share of bad ones
	P50          time.Duration `json:"p50"`
	P99          time.Duration `json:"p99"`

	took series.Histogram
}

// ScoreFormula is how the score of a probe or a load is made; a part that there is nothing to make
// of is left out, and the others weigh more.
const ScoreFormula = "100 × (0.6 × availability + 0.2 × speed + 0.2 × recovered): availability under faults over that of the baseline; speed, the baseline's p99 over that under faults; recovered, 1 less the time to recover over the time with faults"

// The bounds of what is kept for a summary.
const (
	maxProbes   = 64
	maxProbeKey = 8 << 10
)

// probeLog are the readings of one probe.
type probeLog struct {
	name, text string
	readings   series.Series
	order      int
	steady     *counting // the steady state that it is read for; nil without one
}

// window is a time with faults on.
type window struct{ from, to time.Duration }

// windows are the times with at least one fault on, in order and apart.
func (r *Run) windows() []window {
	var all []window
	for _, f := range r.Faults {
		for _, s := range r.On(f, r.Now) {
			all = append(all, window{s.From, s.To})
		}
	}
	slices.SortFunc(all, func(a, b window) int { return cmp.Compare(a.from, b.from) })
	var out []window
	for _, w := range all {
		if n := len(out); n > 0 && w.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, w.to)
			continue
		}
		out = append(out, w)
	}
	return out
}

// summarize makes the summary of a run that has ended; nil where there is nothing to
// say. In a plan nothing was read, and in compressed time probes took their own.
func (f *Fold) summarize() *Summary {
	r := &f.run
	on := r.windows()
	if r.World == "virtual" || r.Compress > 1 || len(on) == 0 {
		return nil
	}
	s := &Summary{Faults: r.faultSummary(on)}
	for _, log := range f.logs() {
		if p := log.summarize(on); p != nil {
			s.Probes = append(s.Probes, p)
		}
	}
	for _, log := range r.loadLogs() {
		if p := log.summarize(on); p != nil {
			s.Loads = append(s.Loads, p)
		}
	}
	all := slices.Concat(s.Probes, s.Loads)
	if len(all) == 0 {
		return nil
	}
	sum, n := 0.0, 0
	for _, p := range all {
		if p.Score != nil {
			sum, n = sum+*p.Score, n+1
		}
	}
	if n > 0 {
		score := sum / float64(n)
		s.Score, s.Formula = &score, ScoreFormula
	}
	return s
}

func (r *Run) faultSummary(on []window) FaultSummary {
	s := FaultSummary{FirstOn: on[0].from, LastOff: on[len(on)-1].to}
	for _, f := range r.Faults {
		if !f.WasOn {
			continue
		}
		s.On++
		s.Requests += f.Seen
		s.Hits += f.Hit
		if f.Hit > 0 {
			s.Met++
		}
		if f.State == FaultUnclean {
			s.StillOn++
		}
	}
	return s
}

// summarize is the summary of one probe; nil if it was not read with faults on.
func (log *probeLog) summarize(on []window) *ProbeSummary {
	p := &ProbeSummary{Name: cmp.Or(log.name, log.text)}
	first, end := on[0].from, on[len(on)-1].to
	steady, lastBad, after := time.Duration(-1), false, false // since when it is good; whether the last was bad; whether one was read after the faults
	for i := range log.readings.Points {
		point := &log.readings.Points[i]
		phase := &p.Recovery
		switch {
		case point.At < first && (point.Bad == 0 || point.BadAt < first):
			phase = &p.Baseline
		case point.At < first: // it met the fault on its way
			phase = &p.Fault
		case slices.ContainsFunc(on, func(w window) bool { return w.from <= point.At && point.At < w.to }):
			phase = &p.Fault
		}
		if *phase == nil {
			*phase = new(Phase)
		}
		(*phase).add(point)
		if point.Bad > 0 && point.BadAt >= first && p.Detect == nil {
			d := point.BadAt - first
			p.Detect = &d
		}
		switch {
		case point.LastBad:
			steady = -1
		case point.Bad > 0 || steady < 0:
			// A point of several readings with bad ones among them is steady at its last.
			steady = point.At
			if point.Bad > 0 {
				steady = point.GoodAt
			}
		}
		lastBad, after = point.LastBad, after || point.At >= end
	}
	if p.Fault == nil {
		return nil
	}
	if after && !lastBad && steady >= 0 {
		d := max(0, steady-end)
		p.Recover = &d
	}
	p.Baseline.figures()
	p.Fault.figures()
	p.Recovery.figures()
	p.score(on, after)
	return p
}

// score makes the parts and their sum.
func (p *ProbeSummary) score(on []window, after bool) {
	share := func(v float64) *float64 { v = min(max(v, 0), 1); return &v }
	base := 1.0
	if p.Baseline != nil && p.Baseline.Availability > 0 {
		base = p.Baseline.Availability
	}
	p.Availability = share(p.Fault.Availability / base)
	if p.Baseline != nil && p.Baseline.P99 > 0 && p.Fault.P99 > 0 {
		p.Speed = share(float64(p.Baseline.P99) / float64(p.Fault.P99))
	}
	var with time.Duration
	for _, w := range on {
		with += w.to - w.from
	}
	switch {
	case p.Recover != nil && with > 0:
		p.Recovered = share(1 - float64(*p.Recover)/float64(with))
	case after:
		p.Recovered = share(0)
	}
	sum, weight := 0.0, 0.0
	for _, part := range []struct {
		value  *float64
		weight float64
	}{{p.Availability, 0.6}, {p.Speed, 0.2}, {p.Recovered, 0.2}} {
		if part.value != nil {
			sum, weight = sum+part.weight**part.value, weight+part.weight
		}
	}
	score := 100 * sum / weight
	p.Score = &score
}

func (p *Phase) add(point *series.Point) {
	p.Readings += point.Seen
	p.Bad += point.Bad
	p.took.Merge(point.Took)
}

// figures makes what follows from the counts; p may be nil.
func (p *Phase) figures() {
	if p == nil || p.Readings <= 0 {
		return
	}
	p.Availability = float64(p.Readings-p.Bad) / float64(p.Readings)
	p.ErrorRate = float64(p.Bad) / float64(p.Readings)
	p.P50, p.P99 = p.took.Quantile(0.5), p.took.Quantile(0.99)
}
