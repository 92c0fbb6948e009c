package server

import (
	"fmt"
	"slices"

	"starquake/app"
	"starquake/store"
)

// Admission is which runs go on side by side.
type Admission struct {
	// MaxRuns is how many runs go on at once; 0 is no limit.
	MaxRuns int
	// Queue is how many starts beyond MaxRuns wait for their turn; 0: none does.
	Queue int
	// Exclusive are targets that one run at a time is given; "*" is every target.
	Exclusive []string
}

// Unmatched says which names of Admission.Exclusive are those of no target that there is, ""
// if all are. They may be added later.
func (c *Config) Unmatched() (string, error) {
	kept, damaged, err := c.Store.Shelf(store.Targets).Readable()
	if err != nil {
		return "", err
	}
	var known, unknown []string
	for _, d := range damaged {
		known = append(known, d.Name)
	}
	for _, doc := range kept {
		known = append(known, doc.Name)
	}
	if c.Env != nil {
		for _, t := range c.Env.Targets {
			known = append(known, t.Name)
		}
	}
	for _, name := range c.Admission.Exclusive {
		if name != "*" && !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return "", nil
	}
	return fmt.Sprintf("exclusive: there is no target %s, and nothing is for one run at a time by that name until one is added; there are: %s", nearby(unknown), nearby(known)), nil
}

// exclusive are those of a run's targets that no other may have meanwhile.
func (a *Admission) exclusive(targets []string) []string {
	if slices.Contains(a.Exclusive, "*") {
		return targets
	}
	var out []string
	for _, t := range targets {
		if slices.Contains(a.Exclusive, t) {
			out = append(out, t)
		}
	}
	return out
}

// place is that of a run which is being started, or taken up, among those that go on.
type place struct {
	targets []string
	all     bool // which of the targets it has nobody knows
}

// has reports whether the run may have a target.
func (p *place) has(target string) bool { return p.all || slices.Contains(p.targets, target) }

// free says why a run that is to be started cannot have its targets, nil if it can. The
// caller holds mu.
func (m *manager) free(targets []string) error {
	if m.readable != nil {
		if err := m.readable(targets); err != nil {
			return err
		}
	}
	a := &m.config.Admission
	for _, target := range a.exclusive(targets) {
		for id, r := range m.live {
			if ended(r) {
				continue
			}
			if given, known := m.given[id]; !known || slices.Contains(given, target) { // of a recovered one nobody knows
				return problemf(409, "target_held", "target %s is for one run at a time, and run %s has it; stop that one, wait for its end, or name other targets", target, id)
			}
		}
		for other := range m.places {
			if other.has(target) {
				return problemf(409, "target_held", "target %s is for one run at a time, and a run that is being started has it", target)
			}
		}
	}
	return nil
}

// take gives a run that is to be started its place, where its targets are free. The caller
// holds mu.
func (m *manager) take(targets []string) (*place, error) {
	if err := m.free(targets); err != nil {
		return nil, err
	}
	p := &place{targets: targets}
	m.places[p] = true
	return p, nil
}

// going is how many runs go on, without those that have ended and are not yet forgotten.
func (m *manager) going() (n int) {
	for _, r := range m.live {
		if !ended(r) {
			n++
		}
	}
	return n
}

// ended reports whether a run has ended. Who has seen that may start another one in its place
// at once. One that was parked goes on.
func ended(r *app.Running) bool { return r.Ended() && !r.Parked() }
