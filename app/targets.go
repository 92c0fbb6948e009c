package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"starquake/builtins"
	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/chaos/proxy"
	"starquake/effects"
	"starquake/runtime"
	"starquake/runtime/journal"
)

// drainTimeout is how long an embedded proxy waits, at the end of a run, for
// connections that are still open.
const drainTimeout = 5 * time.Second

// targets are the targets of one run: its proxies, and the faults that are on.
type targets struct {
	logger *slog.Logger
	// run is the id of the run, by which its faults are known in engines.
	run string
	// compress is that of the run, and origin the beginning of its time: what a fault
	// changes with time, it changes in the run's.
	compress int
	origin   time.Time
	named    func(addrs ...string)                                 // is told of the addresses of each; may be nil
	relays   func(reached func(addr string) bool, upstream string) // likewise, of those that speak as their upstream does
	effects  *effects.Effects                                      // for what the run does by itself; nil where nothing is done
	engines  engine.Client
	folders  folders // of the files that proxies name
	lent     lent
	guardian *guardian // of faults that outlive this process; nil: nobody

	mu      sync.Mutex
	proxies map[string]*proxy.Proxy
	on      map[string]*teller // the faults that are on, by place in the run
}

// newTargets makes the targets of a run, or with a nil base of a plan.
func newTargets(logger *slog.Logger, base *effects.Effects) *targets {
	t := &targets{logger: logger, effects: base, proxies: map[string]*proxy.Proxy{}, on: map[string]*teller{}}
	if base != nil {
		t.engines.HTTP = base.HTTPClient()
		t.engines.HTTP.Transport = marksDenied{t.engines.HTTP.Transport}
	}
	return t
}

// with adds the kinds of effect that concern targets.
func (t *targets) with(e *effects.Effects) *effects.Effects {
	return e.
		With(builtins.KindProxy, performer(t.openProxy), planner(planProxy)).
		With(builtins.KindAttach, performer(t.attach), planner(planAttach)).
		With(builtins.KindFault, performer(t.fault), planner(planFault)).
		With(builtins.KindFaultStats, performer(t.stats), planner(planStats)).
		With(builtins.KindWindow, performer(t.window), planner(planWindow)).
		With(builtins.KindDisconnect, performer(t.disconnect), planner(planDisconnect))
}

// performer and planner are functions as what package effects takes.
type performer func(context.Context, *runtime.Call) (any, error)

func (p performer) Perform(ctx context.Context, call *runtime.Call) (any, error) { return p(ctx, call) }

// openProxy opens an embedded proxy until the run ends.
func (t *targets) openProxy(ctx context.Context, call *runtime.Call) (any, error) {
	var args builtins.Target
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	p, err := t.lent.proxy(&args)
	if err == nil && call.Again == nil { // a run that is taken up ends what it began
		err = resolves(ctx, &args)
	}
	if p != nil || err != nil {
		if err == nil {
			t.use(p, &args, call)
			<-ctx.Done()
			t.effects.Close() // the connections that the run's own requests keep
		}
		return nil, err
	}
	listen := args.Listen
	if call.Again != nil {
		listen = listenAgain(&args, call.Again.Report)
	}
	tls, err := t.folders.load(args.TLS)
	if err != nil {
		return nil, &journal.EffectError{Code: "tls", Message: fmt.Sprintf("proxy %s: %v", args.Name, err)}
	}
	p, err = proxy.Listen(ctx, proxy.Config{
		Name: args.Name, Listen: listen, Upstream: args.Upstream, Protocol: args.Protocol, Labels: args.Labels, TLS: tls, Logger: t.logger,
		Permit: func(to netip.AddrPort) error { return effects.CheckRelayed(args.Upstream, to) },
	})
	if err != nil {
		return nil, &journal.EffectError{Code: "listen", Message: err.Error()}
	}
	t.use(p, &args, call)
	<-ctx.Done()
	t.effects.Close() // the connections that the run's own requests keep
	drain, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	// Connections at rest are closed at once, others when the drain is over: the
	// listener goes with the run.
	n := p.ActiveConns()
	err = p.Close(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		t.logger.Warn("clients were still busy at the end of the run and have been cut off", "target", args.Name, "connections", n, "drained", drainTimeout)
		return nil, nil
	}
	return nil, err
}

