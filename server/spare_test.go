//go:build linux

package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFewFiles: a server that may have only few files open begins although more runs were
// interrupted than it can take up, answers, and starts runs; the others go on once they can.
func TestFewFiles(t *testing.T) {
	l := serve(t)
	for range 60 {
		l.begin("def main():\n    sleep(\"1h\")\n")
	}
	l.kill()
	is, few := program, filepath.Join(t.TempDir(), "few")
	if err := os.WriteFile(few, []byte("#!/bin/sh\nulimit -n 64\nexec '"+program+"' \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	program = few
	defer func() { program = is }()
	l = serveIn(t, l.data)
	program = is
	if log := l.log.String(); !strings.Contains(log, "too many open files") {
		t.Errorf("nothing is told:\n%s", log)
	}
	l.await("its being ready", func() bool { return l.do("GET", "/readyz", nil).status == 200 })
	id := l.begin("def main():\n    log(\"once\")\n")
	if a := l.over(id); a.text("verdict") != "passed" {
		t.Errorf("a run that was started: %s", a.body)
	}
	l.stop()
	l = serveIn(t, l.data)
	l.await("all of them", func() bool {
		return strings.Count(string(l.do("GET", "/api/v1/runs?limit=500", nil).is(200).body), `"status":"running"`) == 60
	})
}
