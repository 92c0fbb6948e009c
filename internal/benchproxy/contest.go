//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// contest is a row that compares: starquake and its peers do the same work.
type contest struct {
	name, work string
	kind       string   // of work
	peers      []string // besides starquake
	// load does the work through addr for about span.
	load func(ctx context.Context, b *bench, addr string, span time.Duration) (sample, error)
	bars []bar
}

// sample is one figure of one proxy.
type sample struct {
	rate float64 // of what the contest counts, per second
	ops  float64 // what the CPU time is divided by
	p99  time.Duration
	cpu  time.Duration // of the proxy, for one of ops
	busy float64       // cores that were busy with something else than this measurement
}

// bar is what is asked for: a figure of ours in units of a peer's.
type bar struct {
	against []string // the best of them in each round
	ratio   float64
	// p99: the ratio is of the 99th percentiles, and is to be below.
	p99 bool
}

// unit says what a contest counts, for people.
type unit struct {
	rate  string
	scale float64
	op    string
}

func unitOf(kind string) unit {
	switch kind {
	case kindTCP:
		return unit{"Gbit/s", 1e9, "MB"}
	case kindGRPC:
		return unit{"k calls/s", 1e3, "call"}
	case kindWS:
		return unit{"k messages/s", 1e3, "message"}
	}
	return unit{"k req/s", 1e3, "request"}
}

const us = "starquake"

// measure runs the rounds of a contest.
func (c contest) measure(ctx context.Context, b *bench) ([]line, error) {
	if b.base != "" {
		c.peers, c.bars = []string{"base"}, []bar{{against: []string{"base"}}}
	}
	var rounds []map[string]sample
	subjects := append([]string{us}, c.peers...)
	for n := range b.rounds {
		round := map[string]sample{}
		for i := range subjects {
			name := subjects[(n+i)%len(subjects)] // nobody is always first
			p, err := b.peer(ctx, name)
			if err != nil {
				return nil, err
			}
			if p.missing != "" {
				continue
			}
			s, err := c.once(ctx, b, p)
			if err != nil {
				return nil, fmt.Errorf("through %s: %w", name, err)
			}
			round[name] = s
			u := unitOf(c.kind)
			fmt.Fprintf(b.progress, "  round %d: %-10s %8.2f %s, %.2f µs of CPU a %s, p99 %s; others kept %.2f cores busy\n",
				n+1, name, s.rate/u.scale, u.rate, micros(s.cpu), u.op, s.p99.Round(10*time.Microsecond), s.busy)
		}
		rounds = append(rounds, round)
	}
	var lines []line
	for _, bar := range c.bars {
		lines = append(lines, c.line(b, bar, rounds))
	}
	return lines, nil
}

// once measures one proxy in one round.
func (c contest) once(ctx context.Context, b *bench, p *peer) (s sample, err error) {
	before, err := p.use()
	if err != nil {
		return s, err
	}
	noise, err := b.listenToOthers()
	if err != nil {
		return s, err
	}
	if s, err = c.load(ctx, b, p.addrs[c.kind], b.span); err != nil {
		return s, err
	}
	if s.busy, err = noise(); err != nil {
		return s, err
	}
	after, err := p.use()
	if err != nil {
		return s, err
	}
	s.cpu = time.Duration(float64(after.cpu-before.cpu) / max(1, s.ops))
	return s, nil
}

// line holds the rounds against one bar.
func (c contest) line(b *bench, bar bar, rounds []map[string]sample) line {
	l := line{work: c.work, against: strings.Join(bar.against, ", "), bar: fmt.Sprintf("≥ %.2f ×", bar.ratio)}
	if bar.p99 {
		l.bar, l.against = "< 1.00 ×", l.against+", p99"
	}
	figure := func(s sample) float64 {
		if bar.p99 {
			return float64(s.p99) / float64(time.Millisecond)
		}
		return s.rate / unitOf(c.kind).scale
	}
	var ours, theirs, ratios, busy []float64
	ourCPU, theirCPU := []float64{}, []float64{}
	for _, round := range rounds {
		best, found := "", false
		for _, name := range bar.against {
			s, ok := round[name]
			if ok && (!found || s.rate > round[best].rate) {
				best, found = name, true
			}
		}
		if !found {
			l.verdict = "not measured: " + b.peers[bar.against[0]].missing
			return l
		}
		mine, peer := round[us], round[best]
		ours, theirs = append(ours, figure(mine)), append(theirs, figure(peer))
		ratios = append(ratios, figure(mine)/figure(peer))
		ourCPU, theirCPU = append(ourCPU, micros(mine.cpu)), append(theirCPU, micros(peer.cpu))
		busy = append(busy, mine.busy, peer.busy)
	}
	u := unitOf(c.kind)
	name := u.rate
	if bar.p99 {
		name = "ms"
	}
	ratio := median(ratios)
	l.measured = fmt.Sprintf("%.2f / %.2f %s", median(ours), median(theirs), name)
	l.ratio = fmt.Sprintf("%.2f ×", ratio)
	l.cpu = fmt.Sprintf("%.1f / %.1f a %s", median(ourCPU), median(theirCPU), u.op)
	l.busy = median(busy)
	l.judge(bar.p99 && ratio < 1 || !bar.p99 && ratio >= bar.ratio)
	return l
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// median returns the middle of values, of an even number the lower of the two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}
