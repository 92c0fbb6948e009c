package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"starquake/chaos"
	"starquake/chaos/link"
	"starquake/units"
)

// TTL is for how long a lease lasts without being renewed.
const TTL = 15 * time.Second

// grace is how long after its lease a fault is surely off.
const grace = 2 * time.Second

// api is the version of the API that this package speaks.
const api = "1"

// Target is one target of another starquake.
type Target struct {
	link.Caller
	Name string
	// TTL is that of the leases; 0 is the constant.
	TTL time.Duration
}

// State is what the other side says of the target.
type State struct {
	Name     string            `json:"name"`
	Listen   string            `json:"listen"`
	Upstream string            `json:"upstream"`
	Protocol string            `json:"protocol"`
	Labels   map[string]string `json:"labels"`
	// TLS is there if it terminates TLS.
	TLS *chaos.TLS `json:"tls"`
	// Enabled is false of one that does not listen; nil is true.
	Enabled *bool `json:"enabled"`
	// Supports are the kinds of fault that the other side can do on the protocol.
	Supports []string `json:"-"`
}

// State asks for the target. One that is not there is an error that names those that are.
func (t *Target) State(ctx context.Context) (State, error) {
	var version struct {
		Version, API string
		Supports     map[string][]string
	}
	if err := t.Call(ctx, http.MethodGet, "/v1/version", nil, &version); err != nil {
		return State{}, fmt.Errorf("starquake at %s: %w", t.Base, err)
	}
	if version.API != api {
		return State{}, fmt.Errorf("starquake at %s speaks version %q of the API, expected %q: use the same release on both sides", t.Base, version.API, api)
	}
	var list struct{ Targets []State }
	if err := t.Call(ctx, http.MethodGet, "/v1/targets", nil, &list); err != nil {
		return State{}, fmt.Errorf("starquake at %s: %w", t.Base, err)
	}
	i := slices.IndexFunc(list.Targets, func(s State) bool { return s.Name == t.Name })
	if i < 0 {
		var names []string
		for _, s := range list.Targets {
			names = append(names, s.Name)
		}
		return State{}, fmt.Errorf("starquake at %s has no target %q; it has: %s", t.Base, t.Name, cmp.Or(strings.Join(names, ", "), "none"))
	}
	s := list.Targets[i]
	if s.Enabled != nil && !*s.Enabled {
		return State{}, fmt.Errorf("target %q of starquake at %s is disabled: no fault would be met; enable it with: curl -X POST %s%s -d '{\"enabled\":true}'", t.Name, t.Base, t.Base, link.Path("proxies", t.Name))
	}
	for _, kind := range version.Supports[s.Protocol] {
		if k, err := chaos.KindOf(kind); err == nil && k.OnTLS(s.TLS != nil) == nil {
			s.Supports = append(s.Supports, kind)
		}
	}
	return s, nil
}

func (t *Target) path(more ...string) string {
	return link.Path(append([]string{"v1", "targets", t.Name}, more...)...)
}

func (t *Target) ttl() time.Duration {
	if t.TTL > 0 {
		return t.TTL
	}
	return TTL
}

// lease is what a fault is put on with.
type lease struct {
	Fault   chaos.Fault `json:"fault"`
	Key     string      `json:"key,omitempty"`
	Seed    string      `json:"seed"`
	TTL     string      `json:"ttl"`
	Elapsed string      `json:"elapsed"`
	Before  chaos.Stats `json:"before,omitzero"`
	Paused  bool        `json:"paused,omitempty"`
	Lifted  bool        `json:"lifted,omitempty"`
}

// Put is what puts a fault on.
type Put struct {
	Fault chaos.Fault
	// ID names it for all time. Key and Seed determine its random decisions: Key is the
	// same in every run of the same script.
	ID, Key string
	Seed    uint64
	// Elapsed is for how long it had been on before, and Before what it had done, if it
	// goes on.
	Elapsed time.Duration
	Before  chaos.Stats
	// Hold is how it is held to begin with.
	Hold link.Hold
	// Warn is told of what goes wrong and is tried again; it may be nil.
	Warn func(error)
}

