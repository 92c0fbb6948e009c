package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	"starquake/builtins"
	"starquake/chaos"
	"starquake/chaos/engine"
	"starquake/chaos/link"
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
	named    func(addrs ...string) // is told of the addresses of each; may be nil
	effects  *effects.Effects      // for what the run does by itself; nil where nothing is done
	engines  engine.Client
	folders  folders // of the files that proxies name
	lent     lent
	guardian *guardian // of faults that outlive this process; nil: nobody

	mu      sync.Mutex
	proxies map[string]*proxy.Proxy
	opened  chan struct{}      // closed when another proxy is open
	on      map[string]*teller // the faults that are on, by place in the run
}

// newTargets makes the targets of a run, or with a nil base of a plan.
func newTargets(logger *slog.Logger, base *effects.Effects) *targets {
	t := &targets{logger: logger, effects: base, proxies: map[string]*proxy.Proxy{}, opened: make(chan struct{}), on: map[string]*teller{}}
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

type planner func(*runtime.Request) (runtime.Planned, error)

func (p planner) Plan(req *runtime.Request) (runtime.Planned, error) { return p(req) }

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
			t.use(p, args.Upstream, call)
			<-ctx.Done()
			t.effects.Close() // the connections that the run's own requests keep
		}
		return nil, err
	}
	listen := args.Listen
	var was builtins.ProxyReport
	if call.Again != nil && json.Unmarshal(call.Again.Report, &was) == nil && was.Listen != "" {
		listen = was.Listen // any port was asked for, and clients know this one
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
	t.use(p, args.Upstream, call)
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
func (t *targets) use(p *proxy.Proxy, upstream string, call *runtime.Call) {
	t.mu.Lock()
	t.proxies[p.Name()] = p
	close(t.opened)
	t.opened = make(chan struct{})
	t.mu.Unlock()
	if t.named != nil {
		t.named(p.Addr(), upstream)
	}
	call.Report(builtins.ProxyReport{Listen: p.Addr()})
}

func planProxy(req *runtime.Request) (runtime.Planned, error) {
	var args builtins.Target
	if err := json.Unmarshal(req.Args, &args); err != nil {
		return runtime.Planned{}, err
	}
	return runtime.Planned{Reports: []runtime.PlannedEvent{{Data: builtins.ProxyReport{Listen: args.Listen}}}}, nil
}

// target gives the open target that an effect names. An effect that is asked again where a
// run is recovered waits until its target is open: that may have been asked for beside it.
func (t *targets) target(ctx context.Context, again bool, name string) (*proxy.Proxy, error) {
	for {
		t.mu.Lock()
		p, opened := t.proxies[name], t.opened
		t.mu.Unlock()
		switch {
		case p != nil:
			return p, nil
		case !again:
			return nil, fmt.Errorf("target %q is not open", name)
		}
		select {
		case <-opened:
		case <-ctx.Done():
			return nil, fmt.Errorf("target %q did not open again: %w", name, ctx.Err())
		}
	}
}

// uncounted is the answer of a fault of which nobody counts what meets it.
type uncounted struct {
	Uncounted bool `json:"uncounted"`
}

// counts are the figures of a fault as its answer.
func counts(s *chaos.Stats) any {
	if s == nil {
		return uncounted{true}
	}
	return *s
}

// fault puts one fault on until it is cancelled.
func (t *targets) fault(ctx context.Context, call *runtime.Call) (any, error) {
	var args builtins.FaultArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	plane, err := t.plane(ctx, call.Again != nil, &args)
	if err != nil {
		return nil, err
	}
	what, place, id := describeFault(&args), call.ID.String(), faultID(t.run, call.ID)
	if plane.Outlives() {
		t.guardian.add(id, call.Args)
	}
	var elapsed time.Duration
	if call.Again != nil {
		elapsed = call.Again.Elapsed / time.Duration(max(1, t.compress))
	}
	before, err := countsOf(call.Again)
	if err != nil {
		return nil, fmt.Errorf("%s: its last report cannot be read: %w", what, err)
	}
	applied, err := plane.Apply(ctx, engine.Put{
		Fault: args.Fault.Compress(t.compress), ID: id, Place: place, Seed: call.Seed, Elapsed: elapsed, Before: before,
		Warn: func(err error) {
			t.logger.Warn("an engine does not do as it is told; trying on", "fault", what, "error", err)
		},
	})
	if err != nil {
		return nil, t.notOn(ctx, plane, id, what, err)
	}
	if !args.Counted() {
		applied = mute{applied}
	}
	counting := tellOf(ctx, applied, before, call.Report)
	t.keep(place, counting)
	defer t.keep(place, nil)
	defer counting.end()
	call.Report(faultNote(before))
	for {
		select {
		case <-ctx.Done():
			return t.takeOff(applied, id, what)
		case err := <-applied.Lost():
			t.logger.Warn("a fault is gone before its time", "fault", what, "error", err)
			if _, undo := applied.Remove(context.Background()); undo != nil && !link.IsLost(undo) { // what may be left of it
				return nil, &journal.EffectError{Code: codeUnconfirmed, Message: fmt.Sprintf("%s: %v, and then: %v", what, err, undo)}
			}
			t.guardian.remove(id)
			return nil, &journal.EffectError{Code: journal.CodeExpired, Message: fmt.Sprintf("%s: %v", what, err)}
		case signal := <-call.Signals:
			heed(applied, signal)
			counting.ask()
		case <-counting.timer.C:
			counting.ask()
		case news := <-counting.wanted:
			counting.want(news)
		case s := <-counting.answer:
			counting.tell(s)
		}
	}
}

// codeUnconfirmed is the code of a fault whose end nobody confirms.
const codeUnconfirmed = "undo_unconfirmed"

// heed passes a signal of the run on to a fault.
func heed(a engine.Applied, signal runtime.SignalKind) {
	switch signal {
	case runtime.SignalPause:
		a.Pause()
	case runtime.SignalLift:
		a.Lift()
	case runtime.SignalResume:
		a.Resume()
	case runtime.SignalRestore:
		a.Restore()
	}
}

// keep remembers a fault that is on, or with nil that it is not any more.
func (t *targets) keep(place string, a *teller) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a == nil {
		delete(t.on, place)
		return
	}
	t.on[place] = a
}

