package view

import (
	"maps"
	"slices"
)

// Snapshot returns the run as it stands, to keep: no later Add changes it, so that
// it can be read while the fold goes on. It shares with the fold what never changes
// again, ended steps and faults above all; 100 000 of them cost the copy of a slice
// of pointers.
func (f *Fold) Snapshot() *Run {
	r := *f.Run()
	r.Steps = slices.Clone(r.Steps)
	for i, s := range r.Steps {
		if !s.Over() {
			r.Steps[i] = copyOf(s)
		}
	}
	r.Faults = slices.Clone(r.Faults)
	for i, fl := range r.Faults {
		if !fl.Over() {
			r.Faults[i] = copyOf(fl)
		}
	}
	r.Checks = slices.Clone(r.Checks)
	r.Loads = slices.Clone(r.Loads)
	for i, l := range r.Loads {
		if !l.Over {
			r.Loads[i] = copyOf(l)
		}
	}
	r.Effects = copies(r.Effects)
	r.Loops = copies(r.Loops)
	r.Guards = copies(r.Guards)
	r.Steady = copies(r.Steady)
	r.Targets = copies(r.Targets)
	if r.Pause != nil {
		r.Pause = copyOf(r.Pause)
	}
	r.Counts.Effects, r.Counts.Untimed = maps.Clone(r.Counts.Effects), maps.Clone(r.Counts.Untimed)
	return &r
}

func copyOf[T any](p *T) *T {
	c := *p
	return &c
}

func copies[T any](list []*T) []*T {
	if list == nil {
		return nil
	}
	out := make([]*T, len(list))
	for i, p := range list {
		out[i] = copyOf(p)
	}
	return out
}
