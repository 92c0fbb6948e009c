package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"starquake/app"
	"starquake/builtins"
	"starquake/chaos"
	"starquake/chaos/admin"
	"starquake/chaos/proxy"
	"starquake/effects"
	"starquake/store"
)

// targets are what runs can put faults on: those of the environment, and those that were
// added while the server ran, which are kept. A proxy of this process is open for as long
// as the server runs, or until it is removed.
type targets struct {
	plane *admin.Plane
	shelf *store.Shelf
	// authority is the folder of the local certificate authority; "" is the usual one.
	authority string

	// mu guards what follows, and is held for a moment only: every start of a run asks.
	mu  sync.Mutex
	env *app.Environment // replaced, never changed: runs hold it
	// own are the names of those that were added; others are the operator's.
	own map[string]bool
	// turns has the names that are being added or removed, each with what is closed then. To
	// look an address up takes its time, and so does it until connections have ended.
	turns map[string]chan struct{}

	// damaged are those that were added and cannot be read, or opened, with why, and unopened
	// what the latter are, guarded by damagedMu, which is held for a moment only.
	damagedMu sync.Mutex
	damaged   map[string]error
	unopened  map[string]*builtins.Target
}

// openTargets opens all targets. Of those that were added some may not open now: the operator may
// have no part in that, and openLate tries again. The caller closes the plane, also after an error.
func openTargets(ctx context.Context, plane *admin.Plane, env *app.Environment, shelf *store.Shelf, authority string) (*targets, error) {
	t := &targets{plane: plane, shelf: shelf, authority: authority, own: map[string]bool{}, turns: map[string]chan struct{}{}, damaged: map[string]error{}, unopened: map[string]*builtins.Target{}, env: &app.Environment{}}
	if env != nil {
		t.env = env
	}
	opened := *t.env
	opened.Targets = nil
	for _, target := range t.env.Targets {
		target, err := t.open(ctx, target, nil)
		if err != nil {
			return nil, err
		}
		opened.Targets = append(opened.Targets, target)
	}
	t.env = &opened
	kept, damaged, err := shelf.Readable()
	if err != nil {
		return nil, err
	}
	for i := range damaged {
		if t.find(damaged[i].Name) == nil { // the operator's wins
			t.damaged[damaged[i].Name] = fmt.Errorf("cannot be read: %w", &damaged[i])
		}
	}
	for _, doc := range kept {
		var target builtins.Target
		if t.find(doc.Name) != nil {
			continue // the operator's wins
		}
		if err := json.Unmarshal(doc.Body, &target); err != nil {
			t.damaged[doc.Name] = fmt.Errorf("cannot be read: %w", shelf.Damaged(doc.Name, doc.Version, err))
			continue
		}
		target.Open = true
		opened, err := t.open(ctx, &target, unlessMetadata(&target))
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			t.damaged[doc.Name], t.unopened[doc.Name] = notOpened(err), &target
			continue
		}
		t.put(opened)
		t.own[target.Name] = true
	}
	return t, nil
}

func notOpened(err error) error { return fmt.Errorf("cannot be opened: %w", err) }

// openLate tries again to open those targets that were added and could not be opened, and gives
// how many can be used now, and how many are left.
func (t *targets) openLate(ctx context.Context) (opened, left int) {
	t.damagedMu.Lock()
	names := slices.Sorted(maps.Keys(t.unopened))
	t.damagedMu.Unlock()
	for _, name := range names {
		done, err := t.turn(ctx, name)
		if err != nil {
			left++ // the server ends
			continue
		}
		t.damagedMu.Lock()
		target := t.unopened[name]
		t.damagedMu.Unlock()
		if target == nil { // it was added anew, or removed
			done()
			continue
		}
		now, err := t.open(ctx, target, unlessMetadata(target))
		if err == nil {
			t.mu.Lock()
			t.put(now)
			t.own[name] = true
			t.mended(name)
			t.mu.Unlock()
			opened++
		} else {
			t.damagedMu.Lock()
			t.damaged[name] = notOpened(err)
			t.damagedMu.Unlock()
			left++
		}
		done()
	}
	return opened, left
}

