package effects

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// TCPProbe is the probe {"kind": "tcp", "addr": "host:port", …}: it holds if a
// connection can be made. Its value is null.
type TCPProbe struct {
	Kind      string          `json:"kind"`
	Simulated json.RawMessage `json:"simulated,omitempty"`

	Addr string `json:"addr"`
	// Below bounds the time to connect. 0 is no bound.
	Below   time.Duration `json:"below,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`
}

// parseTCPProbe reads a TCPProbe.
func parseTCPProbe(spec json.RawMessage, _ *int) (probe, error) {
	var p TCPProbe
	if err := decodeStrict(spec, &p); err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(p.Addr)
	if err != nil || host == "" {
		return nil, fmt.Errorf("%q is no address; write \"host:port\"", p.Addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, fmt.Errorf("%q has the port %q; expected 1 to 65535", p.Addr, port)
	}
	return &p, nil
}

// read implements probe.
func (p *TCPProbe) read(ctx context.Context, e *Effects) Reading {
	start := time.Now()
	timeout := cmp.Or(p.Timeout, DefaultProbeTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, problem(CodeTimeout, "no connection within %s", timeout))
	defer cancel()
	conn, err := e.client.dial(ctx, "tcp", p.Addr)
	reading := Reading{Elapsed: time.Since(start)}
	if err != nil {
		failure := classify(overdue(ctx, err))
		reading.Error = failure.Code + ": " + failure.Message
		return reading
	}
	if err := conn.Close(); err != nil {
		reading.Error = "closing the connection: " + err.Error()
		return reading
	}
	if p.Below > 0 && reading.Elapsed >= p.Below {
		reading.Error = fmt.Sprintf("connecting took %s, expected below %s", reading.Elapsed.Round(time.Microsecond), p.Below)
		return reading
	}
	reading.OK = true
	return reading
}

// planned implements probe.
func (p *TCPProbe) planned() Reading { return Reading{OK: true} }

// check implements probe.
func (p *TCPProbe) check(e *Effects) error {
	host, port, err := net.SplitHostPort(p.Addr)
	if err != nil {
		return problem(CodeInvalid, "%q is no address; write \"host:port\"", p.Addr)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return problem(CodeInvalid, "%q has the port %q; expected 1 to 65535", p.Addr, port)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return e.client.network.checkAddr(host, netip.AddrPortFrom(addr, uint16(n)))
	}
	return e.client.network.checkName(host, uint16(n))
}
