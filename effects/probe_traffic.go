package effects

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"starquake/effects/load"
	"starquake/units"
)

// TrafficProbe looks at a figure of load that is on. It holds while none is: what was
// not asked has not failed. Load that is on and whose requests have had no answer for
// all of the window does not hold.
type TrafficProbe struct {
	Kind string `json:"kind"` // "traffic"
	// Traffic is that of LoadArgs.
	Traffic string `json:"traffic"`
	Figure  string `json:"figure"`
	// Below and Above are its limits; those of a latency are in seconds.
	Below  *float64      `json:"below,omitempty"`
	Above  *float64      `json:"above,omitempty"`
	Window time.Duration `json:"window"`

	Simulated json.RawMessage `json:"simulated,omitempty"`
}

func parseTrafficProbe(spec json.RawMessage, _ *int) (probe, error) {
	p := new(TrafficProbe)
	if err := decodeStrict(spec, p); err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains(load.WindowFigures(), p.Figure):
		return nil, fmt.Errorf("figure %q is unknown; known are %s", p.Figure, strings.Join(load.WindowFigures(), ", "))
	case p.Below == nil && p.Above == nil:
		return nil, errors.New("it has no limit; expected below or above")
	case p.Window < time.Second || p.Window > load.MaxWindow:
		return nil, fmt.Errorf("window is %s; expected 1s to %s", units.FormatDuration(p.Window), units.FormatDuration(load.MaxWindow))
	}
	return p, nil
}

func (p *TrafficProbe) read(_ context.Context, e *Effects) Reading {
	reading := Reading{OK: true}
	for _, r := range e.loads.find(func(r *running) bool { return r.traffic == p.Traffic }) {
		if reading = p.judge(r.Window(p.Window)); !reading.OK {
			break
		}
	}
	return reading
}

// judge makes a reading of a window.
func (p *TrafficProbe) judge(w *load.Window) Reading {
	v, ok := w.Figure(p.Figure)
	if !ok {
		if w.Requests <= w.Dropped && w.Span >= p.Window {
			return Reading{Error: fmt.Sprintf("no request was answered in the last %s", units.FormatDuration(p.Window))}
		}
		return Reading{OK: true} // it has just begun
	}
	reading := Reading{OK: true, Value: v}
	beside := func(side string, bound float64) string {
		value, limit := besideLimit(v, side, bound, load.IsLatency(p.Figure))
		return fmt.Sprintf("%s is %s in the last %s, expected %s", p.Figure, value, units.FormatDuration(p.Window), limit)
	}
	switch {
	case p.Below != nil && v >= *p.Below:
		reading.OK, reading.Error = false, beside("below", *p.Below)
	case p.Above != nil && v <= *p.Above:
		reading.OK, reading.Error = false, beside("above", *p.Above)
	}
	return reading
}

func (p *TrafficProbe) planned() Reading { return Reading{OK: true} }

func (p *TrafficProbe) check(*Effects) error { return nil }
