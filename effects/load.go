package effects

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
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

// DefaultMaxLoadRate is the cap where the policy names none.
const DefaultMaxLoadRate = 50_000

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

// NameTarget tells that the run has a target with these addresses ("host:port"): load
// may go to its hosts, if the policy lets a script's own targets say so.
func (e *Effects) NameTarget(addrs ...string) {
	l := e.loads
	l.mu.Lock()
	defer l.mu.Unlock()
	named := l.policy.naming(LoadHosts(addrs...))
	if rules, err := named.rules(loading); err == nil { // else a target has no address that could be named
		l.policy, l.rules = *named, rules
	}
}

// naming is the policy in which load may go to the hosts of a target of the run's own.
func (p *Policy) naming(hosts []string) *Policy {
	named := *p
	if p.LoadOwnTargets {
		named.Load = slices.Clone(p.Load)
		for _, host := range hosts {
			if !slices.Contains(named.Load, host) {
				named.Load = append(named.Load, host)
			}
		}
	}
	if p.Within != nil {
		named.Within = p.Within.naming(hosts)
	}
	return &named
}

// maxLoadRate is the highest rate of load.
func (p *Policy) maxLoadRate() float64 {
	most := p.MaxLoadRate
	if most == 0 {
		most = DefaultMaxLoadRate
	}
	if p.Within != nil {
		most = min(most, p.Within.maxLoadRate())
	}
	return most
}

// LoadHosts are the entries for Policy.Load that addresses stand for: "host:port", a
// URL, or ":port", which is this machine. All names of this machine go together.
func LoadHosts(addrs ...string) []string {
	var out []string
	for _, addr := range addrs {
		if u, err := url.Parse(addr); err == nil && u.Host != "" {
			addr = u.Host
		}
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			host = strings.Trim(addr, "[]")
		}
		ip, err := netip.ParseAddr(host)
		if host == "" || host == "localhost" || err == nil && (ip.IsLoopback() || ip.IsUnspecified()) {
			out = append(out, "localhost", "127.0.0.0/8", "::1")
			continue
		}
		out = append(out, host)
	}
	return out
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

func (e *Effects) permitLoad(spec *load.Spec) error {
	if peak := spec.PeakRate(); peak > e.loads.max {
		return problem(CodeDenied, "load of %g requests per second is not permitted: the policy's most is %g; --max-load-rate=%g would permit it", peak, e.loads.max, peak)
	}
	to := loadURL(spec)
	if err := e.client.network.checkURL(to); err != nil {
		return err
	}
	return e.loads.denied(to, e.loads.permits().checkURL(to))
}

// loadURL is where load goes, as a URL.
func loadURL(spec *load.Spec) string {
	switch {
	case spec.HTTP != nil:
		return spec.HTTP.URL
	case spec.GRPC.TLS:
		return "https://" + spec.GRPC.Addr
	}
	return "http://" + spec.GRPC.Addr
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

// permits are the rules as they are now.
func (l *loader) permits() *network {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rules
}

// denied words for load what a rule forbids.
func (l *loader) denied(to string, err error) error {
	var p *journal.EffectError
	if !errors.As(err, &p) || p.Code != CodeDenied || strings.Contains(p.Message, "metadata") {
		return err
	}
	host := to
	if u, parseErr := url.Parse(to); parseErr == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	known := "they name none"
	if entries := l.permits().entries; len(entries) > 0 {
		known = "they name " + strings.Join(entries, ", ")
	}
	return problem(CodeDenied, "load on %s is not permitted: load goes only to hosts that the environment or the script's own targets name, and %s; --allow-load=%s would permit it", host, known, host)
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
		return load.NewGRPC(ctx, spec.GRPC, spec.Slots(), opt)
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
