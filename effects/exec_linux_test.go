package effects

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	stat := fmt.Sprintf("/proc/%s/stat", strings.TrimSpace(string(pid)))
	for deadline := time.Now().Add(soon); ; time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(stat)
		if err != nil || strings.Contains(string(text), ") Z ") { // nobody may wait for it here
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it goes on: %s", text)
		}
	}
}
