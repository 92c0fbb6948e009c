package effects

import (
	"cmp"
	"context"
	"encoding/json"
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
	return &p, FormAddress(p.Addr)
}

// read implements probe.
func (p *TCPProbe) read(ctx context.Context, e *Effects) Reading {
	answer := e.connect(ctx, &TCPArgs{Addr: p.Addr, Timeout: cmp.Or(p.Timeout, DefaultProbeTimeout)})
	reading := Reading{Elapsed: answer.Elapsed}
	switch {
	case answer.Error != nil:
		reading.Error = answer.Error.Code + ": " + answer.Error.Message
	case p.Below > 0 && reading.Elapsed >= p.Below:
		reading.Error = "connecting " + tookTooLong(reading.Elapsed, p.Below)
	default:
		reading.OK = true
	}
	return reading
}

// planned implements probe.
func (p *TCPProbe) planned() Reading { return Reading{OK: true} }

// check implements probe.
func (p *TCPProbe) check(e *Effects) error { return e.client.network.checkAddress(p.Addr) }
