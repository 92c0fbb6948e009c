package effects

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// nestedSpec is the JSON form of the probes {"kind": "all", "of": […]} and "any".
type nestedSpec struct {
	Kind      string          `json:"kind"`
	Simulated json.RawMessage `json:"simulated,omitempty"`

	Of []json.RawMessage `json:"of"`
}

// parseOf reads the probes in a nested one.
func parseOf(spec json.RawMessage, budget *int) ([]probe, error) {
	var nested nestedSpec
	if err := decodeStrict(spec, &nested); err != nil {
		return nil, err
	}
	if len(nested.Of) == 0 {
		return nil, errors.New("expected at least one probe, got none")
	}
	probes := make([]probe, len(nested.Of))
	for i, inner := range nested.Of {
		p, err := parseNested(inner, budget)
		if err != nil {
			return nil, fmt.Errorf("of[%d]: %w", i, err)
		}
		probes[i] = p
	}
	return probes, nil
}

// allProbe holds if each of its probes does. They are read in order until one does
// not hold; its value is the list of theirs.
type allProbe []probe

func parseAllProbe(spec json.RawMessage, budget *int) (probe, error) {
	probes, err := parseOf(spec, budget)
	return allProbe(probes), err
}

func (all allProbe) read(ctx context.Context, e *Effects) Reading {
	return all.fold(func(p probe) Reading { return e.look(ctx, p) })
}

func (all allProbe) planned() Reading { return all.fold(probe.planned) }

func (all allProbe) check(e *Effects) error { return checkEach(all, e) }

// fold reads the probes by read.
func (all allProbe) fold(read func(probe) Reading) Reading {
	var elapsed time.Duration
	values := make([]any, 0, len(all))
	for i, p := range all {
		reading := read(p)
		elapsed += reading.Elapsed
		values = append(values, reading.Value)
		if !reading.OK {
			return Reading{Value: values, Elapsed: elapsed, NoData: reading.NoData, Error: fmt.Sprintf("probe %d of %d: %s", i+1, len(all), reading.Error)}
		}
	}
	return Reading{OK: true, Value: values, Elapsed: elapsed}
}

// anyProbe holds if one of its probes does. They are read in order until one holds,
// whose value is its own; else it is null and the error that of the last.
type anyProbe []probe

func parseAnyProbe(spec json.RawMessage, budget *int) (probe, error) {
	probes, err := parseOf(spec, budget)
	return anyProbe(probes), err
}

func (some anyProbe) read(ctx context.Context, e *Effects) Reading {
	return some.fold(func(p probe) Reading { return e.look(ctx, p) })
}

func (some anyProbe) planned() Reading { return some.fold(probe.planned) }

func (some anyProbe) check(e *Effects) error { return checkEach(some, e) }

// fold reads the probes by read.
func (some anyProbe) fold(read func(probe) Reading) Reading {
	var last Reading
	var elapsed time.Duration
	noData := true
	for _, p := range some {
		last = read(p)
		noData = noData && last.NoData
		elapsed += last.Elapsed
		if last.OK {
			last.Elapsed = elapsed
			return last
		}
	}
	return Reading{Elapsed: elapsed, NoData: noData, Error: fmt.Sprintf("none of %d probes holds, the last: %s", len(some), last.Error)}
}

// checkEach checks each of several probes.
func checkEach(probes []probe, e *Effects) error {
	for _, p := range probes {
		if err := p.check(e); err != nil {
			return err
		}
	}
	return nil
}
