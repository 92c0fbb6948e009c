package effects

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// makerVariable makes TestKilledWhileMaking the process that is killed.
const makerVariable = "STARQUAKE_TEST_MAKER"

// TestKilledWhileMaking: the program that makes a change does not outlive who is killed
// meanwhile. It would go on beside, or after, the one that undoes the change.
func TestKilledWhileMaking(t *testing.T) {
	if told := os.Getenv(makerVariable); told != "" {
		change := Change{On: Means{Run: [][]string{{"sh", "-c", "echo $$ > " + told + "; exec sleep 60"}}}, Off: Means{Run: [][]string{{"true"}}}}
		_, err := New(open(), Options{}).Make(context.Background(), &change)
		t.Fatalf("it was made: %v", err)
	}
	told := filepath.Join(t.TempDir(), "told")
	if err := unix.Mkfifo(told, 0o600); err != nil {
		t.Fatal(err)
	}
	maker := exec.Command(os.Args[0], "-test.run=^TestKilledWhileMaking$")
	maker.Env = append(os.Environ(), makerVariable+"="+told)
	if err := maker.Start(); err != nil {
		t.Fatal(err)
	}
	pid, err := os.ReadFile(told) // until it has said so
	_ = maker.Process.Kill()
	_ = maker.Wait() // it was killed
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(soon); goesOn(string(pid)); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it goes on")
		}
	}
}

// goesOn reports whether there is a process of that number that is not at its end: nobody
// may wait for it here, and what was killed may not know yet.
func goesOn(pid string) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%s/status", strings.TrimSpace(pid)))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch name {
		case "State":
			if strings.HasPrefix(value, "Z") || strings.HasPrefix(value, "X") {
				return false
			}
		case "SigPnd", "ShdPnd":
			if pending, err := strconv.ParseUint(value, 16, 64); err == nil && pending&(1<<(unix.SIGKILL-1)) != 0 {
				return false
			}
		}
	}
	return true
}

// TestChangeLeavesProcesses: a process that the programs of a change leave behind is what they
// make, or bring back: it stays. Of those that are ended in the middle nothing does.
func TestChangeLeavesProcesses(t *testing.T) {
	told := filepath.Join(t.TempDir(), "told")
	starts := func(then string) Means {
		return Means{Run: [][]string{{"sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $! > " + told + "; " + then}}}
	}
	started := func() string {
		pid, err := os.ReadFile(told)
		if err != nil {
			t.Fatal(err)
		}
		return string(pid)
	}
	e := newEffects(t, open(), Options{})
	end := Means{Run: [][]string{{"sh", "-c", "kill $(cat " + told + ")"}}}
	change := Change{On: starts("true"), Off: end, Within: soon}
	if _, err := e.Make(context.Background(), &change); err != nil || !goesOn(started()) {
		t.Errorf("made: %v, it is there: %v", err, goesOn(started()))
	}
	if err := e.Unmake(context.Background(), &change); err != nil {
		t.Errorf("unmade: %v", err)
	}
	change.Off = starts("true")
	if err := e.Unmake(context.Background(), &change); err != nil || !goesOn(started()) {
		t.Errorf("brought back: %v, it is there: %v", err, goesOn(started()))
	}
	if err := e.Unmake(context.Background(), &Change{Off: end, Within: soon}); err != nil {
		t.Error(err)
	}

	change.On = starts("exec sleep 60")
	ctx, cancel := context.WithCancel(context.Background())
	_ = os.Remove(told)
	made := make(chan error, 1)
	go func() {
		_, err := e.Make(ctx, &change)
		made <- err
	}()
	for { // until it has begun
		if text, _ := os.ReadFile(told); len(text) > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-made; err == nil {
		t.Error("it was made, though it was stopped")
	}
	for deadline := time.Now().Add(soon); goesOn(started()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it goes on")
		}
	}
}
