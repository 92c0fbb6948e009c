package view

import (
	"cmp"
	"slices"
	"time"
)

// Probe is a probe with its readings over the time of the run, however many guards,
// steady states and calls read it.
type Probe struct {
	Name   string       `json:"name"`
	Text   string       `json:"text,omitempty"` // what it asks, for people
	Points []ProbePoint `json:"points"`         // a bounded number of them
}

// ProbePoint is one reading, or some that follow each other.
type ProbePoint struct {
	At   time.Duration `json:"at"`
	Seen int           `json:"seen"`
	Bad  int           `json:"bad,omitempty"`
	P50  time.Duration `json:"p50"`
	P99  time.Duration `json:"p99"`
}

// logs are the probes' logs in the order in which they were first asked for.
func (f *Fold) logs() []*probeLog {
	logs := make([]*probeLog, 0, len(f.probes))
	for _, log := range f.probes {
		logs = append(logs, log)
	}
	slices.SortFunc(logs, func(a, b *probeLog) int { return a.order - b.order })
	return logs
}

// readProbes are the probes that were read. In compressed time a probe's readings took
// times that are not the run's.
func (f *Fold) readProbes() []*Probe {
	if f.run.World == "virtual" || f.run.Compress > 1 {
		return nil
	}
	var out []*Probe
	for _, log := range f.logs() {
		if len(log.readings.Points) == 0 {
			continue
		}
		p := &Probe{Name: cmp.Or(log.name, log.text), Text: log.text}
		for i := range log.readings.Points {
			at := &log.readings.Points[i]
			p.Points = append(p.Points, ProbePoint{at.At, at.Seen, at.Bad, at.Took.Quantile(0.5), at.Took.Quantile(0.99)})
		}
		out = append(out, p)
	}
	return out
}
