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

// loadLog are the points of all loads that one value of the script sent.
type loadLog struct {
	name   string
	points []loadPoint
}

// loadPoint is a point with its length.
type loadPoint struct {
	LoadPoint
	every time.Duration
}

// loadLogs puts together what one value of the script sent, in the order of the first.
func (r *Run) loadLogs() []*loadLog {
	var logs []*loadLog
	byTraffic := map[string]*loadLog{}
	for _, l := range r.Loads {
		if len(l.Series) == 0 {
			continue
		}
		key := cmp.Or(l.Traffic, l.ID)
		log := byTraffic[key]
		if log == nil {
			if len(logs) >= maxProbes {
				continue
			}
			log = &loadLog{name: "load " + l.Text}
			byTraffic[key] = log
			logs = append(logs, log)
		}
		for _, p := range l.Series {
			log.points = append(log.points, loadPoint{p, l.Every})
		}
	}
	for _, log := range logs {
		slices.SortStableFunc(log.points, func(a, b loadPoint) int { return cmp.Compare(a.At, b.At) })
	}
	return logs
}

// summarize is the summary of one traffic; nil if it was not sent with faults on. What
// ended in a stretch in which a fault was on is counted under faults, since it cannot
// be told apart.
func (log *loadLog) summarize(on []window) *ProbeSummary {
	s := &ProbeSummary{Name: log.name}
	first, end := on[0].from, on[len(on)-1].to
	for i := range log.points {
		p := &log.points[i]
		phase := &s.Recovery
		switch {
		case slices.ContainsFunc(on, func(w window) bool { return w.from < p.end() && p.At < w.to }):
			phase = &s.Fault
		case p.At < first:
			phase = &s.Baseline
		}
		if *phase == nil {
			*phase = new(Phase)
		}
		(*phase).Readings += int(p.Requests)
		(*phase).Bad += int(p.Errors)
		(*phase).took.Merge(p.histogram())
	}
	if s.Fault == nil {
		return nil
	}
	for _, p := range []*Phase{s.Baseline, s.Fault, s.Recovery} {
		p.figures()
	}
	usual := 0.0
	if s.Baseline != nil {
		usual = s.Baseline.ErrorRate
	}
	lastBad, after, ended := time.Duration(-1), false, false
	for i := range log.points {
		p := &log.points[i]
		if p.end() <= first || p.Requests == 0 {
			continue
		}
		after, ended = after || p.end() > end, false
		if float64(p.Errors)/float64(p.Requests) > usual+badShare {
			if s.Detect == nil {
				d := p.end() - first
				s.Detect = &d
			}
			lastBad, ended = p.end(), true
		}
	}
	if after && !ended {
		d := max(0, lastBad-end)
		s.Recover = &d
	}
	s.score(on, after)
	return s
}

func (p *loadPoint) end() time.Duration { return p.At + p.every }

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
