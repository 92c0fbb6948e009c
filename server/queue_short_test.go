//go:build linux

package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestQueueShort: a start whose turn comes while it cannot be kept, as there is no room on the disk, or
// the data folder is away, or there are too many open files, is not lost: it waits on, and begins once
// that has passed.
func TestQueueShort(t *testing.T) {
	limited := func(resource int, to func(l *lab) uint64) func(l *lab) (over func()) {
		return func(l *lab) func() {
			var was unix.Rlimit
			limit := func(to, old *unix.Rlimit) {
				t.Helper()
				if err := unix.Prlimit(l.cmd.Process.Pid, resource, to, old); err != nil {
					t.Fatal(err)
				}
			}
			limit(nil, &was)
			limit(&unix.Rlimit{Cur: to(l), Max: was.Max}, nil)
			return func() { limit(&was, nil) }
		}
	}
	away := func(l *lab) func() {
		runs := filepath.Join(l.data, "runs")
		if err := os.Rename(runs, runs+"-away"); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.Rename(runs+"-away", runs); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, of := range map[string]struct {
		begin func(l *lab) (over func())
		why   string
	}{
		"no room for its folder": {limited(unix.RLIMIT_FSIZE, func(*lab) uint64 { return 0 }), "the folder of run"},
		"no room for the log":    {limited(unix.RLIMIT_FSIZE, logSize), "the write-ahead log: "},
		"too many open files":    {limited(unix.RLIMIT_NOFILE, func(*lab) uint64 { return 3 }), "too many open files"},
		"a folder that is away":  {away, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			l := serve(t, "--max-runs", "1")
			for range 5 { // so that the log is the longest file there is
				l.over(l.begin("def main():\n    sleep(\"0s\")\n"))
			}
			first := l.begin("def main():\n    sleep(\"1h\")\n")
			id := l.do("POST", "/api/v1/runs", map[string]any{"format": "starlark", "content": "def main():\n    log(\"once\")\n    sleep(\"1h\")\n"}).is(202).text("id")
			over := of.begin(l)
			l.do("POST", "/api/v1/runs/"+first+"/stop", nil)
			l.await("its turn", func() bool { return strings.Contains(l.log.String(), "a run that waited") })
			if log := l.log.String(); !strings.Contains(log[strings.Index(log, "a run that waited"):], of.why) {
				t.Errorf("why it does not begin:\n%s", log)
			}
			if a := l.do("GET", "/api/v1/runs/"+id, nil).is(200); a.text("status") != "queued" {
				t.Fatalf("it waits on: %s", a.body)
			}
			over()
			l.await("its turn, again", func() bool { return l.do("GET", "/api/v1/runs/"+id, nil).is(200).text("status") == "running" })
			l.await("its start to be off the disk", func() bool {
				_, err := os.Stat(filepath.Join(l.data, "queue", id))
				return os.IsNotExist(err)
			})
			l.do("POST", "/api/v1/runs/"+id+"/stop", nil).is(200)
			if n := strings.Count(string(l.do("GET", "/api/v1/runs/"+id+"/journal", nil).is(200).body), `"message":"once"`); n != 1 {
				t.Errorf("it said it %d times", n)
			}
		})
	}
}

// logSize is how long the log of the server is, with room for the end of a run.
func logSize(l *lab) uint64 {
	l.t.Helper()
	logs, err := filepath.Glob(filepath.Join(l.data, "wal", "*.log"))
	if err != nil || len(logs) != 1 {
		l.t.Fatal(logs, err)
	}
	info, err := os.Stat(logs[0])
	if err != nil {
		l.t.Fatal(err)
	}
	return uint64(info.Size()) + 1500
}
