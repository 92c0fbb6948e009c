package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"starquake/chaos"
	"starquake/chaos/proxy"
)

// The bounds of a lease, and for how long a proxy that is removed waits for clients.
const (
	MinTTL = time.Second
	MaxTTL = 24 * time.Hour
	drain  = time.Second
)

// maxTargets and maxFaults bound what one plane holds, and what is on one target.
const (
	maxTargets = 1000
	maxFaults  = 10_000
)

// Plane holds proxies and the faults on them. Its methods may be called from any
// goroutine.
type Plane struct {
	// Seed is for the random decisions of toxics that bring none. It is set before use.
	Seed uint64

	logger *slog.Logger

	mu      sync.Mutex
	targets map[string]*target
	closed  bool
}

// target is one proxy with the leases on it.
type target struct {
	*proxy.Proxy
	config proxy.Config
	leases map[string]*lease
	// enabled: it is up. listen is where it listens, or will.
	enabled bool
	listen  string
	seq     uint64 // counts what was put on
}

// lease is a fault that is on until it expires; a toxic without a time to live does not.
type lease struct {
	put     Put
	seq     uint64
	applied *proxy.Applied // nil of a toxic that does nothing
	past    chaos.Stats    // before it was updated
	timer   *time.Timer    // nil while nothing ends it
	expires time.Time
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

	// toxic is how the Toxiproxy API shows it; nil of a fault of /v1. It needs no TTL.
	toxic *toxic
}

// Failure is an error that a client is told.
type Failure struct {
	Status  int
	Code    string // stable
	Message string
}

func (f *Failure) Error() string { return f.Message }

func failf(status int, code, format string, args ...any) *Failure {
	return &Failure{status, code, fmt.Sprintf(format, args...)}
}

// NewPlane makes a plane without proxies. The logger gets what nobody asked for, such as
// a lease that has run out; nil: nothing.
func NewPlane(logger *slog.Logger) *Plane {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Plane{logger: logger, targets: map[string]*target{}}
}

// Open opens a proxy. One that is there with the same configuration is left alone, and
// created is false; with another it is a conflict.
func (p *Plane) Open(ctx context.Context, config proxy.Config) (addr string, created bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.targets[config.Name]; t != nil {
		if t.config.Listen != config.Listen || t.config.Upstream != config.Upstream || t.config.Protocol != config.Protocol || !maps.Equal(t.config.Labels, config.Labels) || !proxy.SameTLS(t.config.TLS, config.TLS) {
			return "", false, failf(http.StatusConflict, "target_differs", "target %q is there already, from %s to %s as %s; delete it first", config.Name, t.listen, t.config.Upstream, t.Protocol())
		}
		return t.listen, false, nil
	}
	if err := p.hasRoom(); err != nil {
		return "", false, err
	}
	t, err := p.prepare(config)
	if err == nil {
		if err = t.up(ctx); err != nil {
			t.closeNow()
		}
	}
	if err != nil {
		return "", false, failf(http.StatusBadRequest, "listen", "%v", err)
	}
	p.targets[config.Name] = t
	return t.listen, true, nil
}

// hasRoom reports why no other target can be made. The caller holds mu.
func (p *Plane) hasRoom() error {
	switch {
	case p.closed:
		return failf(http.StatusServiceUnavailable, "closing", "the data plane is closing")
	case len(p.targets) >= maxTargets:
		return failf(http.StatusConflict, "too_many_targets", "there are %d targets, which is the limit", maxTargets)
	}
	return nil
}

// prepare makes a target that is down, and not one of the plane's yet.
func (p *Plane) prepare(config proxy.Config) (*target, error) {
	config.Logger = p.logger
	made, err := proxy.Prepare(config)
	if err != nil {
		return nil, err
	}
	return &target{Proxy: made, config: config, leases: map[string]*lease{}, listen: config.Listen}, nil
}

// anyPort is where those listen that Toxiproxy's clients say nothing of.
const anyPort = ":0"

// up lets a target listen as it is configured. The caller holds the plane's mu.
func (t *target) up(ctx context.Context) error {
	if err := t.Up(ctx, cmp.Or(t.listen, anyPort), t.config.Upstream); err != nil {
		return err
	}
	t.enabled, t.listen = true, t.Addr()
	return nil
}

// down ends its connections and its listening; what is on it stays. The caller holds mu.
func (t *target) down() {
	t.Down()
	t.enabled = false
}

// closeNow ends a target and what is on it without waiting for clients.
func (t *target) closeNow() {
	for _, l := range t.leases {
		l.end()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = t.Close(ctx) // that connections were cut is what was asked for
}

// Remove closes a proxy; its faults go with it.
func (p *Plane) Remove(name string) error {
	p.mu.Lock()
	t := p.targets[name]
	if t == nil {
		defer p.mu.Unlock()
		return p.noTarget(name)
	}
	delete(p.targets, name)
	for _, l := range t.leases {
		l.end()
	}
	p.mu.Unlock()
	return closeProxy(t)
}

func closeProxy(t *target) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if err := t.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("closing target %q: %w", t.Name(), err)
	}
	return nil
}

