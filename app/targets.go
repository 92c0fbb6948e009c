package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"starquake/builtins"
	"starquake/chaos"
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
	// compress is that of the run: what a fault changes with time, it changes in the run's.
	compress int
	named    func(addrs ...string) // is told of the addresses of each; may be nil
	idle     func()                // closes the connections that the run's own requests keep

	mu      sync.Mutex
	proxies map[string]*proxy.Proxy
	applied map[string]*proxy.Applied // by the fault's place in the run
}

func newTargets(logger *slog.Logger, idle func()) *targets {
	return &targets{logger: logger, idle: idle, proxies: map[string]*proxy.Proxy{}, applied: map[string]*proxy.Applied{}}
}

// with adds the kinds of effect that concern targets.
func (t *targets) with(e *effects.Effects) *effects.Effects {
	return e.
		With(builtins.KindProxy, performer(t.openProxy), planner(planProxy)).
		With(builtins.KindFault, performer(t.fault), planner(planFault)).
		With(builtins.KindFaultStats, performer(t.stats), planner(planStats)).
		With(builtins.KindWindow, performer(t.window), planner(planWindow))
}

// performer and planner are functions as what package effects takes.
type performer func(context.Context, *runtime.Call) (any, error)

func (p performer) Perform(ctx context.Context, call *runtime.Call) (any, error) { return p(ctx, call) }

type planner func(*runtime.Request) (runtime.Planned, error)

func (p planner) Plan(req *runtime.Request) (runtime.Planned, error) { return p(req) }

// openProxy opens an embedded proxy until the run ends.
func (t *targets) openProxy(ctx context.Context, call *runtime.Call) (any, error) {
	var args builtins.Target
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	p, err := proxy.Listen(ctx, proxy.Config{
		Name: args.Name, Listen: args.Listen, Upstream: args.Upstream, Protocol: args.Protocol, Labels: args.Labels, Logger: t.logger,
	})
	if err != nil {
		return nil, &journal.EffectError{Code: "listen", Message: err.Error()}
	}
	t.mu.Lock()
	t.proxies[args.Name] = p
	t.mu.Unlock()
	if t.named != nil {
		t.named(p.Addr(), args.Upstream)
	}
	call.Report(builtins.ProxyReport{Listen: p.Addr()})
	<-ctx.Done()
	t.idle()
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

func planProxy(req *runtime.Request) (runtime.Planned, error) {
	var args builtins.Target
	if err := json.Unmarshal(req.Args, &args); err != nil {
		return runtime.Planned{}, err
	}
	return runtime.Planned{Reports: []runtime.PlannedEvent{{Data: builtins.ProxyReport{Listen: args.Listen}}}}, nil
}

// target gives an open target.
func (t *targets) target(name string) (*proxy.Proxy, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.proxies[name]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("target %q is not open", name)
}

// fault puts one fault on one target until it is cancelled.
func (t *targets) fault(ctx context.Context, call *runtime.Call) (any, error) {
	var args builtins.FaultArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	p, err := t.target(args.Target)
	if err != nil {
		return nil, err
	}
	id := call.ID.String()
	applied, err := p.Apply(args.Fault.Compress(t.compress), id, call.Seed)
	if err != nil {
		return nil, fmt.Errorf("%s on %q: %w", args.Text, args.Target, err)
	}
	t.mu.Lock()
	t.applied[id] = applied
	t.mu.Unlock()
	call.Report(struct {
		On bool `json:"on"`
	}{true})
	for {
		select {
		case <-ctx.Done():
			stats := applied.Remove()
			t.mu.Lock()
			delete(t.applied, id)
			t.mu.Unlock()
			return stats, nil
		case signal := <-call.Signals:
			switch signal {
			case runtime.SignalPause:
				applied.Pause()
			case runtime.SignalLift:
				applied.Lift()
			case runtime.SignalResume:
				applied.Resume()
			case runtime.SignalRestore:
				applied.Restore()
			}
		}
	}
}

// planFault plans a fault: on at once, and met. Where no traffic is planned one
// request a second is assumed, so that hits = seen × probability says something.
func planFault(req *runtime.Request) (runtime.Planned, error) {
	var args builtins.FaultArgs
	if err := json.Unmarshal(req.Args, &args); err != nil {
		return runtime.Planned{}, err
	}
	return runtime.Planned{
		Reports: []runtime.PlannedEvent{{Data: json.RawMessage(`{"on":true}`)}},
		End: func(ran time.Duration) (any, *journal.EffectError) {
			seen := max(1, math.Ceil(ran.Seconds()))
			probability := args.Fault.Probability.At(ran / 2)
			hit := math.Round(seen * probability)
			if probability > 0 {
				hit = max(1, hit)
			}
			return chaos.Stats{Seen: uint64(seen), Hit: uint64(hit)}, nil
		},
	}, nil
}

// stats gives the counts of a fault that is on.
func (t *targets) stats(_ context.Context, call *runtime.Call) (any, error) {
	var args builtins.FaultStatsArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	t.mu.Lock()
	applied := t.applied[args.ID]
	t.mu.Unlock()
	if applied == nil {
		return chaos.Stats{}, nil
	}
	return applied.Stats(), nil
}

func planStats(*runtime.Request) (runtime.Planned, error) {
	return answered(chaos.Stats{Seen: 1, Hit: 1}), nil
}

// window gives a target's traffic.
func (t *targets) window(_ context.Context, call *runtime.Call) (any, error) {
	var args builtins.WindowArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	p, err := t.target(args.Target)
	if err != nil {
		return nil, err
	}
	last := args.Last
	if last == 0 {
		last = time.Hour // cut to the ten minutes that it has
	}
	return p.Window(last), nil
}

func planWindow(*runtime.Request) (runtime.Planned, error) {
	return answered(chaos.WindowStats{}), nil
}

// answered is a planned effect that completes at once.
func answered(data any) runtime.Planned {
	return runtime.Planned{Done: &runtime.PlannedEvent{Data: data}}
}