// tellers are those of the faults that are on, by place.
func (t *targets) tellers() map[string]*teller {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.on)
}

// takeOff takes a fault off. It goes on although the run's context is over.
func (t *targets) takeOff(a engine.Applied, id, what string) (any, error) {
	stats, err := a.Remove(context.Background())
	switch {
	case link.IsLost(err): // it is off, but was not on to its end
		t.guardian.remove(id)
		return nil, &journal.EffectError{Code: journal.CodeExpired, Message: fmt.Sprintf("%s: %v", what, err)}
	case err != nil:
		return nil, &journal.EffectError{Code: codeUnconfirmed, Message: fmt.Sprintf("%s: %v", what, err)}
	}
	t.guardian.remove(id)
	return counts(stats), nil
}

// notOn is the error of a fault that could not be put on, of which nothing is left.
func (t *targets) notOn(ctx context.Context, plane dataPlane, id, what string, why error) error {
	if !link.IsUntouched(why) {
		if err := plane.Undo(context.Background(), id); err != nil {
			return &journal.EffectError{Code: journal.CodeUnclean, Message: fmt.Sprintf("%s could not be put on (%v), and a part of it may be on: %v", what, why, err)}
		}
	}
	t.guardian.remove(id)
	if ctx.Err() != nil {
		return &journal.EffectError{Code: effects.CodeStopped, Message: what + " was stopped before it was on"}
	}
	return fmt.Errorf("%s: %w", what, why)
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
			if !args.Counted() {
				return uncounted{true}, nil
			}
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

func planStats(*runtime.Request) (runtime.Planned, error) {
	return answered(chaos.Stats{Seen: 1, Hit: 1}), nil
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
	p, err := t.target(ctx, call.Again != nil, args.Target)
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
	p, err := t.target(ctx, call.Again != nil, args.Target)
	if err == nil {
		done.Connections, err = p.Disconnect(args.How, args.Match)
	}
	return done, err
}

// planDisconnect plans that nobody is connected.
func planDisconnect(*runtime.Request) (runtime.Planned, error) {
	return answered(builtins.Disconnected{}), nil
}

func planWindow(*runtime.Request) (runtime.Planned, error) {
	return answered(chaos.WindowStats{}), nil
}

// answered is a planned effect that completes at once.
func answered(data any) runtime.Planned {
	return runtime.Planned{Done: &runtime.PlannedEvent{Data: data}}
}
