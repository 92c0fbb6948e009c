package app

import (
	"context"
	"net/netip"

	"starquake/builtins"
	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/chaos/link"
	"starquake/chaos/proxy"
	"starquake/effects"
)

// dataPlane is where a fault is put on: the embedded proxy, an engine in another process,
// or the user's own means.
type dataPlane interface {
	// Apply puts a fault on and returns when that is confirmed. An error means that a part
	// of it may be on, which Undo takes off.
	Apply(ctx context.Context, p engine.Put) (engine.Applied, error)
	// Undo takes off whatever the fault may have put on, whether it did or not, and
	// returns when that is confirmed. It needs nothing of the process that put it on.
	Undo(ctx context.Context, id string) error
	// Outlives reports whether the fault stays on when this process dies, until somebody
	// takes it off.
	Outlives() bool
}

// plane gives where a fault is put on.
func (t *targets) plane(args *builtins.FaultArgs) (dataPlane, error) {
	if c, ok := changeOf(&args.Fault); ok {
		return &ownPlane{t.effects, c}, nil
	}
	if args.Engine != nil {
		kind, err := engine.KindOf(args.Engine.Kind)
		if err != nil {
			return nil, err
		}
		return &enginePlane{&t.engines, *args.Engine, kind}, nil
	}
	p, err := t.target(args.Target)
	if err != nil {
		return nil, err
	}
	return embeddedPlane{p, t.effects.IsProbe}, nil
}

// embeddedPlane is a proxy of this process: its faults end with it.
type embeddedPlane struct {
	*proxy.Proxy
	own func(source netip.AddrPort) bool // tells the run's own probes
}

func (p embeddedPlane) Apply(_ context.Context, put engine.Put) (engine.Applied, error) {
	a, err := p.Proxy.ApplyFrom(put.Fault, put.ID, put.Seed, proxy.Start{Key: put.Place, Elapsed: put.Elapsed, Before: put.Before, Paused: put.Hold.Paused, Lifted: put.Hold.Lifted, Own: p.own})
	if err != nil {
		return nil, err
	}
	return embedded{a}, nil
}

func (embeddedPlane) Undo(context.Context, string) error { return nil }
func (embeddedPlane) Outlives() bool                     { return false }

// embedded is a fault on a proxy of this process.
type embedded struct{ *proxy.Applied }

func (embedded) Lost() <-chan error { return nil }

func (e embedded) Stats(context.Context) (*chaos.Stats, error) {
	s := e.Applied.Stats()
	return &s, nil
}

func (e embedded) Remove(context.Context) (*chaos.Stats, error) {
	s := e.Applied.Remove()
	return &s, nil
}

// mute is a fault of which nobody can count what meets it, wherever it is on.
type mute struct{ engine.Applied }

func (mute) Stats(context.Context) (*chaos.Stats, error) { return nil, nil }

func (m mute) Remove(ctx context.Context) (*chaos.Stats, error) {
	_, err := m.Applied.Remove(ctx)
	return nil, err
}

// enginePlane is a target of a data plane in another process.
type enginePlane struct {
	client *engine.Client
	ref    engine.Ref
	kind   engine.Kind
}

func (p *enginePlane) Apply(ctx context.Context, put engine.Put) (engine.Applied, error) {
	return p.client.Apply(ctx, p.ref, put)
}

func (p *enginePlane) Undo(ctx context.Context, id string) error {
	return p.client.Undo(ctx, p.ref, id)
}
func (p *enginePlane) Outlives() bool { return !p.kind.Leased }

// ownPlane are the user's own means, for faults that are put on no target.
type ownPlane struct {
	effects *effects.Effects
	change  effects.Change
}

func (p *ownPlane) Apply(ctx context.Context, _ engine.Put) (engine.Applied, error) {
	begun, err := p.effects.Make(ctx, &p.change)
	switch {
	case err != nil && !begun:
		return nil, link.Untouched(err)
	case effects.IsUnanswered(err):
		link.AwaitLate(&link.NoAnswerError{Sent: true, Err: err}, func(ctx context.Context) error { return p.effects.Unmake(ctx, &p.change) })
		return nil, err
	case err != nil:
		return nil, err
	}
	return own{p}, nil
}

func (p *ownPlane) Undo(ctx context.Context, _ string) error { return p.effects.Unmake(ctx, &p.change) }
func (p *ownPlane) Outlives() bool                           { return true }

// own is a fault of the user's own that is on. It has no clock, and pauses do not lift
// it: it would be made and undone each time.
type own struct{ *ownPlane }

func (own) Pause()                                      {}
func (own) Resume()                                     {}
func (own) Lift()                                       {}
func (own) Restore()                                    {}
func (own) Lost() <-chan error                          { return nil }
func (own) Stats(context.Context) (*chaos.Stats, error) { return nil, nil }

func (o own) Remove(ctx context.Context) (*chaos.Stats, error) {
	return nil, o.effects.Unmake(ctx, &o.change)
}

// changeOf gives a fault of the user's own as what does and undoes it.
func changeOf(f *chaos.Fault) (c effects.Change, ok bool) {
	switch f.Kind {
	case "exec":
		x := chaos.NewExecFault(f)
		return effects.Change{On: effects.Means{Run: x.On}, Off: effects.Means{Run: x.Off}, Check: x.Check, Within: x.OffTimeout}, true
	case "http":
		h := chaos.NewHTTPFault(f)
		return effects.Change{On: meansOf(h.On), Off: meansOf(h.Off), Check: h.Check, Within: h.OffTimeout}, true
	}
	return c, false
}

func meansOf(call chaos.HTTPCall) effects.Means {
	call = call.WithDefaults()
	return effects.Means{Expect: call.Expect, Send: &effects.HTTPArgs{
		Method: call.Method, URL: call.URL, Headers: call.Headers, Body: call.Body, Timeout: call.Timeout,
	}}
}
