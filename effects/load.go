package effects

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"starquake/effects/load"
	"starquake/runtime"
	"starquake/runtime/journal"
)

const (
	// KindLoad sends load until it has lasted, or is released. It is held; its answer
	// is a load.Figures.
	KindLoad = "load"
	// KindLoadWindow gives the load.Window of load that is on.
	KindLoadWindow = "load.window"
)

// LoadArgs are the arguments of kind "load".
type LoadArgs struct {
	// Traffic names the value that the script made, for probes that look at it.
	Traffic string    `json:"traffic,omitempty"`
	Spec    load.Spec `json:"spec"`
	// Simulated is laid over the planned figures.
	Simulated json.RawMessage `json:"simulated,omitempty"`
}

// LoadWindowArgs are the arguments of kind "load.window": the place of the load.
type LoadWindowArgs struct {
	ID        string          `json:"id"`
	Last      time.Duration   `json:"last,omitempty"`
	Simulated json.RawMessage `json:"simulated,omitempty"`
}

// loader sends load under a policy and knows what is on.
type loader struct {
	max      float64
	compress int

	mu      sync.Mutex
	rules   *network
	policy  Policy     // of which rules are
	running []*running // in the order of their start
	relays  []relay
	methods map[methodKey]*load.Method // that the server, or who knows it, has described
}

// running is load that is on.
type running struct {
	id, traffic string
	path, text  string
	*load.Generator
}

// LoadNow is load that is on, with the figures of its last seconds: telemetry, which no
// script sees and no journal has.
type LoadNow struct {
	ID, Path string
	// Text says what is asked, for people: "GET http://…".
	Text string
	*load.Window
}

// LoadsNow lists the load that is on, in the order of its start.
func (e *Effects) LoadsNow(last time.Duration) []LoadNow {
	var out []LoadNow
	for _, r := range e.loads.find(func(*running) bool { return true }) {
		out = append(out, LoadNow{r.id, r.path, r.text, r.Window(last)})
	}
	return out
}

func newLoader(policy Policy, opts Options) *loader {
	l := &loader{max: policy.maxLoadRate(), policy: policy, compress: max(opts.Compress, 1)}
	rules, err := policy.rules(loading)
	if err != nil {
		rules = &network{entries: []string{"nothing (" + err.Error() + ")"}}
	}
	l.rules = rules
	return l
}

// parseLoad reads LoadArgs and says whether the policy permits them, as far as that
// can be known without resolving the host.
func (e *Effects) parseLoad(raw json.RawMessage) (*LoadArgs, error) {
	args := new(LoadArgs)
	if err := decodeArgs(KindLoad, raw, args); err != nil {
		return nil, err
	}
	if err := args.Spec.Validate(); err != nil {
		return nil, problem(CodeInvalid, "%v", err)
	}
	return args, nil
}

// checkLoad is the Check of KindLoad.
func (e *Effects) checkLoad(raw json.RawMessage) error {
	args, err := e.parseLoad(raw)
	if err != nil {
		return err
	}
	return e.permitLoad(&args.Spec)
}

// loadText says what load asks, without the text of secrets.
func (e *Effects) loadText(spec *load.Spec) string {
	if spec.GRPC != nil {
		return e.opts.hide(spec.GRPC.Addr + " " + spec.GRPC.Method)
	}
	method := spec.HTTP.Method
	if method == "" {
		method = "GET"
	}
	return e.opts.hide(method + " " + spec.HTTP.URL)
}

// performLoad is the performer of KindLoad.
func (e *Effects) performLoad(ctx context.Context, call *runtime.Call) (any, error) {
	args, err := e.parseLoad(call.Args)
	if err != nil {
		return nil, err
	}
	if err := e.permitLoad(&args.Spec); err != nil {
		return nil, err
	}
	spec := args.Spec.Compressed(e.loads.compress)
	sender, err := e.sender(ctx, &spec)
	if err != nil {
		if ctx.Err() != nil {
			return nil, stopped(KindLoad)
		}
		return nil, asProblem(err, CodeFailed)
	}
	g := load.New(spec, sender)
	defer e.loads.add(&running{call.ID.String(), args.Traffic, call.Path, e.loadText(&args.Spec), g})()
	heard := make(chan struct{})
	over, end := context.WithCancel(ctx)
	go func() {
		defer close(heard)
		heedLoad(over, g, call.Signals)
	}()
	call.Report(struct{}{})
	figures := g.Run(ctx)
	end()
	<-heard
	return figures, nil
}

// heedLoad passes pauses on.
func heedLoad(ctx context.Context, g *load.Generator, signals <-chan runtime.SignalKind) {
	for {
		select {
		case <-ctx.Done():
			return
		case sig, open := <-signals:
			switch {
			case !open:
				return
			case sig == runtime.SignalPause:
				g.Pause()
			case sig == runtime.SignalResume:
				g.Resume()
			}
		}
	}
}

// add makes load known; the function that it returns forgets it.
func (l *loader) add(r *running) (remove func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = append(l.running, r)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.running = slices.DeleteFunc(l.running, func(o *running) bool { return o == r })
	}
}

