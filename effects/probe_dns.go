package effects

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// DNSProbe is the probe {"kind": "dns", "name": …}: it holds if the name resolves. Its
// value is the list of records, or null where there was no answer.
type DNSProbe struct {
	Kind      string          `json:"kind"`
	Simulated json.RawMessage `json:"simulated,omitempty"`

	Name   string `json:"name"`
	Type   string `json:"type,omitempty"`
	Server string `json:"server,omitempty"`
	// Contains is a record that must be among them.
	Contains string `json:"contains,omitempty"`
	// Below bounds the time of the lookup. 0 is no bound.
	Below   time.Duration `json:"below,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`
}

// parseDNSProbe reads a DNSProbe.
func parseDNSProbe(spec json.RawMessage, _ *int) (probe, error) {
	var p DNSProbe
	if err := decodeStrict(spec, &p); err != nil {
		return nil, err
	}
	return &p, p.args().validate()
}

func (p *DNSProbe) args() *DNSArgs {
	return &DNSArgs{Name: p.Name, Type: p.Type, Server: p.Server, Timeout: cmp.Or(p.Timeout, DefaultProbeTimeout)}
}

// read implements probe.
func (p *DNSProbe) read(ctx context.Context, e *Effects) Reading {
	answer := e.lookup(ctx, p.args())
	reading := Reading{OK: true, Elapsed: answer.Elapsed}
	if answer.Code != "" {
		reading.Value = answer.Records
	}
	if err := p.judge(answer); err != nil {
		reading.OK, reading.Error = false, err.Error()
	}
	return reading
}

// judge says what does not hold of an answer.
func (p *DNSProbe) judge(answer *DNSAnswer) error {
	kind := cmp.Or(p.Type, "A")
	switch {
	case answer.Error != nil:
		return fmt.Errorf("%s: %s", answer.Error.Code, answer.Error.Message)
	case answer.Code != DNSFound:
		return fmt.Errorf("%s of %s is answered with %s", kind, p.Name, answer.Code)
	case len(answer.Records) == 0:
		return fmt.Errorf("%s has no record of type %s", p.Name, kind)
	case p.Contains != "" && !slices.Contains(answer.Records, p.Contains):
		return fmt.Errorf("%s of %s is %s, expected %s among them", kind, p.Name, excerpt([]byte(strings.Join(answer.Records, ", "))), p.Contains)
	case p.Below > 0 && answer.Elapsed >= p.Below:
		return errors.New(tookTooLong(answer.Elapsed, p.Below))
	}
	return nil
}

// planned implements probe.
func (p *DNSProbe) planned() Reading { return Reading{OK: true} }

// check implements probe.
func (p *DNSProbe) check(e *Effects) error { return e.permitDNS(p.args()) }
