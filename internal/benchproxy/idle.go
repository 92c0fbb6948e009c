//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"starquake/internal/freeport"
)

const (
	// resting connections, of which a proxy has two descriptors each: 20 000 are a
	// common limit.
	resting = 4000
	// settleTime is how long a proxy has to give memory back that it does not need.
	settleTime = 3 * time.Second
)

// measureIdle measures what the process of a proxy has more of memory with many
// connections at rest, each of which has been used.
func measureIdle(ctx context.Context, b *bench) ([]line, error) {
	up, err := freeport.Address()
	if err != nil {
		return nil, err
	}
	if _, err := b.start(ctx, "upstream-rest", []string{b.self, "answer", up}, up); err != nil {
		return nil, err
	}
	var lines []line
	for _, protocol := range []string{kindHTTP, kindTCP, "auto"} {
		// A process of its own: one that has worked has memory at hand.
		plane, err := b.startPlane(ctx, "starquake-rest-"+protocol, b.starquake)
		if err != nil {
			return nil, err
		}
		addr, err := plane.open(ctx, protocol, protocol, up)
		if err != nil {
			return nil, err
		}
		each, err := b.rest(ctx, plane.server, addr)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(b.progress, "  %s: %.1f KiB\n", protocol, each)
		l := line{work: "memory of an idle connection, " + protocol, bar: "≤ 20 KiB", measured: fmt.Sprintf("%.1f KiB", each)}
		l.judge(each <= 20)
		lines = append(lines, l)
	}
	return lines, nil
}

// rest returns the memory of one connection at rest, in KiB.
func (b *bench) rest(ctx context.Context, proxy *server, addr string) (each float64, err error) {
	before, err := proxy.use()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.self, "rest", addr, fmt.Sprint(resting))
	cmd.SysProcAttr = dieWithParent()
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = stdin.Close()
		if werr := cmd.Wait(); err == nil {
			err = werr
		}
	}()
	if said, err := bufio.NewReader(stdout).ReadString('\n'); err != nil && err != io.EOF || said != "resting\n" {
		return 0, fmt.Errorf("the connections did not come to rest: %q, %w", said, err)
	}
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	after, err := proxy.use()
	if err != nil {
		return 0, err
	}
	return float64(after.rss-before.rss) / resting / 1024, nil
}
