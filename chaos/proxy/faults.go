package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"starquake/chaos"
)

// ErrClosed is returned by Apply on a proxy that is closed or closing.
var ErrClosed = errors.New("the proxy is closed")

// Applied is one fault on one proxy, from Apply on. Its methods may be called from
// anywhere, more than once, and in any order.
type Applied struct {
	p       *Proxy
	id      string
	seq     uint64 // order of Apply: within a kind the oldest acts first
	fault   chaos.Fault
	row     *effectRow
	acts    acts
	matcher *chaos.Matcher
	draws   chaos.Draws
	// operations: it has to be told of GraphQL operations, see operations.go.
	operations bool

	// own tells the connections of the run's own probes by where they come from; may be nil.
	own func(source netip.AddrPort) bool

	seen, hit, inapplicable, released atomic.Uint64
	probed                            atomic.Uint64
	delayed, dropped                  atomic.Uint64 // bytes
	asked, achieved                   atomic.Int64  // nanoseconds

	clock atomic.Pointer[faultClock]
	gone  atomic.Bool // removed: connections may forget its draw

	// For a pulse: the clock has been changed; the fault is removed.
	clockChanged, removedCh chan struct{}

	// Guarded by p.faultMu.
	paused, lifted, removed bool
	on                      *active // nil while lifted or removed
}

// active is an Applied for as long as it is on without interruption: a Lift ends it,
// and a Restore begins another. What waits for a fault's delay waits for an active.
type active struct {
	*Applied
	off atomic.Bool
	// gen is the generation of the first snapshot that it is in.
	gen uint64
}

// snapshot is the set of faults that are on. It never changes.
type snapshot struct {
	gen uint64 // counts the snapshots of a proxy from 1
	// order is the order in which a request meets the faults: by rank of their kind,
	// within a kind the oldest first.
	order []*active
	// operations: one of them has to be told of GraphQL operations.
	operations bool
	// index finds those of order that a request may meet.
	index *chaos.Index
	// changed is closed when another snapshot has taken this one's place.
	changed chan struct{}
}

// faultClock gives the time since a fault went on, without that of its pauses. It
// never changes; a pause replaces it.
type faultClock struct {
	before time.Duration // until since
	since  time.Time     // zero while it is held
}

func (c *faultClock) elapsed(now time.Time) time.Duration {
	if c.since.IsZero() {
		return c.before
	}
	return c.before + now.Sub(c.since)
}

// Apply puts fault on. It acts from the next request or byte on, also of connections
// that are open. id names it among the faults that are on; id and seed determine
// its random decisions.
func (p *Proxy) Apply(fault chaos.Fault, id string, seed uint64) (*Applied, error) {
	return p.ApplyFrom(fault, id, seed, Start{})
}

// Start is from where a fault begins. The zero value is that of a new one.
type Start struct {
	// Key determines the random decisions in place of the id: faults of several runs have
	// different ids, and the same decisions in each.
	Key string
	// Elapsed is for how long it had been on, and Before what it had done, in a process
	// that died: the fault goes on from there, so that what it meets next has the number,
	// and with it the draws, that it would have had.
	Elapsed time.Duration
	Before  chaos.Stats
	// Paused and Lifted are as after Pause and Lift: lifted it touches nothing before Restore.
	Paused, Lifted bool
	// Own tells which connections are those of probes of the run that puts the fault on, by
	// where they come from: what it hits of them is counted apart. It may be nil.
	Own func(source netip.AddrPort) bool
}

