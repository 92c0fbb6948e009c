package effects

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// GRPCProbe is the probe {"kind": "grpc", "addr": "host:port", …}: the standard health
// check, which holds if the service is serving. Its value is the status, or null
// where there was no answer.
type GRPCProbe struct {
	Kind      string          `json:"kind"`
	Simulated json.RawMessage `json:"simulated,omitempty"`

	Addr     string            `json:"addr"`
	Service  string            `json:"service,omitempty"` // "" is the server as a whole
	Metadata map[string]string `json:"metadata,omitempty"`
	TLS      *TLSArgs          `json:"tls,omitempty"`
	// Below bounds the time of the call. 0 is no bound.
	Below   time.Duration `json:"below,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`
}

// parseGRPCProbe reads a GRPCProbe.
func parseGRPCProbe(spec json.RawMessage, _ *int) (probe, error) {
	var p GRPCProbe
	if err := decodeStrict(spec, &p); err != nil {
		return nil, err
	}
	if namesSecret(string(spec)) { // whose text is not known yet: Check and the reading see it
		return &p, p.args().Form()
	}
	return &p, p.args().validate()
}

func (p *GRPCProbe) args() *GRPCArgs {
	return &GRPCArgs{Addr: p.Addr, Method: GRPCHealth, Message: HealthRequest(p.Service), Metadata: p.Metadata, TLS: p.TLS, Timeout: cmp.Or(p.Timeout, DefaultProbeTimeout)}
}

// HealthRequest is the message of a health check.
func HealthRequest(service string) json.RawMessage {
	text, _ := marshal(map[string]string{"service": service}) // strings: cannot fail
	return text
}

// HealthStatus is the status in the answer of a health check; "" where there is none.
func (a *GRPCAnswer) HealthStatus() string {
	var message struct{ Status string }
	if a.Code != "OK" || json.Unmarshal(a.Message, &message) != nil {
		return ""
	}
	return cmp.Or(message.Status, "UNKNOWN") // the zero value is left out of the JSON form
}

// read implements probe.
func (p *GRPCProbe) read(ctx context.Context, e *Effects) Reading {
	answer := e.callGRPC(ctx, p.args())
	reading := Reading{OK: true, Elapsed: answer.Elapsed}
	if status := answer.HealthStatus(); status != "" {
		reading.Value = status
	}
	if err := p.judge(answer); err != nil {
		reading.OK, reading.Error = false, err.Error()
	}
	return reading
}

// judge says what does not hold of an answer.
func (p *GRPCProbe) judge(answer *GRPCAnswer) error {
	switch status := answer.HealthStatus(); {
	case answer.Error != nil:
		return fmt.Errorf("%s: %s", answer.Error.Code, answer.Error.Message)
	case answer.Code == "NOT_FOUND":
		return fmt.Errorf("the server has no health of the service %q", p.Service)
	case answer.Code != "OK":
		return fmt.Errorf("%s: %s", answer.Code, answer.Detail)
	case status != GRPCServing:
		return fmt.Errorf("status %s, expected %s", status, GRPCServing)
	case p.Below > 0 && answer.Elapsed >= p.Below:
		return errors.New(tookTooLong(answer.Elapsed, p.Below))
	}
	return nil
}

// planned implements probe.
func (p *GRPCProbe) planned() Reading { return Reading{OK: true, Value: GRPCServing} }

// check implements probe.
func (p *GRPCProbe) check(e *Effects) error { return e.client.network.checkAddress(p.Addr) }
