package view

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"time"

	"starquake/runtime/journal"
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
	// Unscored says why there are no scores, of a run that says nothing of the system.
	Unscored string `json:"unscored,omitempty"`
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
	// Baseline is before the first fault, Fault what may have met one (see times),
	// Recovery the rest; nil for a phase without readings.
	Baseline *Phase `json:"baseline,omitempty"`
	Fault    *Phase `json:"fault,omitempty"`
	Recovery *Phase `json:"recovery,omitempty"`
	// Detect is from the first fault until the first bad reading; nil if none was bad.
	Detect *time.Duration `json:"detect,omitempty"`
	// Recover is from the last fault's end until the first of the good readings that
	// the run ended with: 0 if the last reading of the faults was good. Nil where the
	// run did not end with one.
	Recover *time.Duration `json:"recover,omitempty"`
	// Lost says that it was not well when the run ended, of what was read after the faults.
	Lost bool `json:"lost,omitempty"`
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

// ScoreFormula is how the score of a probe or a load is made; docs/reports.md says what its
// parts are, and which are left out.
const ScoreFormula = "100 × (0.6 × availability + 0.2 × speed + 0.2 × recovered)"

// steadyTime is the time that a shorter one counts as in the speed of a score: by that much a
// busy computer's scheduler or a collection of garbage makes any single answer slower, and of
// a few readings the slowest is the p99. A local TCP connection of 0.1 ms that once took 2 ms
// was not disturbed.
const steadyTime = 5 * time.Millisecond

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

// times are those by which readings are told apart, in order and without overlap.
type times struct {
	// on has at least one fault that was confirmed on. It is not empty.
	on []Span
	// met is from asking a fault on until it was confirmed off: a reading that overlaps it
	// may have met the fault, and counts as with faults.
	met []Span
}

func (r *Run) times() times {
	var on, met []Span
	for _, f := range r.Faults {
		were := r.On(f, r.Now)
		on, met = append(on, were...), append(append(met, were...), r.met(f)...)
	}
	return times{together(on), together(met)}
}

// together puts spans in order, and those that overlap into one.
func together(all []Span) (out []Span) {
	slices.SortFunc(all, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	for _, s := range all {
		if n := len(out); n > 0 && s.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}

// begin and end are those of what may have met a fault.
func (t *times) begin() time.Duration { return t.met[0].From }
func (t *times) end() time.Duration   { return t.met[len(t.met)-1].To }

// with is for how long a fault was on.
func (t *times) with() (sum time.Duration) {
	for _, s := range t.on {
		sum += s.To - s.From
	}
	return sum
}

// detected is the time from the first fault until the first sign, which was seen at that time:
// at once where that was before the fault was known to be on.
func (t *times) detected(at time.Duration) *time.Duration {
	d := max(0, at-t.on[0].From)
	return &d
}

// phase is the phase of what lasted so long.
func (t *times) phase(p *ProbeSummary, s Span) **Phase {
	next := sort.Search(len(t.met), func(i int) bool { return t.met[i].To > s.From })
	switch {
	case next < len(t.met) && s.overlaps(t.met[next]):
		return &p.Fault
	case s.From < t.begin():
		return &p.Baseline
	}
	return &p.Recovery
}

// overlaps reports whether two spans have a time in common; one without length has its moment.
func (s Span) overlaps(w Span) bool {
	return s.From < w.To && (w.From < s.To || w.From == s.From)
}

// summarize makes the summary of a run that has ended; nil where there is nothing to
// say. In a plan nothing was read, and in compressed time probes took their own.
func (f *Fold) summarize() *Summary {
	r := &f.run
	t := r.times()
	if r.World == "virtual" || r.Compress > 1 || len(t.on) == 0 {
		return nil
	}
	s := &Summary{Faults: r.faultSummary(&t)}
	for _, log := range f.logs() {
		if p := log.summarize(&t); p != nil {
			s.Probes = append(s.Probes, p)
		}
	}
	for _, log := range r.loadLogs() {
		if p := log.summarize(&t); p != nil {
			s.Loads = append(s.Loads, p)
		}
	}
	all := slices.Concat(s.Probes, s.Loads)
	if len(all) == 0 {
		return nil
	}
	if r.Verdict == journal.VerdictInconclusive { // of an experiment that did not happen
		for _, p := range all {
			p.Availability, p.Speed, p.Recovered, p.Score = nil, nil, nil, nil
		}
		s.Unscored = fmt.Sprintf("the run is %s (%s)", r.Verdict, r.Reason)
		return s
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

func (r *Run) faultSummary(t *times) FaultSummary {
	s := FaultSummary{FirstOn: t.on[0].From, LastOff: t.on[len(t.on)-1].To}
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
func (log *probeLog) summarize(t *times) *ProbeSummary {
	p := &ProbeSummary{Name: cmp.Or(log.name, log.text)}
	end := t.end()
	steady, lastBad, after := time.Duration(-1), false, false // since when it is good; whether the last was bad; whether one was read after the faults
	for i := range log.readings.Points {
		point := &log.readings.Points[i]
		phase := t.phase(p, Span{point.At, point.Ended()})
		add(phase, point.Seen, point.Bad, point.Took)
		if point.Bad > 0 && phase != &p.Baseline && point.BadAt >= t.begin() && p.Detect == nil {
			p.Detect = t.detected(point.BadAt)
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
	p.Lost = after && p.Recover == nil
	p.score(t, p.Baseline)
	return p
}

// score makes the parts and their sum; of a baseline that is nil, as if all had been well.
func (p *ProbeSummary) score(t *times, baseline *Phase) {
	share := func(v float64) *float64 { v = min(max(v, 0), 1); return &v }
	base := 1.0
	if baseline != nil && baseline.Availability > 0 {
		base = baseline.Availability
	}
	p.Availability = share(p.Fault.Availability / base)
	if baseline != nil && baseline.P99 > 0 && p.Fault.P99 > 0 {
		p.Speed = share(float64(max(baseline.P99, steadyTime)) / float64(max(p.Fault.P99, steadyTime)))
	}
	with := t.with()
	switch {
	case p.Recover != nil && with > 0:
		p.Recovered = share(1 - float64(*p.Recover)/float64(with))
	case p.Lost:
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

// add counts readings in a phase.
func add(phase **Phase, readings, bad int, took series.Histogram) {
	if *phase == nil {
		*phase = new(Phase)
	}
	(*phase).Readings += readings
	(*phase).Bad += bad
	(*phase).took.Merge(took)
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