// ApplyFrom is Apply of a fault that may have been on before.
func (p *Proxy) ApplyFrom(fault chaos.Fault, id string, seed uint64, start Start) (*Applied, error) {
	if err := fault.Validate(); err != nil {
		return nil, fmt.Errorf("proxy %s: %w", p.config.Name, err)
	}
	if err := p.Supports(fault.Kind); err != nil {
		return nil, err
	}
	matcher, err := fault.Match.Compile()
	if err != nil {
		return nil, fmt.Errorf("proxy %s: fault %s: %w", p.config.Name, fault.Kind, err)
	}
	row := rowOf(fault.Kind)
	a := &Applied{p: p, id: id, fault: fault, row: row, acts: row.ready(&fault), matcher: matcher, own: start.Own, draws: chaos.NewDraws(seed, cmp.Or(start.Key, id))}
	a.operations = a.acts.graphql || matcher.NeedsGraphQL()
	a.clockChanged, a.removedCh = make(chan struct{}, 1), make(chan struct{})
	a.clock.Store(&faultClock{before: start.Elapsed, since: time.Now()})
	a.count(start.Before)
	a.paused, a.lifted = start.Paused, start.Lifted
	a.adjustClock()

	p.faultMu.Lock()
	defer p.faultMu.Unlock()
	if p.refuses {
		return nil, fmt.Errorf("proxy %s: fault %s: %w", p.config.Name, fault.Kind, ErrClosed)
	}
	for _, other := range p.applied {
		if other.id == id {
			return nil, fmt.Errorf("proxy %s: fault %s: the id %q is taken by %s", p.config.Name, fault.Kind, id, other.fault)
		}
	}
	p.applySeq++
	a.seq = p.applySeq
	if !a.lifted {
		a.on = &active{Applied: a}
	}
	p.applied = append(p.applied, a)
	p.publish()
	if fault.Pulse != nil && (a.acts.fate != nil || a.acts.refuses || a.acts.handshake == stall) {
		p.pulses.Go(func() { p.pulse(a) })
	}
	return a, nil
}

// Supports returns nil if faults of this kind can be put on the proxy, and otherwise
// says why not.
func (p *Proxy) Supports(kind string) error {
	err := Can(kind, p.config.Protocol)
	if err == nil {
		row, _ := chaos.KindOf(kind) // which Can knows
		err = row.OnTLS(p.Terminates())
	}
	if err != nil {
		return fmt.Errorf("proxy %s: %w", p.config.Name, err)
	}
	return nil
}

// Can returns nil if this program's proxies can do faults of a kind on a protocol, and
// otherwise says why not.
func Can(kind, protocol string) error {
	row, err := chaos.KindOf(kind)
	if err == nil {
		err = row.Speaks(protocol)
	}
	if err == nil && rowOf(kind) == nil {
		err = fmt.Errorf("faults of kind %s cannot be done by a proxy", kind)
	}
	if err == nil && kind == "refuse" {
		err = canDeafen()
	}
	return err
}

// publish makes a snapshot of what is on, puts it in force, and wakes all that looked
// at the old one. The caller holds faultMu.
func (p *Proxy) publish() {
	old := p.faults.Load()
	next := &snapshot{gen: old.gen + 1, changed: make(chan struct{})}
	prompt := false // something is to happen to connections that wait
	for _, a := range p.applied {
		if a.on == nil {
			continue
		}
		next.order = append(next.order, a.on)
		next.operations = next.operations || a.operations
		if a.on.gen == 0 {
			a.on.gen = next.gen
			prompt = prompt || a.acts.fate != nil
		}
	}
	slices.SortFunc(next.order, func(a, b *active) int {
		if a.row.rank != b.row.rank {
			return int(a.row.rank) - int(b.row.rank)
		}
		return int(a.seq) - int(b.seq)
	})
	matchers := make([]*chaos.Matcher, len(next.order))
	for i, a := range next.order {
		if a.acts.requests {
			matchers[i] = a.matcher
		}
	}
	next.index = chaos.NewIndex(matchers)
	p.faults.Store(next)
	close(old.changed)
	p.listenOrNot(next)
	p.kick(prompt)
}

// ID returns the name given to Apply.
func (a *Applied) ID() string { return a.id }

// Fault returns the fault given to Apply.
func (a *Applied) Fault() chaos.Fault { return a.fault }

// Remove takes the fault off for good and returns what it did. What comes after it
// returns does not meet the fault, and what the fault held back goes on.
func (a *Applied) Remove() chaos.Stats {
	a.change(func() {
		a.removed = true
		a.gone.Store(true)
		close(a.removedCh)
		a.p.applied = slices.DeleteFunc(a.p.applied, func(other *Applied) bool { return other == a })
	})
	return a.Stats()
}

// Pause holds the fault's clock: ramps, pulses and bursts stand still. The fault stays on.
func (a *Applied) Pause() { a.change(func() { a.paused = true }) }

