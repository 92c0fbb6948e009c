package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"starquake/chaos"
	"starquake/internal/alarm"
)

// Config says what Listen opens. Name, Listen and Upstream are required.
type Config struct {
	// Name is for errors, logs and people.
	Name string
	// Listen is the address to listen on, "127.0.0.1:18081"; port 0 takes a free one.
	Listen string
	// Upstream is the address to relay to. It is resolved at each connection.
	Upstream string
	// Protocol is one of Protocols; empty is "auto".
	Protocol string
	// Labels are kept for those who select targets by them.
	Labels map[string]string
	// TLS, if set, has the proxy terminate TLS: Protocol is then what is spoken inside.
	// Without it a connection that is TLS passes as it is. It is not changed by the proxy.
	TLS *TLS
	// Logger gets what is of interest to a person; nil for none.
	Logger *slog.Logger
	// Permit, if set, is asked of the address of every connection to the upstream, just before
	// it is made: the name has been resolved, and nothing can change it any more.
	Permit func(to netip.AddrPort) error
	// DialTimeout bounds connecting to the upstream; 0 is 5 s.
	DialTimeout time.Duration
	// MaxHead bounds an HTTP head in bytes; 0 is 64 KiB.
	MaxHead int
}

const (
	defaultDialTimeout = 5 * time.Second
	defaultMaxHead     = 64 << 10
)

// Protocols lists what Config.Protocol may be: "auto" and those of package chaos.
func Protocols() []string { return append([]string{"auto"}, chaos.Protocols()...) }

// Proxy is a listener with its connections and its faults. Make it with Listen and
// end it with Close.
type Proxy struct {
	config  Config
	place   // where it listens and relays to
	clock   *alarm.Clock
	window  window
	buffers sync.Pool    // of *[]byte of bufferSize
	queued  atomic.Int64 // bytes in all delay lines
	pipes   pipes        // that hold some of them
	keep    uintptr      // the descriptor from which on none is for connections
	recheck time.Duration
	hits    hitLog
	tls     *terminator // nil: TLS passes through
	faultState

	// ctx ends when connections are to be cut; dials go by it.
	ctx    context.Context
	cancel context.CancelFunc

	connMu  sync.Mutex
	conns   map[*conn]struct{}
	closing bool           // or down: none is taken any more
	wg      sync.WaitGroup // the accepting goroutine and one for each connection

	closeOnce sync.Once
	closeErr  error
}

// Listen opens a proxy: its listener is open when Listen returns. ctx bounds the
// opening only; the proxy lives until Close.
func Listen(ctx context.Context, config Config) (*Proxy, error) {
	p, err := Prepare(config)
	if err != nil {
		return nil, err
	}
	if err := p.Up(ctx, config.Listen, config.Upstream); err != nil {
		return nil, errors.Join(err, p.Close(ctx))
	}
	return p, nil
}

// listen opens a listener whose socket has been given its port: one that the system
// chose would be the system's again when the listener refuses connections (see
// deafen). Between the two attempts somebody else may take it, so there are some.
func listen(ctx context.Context, addr string) (*net.TCPListener, error) {
	const attempts = 10
	config := listenConfig()
	for attempt := 1; ; attempt++ {
		l, err := config.Listen(ctx, "tcp", addr)
		host, port, _ := net.SplitHostPort(addr) // checked by complete
		if err != nil {
			return nil, err
		}
		if port != "0" {
			return l.(*net.TCPListener), nil
		}
		_, port, _ = net.SplitHostPort(l.Addr().String())
		_ = l.Close() // it has served its purpose
		l, err = config.Listen(ctx, "tcp", net.JoinHostPort(host, port))
		if err == nil {
			return l.(*net.TCPListener), nil
		}
		if attempt == attempts {
			return nil, err
		}
	}
}

// Check refuses what cannot work.
func (c Config) Check() error { return c.complete() }