// find lists the load that is on, by its place or by its traffic value.
func (l *loader) find(is func(*running) bool) []*running {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*running
	for _, r := range l.running {
		if is(r) {
			out = append(out, r)
		}
	}
	return out
}

// sender makes the sender of load. Its host is resolved once.
func (e *Effects) sender(ctx context.Context, spec *load.Spec) (load.Sender, error) {
	u, err := url.Parse(loadURL(spec))
	if err != nil {
		return nil, problem(CodeInvalid, "%q is no address", loadURL(spec))
	}
	port := uint16(80)
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		port = uint16(n)
	} else if u.Scheme == "https" {
		port = 443
	}
	dial, err := e.loadDial(ctx, u.Hostname(), port)
	if err != nil {
		return nil, err
	}
	opt := load.Options{Dial: dial, TLS: e.opts.TLS, Code: func(err error) string { return classify(err).Code }}
	if spec.GRPC != nil {
		if opt.Method, err = e.loadMethod(ctx, spec.GRPC); err != nil {
			return nil, err
		}
		return load.NewGRPC(spec.GRPC, spec.Slots(), opt)
	}
	expect := spec.HTTP.Expect
	if expect == "" {
		expect = "2xx,3xx"
	}
	statuses, err := ParseStatuses(expect)
	if err != nil {
		return nil, problem(CodeInvalid, "expect: %v", err)
	}
	opt.Accept = statuses.Has
	return load.NewHTTP(spec.HTTP, spec.Slots(), opt)
}

// loadDial resolves a host and gives what connects to its addresses that are permitted on
// that port, one after the other.
func (e *Effects) loadDial(ctx context.Context, host string, port uint16) (load.Dial, error) {
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, classify(err)
	}
	rules := e.loads.permits()
	var addrs []netip.Addr
	var refused error
	for _, addr := range found {
		to := netip.AddrPortFrom(addr, port)
		if err := firstError(e.client.network.checkAddr(host, to), e.loads.denied("http://"+host, rules.checkAddr(host, to))); err != nil {
			refused = err
			continue
		}
		addrs = append(addrs, addr.Unmap())
	}
	if len(addrs) == 0 {
		if refused == nil {
			refused = problem(CodeDNS, "%s has no address", host)
		}
		return nil, refused
	}
	dialer := net.Dialer{Timeout: load.DefaultTimeout}
	var next atomic.Uint64
	return func(addr string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		to := addrs[next.Add(1)%uint64(len(addrs))]
		return dialer.Dial("tcp", net.JoinHostPort(to.String(), port))
	}, nil
}

// firstError is the first error of several.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// planLoad is the planner of KindLoad: every request is answered as expected.
func (e *Effects) planLoad(req *runtime.Request) (runtime.Planned, error) {
	args, err := e.parseLoad(req.Args)
	if err != nil {
		return runtime.Planned{}, err
	}
	planned := runtime.Planned{
		Reports: []runtime.PlannedEvent{{Data: struct{}{}}},
		End:     func(ran time.Duration) (any, *journal.EffectError) { return args.Spec.Planned(ran), nil },
	}
	if d := args.Spec.Duration; d > 0 {
		planned.Done = &runtime.PlannedEvent{After: d, Data: args.Spec.Planned(d)}
	}
	return planned, nil
}

// simulatedLoad is what simulated figures may contain. A latency may be a text.
func simulatedLoad(answer func() any) *simulation {
	return &simulation{answer: answer, adapt: func(fields map[string]json.RawMessage) error {
		for name, raw := range fields {
			if load.IsLatency(name) || name == "longest_outage" || name == "span" {
				d, err := parseDuration(raw)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				fields[name], _ = marshal(d) // a number: cannot fail
			}
		}
		return nil
	}}
}

func simulatedFigures() *simulation { return simulatedLoad(func() any { return new(load.Figures) }) }
func simulatedWindow() *simulation  { return simulatedLoad(func() any { return new(load.Window) }) }

// performLoadWindow is the performer of KindLoadWindow.
func (e *Effects) performLoadWindow(_ context.Context, call *runtime.Call) (any, error) {
	var args LoadWindowArgs
	if err := decodeArgs(KindLoadWindow, call.Args, &args); err != nil {
		return nil, err
	}
	on := e.loads.find(func(r *running) bool { return r.id == args.ID })
	if len(on) == 0 {
		return nil, problem(CodeNotFound, "this load is not on any more")
	}
	return on[0].Window(args.Last), nil
}

// planLoadWindow is the planner of KindLoadWindow: nothing was slow, nothing failed.
func planLoadWindow(*runtime.Request) (runtime.Planned, error) {
	return runtime.Planned{Done: &runtime.PlannedEvent{Data: load.Window{Requests: 1, Throughput: 1, Span: time.Second,
		P50: time.Millisecond, P90: time.Millisecond, P95: time.Millisecond, P99: time.Millisecond, P999: time.Millisecond, Max: time.Millisecond}}}, nil
}