// Resume lets the clock go on after Pause.
func (a *Applied) Resume() { a.change(func() { a.paused = false }) }

// Lift takes the fault off for a while, as Remove does, and holds its clock.
func (a *Applied) Lift() { a.change(func() { a.lifted = true }) }

// Restore puts it on again after Lift, in its old place and with its old counts.
func (a *Applied) Restore() { a.change(func() { a.lifted = false }) }

// Held reports whether its clock is held after Pause, and whether it is off after Lift.
func (a *Applied) Held() (paused, lifted bool) {
	a.p.faultMu.Lock()
	defer a.p.faultMu.Unlock()
	return a.paused, a.lifted
}

// change applies f to the state and brings clock and snapshot in line with it.
func (a *Applied) change(f func()) {
	a.p.faultMu.Lock()
	defer a.p.faultMu.Unlock()
	if a.removed {
		return
	}
	f()
	a.adjustClock()
	switch on := !a.lifted && !a.removed; {
	case on && a.on == nil:
		a.on = &active{Applied: a}
	case !on && a.on != nil:
		for _, c := range a.p.openConns() {
			c.part()
		}
		a.on.off.Store(true) // before publish: see hold
		a.on = nil
	default:
		return
	}
	a.p.publish()
}

func (a *Applied) adjustClock() {
	runs := !a.paused && !a.lifted && !a.removed
	c := a.clock.Load()
	if runs == !c.since.IsZero() {
		return
	}
	now := time.Now()
	next := &faultClock{before: c.elapsed(now)}
	if runs {
		next.since = now
	}
	a.clock.Store(next)
	select {
	case a.clockChanged <- struct{}{}:
	default: // it is told already
	}
}

// Stats returns what the fault has done so far.
func (a *Applied) Stats() chaos.Stats {
	// In this order, so that Probed <= Hit <= Seen in what is returned.
	s := chaos.Stats{Probed: a.probed.Load()}
	s.Hit = a.hit.Load()
	s.Seen = a.seen.Load()
	s.Inapplicable = a.inapplicable.Load()
	s.Asked = time.Duration(a.asked.Load())
	s.Achieved = time.Duration(a.achieved.Load())
	s.Released = a.released.Load()
	s.Delayed = a.delayed.Load()
	s.Dropped = a.dropped.Load()
	return s
}

// count makes s what the fault has done so far.
func (a *Applied) count(s chaos.Stats) {
	a.seen.Store(s.Seen)
	a.hit.Store(s.Hit)
	a.probed.Store(s.Probed)
	a.inapplicable.Store(s.Inapplicable)
	a.released.Store(s.Released)
	a.delayed.Store(s.Delayed)
	a.dropped.Store(s.Dropped)
	a.asked.Store(int64(s.Asked))
	a.achieved.Store(int64(s.Achieved))
}

// strikes counts a hit on what came over c.
func (a *Applied) strikes(c *conn) {
	a.hit.Add(1)
	if a.own != nil && c != nil && a.own(c.peer) {
		a.probed.Add(1)
	}
}

// meets counts one more request or connection that the fault fits and decides whether
// it is hit; n is its number. It does not count the hit: the kind may let it pass.
func (a *Applied) meets(elapsed time.Duration) (n uint64, hit bool) {
	n = a.seen.Add(1) - 1
	return n, a.matcher.Counts(n) && a.draws.Hit(n, a.fault.Probability.At(elapsed))
}

// faultState is what the proxy keeps of its faults.
type faultState struct {
	faults atomic.Pointer[snapshot] // read by every request and chunk

	faultMu  sync.Mutex // guards the rest; not held on the way of a byte
	applied  []*Applied // those not removed, in order of Apply
	applySeq uint64
	refuses  bool // Apply is over
	down     bool // there is no listener
	pulses   sync.WaitGroup
	// deaf is not nil while the listener does not listen, and closed when it does again.
	deaf atomic.Pointer[chan struct{}]
}

// removeAll takes all faults off and refuses new ones.
func (p *Proxy) removeAll() {
	p.faultMu.Lock()
	p.refuses = true
	all := slices.Clone(p.applied)
	p.faultMu.Unlock()
	for _, a := range all {
		a.Remove()
	}
}
