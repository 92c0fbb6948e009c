package server_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestStoreTold: what a server finds and mends in its data folder, and what it leaves there, is in its
// log.
func TestStoreTold(t *testing.T) {
	l := serve(t)
	l.begin("def main():\n    sleep(\"1h\")\n")
	l.kill()
	logs, err := filepath.Glob(filepath.Join(l.data, "wal", "*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	text, err := os.ReadFile(logs[0])
	if err == nil {
		err = os.WriteFile(logs[0], append(text, "half a turn"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	l = serveIn(t, l.data)
	if log := l.log.String(); !strings.Contains(log, "ends in a turn that was not written whole") {
		t.Errorf("nothing is told:\n%s", log)
	}
}

// TestEndedWhileItWaits: a server that waits for another process to open its data folder, and is
// told to end, does so.
func TestEndedWhileItWaits(t *testing.T) {
	beside := serve(t)
	beside.begin("def main():\n    sleep(\"1h\")\n") // it has a log
	wal, err := os.Open(filepath.Join(beside.data, "wal"))
	if err != nil {
		t.Fatal(err)
	}
	defer wal.Close()
	if err := syscall.Flock(int(wal.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	var log said
	cmd := exec.Command(program, "serve", "--listen", "127.0.0.1:0", "--data", beside.data)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, log: &log}
	l.await("its word", func() bool { return strings.Contains(log.String(), "this one waits for it") })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		t.Error("it does not end")
	}
}