// resolvePatience bounds how long the name of an upstream is looked up.
const resolvePatience = 5 * time.Second

// resolves refuses a target whose upstream has no address: each of its connections would
// fail, fault or none. One that nobody listens at yet is fine.
func resolves(ctx context.Context, target *builtins.Target) error {
	host, _, err := net.SplitHostPort(target.Upstream)
	if err != nil {
		return nil // which opening it refuses, and says what was expected
	}
	ctx, cancel := context.WithTimeout(ctx, resolvePatience)
	defer cancel()
	if _, err := net.DefaultResolver.LookupHost(ctx, host); err != nil {
		return &journal.EffectError{Code: "target_unreachable", Message: fmt.Sprintf(
			"proxy %s: the upstream %s has no address: %v; correct its name, or see to it that this machine resolves it", target.Name, target.Upstream, err)}
	}
	return nil
}

// use makes an open proxy a target of the run.
func (t *targets) use(p *proxy.Proxy, target *builtins.Target, call *runtime.Call) {
	t.mu.Lock()
	t.proxies[p.Name()] = p
	t.mu.Unlock()
	if t.named != nil {
		t.named(p.Addr(), target.Upstream)
	}
	if t.relays != nil && target.TLS == nil {
		listen := p.Addr()
		t.relays(func(addr string) bool { return chaos.Reaches(addr, listen) }, target.Upstream)
	}
	call.Report(builtins.ProxyReport{Listen: p.Addr()})
}

// target gives the open target that an effect names. Where a run is recovered its targets
// are open before anything else is asked for again.
func (t *targets) target(name string) (*proxy.Proxy, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.proxies[name]
	if p == nil {
		return nil, fmt.Errorf("target %q is not open", name)
	}
	return p, nil
}

// stats gives the counts of a fault that is on.
func (t *targets) stats(ctx context.Context, call *runtime.Call) (any, error) {
	var args builtins.FaultStatsArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	t.mu.Lock()
	on := t.on[args.ID]
	t.mu.Unlock()
	if on == nil {
		return chaos.Stats{}, nil
	}
	stats, err := on.applied.Stats(ctx)
	if err != nil {
		return nil, err
	}
	return counts(stats), nil
}

// window gives a target's traffic.
func (t *targets) window(ctx context.Context, call *runtime.Call) (any, error) {
	var args builtins.WindowArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	// The run's time, which may be compressed; a target counts by the wall clock.
	args.Last /= time.Duration(max(1, t.compress))
	since := t.origin.Add(args.Since.Sub(t.origin) / time.Duration(max(1, t.compress)))
	if args.Engine != nil {
		if !args.Since.IsZero() {
			args.Last = max(time.Since(since), 1)
		}
		return t.engines.Window(ctx, *args.Engine, args.Last)
	}
	p, err := t.target(args.Target)
	if err != nil {
		return nil, err
	}
	switch {
	case !args.Since.IsZero():
		return p.Since(since), nil
	case args.Last == 0:
		args.Last = time.Hour // cut to the ten minutes that it has
	}
	return p.Window(args.Last), nil
}

// disconnect ends the connections of a target that are open.
func (t *targets) disconnect(ctx context.Context, call *runtime.Call) (any, error) {
	var args builtins.DisconnectArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	var done builtins.Disconnected
	if args.Engine != nil {
		var err error
		done.Connections, err = t.engines.Disconnect(ctx, *args.Engine, args.How, args.Match)
		return done, err
	}
	p, err := t.target(args.Target)
	if err == nil {
		done.Connections, err = p.Disconnect(args.How, args.Match)
	}
	return done, err
}
