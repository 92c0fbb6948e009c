//go:build linux

// Command benchproxy measures the embedded data plane beside other proxies, and says by
// how much it reaches what was asked for: `make bench-proxy`.
//
//	main.go        flags, rows, the end of everything
//	contest.go     rows that compare: the same work through each proxy, in rounds
//	contests.go    the table of those
//	exact.go       rows that hold the product against what it was asked to do
//	idle.go        the memory of connections at rest
//	starquake.go   `starquake proxy` and its API
//	peers.go       nginx, HAProxy, Toxiproxy and a bare splice
//	load.go        wrk, iperf3 and our own clients, and what they print
//	roles.go       the parts that this program plays in processes of their own
//	process.go     processes: started, looked at, and ended in every ending
//	report.go      the table
//
// The product is the program that users have, run as `starquake proxy`; everything is on
// loopback ports that were free. In each round every proxy does the same work, one after
// the other, and a ratio is between figures of one round: what else the machine does
// hits all alike. What is reported is the median of the rounds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		if play := roleOf(os.Args[1]); play != nil {
			if err := play(os.Args[2:]); err != nil {
				fmt.Fprintf(os.Stderr, "benchproxy %s: %v\n", os.Args[1], err)
				os.Exit(1)
			}
			return
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "benchproxy:", err)
		stop()
		os.Exit(1)
	}
}

// bench is one measurement of some rows.
type bench struct {
	starquake string        // the program
	base      string        // another build of it, in place of all peers; or empty
	self      string        // this program
	dir       string        // for configurations and logs; removed at the end
	rounds    int           // of each contest
	span      time.Duration // that each measures
	progress  io.Writer
	servers   []*server // newest last
	peers     map[string]*peer
	upstreams map[string]string // addresses by kind
}

// run measures and prints the table.
func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	flags := flag.NewFlagSet("benchproxy", flag.ContinueOnError)
	flags.SetOutput(progress)
	b := &bench{progress: progress, peers: map[string]*peer{}, upstreams: map[string]string{}}
	flags.StringVar(&b.starquake, "starquake", "bin/starquake", "the program that is measured")
	flags.StringVar(&b.base, "base", "", "another build of the program, to compare with in place of the peers")
	names := flags.String("rows", "all", "what is measured: "+strings.Join(rowNames(), ", "))
	flags.IntVar(&b.rounds, "rounds", 5, "rounds of each comparison")
	flags.DurationVar(&b.span, "span", 3*time.Second, "how long each proxy is measured in a round")
	if err := flags.Parse(args); err != nil {
		return err
	}
	rows, err := selectRows(*names)
	if err != nil {
		return err
	}
	if b.rounds < 1 || b.span < 100*time.Millisecond {
		return errors.New("expected one round or more, and a span of 100ms or more")
	}
	for _, program := range []*string{&b.starquake, &b.base} {
		if *program == "" {
			continue
		}
		if *program, err = filepath.Abs(*program); err != nil {
			return err
		}
		if _, err := os.Stat(*program); err != nil {
			return fmt.Errorf("the program that is measured: %w; make build builds it", err)
		}
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "benchproxy-"); err != nil {
		return err
	}
	if err := os.Chmod(b.dir, 0o755); err != nil { // nginx's workers are somebody else
		return err
	}
	defer func() {
		err = errors.Join(err, b.end(), os.RemoveAll(b.dir))
	}()
	t := newTable(b)
	for _, r := range rows {
		fmt.Fprintf(progress, "%s: %s\n", r.name, r.work)
		lines, err := r.measure(ctx, b)
		if err != nil {
			return fmt.Errorf("row %s: %w", r.name, err)
		}
		t.lines = append(t.lines, lines...)
	}
	return t.write(out)
}

// end ends every server.
func (b *bench) end() error {
	var errs []error
	for _, s := range slices.Backward(b.servers) {
		errs = append(errs, s.end())
	}
	b.servers = nil
	return errors.Join(errs...)
}

// row is a part of the table.
type row struct {
	name, work string
	measure    func(ctx context.Context, b *bench) ([]line, error)
}

func allRows() []row {
	var rows []row
	for _, c := range contests() {
		rows = append(rows, row{c.name, c.work, c.measure})
	}
	return append(rows,
		row{"idle", "memory of an idle connection", measureIdle},
		row{"latency", "injected latency", measureLatency},
		row{"bulk", "a bulk stream under 100 ms of latency", measureBulk},
		row{"bandwidth", "limited bandwidth", measureBandwidth},
		row{"probability", "probabilities and seeds", measureProbability},
	)
}

func rowNames() (names []string) {
	for _, r := range allRows() {
		names = append(names, r.name)
	}
	return names
}

// selectRows returns the rows of a list: "http" is all whose names begin so.
func selectRows(list string) (rows []row, err error) {
	all := allRows()
	if list == "all" || list == "" {
		return all, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		found := false
		for _, r := range all {
			if strings.HasPrefix(r.name, name) {
				rows, found = append(rows, r), true
			}
		}
		if !found || name == "" {
			return nil, fmt.Errorf("row %q: expected all, or some of %s", name, strings.Join(rowNames(), ","))
		}
	}
	return rows, nil
}
