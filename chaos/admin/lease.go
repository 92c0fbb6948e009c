package admin

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"starquake/chaos"
	"starquake/chaos/proxy"
	"starquake/units"
)

// lease is a fault that is on until it expires; a toxic without a time to live does not.
type lease struct {
	put     Put
	seq     uint64
	applied *proxy.Applied // nil of a toxic that does nothing; set before timer
	past    chaos.Stats    // before it was updated
	timer   *time.Timer    // nil while nothing ends it

	// turn guards the rest besides the plane's mu: a lease runs out on time also while the
	// plane is busy.
	turn    sync.Mutex
	expires time.Time
	over    bool // it has run out
}

// prolong lets it run for ttl from now on, unless it has run out. The caller holds the
// plane's mu.
func (l *lease) prolong(ttl time.Duration) bool {
	l.turn.Lock()
	defer l.turn.Unlock()
	if l.over {
		return false
	}
	l.expires = time.Now().Add(ttl)
	return true
}

// runOut reports whether it has run out, which nothing changes any more.
func (l *lease) runOut() bool {
	l.turn.Lock()
	defer l.turn.Unlock()
	l.over = l.over || !time.Now().Before(l.expires)
	return l.over
}

// stats are what it has done so far.
func (l *lease) stats() chaos.Stats {
	if l.applied == nil {
		return l.past
	}
	return l.past.Plus(l.applied.Stats())
}

// end takes it off, and gives what it has done.
func (l *lease) end() chaos.Stats {
	if l.timer != nil {
		l.timer.Stop()
	}
	if l.applied == nil {
		return l.past
	}
	return l.past.Plus(l.applied.Remove())
}

// Put is what puts a fault on.
type Put struct {
	Fault chaos.Fault
	// Key and Seed determine the fault's random decisions; an empty key is the fault's id.
	Key  string
	Seed uint64
	TTL  time.Duration
	// Elapsed is for how long the fault had been on before, and Before what it had done
	// then, if it goes on.
	Elapsed time.Duration
	Before  chaos.Stats
	// Paused and Lifted say that it is held to begin with, as by Hold.
	Paused, Lifted bool

	// toxic is how the Toxiproxy API shows it; nil of a fault of /v1. It needs no TTL.
	toxic *toxic
}

// Apply puts a fault on a target until its lease runs out. The same again renews the
// lease, and created is false; another fault of that id is a conflict.
func (p *Plane) Apply(name, id string, put Put) (expires time.Time, created bool, err error) {
	if put.TTL < MinTTL || put.TTL > MaxTTL {
		return expires, false, failf(http.StatusBadRequest, "ttl", "ttl: a fault is a lease of %s to %s, got %s", units.FormatDuration(MinTTL), units.FormatDuration(MaxTTL), units.FormatDuration(put.TTL))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.targets[name]
	if t == nil {
		return expires, false, p.noTarget(name)
	}
	if l := t.leases[id]; l != nil {
		if l.put.Seed != put.Seed || l.put.Key != put.Key || l.put.Fault.String() != put.Fault.String() {
			return expires, false, failf(http.StatusConflict, "fault_differs", "fault %q on target %q is %s; delete it first", id, name, l.put.Fault)
		}
		if p.renew(t, id, l, put.TTL) {
			return l.expires, false, nil
		}
		l.end()
		delete(t.leases, id)
	}
	l, err := p.put(t, id, put)
	if err != nil {
		return expires, false, err
	}
	return l.expires, true, nil
}

// put puts on a target what it does not have. The caller holds mu.
func (p *Plane) put(t *target, id string, put Put) (*lease, error) {
	if len(t.leases) >= maxFaults {
		return nil, failf(http.StatusConflict, "too_many_faults", "target %q has %d faults on, which is the limit", t.Name(), maxFaults)
	}
	t.seq++
	l := &lease{seq: t.seq}
	if err := l.apply(t, id, put); err != nil {
		return nil, err
	}
	t.leases[id] = l
	if put.TTL > 0 {
		p.renew(t, id, l, put.TTL)
	}
	return l, nil
}

// apply lets the proxy carry a fault out. The caller holds the plane's mu.
func (l *lease) apply(t *target, id string, put Put) error {
	l.put, l.applied = put, nil
	if put.Fault.Kind == "" {
		return nil
	}
	if err := t.Supports(put.Fault.Kind); err != nil {
		return failf(http.StatusUnprocessableEntity, "fault_protocol", "%v", err)
	}
	applied, err := t.Proxy.ApplyFrom(put.Fault, id, put.Seed, proxy.Start{Key: put.Key, Elapsed: put.Elapsed, Before: put.Before, Paused: put.Paused, Lifted: put.Lifted})
	if err != nil {
		return failf(http.StatusUnprocessableEntity, faultCode(err), "%v", err)
	}
	l.applied = applied
	return nil
}

// renew lets a lease run for ttl from now on. It returns false if it has run out, and is
// about to be taken off. The caller holds mu.
func (p *Plane) renew(t *target, id string, l *lease, ttl time.Duration) bool {
	if !l.prolong(ttl) {
		return false
	}
	if l.timer != nil {
		l.timer.Reset(ttl)
		return true
	}
	name := t.Name()
	l.timer = time.AfterFunc(ttl, func() { p.expire(name, id, l) })
	return true
}

// expire takes off a fault whose lease has run out, without waiting for the plane.
func (p *Plane) expire(name, id string, l *lease) {
	if !l.runOut() { // renewed at the last moment
		return
	}
	if l.applied != nil {
		l.applied.Remove()
	}
	if !p.drop(name, id, l) {
		return
	}
	// Without the mu: a log may be a pipe that nobody reads.
	p.logger.Warn("a lease has run out and its fault is off", "target", name, "fault", id, "what", l.put.Fault.String(), "hit", l.stats().Hit)
}

// drop forgets a lease that has run out. It returns false if it is gone already.
func (p *Plane) drop(name, id string, l *lease) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.targets[name]
	if t == nil || t.leases[id] != l {
		return false
	}
	delete(t.leases, id)
	l.end()
	return true
}

