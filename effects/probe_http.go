package effects

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// DefaultProbeTimeout bounds the reading of a probe that says nothing of it.
const DefaultProbeTimeout = 2 * time.Second

// HTTPProbe is the probe {"kind": "http", …}: a request on a connection of its own,
// and what must hold of its answer.
type HTTPProbe struct {
	Kind      string          `json:"kind"`
	Simulated json.RawMessage `json:"simulated,omitempty"`

	URL        string            `json:"url"`
	Method     string            `json:"method,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       string            `json:"body,omitempty"`
	BodyBase64 []byte            `json:"body_base64,omitempty"`
	NoRedirect bool              `json:"no_redirect,omitempty"`
	TLS        *TLSArgs          `json:"tls,omitempty"`
	// Status lists the statuses that hold; "" is "2xx".
	Status Statuses `json:"status,omitzero"`
	// Contains is a text that must be in the body.
	Contains string `json:"contains,omitempty"`
	// JSON has values that must be in the body, by their paths.
	JSON map[string]json.RawMessage `json:"json,omitempty"`
	// Below bounds the time until the body's end. 0 is no bound.
	Below   time.Duration `json:"below,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`
}

// parseHTTPProbe reads an HTTPProbe.
func parseHTTPProbe(spec json.RawMessage, _ *int) (probe, error) {
	var p HTTPProbe
	if err := decodeStrict(spec, &p); err != nil {
		return nil, err
	}
	if p.URL == "" {
		return nil, errors.New("it has no url")
	}
	if err := FormURL(p.URL); err != nil {
		return nil, err
	}
	for path := range p.JSON {
		if _, err := parsePath(path); err != nil {
			return nil, err
		}
	}
	return &p, nil
}

// read implements probe.
func (p *HTTPProbe) read(ctx context.Context, e *Effects) Reading {
	answer := e.fetch(ctx, &HTTPArgs{
		Method: p.Method, URL: p.URL, Headers: p.Headers, Body: p.Body, BodyBase64: p.BodyBase64,
		Timeout: cmp.Or(p.Timeout, DefaultProbeTimeout), NoRedirect: p.NoRedirect, Fresh: true, TLS: p.TLS,
	})
	reading := Reading{OK: true, Elapsed: answer.Elapsed}
	if answer.Status != 0 {
		reading.Value = answer.Status
	}
	if err := p.looksFor(&e.opts).judge(answer); err != nil {
		reading.OK, reading.Error = false, err.Error()
	}
	return reading
}

// looksFor is the probe with what it looks for in the form that an answer has it in,
// where a secret's name stands for its text.
func (p *HTTPProbe) looksFor(opts *Options) *HTTPProbe {
	if opts.Redact == nil {
		return p
	}
	h := *p
	h.Contains = opts.Redact(p.Contains)
	h.JSON = make(map[string]json.RawMessage, len(p.JSON))
	for path, want := range p.JSON {
		h.JSON[path] = want
		if plain, err := MapStrings(want, opts.Redact); err == nil { // else matchJSON says what is wrong
			h.JSON[path] = plain
		}
	}
	return &h
}

// judge says what does not hold of an answer.
func (p *HTTPProbe) judge(answer *HTTPAnswer) error {
	switch {
	case answer.Error != nil:
		return fmt.Errorf("%s: %s", answer.Error.Code, answer.Error.Message)
	case !p.Status.Has(answer.Status):
		return fmt.Errorf("status %d, expected %s", answer.Status, p.Status)
	case p.Below > 0 && answer.Elapsed >= p.Below:
		return errors.New(tookTooLong(answer.Elapsed, p.Below))
	case p.Contains != "" && !bytes.Contains(answer.Bytes(), []byte(p.Contains)):
		return fmt.Errorf("body %q does not contain %q", excerpt(answer.Bytes()), p.Contains)
	case len(p.JSON) > 0 && answer.Truncated:
		return fmt.Errorf("body is longer than %d bytes and cannot be read as JSON", DefaultMaxBody)
	}
	return matchJSON(answer.Bytes(), p.JSON)
}

// planned implements probe.
func (p *HTTPProbe) planned() Reading { return Reading{OK: true, Value: p.Status.First()} }

// check implements probe.
func (p *HTTPProbe) check(e *Effects) error {
	return e.client.permits(&HTTPArgs{URL: p.URL, Body: p.Body})
}
