package view

import (
	"cmp"
	"slices"
	"time"

	"starquake/runtime/series"
)

// badShare is by how much the share of errors of a stretch of load must be above that
// of the baseline for the load to be disturbed: one lost request in a hundred is not.
const badShare = 0.01

// minScored is how many requests of a load must have ended with faults on, or before, for
// a score to be made of them: a few that a fault's first second has caught say nothing.
const minScored = 10

// loadLog are the points of all loads that sent the same request.
type loadLog struct {
	name   string
	points []loadPoint
}

// loadPoint is a point with its end.
type loadPoint struct {
	LoadPoint
	end time.Duration
	// own are the requests that do not count as with faults, ownErrors those of them that failed.
	own, ownErrors int64
}

// loadLogs puts together all loads of one method and URL, whatever their rates, in the order
// of the first: that of a step without faults is the baseline of that of another.
func (r *Run) loadLogs() []*loadLog {
	var logs []*loadLog
	byText := map[string]*loadLog{}
	for _, l := range r.Loads {
		if len(l.Series) == 0 {
			continue
		}
		log := byText[l.Text]
		if log == nil {
			if len(logs) >= maxProbes {
				continue
			}
			log = &loadLog{name: "load " + l.Text}
			byText[l.Text] = log
			logs = append(logs, log)
		}
		for _, p := range l.Series {
			log.points = append(log.points, loadPoint{LoadPoint: p, end: min(p.At+l.Every, l.End)})
		}
	}
	for _, log := range logs {
		slices.SortStableFunc(log.points, func(a, b loadPoint) int { return cmp.Compare(a.At, b.At) })
	}
	return logs
}

// summarize is the summary of one such log; nil if it was not sent with faults on. What was
// due or ended in a stretch in which a fault may have been on counts as with faults, since
// it cannot be told apart.
func (log *loadLog) summarize(t *times) *ProbeSummary {
	s := &ProbeSummary{Name: log.name}
	for i := range log.points {
		log.points[i].count(s, t)
	}
	if s.Fault == nil {
		return nil
	}
	for _, p := range []*Phase{s.Baseline, s.Fault, s.Recovery} {
		p.figures()
	}
	log.disturbed(s, t)
	if s.Fault.Readings >= minScored {
		base := s.Baseline
		if base != nil && base.Readings < minScored {
			base = nil
		}
		s.score(t, base)
	}
	return s
}

// disturbed says when the load was. What counts as with faults is a sign of them, but none
// that the load is not well again.
func (log *loadLog) disturbed(s *ProbeSummary, t *times) {
	usual := 0.0
	if s.Baseline != nil {
		usual = s.Baseline.ErrorRate
	}
	bad := func(errors, requests int64) bool { return float64(errors)/float64(requests) > usual+badShare }
	lastBad, after, ended := time.Duration(-1), false, false
	for i := range log.points {
		p := &log.points[i]
		if p.end <= t.begin() || p.Requests == 0 {
			continue
		}
		if s.Detect == nil && bad(p.Errors, p.Requests) {
			s.Detect = t.detected(p.end)
		}
		if p.own == 0 {
			continue
		}
		after, ended = after || p.end > t.end(), false
		if bad(p.ownErrors, p.own) {
			lastBad, ended = p.end, true
		}
	}
	if after && !ended {
		d := max(0, lastBad-t.end())
		s.Recover = &d
	}
	s.Lost = after && ended
}

// count counts the point's requests in their phases.
func (p *loadPoint) count(s *ProbeSummary, t *times) {
	in := func(due time.Duration, requests, errors int64, took series.Histogram) {
		if requests == 0 {
			return
		}
		phase := t.phase(s, Span{due, p.end})
		add(phase, int(requests), int(errors), took)
		if phase != &s.Fault {
			p.own, p.ownErrors = p.own+requests, p.ownErrors+errors
		}
	}
	requests, errors, took := p.Requests, p.Errors, p.histogram()
	for _, b := range p.before {
		// Of what ended together that took longest which was due first.
		var slow series.Histogram
		slow, took = took.Slowest(int(b.requests))
		in(b.since, b.requests, b.errors, slow)
		requests, errors = requests-b.requests, errors-b.errors
	}
	in(p.At, requests, errors, took)
}

// histogram is how long the point's requests took. Of one without a histogram, as
// older journals have them, its percentiles stand for the requests below them.
func (p *loadPoint) histogram() series.Histogram {
	if len(p.took) > 0 || p.Requests == 0 {
		return p.took
	}
	var h series.Histogram
	slow := max(1, int(p.Requests)/50)
	if rest := int(p.Requests) - slow; rest > 0 {
		h.Add(p.P50, rest)
	}
	h.Add(p.P99, slow)
	return h
}
