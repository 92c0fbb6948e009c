package engine

import (
	"context"
	"errors"
	"net/url"
	"time"

	"starquake/chaos"
	"starquake/chaos/link"
	"starquake/chaos/mockforge"
	"starquake/chaos/remote"
	"starquake/chaos/toxiproxy"
)

// uncounted is a fault on an engine that does not count, as an Applied.
type uncounted struct {
	*link.Follower
	remove func(ctx context.Context) error
}

func (u uncounted) Stats(context.Context) (*chaos.Stats, error) { return nil, nil }

// Remove takes it off. What was lost before is no success, although nothing is left.
func (u uncounted) Remove(ctx context.Context) (*chaos.Stats, error) {
	if err := u.remove(ctx); err != nil {
		return nil, err
	}
	select {
	case err := <-u.Lost():
		return nil, err
	default:
		return nil, nil
	}
}

// counted is a fault on a starquake, as an Applied.
type counted struct{ *remote.Applied }

func (c counted) Stats(ctx context.Context) (*chaos.Stats, error) {
	s, err := c.Applied.Stats(ctx)
	return &s, err
}

func (c counted) Remove(ctx context.Context) (*chaos.Stats, error) {
	s, err := c.Applied.Remove(ctx)
	if err != nil {
		return nil, err
	}
	return &s, nil
}

func attachToxiproxy(ctx context.Context, c link.Caller, ref Ref) (Attached, error) {
	p := toxiproxy.Proxy{Caller: c, Name: ref.Target}
	s, err := p.State(ctx)
	return Attached{Listen: s.Listen, Upstream: s.Upstream, Protocol: "tcp"}, err
}

func applyToxiproxy(ctx context.Context, c link.Caller, ref Ref, p Put, _ *servers) (Applied, error) {
	proxy := toxiproxy.Proxy{Caller: c, Name: ref.Target}
	a, err := proxy.Apply(ctx, p.Fault, p.ID, p.Elapsed, p.Hold, p.Warn)
	if err != nil {
		return nil, err
	}
	return uncounted{a.Follower, a.Remove}, nil
}

func undoToxiproxy(ctx context.Context, c link.Caller, ref Ref, id string, _ *servers) error {
	p := toxiproxy.Proxy{Caller: c, Name: ref.Target}
	return p.Undo(ctx, id)
}

func attachMockForge(ctx context.Context, c link.Caller, _ Ref) (Attached, error) {
	prior, err := mockforge.Config(ctx, c)
	u, _ := url.Parse(c.Base) // it was checked
	return Attached{Listen: u.Host, Protocol: "http", Prior: prior}, err
}

func applyMockForge(ctx context.Context, c link.Caller, ref Ref, p Put, all *servers) (Applied, error) {
	if ref.Prior == nil {
		return nil, errors.New("MockForge is not attached: nobody knows the configuration to go back to")
	}
	a, err := all.of(c, ref.Prior).Apply(ctx, p.Fault, p.Elapsed, p.Hold, p.Warn)
	if err != nil {
		return nil, err
	}
	return uncounted{a.Follower, a.Remove}, nil
}

func undoMockForge(ctx context.Context, c link.Caller, ref Ref, _ string, all *servers) error {
	if s := all.known(c); s != nil { // others of this process may be on
		return s.Restore(ctx)
	}
	return mockforge.Undo(ctx, c, ref.Prior)
}

func attachRemote(ctx context.Context, c link.Caller, ref Ref) (Attached, error) {
	t := remote.Target{Caller: c, Name: ref.Target}
	s, err := t.State(ctx)
	return Attached{Listen: s.Listen, Upstream: s.Upstream, Protocol: s.Protocol, Labels: s.Labels, Supports: s.Supports}, err
}

func applyRemote(ctx context.Context, c link.Caller, ref Ref, p Put, _ *servers) (Applied, error) {
	t := &remote.Target{Caller: c, Name: ref.Target}
	a, err := t.Apply(ctx, remote.Put{Fault: p.Fault, ID: p.ID, Key: p.Place, Seed: p.Seed, Elapsed: p.Elapsed, Before: p.Before, Hold: p.Hold, Warn: p.Warn})
	if err != nil {
		return nil, err
	}
	return counted{a}, nil
}

func undoRemote(ctx context.Context, c link.Caller, ref Ref, id string, _ *servers) error {
	t := &remote.Target{Caller: c, Name: ref.Target}
	return t.Undo(ctx, id)
}

func windowRemote(ctx context.Context, c link.Caller, ref Ref, last time.Duration) (chaos.WindowStats, error) {
	t := &remote.Target{Caller: c, Name: ref.Target}
	return t.Window(ctx, last)
}

func disconnectRemote(ctx context.Context, c link.Caller, ref Ref, how string, match *chaos.Match) (int, error) {
	t := &remote.Target{Caller: c, Name: ref.Target}
	return t.Disconnect(ctx, how, match)
}