// open opens the proxy of a target that is one of this process, and gives the target with
// the address at which it is: any port may have been asked for. permit may refuse what its
// upstream is resolved to.
func (t *targets) open(ctx context.Context, target *builtins.Target, permit func(netip.AddrPort) error) (*builtins.Target, error) {
	if target.Engine != nil {
		return target, nil
	}
	t.mu.Lock()
	env := t.env
	t.mu.Unlock()
	tls, err := env.LoadTLS(target.TLS, t.authority)
	if err != nil {
		return nil, problemf(400, "invalid_target", "target %s: %v", target.Name, err)
	}
	addr, _, err := t.plane.Open(ctx, proxy.Config{
		Name: target.Name, Listen: target.Listen, Upstream: target.Upstream, Protocol: target.Protocol, Labels: target.Labels, TLS: tls, Permit: permit,
	})
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", target.Name, err)
	}
	opened := *target
	opened.Listen = addr
	return &opened, nil
}

// unlessMetadata keeps a target that was added off the metadata addresses of clouds, as
// proxies of scripts are: what leads there is the operator's alone.
func unlessMetadata(target *builtins.Target) func(netip.AddrPort) error {
	return func(to netip.AddrPort) error { return effects.CheckRelayed(target.Upstream, to) }
}

// turn waits until nobody adds or removes the target of a name; then it is the caller's turn,
// until it calls done.
func (t *targets) turn(ctx context.Context, name string) (done func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.turns[name] != nil {
		other := t.turns[name]
		t.mu.Unlock()
		select {
		case <-other:
			t.mu.Lock()
		case <-ctx.Done():
			t.mu.Lock()
			return nil, problemf(503, "target_busy", "target %q is being added or removed: %v", name, context.Cause(ctx))
		}
	}
	over := make(chan struct{})
	t.turns[name] = over
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.turns, name)
		close(over)
	}, nil
}

// find gives the target of a name, nil if there is none. The caller holds mu.
func (t *targets) find(name string) *builtins.Target {
	for _, target := range t.env.Targets {
		if target.Name == name {
			return target
		}
	}
	return nil
}

// put makes an environment with one target more. The caller holds mu.
func (t *targets) put(target *builtins.Target) {
	next := *t.env
	next.Targets = append(slices.Clone(t.env.Targets), target)
	t.env = &next
}