// complete fills in defaults and refuses what cannot work.
func (c *Config) complete() error {
	if c.Name == "" {
		c.Name = c.Listen
	}
	if c.Protocol == "" {
		c.Protocol = "auto"
	}
	if !slices.Contains(Protocols(), c.Protocol) {
		return fmt.Errorf("protocol %q is unknown; expected one of %s", c.Protocol, strings.Join(Protocols(), ", "))
	}
	for _, a := range []struct{ what, addr string }{{"listen", c.Listen}, {"upstream", c.Upstream}} {
		host, port, err := net.SplitHostPort(a.addr)
		if err != nil || port == "" || a.what == "upstream" && (host == "" || port == "0") {
			return fmt.Errorf("%s address %q: expected host:port, such as 127.0.0.1:8081", a.what, a.addr)
		}
	}
	if err := chaos.CheckLoop(c.Listen, c.Upstream); err != nil {
		return err
	}
	if c.TLS != nil && c.TLS.Certificate == nil && c.TLS.Authority == nil {
		return errors.New("TLS is to be terminated, and there is neither a certificate nor an authority that makes one")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.DialTimeout <= 0 {
		c.DialTimeout = defaultDialTimeout
	}
	if c.MaxHead <= 0 {
		c.MaxHead = defaultMaxHead
	}
	c.Labels = maps.Clone(c.Labels)
	return nil
}

// Name returns the configured name.
func (p *Proxy) Name() string { return p.config.Name }

// Addr returns the address that the proxy listens on, with its actual port; of one that
// is down the last one, or where it is to listen.
func (p *Proxy) Addr() string { return *p.addr.Load() }

// Upstream returns the upstream address.
func (p *Proxy) Upstream() string { return *p.upstream.Load() }

// Protocol returns the configured one of Protocols.
func (p *Proxy) Protocol() string { return p.config.Protocol }

// Terminates reports whether the proxy terminates TLS.
func (p *Proxy) Terminates() bool { return p.config.TLS != nil }

// Labels returns a copy of the configured labels.
func (p *Proxy) Labels() map[string]string { return maps.Clone(p.config.Labels) }

// ActiveConns returns the number of client connections that are open.
func (p *Proxy) ActiveConns() int {
	p.connMu.Lock()
	defer p.connMu.Unlock()
	return len(p.conns)
}

// Window returns the figures of the last span of time; see Since.
func (p *Proxy) Window(last time.Duration) chaos.WindowStats {
	return p.Since(time.Now().Add(-last))
}

// Since returns the figures from a moment on, as far back as they go. They are kept by the
// second, so that in which it lies counts as a whole.
func (p *Proxy) Since(moment time.Time) chaos.WindowStats {
	w := p.window.sum(time.Now(), moment)
	w.ActiveConns = p.ActiveConns()
	return w
}

// Totals returns the figures of all time.
func (p *Proxy) Totals() chaos.Totals {
	t := p.window.total()
	return chaos.Totals{
		Connections: t.connections, Requests: t.requests, BytesIn: t.bytesIn, BytesOut: t.bytesOut,
		Faulted: t.faulted.histogram(), Clean: t.clean.histogram(),
	}
}

// errScarce is the error of a connection for which the descriptors do not suffice.
var errScarce = errors.New("the process has no descriptors left but its reserve; raise the limit (ulimit -n)")

// accept takes connections until the listener is closed.
func (p *Proxy) accept(l *net.TCPListener) {
	defer p.wg.Done()
	pause := time.Duration(0)
	for {
		client, err := l.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if deaf := p.deaf.Load(); deaf != nil {
			if err == nil { // it had connected before
				p.serve(client)
			}
			select {
			case <-*deaf:
			case <-p.ctx.Done():
			}
			continue
		}
		if err == nil && p.scarce(client) {
			_ = client.SetLinger(0)
			err = errors.Join(errScarce, client.Close())
		}
		if err != nil {
			// Most likely out of file descriptors: wait for some to come back.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			p.config.Logger.Warn("cannot accept a connection", "proxy", p.config.Name, "error", err, "retry", pause)
			select {
			case <-time.After(pause):
			case <-p.ctx.Done():
			}
			continue
		}
		pause = 0
		p.serve(client)
	}
}

// serve starts what handles one client connection.
func (p *Proxy) serve(client *net.TCPConn) {
	c := newConn(p, client)
	p.connMu.Lock()
	defer p.connMu.Unlock()
	if p.closing {
		c.cut()
		return
	}
	if !c.admitted(len(p.conns) + 1) {
		_ = client.SetLinger(0)
		c.cut()
		return
	}
	p.conns[c] = struct{}{}
	p.window.at(time.Now()).connections.Add(1)
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		c.serve()
		p.connMu.Lock()
		delete(p.conns, c)
		p.connMu.Unlock()
	}()
}

// kick wakes the connections that relay without looking at each chunk.
// With all it wakes the others too.
func (p *Proxy) kick(all bool) {
	for _, c := range p.openConns() {
		c.kick(all)
	}
}

func (p *Proxy) openConns() []*conn {
	p.connMu.Lock()
	defer p.connMu.Unlock()
	return slices.Collect(maps.Keys(p.conns))
}

// drainPoll is how often Close looks whether connections have come to rest.
const drainPoll = 10 * time.Millisecond

// Close takes all faults off, stops listening, and ends each connection as soon as it
// is at rest: between two requests, or after a tenth of a second without a byte on
// other protocols. What is not at rest when ctx is done is cut. When Close returns
// there is no connection and no goroutine of the proxy any more; the error says how
// many connections were cut.
func (p *Proxy) Close(ctx context.Context) error {
	p.closeOnce.Do(func() { p.closeErr = p.close(ctx) })
	return p.closeErr
}

func (p *Proxy) close(ctx context.Context) error {
	p.life.Lock()
	defer p.life.Unlock()
	p.closed = true
	p.stopListening()
	p.removeAll()

	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	cut := 0
	for conns := p.openConns(); len(conns) > 0 && ctx.Err() == nil; conns = p.openConns() {
		for _, c := range conns {
			if c.atRest() {
				c.cut()
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	for _, c := range p.openConns() {
		c.cut()
		cut++
	}
	p.cancel()
	p.wg.Wait()
	p.pulses.Wait()
	p.clock.Close()
	if cut > 0 {
		return fmt.Errorf("proxy %s: %d connections were still busy and have been cut: %w", p.config.Name, cut, ctx.Err())
	}
	return nil
}
