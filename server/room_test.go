//go:build linux

package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNoRoom: a server that can keep no run, as the disk is full, says that it is not ready, why,
// and what to do; when there is room again it goes on by itself, and no run is lost.
func TestNoRoom(t *testing.T) {
	l := serve(t)
	const script = "def main():\n    step(\"s\", duration = \"1h\")\n"
	goesOn := l.begin(script)
	for range 5 { // so that the log is the longest file there is
		l.over(l.begin("def main():\n    sleep(\"0s\")\n"))
	}
	l.do("GET", "/readyz", nil).is(200)
	logs, err := filepath.Glob(filepath.Join(l.data, "wal", "*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	info, err := os.Stat(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	var was unix.Rlimit
	limit := func(to, old *unix.Rlimit) {
		t.Helper()
		if err := unix.Prlimit(l.cmd.Process.Pid, unix.RLIMIT_FSIZE, to, old); err != nil {
			t.Fatal(err)
		}
	}
	limit(nil, &was)
	limit(&unix.Rlimit{Cur: uint64(info.Size()) + 50, Max: was.Max}, nil)
	asked := map[string]any{"format": "starlark", "content": script}
	if p := l.do("POST", "/api/v1/runs", asked, "Idempotency-Key: a").is(503, "no_room").problem(); !strings.Contains(p.Help, "make room") {
		t.Errorf("a start: %+v", p)
	}
	if p := l.do("GET", "/readyz", nil).is(503, "not_ready").problem(); !strings.Contains(p.Detail, "file too large") || !strings.Contains(p.Help, "make room") {
		t.Errorf("it is not ready: %+v", p)
	}
	limit(&was, nil)
	l.do("GET", "/readyz", nil).is(200)
	if a := l.do("GET", "/api/v1/runs?status=running", nil).is(200); a.text("runs.0.id") != goesOn || a.get("runs.1") != nil {
		t.Errorf("what was refused goes on: %s", a.body)
	}
	again := l.do("POST", "/api/v1/runs", asked, "Idempotency-Key: a").is(201).text("id")
	l.kill()
	l = serveIn(t, l.data)
	if a := l.do("GET", "/api/v1/runs?status=running", nil).is(200); a.get("runs.2") != nil {
		t.Errorf("there are others: %s", a.body)
	}
	for _, id := range []string{goesOn, again} {
		l.await("the run", func() bool { return l.do("GET", "/api/v1/runs/"+id, nil).is(200).text("status") == "running" })
	}
}
