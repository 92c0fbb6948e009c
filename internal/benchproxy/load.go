//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// buildTime bounds building a tool.
	buildTime = 10 * time.Minute
	// overtime is what a load may take besides its span.
	overtime = 30 * time.Second
)

// wrk returns a load of small requests, as fast as they are answered.
func wrk(connections int, more ...string) func(context.Context, *bench, string, time.Duration) (sample, error) {
	return func(ctx context.Context, b *bench, addr string, span time.Duration) (s sample, err error) {
		program, err := find("wrk")
		if err != nil {
			return s, err
		}
		// wrk knows whole seconds.
		seconds := max(1, int(math.Round(span.Seconds())))
		args := append([]string{"-t2", fmt.Sprint("-c", connections), fmt.Sprint("-d", seconds, "s"), "--latency"}, more...)
		out, err := command(ctx, span+overtime, program, append(args, "http://"+addr+"/api/orders?page=2")...)
		if err != nil {
			return s, err
		}
		return readWrk(out, connections)
	}
}

// readWrk reads what wrk prints.
func readWrk(out string, connections int) (s sample, err error) {
	number := func(pattern string) string {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(out); m != nil {
			return m[1]
		}
		return ""
	}
	if bad := number(`Non-2xx or 3xx responses: (\d+)`); bad != "" {
		return s, fmt.Errorf("wrk got %s responses that are not 2xx:\n%s", bad, out)
	}
	if failed := number(`Socket errors: (.*)`); failed != "" {
		var connect, read, write, late int
		if _, err := fmt.Sscanf(failed, "connect %d, read %d, write %d, timeout %d", &connect, &read, &write, &late); err != nil {
			return s, fmt.Errorf("wrk printed %q: %w", failed, err)
		}
		// A few may be late on a machine that is busy; anything else is a failure.
		if connect+read+write > 0 || late > connections/10 {
			return s, fmt.Errorf("wrk had errors: %s", failed)
		}
	}
	if s.rate, err = strconv.ParseFloat(number(`Requests/sec:\s*([0-9.]+)`), 64); err != nil {
		return s, fmt.Errorf("wrk printed no rate:\n%s", out)
	}
	if s.ops, err = strconv.ParseFloat(number(`(\d+) requests in`), 64); err != nil {
		return s, fmt.Errorf("wrk printed no number of requests:\n%s", out)
	}
	if s.p99, err = time.ParseDuration(number(`(?m)^\s*99%\s+(\S+)`)); err != nil {
		return s, fmt.Errorf("wrk printed no 99th percentile:\n%s", out)
	}
	return s, nil
}

// iperf returns a load of bulk streams to the upstream.
func iperf(streams int) func(context.Context, *bench, string, time.Duration) (sample, error) {
	return func(ctx context.Context, b *bench, addr string, span time.Duration) (s sample, err error) {
		program, err := find("iperf3")
		if err != nil {
			return s, err
		}
		seconds := max(1, int(math.Round(span.Seconds())))
		var out string
		// The server is busy for a moment with the end of the last test.
		for attempt := 1; ; attempt++ {
			out, err = command(ctx, span+overtime, program, "-c", "127.0.0.1", "-p", port(addr), "-t", fmt.Sprint(seconds), "-P", fmt.Sprint(streams), "-J")
			if err == nil || attempt == 5 || !strings.Contains(err.Error(), "busy") {
				break
			}
			select {
			case <-time.After(200 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		if err != nil {
			return s, err
		}
		return readIperf(out)
	}
}

// readIperf reads what iperf3 prints.
func readIperf(out string) (s sample, err error) {
	var report struct {
		Error string
		End   struct {
			Received struct {
				Rate  float64 `json:"bits_per_second"`
				Bytes float64
			} `json:"sum_received"`
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		return s, fmt.Errorf("iperf3: %w", err)
	}
	if report.Error != "" || report.End.Received.Bytes == 0 {
		return s, errors.New("iperf3 received nothing: " + report.Error)
	}
	return sample{rate: report.End.Received.Rate, ops: report.End.Received.Bytes / 1e6}, nil
}

// ownLoad runs a load of this program, in a process of its own.
func (b *bench) ownLoad(ctx context.Context, role, addr string, span time.Duration) (s sample, err error) {
	out, err := command(ctx, span+overtime, b.self, role, addr, span.String())
	if err != nil {
		return s, err
	}
	var done loaded
	if err := json.Unmarshal([]byte(out), &done); err != nil {
		return s, fmt.Errorf("%s printed %q: %w", role, out, err)
	}
	return sample{rate: done.Rate, ops: float64(done.Count), p99: done.P99}, nil
}

// listenToOthers begins to watch what else the machine does. What it returns says how
// many cores were busy, outside the kernel, with anything but this measurement.
func (b *bench) listenToOthers() (func() (float64, error), error) {
	all, own, err := b.userTimes()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	return func() (float64, error) {
		allNow, ownNow, err := b.userTimes()
		if err != nil {
			return 0, err
		}
		return max(0, float64(allNow-all-(ownNow-own))/float64(time.Since(start))), nil
	}, nil
}

// userTimes returns the CPU time outside the kernel that all programs have had, and ours.
func (b *bench) userTimes() (all, own time.Duration, err error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	var user, nice, system, idle, wait, irq, softirq, steal int64
	if _, err := fmt.Sscanf(string(text), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &softirq, &steal); err != nil {
		return 0, 0, fmt.Errorf("/proc/stat: %w", err)
	}
	all = time.Duration(user+nice+steal) * clockTick
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			return 0, 0, err
		}
		own += time.Duration(r.Utime.Nano())
	}
	for _, s := range b.servers {
		u, err := s.use()
		if err != nil {
			return 0, 0, err
		}
		own += u.user
	}
	return all, own, nil
}