// Apply puts a fault on and renews its lease until Remove.
func (t *Target) Apply(ctx context.Context, p Put) (*Applied, error) {
	asked := time.Now()
	// Not cut short: what was given up might still arrive, after it was taken off.
	err := t.Call(context.WithoutCancel(ctx), http.MethodPut, t.path("faults", p.ID), lease{
		Fault: p.Fault, Key: p.Key, Seed: strconv.FormatUint(p.Seed, 10), TTL: units.FormatDuration(t.ttl()), Elapsed: units.FormatDuration(p.Elapsed), Before: p.Before,
		Paused: p.Hold.Paused, Lifted: p.Hold.Lifted,
	}, nil)
	if link.IsRefusal(err) {
		return nil, link.Untouched(fmt.Errorf("starquake at %s: %w", t.Base, err))
	}
	if err != nil {
		link.AwaitLate(err, func(ctx context.Context) error {
			err := t.Call(ctx, http.MethodDelete, t.path("faults", p.ID), nil, nil)
			if isGone(err) {
				return nil
			}
			return err
		})
		return nil, fmt.Errorf("starquake at %s: %w", t.Base, err)
	}
	inner, stop := context.WithCancel(context.Background())
	a := &Applied{t: t, id: p.ID, warn: p.Warn, want: p.Hold, told: p.Hold, stop: stop, done: make(chan struct{}), lost: make(chan error, 1), bell: make(chan struct{}, 1), renewed: asked, asked: time.Now()}
	go a.keep(inner)
	return a, nil
}

// Undo takes a fault off of which only the id is known, or waits until its lease has run
// out: it is off when Undo returns nil.
func (t *Target) Undo(ctx context.Context, id string) error {
	began := time.Now()
	_, err := t.remove(ctx, id, began.Add(t.ttl()+grace))
	if link.IsLost(err) {
		return nil
	}
	return err
}

// isGone reports whether err is the plane's own word that it does not have the fault.
func isGone(err error) bool {
	var e *link.StatusError
	return errors.As(err, &e) && e.Status == http.StatusNotFound && (e.Code == "no_such_fault" || e.Code == "no_such_target")
}

// remove deletes the fault, trying until it must have gone by itself.
func (t *Target) remove(ctx context.Context, id string, expires time.Time) (chaos.Stats, error) {
	var answer struct{ Stats chaos.Stats }
	ctx, cancel := context.WithDeadline(ctx, expires)
	defer cancel()
	err := link.Retry(ctx, func(ctx context.Context) error {
		err := t.Call(ctx, http.MethodDelete, t.path("faults", id), nil, &answer)
		if link.IsStatus(err, http.StatusNotFound) && !isGone(err) {
			err = errors.New(err.Error()) // no refusal: another try may come to the plane
		}
		return err
	})
	switch {
	case err == nil:
		return answer.Stats, nil
	case isGone(err):
		return chaos.Stats{}, link.Lost("starquake at %s does not have the fault any more: it was started anew, or the lease ran out", t.Base)
	}
	// Also after a refusal, such as of a token that has changed: the lease still ends.
	wait := time.NewTimer(time.Until(expires))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		if time.Now().Before(expires) {
			return chaos.Stats{}, fmt.Errorf("starquake at %s: %w; the lease ends by itself within %s", t.Base, err, units.FormatDuration(t.ttl()))
		}
	}
	return chaos.Stats{}, link.Lost("starquake at %s could not be reached to take the fault off, whose lease has run out since; for how long it was on nobody knows: %v", t.Base, err)
}

// Window asks for the target's traffic of the last so long; 0 is as far as it goes back.
func (t *Target) Window(ctx context.Context, last time.Duration) (chaos.WindowStats, error) {
	if last == 0 {
		last = time.Hour // cut to what it has: without a time it gives the last minute
	}
	path := t.path("window") + "?" + url.Values{"last": {units.FormatDuration(last)}}.Encode()
	var w chaos.WindowStats
	if err := t.Call(ctx, http.MethodGet, path, nil, &w); err != nil {
		return w, fmt.Errorf("starquake at %s: %w", t.Base, err)
	}
	return w, nil
}

// Disconnect ends the target's client connections that are open and that match fits, and
// gives how many there were. It is not tried twice: others might have connected since.
func (t *Target) Disconnect(ctx context.Context, how string, match *chaos.Match) (int, error) {
	ask := struct {
		How   string       `json:"how"`
		Match *chaos.Match `json:"match,omitempty"`
	}{how, match}
	var answer struct{ Connections int }
	if err := t.Call(ctx, http.MethodPost, t.path("disconnect"), ask, &answer); err != nil {
		return 0, fmt.Errorf("starquake at %s: %w", t.Base, err)
	}
	return answer.Connections, nil
}
