//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"starquake/internal/freeport"
)

// exactPlane starts a `starquake proxy` with one target before an upstream of a role.
func (b *bench) exactPlane(ctx context.Context, role, protocol string) (p *plane, addr string, err error) {
	up, err := freeport.Address()
	if err != nil {
		return nil, "", err
	}
	if _, err := b.start(ctx, "upstream-"+role, []string{b.self, role, up}, up); err != nil {
		return nil, "", err
	}
	if p, err = b.startPlane(ctx, "starquake-"+role, b.starquake); err != nil {
		return nil, "", err
	}
	p.upstream = up
	addr, err = p.open(ctx, "t", protocol, up)
	return p, addr, err
}

// measureLatency holds the delay that clients see against what was asked for. Beside it
// stands what of that is no delay's fault: the same round trip without one, asked for as
// seldom, so that all that takes part is as much asleep; a thread that only sleeps; and by
// how much the proxy itself knows to have been late.
func measureLatency(ctx context.Context, b *bench) ([]line, error) {
	p, addr, err := b.exactPlane(ctx, "answer", kindHTTP)
	if err != nil {
		return nil, err
	}
	var lines []line
	for _, d := range []time.Duration{1, 5, 20, 100} {
		d *= time.Millisecond
		plain, err := askAtOnce(ctx, addr, 8, d, b.span)
		if err != nil {
			return nil, err
		}
		if err := p.put(ctx, "t", "slow", "1", map[string]any{"kind": "latency", "params": map[string]any{"delay": d.String()}}); err != nil {
			return nil, err
		}
		noise, err := b.listenToOthers()
		if err != nil {
			return nil, err
		}
		bare := make(chan []time.Duration, 1)
		go func() { bare <- lateness(d, b.span) }()
		took, err := askAtOnce(ctx, addr, 8, 0, b.span)
		late := <-bare
		if err != nil {
			return nil, err
		}
		busy, err := noise()
		if err != nil {
			return nil, err
		}
		stats, err := p.takeOff(ctx, "t", "slow")
		if err != nil {
			return nil, err
		}
		own := millis(stats.Achieved-stats.Asked) / float64(max(1, stats.Hit))
		p50, p99 := percentile(took, 0.5)-d, percentile(took, 0.99)-d
		l := line{work: fmt.Sprintf("latency of %s, 8 connections", d), bar: "p50 within 0.4 ms, p99 within 2 ms", busy: busy,
			measured: fmt.Sprintf("p50 %+.2f ms, p99 %+.2f ms (the round trip without it: %.2f, %.2f; the proxy was late by %.2f on average; a bare timer of the machine: %+.2f, %+.2f)",
				millis(p50), millis(p99), millis(percentile(plain, 0.5)), millis(percentile(plain, 0.99)), own,
				millis(percentile(late, 0.5)), millis(percentile(late, 0.99)))}
		fmt.Fprintf(b.progress, "  %s: %s, others kept %.2f cores busy\n", d, l.measured, busy)
		l.judge(p50.Abs() <= 400*time.Microsecond && p99.Abs() <= 2*time.Millisecond)
		lines = append(lines, l)
	}
	return lines, nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// lateness returns by how much a thread that only sleeps wakes up late, sorted: that of
// a proxy cannot be less than what the machine does to everybody.
func lateness(d, span time.Duration) (late []time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for until := time.Now().Add(span); len(late) == 0 || time.Now().Before(until); {
		start, left := time.Now(), syscall.NsecToTimespec(int64(d))
		if syscall.Nanosleep(&left, nil) == nil {
			late = append(late, time.Since(start)-d)
		}
	}
	slices.Sort(late)
	return late
}

// askAtOnce asks over many connections, one request at a time on each with a pause before
// it, until the span is over, and returns how long each took from request to answer, sorted.
func askAtOnce(ctx context.Context, addr string, conns int, pause, span time.Duration) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, span+overtime)
	defer cancel()
	all, errs := make([][]time.Duration, conns), make([]error, conns)
	until := time.Now().Add(span)
	var wg sync.WaitGroup
	for n := range conns {
		wg.Go(func() {
			all[n], errs[n] = ask(ctx, addr, pause, until)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	took := slices.Concat(all...)
	slices.Sort(took)
	return took, nil
}

// request is what is asked.
const request = "GET /api/orders HTTP/1.1\r\nHost: bench\r\n\r\n"

func ask(ctx context.Context, addr string, pause time.Duration, until time.Time) (took []time.Duration, err error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	got := make([]byte, len(response))
	for first := true; time.Now().Before(until) || first; first = false {
		time.Sleep(pause)
		start := time.Now()
		if _, err := io.WriteString(c, request); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(c, got); err != nil {
			return nil, err
		}
		if !first { // which also connects upstream
			took = append(took, time.Since(start))
		}
	}
	if len(took) == 0 {
		return nil, fmt.Errorf("no answer in time")
	}
	return took, nil
}

// measureBulk compares a bulk stream under latency with itself without, and with what a
// blind splice moves without: the one says what the delay costs, the other what whoever
// delays is slower than who does nothing. What waits is out of the processor's cache when it
// is sent, which what is only relayed is not.
func measureBulk(ctx context.Context, b *bench) ([]line, error) {
	const delay = 100 * time.Millisecond
	p, addr, err := b.exactPlane(ctx, "source", kindTCP)
	if err != nil {
		return nil, err
	}
	blind, blindAddr, err := b.splice(ctx, "splice-source", p.upstream)
	if err != nil {
		return nil, err
	}
	type figures struct{ rates, ratios, cpus []float64 }
	var slowed, plain, spliced figures
	var busy []float64
	once := func(f *figures, of *server, addr string) (rate float64, err error) {
		before, err := of.use()
		if err != nil {
			return 0, err
		}
		rate, all, err := drink(ctx, addr, 2*delay, b.span)
		if err != nil {
			return 0, err
		}
		after, err := of.use()
		f.rates, f.cpus = append(f.rates, rate), append(f.cpus, micros(after.cpu-before.cpu)/(float64(all)/1e6))
		return rate, err
	}
	for n := range b.rounds {
		noise, err := b.listenToOthers()
		if err != nil {
			return nil, err
		}
		none, err := once(&spliced, blind, blindAddr)
		if err != nil {
			return nil, err
		}
		free, err := once(&plain, p.server, addr)
		if err != nil {
			return nil, err
		}
		if err := p.put(ctx, "t", "slow", "1", map[string]any{"kind": "latency", "params": map[string]any{"delay": delay.String()}}); err != nil {
			return nil, err
		}
		late, err := once(&slowed, p.server, addr)
		if err != nil {
			return nil, err
		}
		if _, err := p.takeOff(ctx, "t", "slow"); err != nil {
			return nil, err
		}
		others, err := noise()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(b.progress, "  round %d: %.2f GB/s under %s, %.2f without, a blind splice %.2f; others kept %.2f cores busy\n", n+1, late/1e9, delay, free/1e9, none/1e9, others)
		plain.ratios, spliced.ratios, busy = append(plain.ratios, late/free), append(spliced.ratios, late/none), append(busy, others)
	}
	against := func(what, bar string, f figures) line {
		return line{work: "bulk stream under 100 ms of latency", against: what, bar: bar, busy: median(busy),
			measured: fmt.Sprintf("%.2f / %.2f GB/s", median(slowed.rates)/1e9, median(f.rates)/1e9), ratio: fmt.Sprintf("%.2f ×", median(f.ratios)),
			cpu: fmt.Sprintf("%.1f / %.1f a %s", median(slowed.cpus), median(f.cpus), unitOf(kindTCP).op)}
	}
	self := against("itself without", "≥ 0.90 ×", plain)
	self.judge(median(plain.ratios) >= 0.9)
	return []line{self, against("a blind splice without", "", spliced)}, nil
}

// drink reads what comes for span, after a while that does not count, and returns the
// bytes per second, and all bytes.
func drink(ctx context.Context, addr string, warm, span time.Duration) (rate float64, all int, err error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if err := c.SetReadDeadline(time.Now().Add(warm + span + overtime)); err != nil {
		return 0, 0, err
	}
	buf := make([]byte, 256<<10)
	start, total := time.Now(), 0 // since start
	for counts := false; ; {
		n, err := c.Read(buf)
		if err != nil {
			return 0, 0, err
		}
		total, all = total+n, all+n
		switch since := time.Since(start); {
		case counts && since >= span:
			return float64(total) / since.Seconds(), all, nil
		case !counts && since >= warm:
			counts, start, total = true, time.Now(), 0
		}
	}
}

// measureBandwidth holds the speed of limited streams against the limit.
func measureBandwidth(ctx context.Context, b *bench) ([]line, error) {
	const most = 5 * time.Second
	span := min(most, max(b.span, time.Duration(b.rounds)*b.span)) // 5 s unless little is asked for
	p, addr, err := b.exactPlane(ctx, "source", kindTCP)
	if err != nil {
		return nil, err
	}
	var lines []line
	for _, rate := range []int{10_000, 100_000, 1_000_000, 10_000_000, 100_000_000} {
		if err := p.put(ctx, "t", "narrow", "1", map[string]any{"kind": "bandwidth", "params": map[string]any{"rate": rate}}); err != nil {
			return nil, err
		}
		got, _, err := drink(ctx, addr, 0, span)
		if err != nil {
			return nil, err
		}
		if _, err := p.takeOff(ctx, "t", "narrow"); err != nil {
			return nil, err
		}
		off := 100 * (got/float64(rate) - 1)
		fmt.Fprintf(b.progress, "  %d B/s: %+.2f %%\n", rate, off)
		l := line{work: fmt.Sprintf("bandwidth of %d KB/s over %s", rate/1000, span), bar: "within 2 %", measured: fmt.Sprintf("%+.2f %%", off)}
		l.judge(math.Abs(off) <= 2)
		lines = append(lines, l)
	}
	return lines, nil
}

// draws are the requests of which a share is hit.
const draws = 100_000

// measureProbability counts what is hit, and looks whether a seed says what is.
func measureProbability(ctx context.Context, b *bench) ([]line, error) {
	p, addr, err := b.exactPlane(ctx, "answer", kindHTTP)
	if err != nil {
		return nil, err
	}
	var lines []line
	for _, share := range []float64{0.001, 0.1, 0.5} {
		type result struct {
			hits int
			sum  uint64
		}
		var results []result
		for _, seed := range []string{"1", "1", "2"} {
			fault := map[string]any{"kind": "http_error", "probability": share, "params": map[string]any{"codes": []int{503}}}
			if err := p.put(ctx, "t", "some", seed, fault); err != nil {
				return nil, err
			}
			hits, sum, err := countHits(ctx, addr)
			if err != nil {
				return nil, err
			}
			if _, err := p.takeOff(ctx, "t", "some"); err != nil {
				return nil, err
			}
			results = append(results, result{hits, sum})
		}
		sigma := math.Sqrt(draws * share * (1 - share))
		off := (float64(results[0].hits) - draws*share) / sigma
		same, other := results[0] == results[1], results[0].sum != results[2].sum
		fmt.Fprintf(b.progress, "  %g: %d of %d, %+.2f sigma; same seed same hits %t, other seed other hits %t\n", share, results[0].hits, draws, off, same, other)
		l := line{work: fmt.Sprintf("probability of %g over %d requests", share, draws), bar: "within 3 σ; the same seed, the same hits",
			measured: fmt.Sprintf("%d hits, %+.2f σ; the same hits: %t", results[0].hits, off, same)}
		l.judge(math.Abs(off) <= 3 && same && other)
		lines = append(lines, l)
	}
	return lines, nil
}

// countHits asks draws times over one connection, and returns how often it was refused
// and a sum of which requests were.
func countHits(ctx context.Context, addr string) (hits int, sum uint64, err error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if err := c.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		return 0, 0, err
	}
	const batch = 20 // at once: it is about their order, not their speed
	in, h := bufio.NewReader(c), fnv.New64a()
	for n := 0; n < draws; n += batch {
		for range batch {
			if _, err := io.WriteString(c, request); err != nil {
				return 0, 0, err
			}
		}
		for range batch {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				return 0, 0, err
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				return 0, 0, err
			}
			switch resp.StatusCode {
			case http.StatusServiceUnavailable:
				hits++
				h.Write([]byte{1}) // never fails
			case http.StatusOK:
				h.Write([]byte{0})
			default:
				return 0, 0, fmt.Errorf("an answer with %s", resp.Status)
			}
		}
	}
	return hits, h.Sum64(), nil
}
