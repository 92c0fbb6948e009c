//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test program play the roles of the program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roleOf(os.Args[1]) != nil {
		main()
		return
	}
	os.Exit(m.Run())
}

// A sample: everything is started, measured a little, and ended. What the figures are is
// for make bench-proxy.
func TestSample(t *testing.T) {
	program := filepath.Join(t.TempDir(), "starquake")
	if out, err := exec.Command("go", "build", "-o", program, "starquake/cmd/starquake").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("TMPDIR", t.TempDir())
	var out, progress bytes.Buffer
	err := run(t.Context(), []string{"-starquake", program, "-rows", "grpc,ws,latency,bulk", "-rounds", "1", "-span", "200ms"}, &out, &progress)
	if err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	for _, want := range []string{
		"| gRPC unary, 100 rules, 4 connections × 16 | splice | ≥ 0.93 × |",
		"| WebSocket echo, each frame looked at, 32 connections | nginx | ≥ 0.90 × |",
		"| latency of 100ms, 8 connections |",
		"| bulk stream under 100 ms of latency | itself without | ≥ 0.90 × |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table has no line %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "NaN") || strings.Contains(out.String(), "Inf") {
		t.Errorf("the table has figures that are none:\n%s", out.String())
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

// Whatever becomes of the one who measures, even a kill -9, its servers end: the guard
// sees its standard input end.
func TestGuard(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// A program with a child, as nginx is one.
	guard := exec.Command(self, "guard", "sh", "-c", "sleep 1000 & wait")
	stdin, err := guard.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := guard.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := guard.Start(); err != nil {
		t.Fatal(err)
	}
	var group int
	if _, err := fmt.Fscan(stdout, &group); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(-group, 0); err != nil {
		t.Fatalf("the program does not run: %v", err)
	}
	stdin.Close()
	if err := guard.Wait(); err != nil {
		t.Error(err)
	}
	for deadline := time.Now().Add(time.Minute); syscall.Kill(-group, 0) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process group %d lives on", group)
		}
	}
}

// An error in the middle ends what was started, too.
func TestFailure(t *testing.T) {
	b := &bench{dir: t.TempDir(), self: os.Args[0], progress: io.Discard}
	if _, err := b.start(t.Context(), "short", []string{"sh", "-c", "echo no such option; exit 1"}, "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "no such option") {
		t.Fatalf("%v, expected what the program said", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.start(ctx, "sleeper", []string{"sleep", "1000"}, "127.0.0.1:1"); err == nil {
		t.Fatal("a port was taken for open that is not")
	}
	if len(b.servers) != 2 {
		t.Fatalf("%d servers to end, expected 2", len(b.servers))
	}
	group := b.servers[1].group
	if err := b.end(); err != nil {
		t.Error(err)
	}
	if syscall.Kill(-group, 0) == nil {
		t.Errorf("process group %d lives on", group)
	}
}

func TestReadWrk(t *testing.T) {
	good := `Running 3s test @ http://127.0.0.1:1/
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    20.09ms    3.75ms  32.62ms   68.99%
    Req/Sec     6.20k   756.33     7.24k    85.00%
  Latency Distribution
     50%    1.20ms
     99%   12.34ms
  30000 requests in 3.00s, 5.00MB read
Requests/sec:  10000.50
`
	s, err := readWrk(good, 64)
	if err != nil || s.rate != 10000.5 || s.ops != 30000 || s.p99 != 12340*time.Microsecond {
		t.Errorf("%+v, %v", s, err)
	}
	for _, bad := range []string{
		"", strings.Replace(good, "Requests/sec", "Rate", 1),
		good + "  Non-2xx or 3xx responses: 7\n",
		good + "  Socket errors: connect 1, read 0, write 0, timeout 0\n",
		good + "  Socket errors: connect 0, read 0, write 0, timeout 64\n",
	} {
		if s, err := readWrk(bad, 64); err == nil {
			t.Errorf("%+v of %q", s, bad)
		}
	}
}

func TestReadIperf(t *testing.T) {
	s, err := readIperf(`{"end": {"sum_received": {"bytes": 3e9, "bits_per_second": 8e9}}}`)
	if err != nil || s.rate != 8e9 || s.ops != 3000 {
		t.Errorf("%+v, %v", s, err)
	}
	for _, bad := range []string{"", "{}", `{"error": "unable to connect", "end": {}}`} {
		if s, err := readIperf(bad); err == nil {
			t.Errorf("%+v of %q", s, bad)
		}
	}
}

// A bar is held against the best of the peers in the same round, and the middle round
// counts.
func TestLine(t *testing.T) {
	c := contest{kind: kindHTTP}
	rounds := []map[string]sample{
		{us: {rate: 9}, "a": {rate: 10}, "b": {rate: 1}},
		{us: {rate: 8}, "a": {rate: 1}, "b": {rate: 10}},
		{us: {rate: 1}, "a": {rate: 10}, "b": {rate: 10}},
	}
	l := c.line(&bench{}, bar{against: []string{"a", "b"}, ratio: 0.8}, rounds)
	if l.ratio != "0.80 ×" || l.verdict != "met" {
		t.Errorf("%+v", l)
	}
	if l = c.line(&bench{}, bar{against: []string{"a", "b"}, ratio: 0.81}, rounds); l.verdict != "**missed**" {
		t.Errorf("%+v", l)
	}
	slow := []map[string]sample{{us: {p99: 3}, "a": {p99: 2}}}
	if l = c.line(&bench{}, bar{against: []string{"a"}, p99: true}, slow); l.verdict != "**missed**" {
		t.Errorf("%+v", l)
	}
	without := &bench{peers: map[string]*peer{"a": {missing: "a is not installed"}}}
	if l = c.line(without, bar{against: []string{"a"}, ratio: 1}, []map[string]sample{{us: {}}}); l.verdict != "not measured: a is not installed" {
		t.Errorf("%+v", l)
	}
}

func TestSelectRows(t *testing.T) {
	names := func(list string) string {
		rows, err := selectRows(list)
		if err != nil {
			return err.Error()
		}
		var names []string
		for _, r := range rows {
			names = append(names, r.name)
		}
		return strings.Join(names, " ")
	}
	for list, want := range map[string]string{"tcp,ws": "tcp1 tcp4 ws", "http64": "http64", "all": strings.Join(rowNames(), " ")} {
		if got := names(list); got != want {
			t.Errorf("%s: %s, expected %s", list, got, want)
		}
	}
	for _, bad := range []string{"nothing", "tcp,", ","} {
		if got := names(bad); !strings.Contains(got, "expected all, or some of") {
			t.Errorf("%s: %s", bad, got)
		}
	}
}

// The context ends a measurement early.
func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := run(ctx, []string{"-starquake", program, "-rows", "ws"}, io.Discard, io.Discard); err == nil {
		t.Error("it has measured")
	}
}
