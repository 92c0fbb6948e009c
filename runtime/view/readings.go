package view

import (
	"cmp"
	"encoding/json"
	"time"

	"starquake/runtime/journal"
	"starquake/runtime/series"
)

// probeAsked notes that an effect reads a probe, or watches one. In a plan nothing is
// kept: its readings say nothing of any system.
func (f *Fold) probeAsked(e *Effect, at journal.Place, b *journal.EffectStartBody, text string) {
	br := f.branch(at.Branch)
	var guard *counting
	if b.Kind == "watch" {
		guard, br.guard = br.guard, nil
	}
	if f.run.World == "virtual" {
		return
	}
	spec := b.Args
	if b.Kind == "watch" {
		var watched struct{ Probe json.RawMessage }
		if json.Unmarshal(b.Args, &watched) != nil {
			return
		}
		spec = watched.Probe
	}
	if e.probe = f.probe(spec); e.probe != nil {
		e.probe.text = text
		switch {
		case guard != nil:
			e.probe.name = cmp.Or(e.probe.name, guard.watch.Name)
			e.watch = guard
		case b.Kind == "watch":
			e.watch = e.probe.steady
		}
	}
}

// counting is a guard or a steady state with the readings of the effects that watched
// for it and have ended.
type counting struct {
	watch     *Watch
	seen, bad int
}

// probe is what is known of the probe of those arguments; nil where there are too many.
func (f *Fold) probe(spec json.RawMessage) *probeLog {
	log := f.probes[string(spec)]
	if log != nil || len(spec) == 0 || len(spec) > maxProbeKey || len(f.probes) >= maxProbes {
		return log
	}
	if f.probes == nil {
		f.probes = map[string]*probeLog{}
	}
	log = &probeLog{order: len(f.probes)}
	f.probes[string(spec)] = log
	return log
}

// probeRead takes what an effect that read or watched a probe ends with.
func (f *Fold) probeRead(e *Effect, data json.RawMessage) {
	var read struct {
		OK      *bool
		Elapsed time.Duration
		Series  []series.Point
		// Of a watch. Its records have only those up to its last change.
		Seen, Bad int
	}
	if len(data) == 0 || json.Unmarshal(data, &read) != nil {
		return
	}
	if e.Kind != "watch" {
		if read.OK != nil {
			e.probe.readings.Merge([]series.Point{series.One(e.Start, *read.OK, read.Elapsed)}, 0)
		}
		return
	}
	if c := e.watch; c != nil {
		c.seen, c.bad = c.seen+max(read.Seen, 0), c.bad+max(read.Bad, 0)
		c.watch.Seen, c.watch.Bad = max(c.watch.Seen, c.seen), max(c.watch.Bad, c.bad)
	}
	points := read.Series[:min(len(read.Series), 2*series.MaxPoints)]
	for i := range points {
		p := &points[i]
		p.Seen, p.Bad = max(p.Seen, 0), min(max(p.Bad, 0), max(p.Seen, 0))
		p.Took = p.Took[:min(len(p.Took), series.MaxBuckets)]
	}
	e.probe.readings.Merge(points, e.Start)
}
