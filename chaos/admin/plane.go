package admin

import (
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
}

// lease is a fault that is on until it expires.
type lease struct {
	put     Put
	applied *proxy.Applied
	timer   *time.Timer
	expires time.Time
}

// Put is what puts a fault on.
type Put struct {
	Fault chaos.Fault
	// Key and Seed determine the fault's random decisions; an empty key is the fault's id.
	Key     string
	Seed    uint64
	TTL     time.Duration
	Elapsed time.Duration
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
			return "", false, failf(http.StatusConflict, "target_differs", "target %q is there already, from %s to %s as %s; delete it first", config.Name, t.Addr(), t.config.Upstream, t.config.Protocol)
		}
		return t.Addr(), false, nil
	}
	switch {
	case p.closed:
		return "", false, failf(http.StatusServiceUnavailable, "closing", "the data plane is closing")
	case len(p.targets) >= maxTargets:
		return "", false, failf(http.StatusConflict, "too_many_targets", "there are %d targets, which is the limit", maxTargets)
	}
	config.Logger = p.logger
	opened, err := proxy.Listen(ctx, config)
	if err != nil {
		return "", false, failf(http.StatusBadRequest, "listen", "%v", err)
	}
	p.targets[config.Name] = &target{Proxy: opened, config: config, leases: map[string]*lease{}}
	return opened.Addr(), true, nil
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
		l.timer.Stop()
		l.applied.Remove()
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
		l.renew(put.TTL)
		return l.expires, false, nil
	}
	if len(t.leases) >= maxFaults {
		return expires, false, failf(http.StatusConflict, "too_many_faults", "target %q has %d faults on, which is the limit", name, maxFaults)
	}
	key := put.Key
	if key == "" {
		key = id
	}
	applied, err := t.Proxy.ApplyKeyed(put.Fault, id, key, put.Seed)
	if err != nil {
		return expires, false, failf(http.StatusUnprocessableEntity, "fault", "%v", err)
	}
	if put.Elapsed > 0 {
		applied.Advance(put.Elapsed)
	}
	l := &lease{put: put, applied: applied}
	l.timer = time.AfterFunc(put.TTL, func() { p.expire(name, id, l) })
	l.expires = time.Now().Add(put.TTL)
	t.leases[id] = l
	return l.expires, true, nil
}

// renew lets a lease run for ttl from now on. The caller holds the plane's mu.
func (l *lease) renew(ttl time.Duration) {
	l.timer.Reset(ttl)
	l.expires = time.Now().Add(ttl)
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
	stats := l.applied.Remove()
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
	l.renew(ttl)
	return l.expires, nil
}

// lease gives a fault that is on. The caller holds mu.
func (p *Plane) lease(name, id string) (*lease, error) {
	t := p.targets[name]
	if t == nil {
		return nil, p.noTarget(name)
	}
	if l := t.leases[id]; l != nil {
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
	l.timer.Stop()
	delete(p.targets[name].leases, id)
	return l.applied.Remove(), nil
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
			case l == nil:
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
	Expires time.Time   `json:"expires_at"`
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
	out := make([]FaultState, len(ids))
	for i, id := range ids {
		l := t.leases[id]
		out[i] = FaultState{id, name, l.put.Fault, l.expires, l.applied.Stats()}
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
}

// Targets lists the proxies by name.
func (p *Plane) Targets() []TargetState {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := []TargetState{}
	for _, name := range slices.Sorted(maps.Keys(p.targets)) {
		t := p.targets[name]
		state := TargetState{Name: name, Listen: t.Addr(), Upstream: t.Upstream(), Protocol: t.Protocol(), Labels: t.Labels()}
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
