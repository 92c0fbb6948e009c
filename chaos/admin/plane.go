package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
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

	// doors is held by whoever opens, moves or disables what listens, and waits for
	// connections to end meanwhile. mu is held by whoever uses the rest, and never for long:
	// else leases ran out, and no fault could be taken off. doors is taken first.
	doors   sync.Mutex
	mu      sync.Mutex
	targets map[string]*target
	closed  bool
	lookUps *lookUps
}

// target is one proxy with the leases on it.
type target struct {
	*proxy.Proxy
	door
	leases map[string]*lease
	seq    uint64 // counts what was put on
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
	return &Plane{logger: logger, targets: map[string]*target{}, lookUps: newLookUps()}
}

// Open opens a proxy. One that is there with the same configuration is left alone, and
// created is false; with another it is a conflict.
func (p *Plane) Open(ctx context.Context, config proxy.Config) (addr string, created bool, err error) {
	if addr, there, err := p.there(config); there || err != nil {
		return addr, false, err
	}
	at, unknown := lookUp(ctx, config.Listen)
	p.doors.Lock()
	defer p.doors.Unlock()
	if addr, there, err := p.there(config); there || err != nil { // meanwhile
		return addr, false, err
	}
	t, err := p.prepare(config)
	if err != nil {
		return "", false, failf(http.StatusBadRequest, "listen", "%v", err)
	}
	if err = unknown; err != nil {
		err = fmt.Errorf("proxy %s: cannot listen on %s: %w", config.Name, config.Listen, listenError(err))
	} else {
		t.at = at.String()
		err = t.up(ctx, t.Proxy)
	}
	if err != nil {
		t.closeNow()
		return "", false, failf(http.StatusBadRequest, "listen", "%v", err)
	}
	if err := p.install(t); err != nil {
		return "", false, err
	}
	return t.listen, true, nil
}

// there reports whether a target is there with the same configuration, and gives where it
// listens. Another of its name is an error, and so is no room for it.
func (p *Plane) there(config proxy.Config) (addr string, is bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.targets[config.Name]
	if t == nil {
		return "", false, p.hasRoom()
	}
	if t.config.Listen != config.Listen || t.config.Upstream != config.Upstream || t.config.Protocol != config.Protocol || !maps.Equal(t.config.Labels, config.Labels) || !proxy.SameTLS(t.config.TLS, config.TLS) {
		return "", false, failf(http.StatusConflict, "target_differs", "target %q is there already, from %s to %s as %s; delete it first", config.Name, t.listen, t.config.Upstream, t.Protocol())
	}
	return t.listen, true, nil
}

// install makes a target the plane's, in place of one of its name, whose faults it takes
// off; if the plane is closing the target is closed. The caller holds doors, and has seen
// that there is room.
func (p *Plane) install(t *target) (err error) {
	defer func() {
		if err != nil {
			t.closeNow()
		}
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosing()
	}
	if old := p.targets[t.config.Name]; old != nil {
		old.endAll()
	}
	for id, l := range t.leases { // what has run out by now was on no target yet to be taken from
		if l.put.TTL > 0 && l.runOut() {
			l.end()
			delete(t.leases, id)
		}
	}
	p.targets[t.config.Name] = t
	p.warnOf(t)
	return nil
}

func errClosing() error {
	return failf(http.StatusServiceUnavailable, "closing", "the data plane is closing")
}

// hasRoom reports why no other target can be made. The caller holds mu.
func (p *Plane) hasRoom() error {
	switch {
	case p.closed:
		return errClosing()
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
	return &target{Proxy: made, door: door{config: config, listen: config.Listen}, leases: map[string]*lease{}}, nil
}

// endAll takes everything off that is on a target that ends, of which it is still told. The
// caller holds the plane's mu.
func (t *target) endAll() {
	for _, l := range t.leases {
		l.end()
	}
}

// closeNow ends a target that is not the plane's, and what is on it, without waiting for
// clients.
func (t *target) closeNow() {
	t.endAll()
	t.cut()
}

// cut ends a target from which everything has been taken off, without waiting for clients.
func (t *target) cut() {
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
	t.endAll()
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
	p.lookUps.cancel()
	names := slices.Collect(maps.Keys(p.targets))
	p.mu.Unlock()
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { errs[i] = p.Remove(name) })
	}
	all.Wait()
	p.lookUps.all.Wait()
	return errors.Join(errs...)
}

// noTarget is the error of a target that is not there. The caller holds mu.
func (p *Plane) noTarget(name string) error {
	if len(p.targets) == 0 {
		return failf(http.StatusNotFound, "no_such_target", "there is no target %q, nor any other; make it with PUT /v1/targets/TARGET", name)
	}
	return failf(http.StatusNotFound, "no_such_target", "there is no target %q; there are: %s", name, listed(slices.Sorted(maps.Keys(p.targets))))
}

// listed writes names for people, the first of them.
func listed(names []string) string {
	const most = 20
	quoted := make([]string, 0, most+1)
	for i, name := range names {
		if i == most {
			quoted = append(quoted, "…")
			break
		}
		quoted = append(quoted, strconv.Quote(name))
	}
	return strings.Join(quoted, ", ")
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