// Renew lets the lease of a fault run for ttl from now on.
func (p *Plane) Renew(name, id string, ttl time.Duration) (time.Time, error) {
	if ttl < MinTTL || ttl > MaxTTL {
		return time.Time{}, failf(http.StatusBadRequest, "ttl", "ttl: expected %s to %s, got %s", units.FormatDuration(MinTTL), units.FormatDuration(MaxTTL), units.FormatDuration(ttl))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l, err := p.lease(name, id)
	if err != nil {
		return time.Time{}, err
	}
	if !p.renew(p.targets[name], id, l, ttl) {
		return time.Time{}, noFault(name, id)
	}
	return l.expires, nil
}

// lease gives a fault that is on. The caller holds mu.
func (p *Plane) lease(name, id string) (*lease, error) {
	t := p.targets[name]
	if t == nil {
		return nil, p.noTarget(name)
	}
	if l := t.leases[id]; l != nil && l.applied != nil {
		return l, nil
	}
	return nil, noFault(name, id)
}

func noFault(name, id string) error {
	return failf(http.StatusNotFound, "no_such_fault", "there is no fault %q on target %q: it was taken off, or its lease has run out", id, name)
}

// Counts are what a fault has done.
type Counts struct {
	Stats *chaos.Stats `json:"stats,omitempty"`
	// Uncounted: nobody counts what meets the fault. Then Stats is nil.
	Uncounted bool `json:"uncounted,omitempty"`
}

// counts gives stats of the lease, if anybody counts.
func (l *lease) counts(stats chaos.Stats) Counts {
	if !l.put.Fault.Counted() {
		return Counts{Uncounted: true}
	}
	return Counts{Stats: &stats}
}

// TakeOff takes a fault off and gives its counts.
func (p *Plane) TakeOff(name, id string) (Counts, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, err := p.lease(name, id)
	if err != nil {
		return Counts{}, err
	}
	delete(p.targets[name].leases, id)
	return l.counts(l.end()), nil
}

// Hold holds the clocks of the faults of some ids, or lets them go on; with lift it takes
// them off meanwhile. Ids that are on no target are an error, after what was asked for was
// done to the others: the lease of one may have run out.
func (p *Plane) Hold(ids []string, hold, lift bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var unknown []string
	for _, id := range ids {
		found := false
		for _, t := range p.targets {
			if l := t.leases[id]; l != nil && l.applied != nil {
				found = true
				l.hold(hold, lift)
			}
		}
		if !found {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return failf(http.StatusNotFound, "no_such_fault", "there is no fault %s on any target: it was taken off, or its lease has run out; the other faults of the request are as was asked", listed(unknown))
}

// hold holds the fault's clock, or lets it go on.
func (l *lease) hold(hold, lift bool) {
	if !hold {
		l.applied.Restore()
		l.applied.Resume()
		return
	}
	l.applied.Pause()
	if lift {
		l.applied.Lift()
	}
}

// FaultState is a fault that is on.
type FaultState struct {
	ID      string      `json:"id"`
	Target  string      `json:"target"`
	Fault   chaos.Fault `json:"fault"`
	Expires time.Time   `json:"expires_at,omitzero"`
	// Paused: its clock is held. Lifted: it is off meanwhile.
	Paused bool `json:"paused,omitempty"`
	Lifted bool `json:"lifted,omitempty"`
	Counts
}

// Faults lists the faults on a target by their ids; with an id that one alone.
func (p *Plane) Faults(name, id string) ([]FaultState, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.targets[name]
	if t == nil {
		return nil, p.noTarget(name)
	}
	ids := slices.Sorted(maps.Keys(t.leases))
	if id != "" {
		if _, err := p.lease(name, id); err != nil {
			return nil, err
		}
		ids = []string{id}
	}
	out := make([]FaultState, 0, len(ids))
	for _, id := range ids {
		if l := t.leases[id]; l.applied != nil {
			paused, lifted := l.applied.Held()
			out = append(out, FaultState{id, name, l.put.Fault, l.expires, paused, lifted, l.counts(l.stats())})
		}
	}
	return out, nil
}
