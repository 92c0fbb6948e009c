package effects

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"
)

// PrometheusProbe is the probe {"kind": "prometheus", "url": …, "query": …, …}: it
// holds if the query has data and every number of its result is within the limits.
// Its value is the number that is the furthest from holding, or null without data.
type PrometheusProbe struct {
	Kind      string          `json:"kind"`
	Simulated json.RawMessage `json:"simulated,omitempty"`

	URL     string            `json:"url"`
	Query   string            `json:"query"`
	Headers map[string]string `json:"headers,omitempty"`
	TLS     *TLSArgs          `json:"tls,omitempty"`
	// Below and Above bound the numbers; nil is no bound.
	Below   *float64      `json:"below,omitempty"`
	Above   *float64      `json:"above,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"`
}

// parsePrometheusProbe reads a PrometheusProbe.
func parsePrometheusProbe(spec json.RawMessage, _ *int) (probe, error) {
	var p PrometheusProbe
	if err := decodeStrict(spec, &p); err != nil {
		return nil, err
	}
	if p.URL == "" {
		return nil, errors.New("it has no url")
	}
	return &p, p.args().Form()
}

func (p *PrometheusProbe) args() *PrometheusArgs {
	return &PrometheusArgs{URL: p.URL, Query: p.Query, Headers: p.Headers, TLS: p.TLS, Timeout: cmp.Or(p.Timeout, DefaultProbeTimeout)}
}

// read implements probe.
func (p *PrometheusProbe) read(ctx context.Context, e *Effects) Reading {
	answer := e.query(ctx, p.args())
	reading := Reading{Elapsed: answer.Elapsed}
	if answer.Error != nil {
		reading.Error = answer.Error.Code + ": " + answer.Error.Message
		return reading
	}
	p.judge(answer.Samples, &reading)
	return reading
}

// judge judges the samples: NaN, a quotient of nothing by nothing, is no datum.
func (p *PrometheusProbe) judge(samples []Sample, r *Reading) {
	worst, margin := math.NaN(), math.Inf(1)
	for _, s := range samples {
		v, err := s.Number()
		if err != nil || math.IsNaN(v) {
			continue
		}
		// How far within the limits it is; negative or nothing where it is not.
		m := math.Inf(1)
		if p.Below != nil {
			m = min(m, *p.Below-v)
		}
		if p.Above != nil {
			m = min(m, v-*p.Above)
		}
		if math.IsNaN(worst) || m < margin {
			worst, margin = v, m
		}
	}
	switch {
	case math.IsNaN(worst):
		r.NoData, r.Error = true, "no data"
		return
	case math.IsInf(worst, 0):
		r.Value = strconv.FormatFloat(worst, 'g', -1, 64)
	default:
		r.Value = worst
	}
	beside := func(side string, bound float64) string {
		value, limit := besideLimit(worst, side, bound, false)
		return value + ", expected " + limit
	}
	switch {
	case p.Below != nil && !(worst < *p.Below):
		r.Error = beside("below", *p.Below)
	case p.Above != nil && !(worst > *p.Above):
		r.Error = beside("above", *p.Above)
	default:
		r.OK = true
	}
}

// planned implements probe.
func (p *PrometheusProbe) planned() Reading { return Reading{OK: true} }

// check implements probe.
func (p *PrometheusProbe) check(e *Effects) error {
	address, err := p.args().queryURL()
	if err != nil {
		return err
	}
	return e.client.network.checkURL(address)
}