// Close takes every fault off and closes every proxy.
func (p *Plane) Close() error {
	p.mu.Lock()
	p.closed = true
	names := slices.Collect(maps.Keys(p.targets))
	p.mu.Unlock()
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { errs[i] = p.Remove(name) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// noTarget is the error of a target that is not there. The caller holds mu.
func (p *Plane) noTarget(name string) error {
	names := slices.Sorted(maps.Keys(p.targets))
	if len(names) > 20 {
		names = append(names[:20], "…")
	}
	return failf(http.StatusNotFound, "no_such_target", "there is no target %q; there are %q", name, names)
}

// Apply puts a fault on a target until its lease runs out. The same again renews the
// lease, and created is false; another fault of that id is a conflict.
func (p *Plane) Apply(name, id string, put Put) (expires time.Time, created bool, err error) {
	if put.TTL < MinTTL || put.TTL > MaxTTL {
		return expires, false, failf(http.StatusBadRequest, "ttl", "ttl: a fault is a lease of %s to %s, got %s", MinTTL, MaxTTL, put.TTL)
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
		p.renew(t, id, l, put.TTL)
		return l.expires, false, nil
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
	applied, err := t.Proxy.ApplyFrom(put.Fault, id, put.Seed, proxy.Start{Key: put.Key, Elapsed: put.Elapsed, Before: put.Before})
	if err != nil {
		return failf(http.StatusUnprocessableEntity, "fault", "%v", err)
	}
	l.applied = applied
	return nil
}

// renew lets a lease run for ttl from now on. The caller holds mu.
func (p *Plane) renew(t *target, id string, l *lease, ttl time.Duration) {
	l.expires = time.Now().Add(ttl)
	if l.timer != nil {
		l.timer.Reset(ttl)
		return
	}
	name := t.Name()
	l.timer = time.AfterFunc(ttl, func() { p.expire(name, id, l) })
}

// expire takes off a fault whose lease has run out.
func (p *Plane) expire(name, id string, l *lease) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.targets[name]
	if t == nil || t.leases[id] != l || time.Now().Before(l.expires) { // gone, or renewed at the last moment
		return
	}
	delete(t.leases, id)
	stats := l.end()
	p.logger.Warn("a lease has run out and its fault is off", "target", name, "fault", id, "what", l.put.Fault.String(), "hit", stats.Hit)
}

// Renew lets the lease of a fault run for ttl from now on.
func (p *Plane) Renew(name, id string, ttl time.Duration) (time.Time, error) {
	if ttl < MinTTL || ttl > MaxTTL {
		return time.Time{}, failf(http.StatusBadRequest, "ttl", "ttl: expected %s to %s, got %s", MinTTL, MaxTTL, ttl)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l, err := p.lease(name, id)
	if err != nil {
		return time.Time{}, err
	}
	p.renew(p.targets[name], id, l, ttl)
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
	return nil, failf(http.StatusNotFound, "no_such_fault", "there is no fault %q on target %q: it was taken off, or its lease has run out", id, name)
}

// TakeOff takes a fault off and gives its counts.
func (p *Plane) TakeOff(name, id string) (chaos.Stats, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, err := p.lease(name, id)
	if err != nil {
		return chaos.Stats{}, err
	}
	delete(p.targets[name].leases, id)
	return l.end(), nil
}

// Hold holds the clocks of the faults of some ids, or lets them go on; with lift it takes
// them off meanwhile. Ids that are not there are no error: their lease may have run out.
func (p *Plane) Hold(ids []string, hold, lift bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.targets {
		for _, id := range ids {
			l := t.leases[id]
			switch {
			case l == nil || l.applied == nil:
			case hold && lift:
				l.applied.Pause()
				l.applied.Lift()
			case hold:
				l.applied.Pause()
			default:
				l.applied.Restore()
				l.applied.Resume()
			}
		}
	}
}

// FaultState is a fault that is on.
type FaultState struct {
	ID      string      `json:"id"`
	Target  string      `json:"target"`
	Fault   chaos.Fault `json:"fault"`
	Expires time.Time   `json:"expires_at,omitzero"`
	Stats   chaos.Stats `json:"stats"`
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
			out = append(out, FaultState{id, name, l.put.Fault, l.expires, l.stats()})
		}
	}
	return out, nil
}

// TargetState is a proxy.
type TargetState struct {
	Name     string            `json:"name"`
	Listen   string            `json:"listen"`
	Upstream string            `json:"upstream"`
	Protocol string            `json:"protocol"`
	Labels   map[string]string `json:"labels"`
	// TLS is how it terminates TLS; nil: TLS passes through.
	TLS *chaos.TLS `json:"tls,omitempty"`
	// Enabled is false of one that the Toxiproxy API has disabled: it does not listen.
	Enabled bool `json:"enabled"`
}

// Targets lists the proxies by name.
func (p *Plane) Targets() []TargetState {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := []TargetState{}
	for _, name := range slices.Sorted(maps.Keys(p.targets)) {
		t := p.targets[name]
		state := TargetState{Name: name, Listen: t.listen, Upstream: t.config.Upstream, Protocol: t.Protocol(), Labels: t.Labels(), Enabled: t.enabled}
		if tls := t.config.TLS; tls != nil {
			state.TLS = &tls.Spec
		}
		out = append(out, state)
	}
	return out
}

// Proxy gives a target's proxy.
func (p *Plane) Proxy(name string) (*proxy.Proxy, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.targets[name]; t != nil {
		return t.Proxy, nil
	}
	return nil, p.noTarget(name)
}
