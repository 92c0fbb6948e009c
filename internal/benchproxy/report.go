//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// line is one line of the table.
type line struct {
	work, against, bar, measured, ratio, cpu string
	verdict                                  string
	busy                                     float64 // cores that others kept busy meanwhile
}

// judge says whether the bar was reached.
func (l *line) judge(met bool) {
	if l.verdict = "**missed**"; met {
		l.verdict = "met"
	}
}

// table is what was measured, and on what.
type table struct {
	b      *bench
	start  time.Time
	before string // the load average at the start
	lines  []line
}

func newTable(b *bench) *table { return &table{b: b, start: time.Now(), before: loadAverage()} }

// write prints the table as Markdown.
func (t *table) write(out io.Writer) error {
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "Machine: %d cores of %s, Linux %s, %s.\n", runtime.NumCPU(), processor(), firstWord("/proc/sys/kernel/osrelease"), runtime.Version())
	fmt.Fprintf(w, "Peers: %s.\n", strings.Join(versions(), ", "))
	fmt.Fprintf(w, "Medians of %d rounds of %s each; load average before %s, after %s (that of the measurement included).\n\n",
		t.b.rounds, t.b.span, t.before, loadAverage())
	fmt.Fprintln(w, "| work | against | bar | starquake / peer | ratio | | CPU µs, starquake / peer | cores others used |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|")
	for _, l := range t.lines {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %.2f |\n", l.work, l.against, l.bar, l.measured, l.ratio, l.verdict, l.cpu, l.busy)
	}
	return w.Flush()
}

func firstWord(path string) string {
	text, err := os.ReadFile(path)
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 0 {
		return fields[0]
	}
	return "unknown"
}

func loadAverage() string { return firstWord("/proc/loadavg") }

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "an unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "an unknown processor"
}

// versions returns those of the peers that are there.
func versions() (all []string) {
	for _, v := range []struct{ program, flag string }{{"nginx", "-v"}, {"haproxy", "-v"}, {"wrk", "-v"}, {"iperf3", "-v"}} {
		path, err := find(v.program)
		if err != nil {
			all = append(all, "no "+v.program)
			continue
		}
		all = append(all, v.program+" "+version(path, v.flag))
	}
	return append(all, "Toxiproxy of go.mod")
}

// versionIn finds a version in what a program prints.
func versionIn(out string) string {
	if m := regexp.MustCompile(`[0-9]+\.[0-9]+[0-9.]*`).FindString(out); m != "" {
		return m
	}
	return "of unknown version"
}

// version returns the version that a program prints.
func version(path, flag string) string {
	// Some print it as an error, and some end as if it were one.
	out, err := command(context.Background(), 5*time.Second, "sh", "-c", `"$0" "$1" 2>&1 || true`, path, flag)
	if err != nil {
		return "of unknown version"
	}
	return versionIn(out)
}