// add opens a target and keeps it, and gives it with the address at which it is; fresh is
// false where it is there already.
func (t *targets) add(ctx context.Context, target *builtins.Target, by string) (opened *builtins.Target, fresh bool, err error) {
	done, err := t.turn(ctx, target.Name)
	if err != nil {
		return nil, false, err
	}
	defer done()
	t.mu.Lock()
	have := t.find(target.Name)
	t.mu.Unlock()
	if have != nil {
		if have.Engine == nil && sameTLS(have.TLS, target.TLS) && sameListen(have.Listen, target.Listen) && have.Upstream == target.Upstream && have.Protocol == target.Protocol && maps.Equal(have.Labels, target.Labels) {
			return have, false, nil
		}
		return nil, false, problemf(409, "target_differs", "there is a target %q already, and it is another; delete it first", target.Name)
	}
	if opened, err = t.open(ctx, target, unlessMetadata(target)); err != nil {
		return nil, false, err
	}
	body, err := json.Marshal(target)
	if err == nil && t.readable([]string{target.Name}) != nil {
		if err = t.shelf.Delete(target.Name, ""); errors.Is(err, store.ErrNoDocument) {
			err = nil
		}
	}
	if err == nil {
		_, err = t.shelf.Put(target.Name, by, body, "", time.Now())
	}
	if err != nil {
		return nil, false, errors.Join(err, t.plane.Remove(target.Name))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(opened)
	t.own[target.Name] = true
	t.mended(target.Name)
	return opened, true, nil
}

// sameTLS reports whether two targets terminate TLS alike, as far as what they were given says.
func sameTLS(a, b *chaos.TLS) bool { return a == b || a != nil && b != nil && *a == *b }

// sameListen reports whether an address that is listened at is the one asked for.
func sameListen(have, want string) bool {
	host, port, err := net.SplitHostPort(want)
	if err != nil || port != "0" {
		return have == want
	}
	at, _, err := net.SplitHostPort(have)
	return err == nil && at == host
}

// remove closes a target that was added, unless a run has it.
func (t *targets) remove(ctx context.Context, name string, using func(string) []string) error {
	done, err := t.turn(ctx, name)
	if err != nil {
		return err
	}
	defer done()
	target, err := t.take(name, using)
	if err != nil {
		return err
	}
	if err := t.shelf.Delete(name, ""); err != nil && !errors.Is(err, store.ErrNoDocument) {
		if target != nil {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.put(target) // as it would come back with the next start
		}
		return err
	}
	if target == nil {
		t.mended(name)
		return nil
	}
	t.mu.Lock()
	delete(t.own, name)
	t.mu.Unlock()
	return t.plane.Remove(name)
}

// take gives a target that no run has, and that none gets which begins from now on; nil for one
// that cannot be read.
func (t *targets) take(name string, using func(string) []string) (*builtins.Target, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	target := t.find(name)
	switch {
	case target == nil && t.readable([]string{name}) != nil:
		return nil, nil
	case target == nil:
		return nil, noTarget(name)
	case !t.own[name]:
		return nil, problemf(409, "target_configured", "target %q is in the server's configuration; remove it there", name)
	}
	was := t.env
	next := *was
	next.Targets = slices.DeleteFunc(slices.Clone(was.Targets), func(o *builtins.Target) bool { return o == target })
	t.env = &next
	if runs := using(name); len(runs) > 0 {
		t.env = was
		return nil, problemf(409, "target_in_use", "target %q is given to runs that go on: %s", name, nearby(runs))
	}
	return target, nil
}

func noTarget(name string) *Problem {
	return problemf(404, "target_not_found", "there is no target %q", name)
}

// readable is the problem of the first of these targets that cannot be read, or opened, nil if all
// can, or are not there.
func (t *targets) readable(names []string) error {
	t.damagedMu.Lock()
	defer t.damagedMu.Unlock()
	for _, name := range names {
		if why := t.damaged[name]; why != nil {
			p := problemf(409, "target_damaged", "target %q was added and %v", name, why)
			p.Help = "add it anew, or DELETE it"
			if t.unopened[name] != nil {
				p.Help = "see to what keeps it, and it is opened by itself; or DELETE it, and add another"
			}
			return p
		}
	}
	return nil
}

// unreadable are the targets that were added and cannot be read, or opened, with why.
func (t *targets) unreadable() map[string]error {
	t.damagedMu.Lock()
	defer t.damagedMu.Unlock()
	return maps.Clone(t.damaged)
}

// mended forgets that a target could not be read, or opened.
func (t *targets) mended(name string) {
	t.damagedMu.Lock()
	defer t.damagedMu.Unlock()
	delete(t.damaged, name)
	delete(t.unopened, name)
}

// environment is what a run is given that asks for targets by name, or for all with nil,
// and the names of those it gets.
func (t *targets) environment(want []string) (*app.Environment, []string, error) {
	return t.given(want, true)
}

// given is environment, also of a start that asked for all: of those that there were then it gets
// those that there are, as it named none.
func (t *targets) given(want []string, named bool) (*app.Environment, []string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := make([]string, 0, len(t.env.Targets))
	if want == nil {
		for _, target := range t.env.Targets {
			names = append(names, target.Name)
		}
		return t.env, names, nil
	}
	env := *t.env
	env.Targets = nil
	for _, name := range want {
		target := t.find(name)
		if err := t.readable([]string{name}); err != nil {
			return nil, nil, err
		}
		switch {
		case target == nil && !named:
			continue
		case target == nil:
			return nil, nil, problemf(422, "target_not_found", "there is no target %q", name)
		}
		if !slices.Contains(names, name) {
			env.Targets = append(env.Targets, target)
			names = append(names, name)
		}
	}
	for _, target := range t.env.Targets {
		if !slices.Contains(names, target.Name) {
			env.LeftOut = append(env.LeftOut, target.Name)
		}
	}
	return &env, names, nil
}

// all lists the targets, by name.
func (t *targets) all() []*builtins.Target {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.SortedFunc(slices.Values(t.env.Targets), func(a, b *builtins.Target) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
}

func (t *targets) added(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.own[name]
}
