package effects

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// client makes requests under a policy. It has two transports: one that keeps
// connections for a short time, and one that never does. Neither uses a proxy from
// the environment: a request must meet the fault that is on its way, not another way.
//
// A kept connection that turns out dead before the first byte of an answer makes
// net/http ask again on another one, if the request is idempotent. Probes therefore
// use fresh connections, where nothing is hidden.
type client struct {
	network *network
	maxBody int64 // that of the policy
	pooled  *http.Transport
	fresh   *http.Transport
	redact  func(string) string
	tls     *tls.Config // may be nil
	probed  probeConns
}

// newClient makes the client of Effects.
func newClient(policy Policy, opts Options) *client {
	rules, err := policy.rules(reaching)
	if err != nil {
		rules = &network{entries: []string{"nothing (" + err.Error() + ")"}}
	}
	c := &client{network: rules, maxBody: policy.bodies(), redact: opts.Redact, tls: opts.TLS}
	idle := opts.IdleTimeout
	if idle == 0 {
		idle = time.Second
	}
	c.pooled = c.transport(opts.TLS)
	c.pooled.IdleConnTimeout = idle
	c.pooled.DisableKeepAlives = idle < 0
	c.fresh = c.transport(opts.TLS)
	c.fresh.DisableKeepAlives = true
	return c
}

// transport makes one transport.
func (c *client) transport(conf *tls.Config) *http.Transport {
	return &http.Transport{
		DialContext:            c.dial,
		TLSClientConfig:        conf.Clone(),
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // bodies come as they are sent, and their limit is the limit of what is held
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    8,
		MaxResponseHeaderBytes: 64 << 10,
		ExpectContinueTimeout:  time.Second,
	}
}

// fits refuses the body of a request that is too long.
func (c *client) fits(length int) error {
	if c.maxBody == 0 || int64(length) <= c.maxBody {
		return nil
	}
	return problem(CodeDenied, "a body of %d bytes is not permitted: the policy's most is %d", length, c.maxBody)
}

// dial connects to an address that the policy permits. The policy is asked again
// with the resolved address, after which nothing can change it.
func (c *client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Control: func(_, resolved string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(resolved)
		if err != nil {
			return problem(CodeDenied, "%q is no address that a policy could permit", resolved)
		}
		return c.network.checkAddr(host, to)
	}}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil || !probes(ctx) {
		return conn, err
	}
	return c.probed.add(conn), nil
}

// pick is the http.Client for a request. One with a TLS of its own keeps no
// connection.
func (c *client) pick(args *HTTPArgs) (*http.Client, error) {
	transport := c.pooled
	switch {
	case args.TLS != nil:
		conf, err := args.TLS.config(c.tls)
		if err != nil {
			return nil, err
		}
		transport = c.transport(conf)
		transport.DisableKeepAlives = true
	case args.Fresh:
		transport = c.fresh
	}
	return &http.Client{Transport: transport, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if args.NoRedirect || args.keepsMethod && req.Method != via[0].Method {
			return http.ErrUseLastResponse
		}
		if len(via) >= 10 {
			return errors.New("stopped after 10 redirects")
		}
		return c.network.checkURL(req.URL.String())
	}}, nil
}

// HTTPClient is for those who speak a protocol of their own over HTTP, such as that of an
// engine: it connects only where the policy permits, and follows no redirect, since what
// opens an API must not be sent elsewhere.
func (e *Effects) HTTPClient() *http.Client {
	return &http.Client{
		Transport:     guarded{e.client},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// guarded is a transport that asks the policy of every URL.
type guarded struct{ *client }

// RoundTrip implements http.RoundTripper.
func (g guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := g.network.checkURL(req.URL.String()); err != nil {
		return nil, err
	}
	return g.pooled.RoundTrip(req)
}

// close closes idle connections.
func (c *client) close() {
	c.pooled.CloseIdleConnections()
	c.fresh.CloseIdleConnections()
}
