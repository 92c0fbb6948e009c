package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"starquake/chaos/toxiproxy/toxiproxytest"
)

// TestKilled kills the real program while faults are on that do not end by themselves:
// its guardian takes them off, also where nobody reads what it says.
func TestKilled(t *testing.T) {
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close()
	tox := toxiproxytest.Start(t)
	tox.Proxy("shop", upstream.Addr().String())
	dir := t.TempDir()
	mark, script := filepath.Join(dir, "mark"), filepath.Join(dir, "t.star")
	text := fmt.Sprintf(`
p = toxiproxy(%q).proxy("shop")
def main():
    step("all", lambda: sleep("1h"), chaos = [
        fault.latency("1s").on(p), fault.refuse(open_connections = "close").on(p),
        fault.exec("mark", on = ["touch", %q], off = ["rm", "-f", %q])])
`, tox.URL, mark, mark)
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"", "isolate", "unread"} {
		args := []string{"run", "--data", filepath.Join(dir, "data"), "--allow-exec", "touch,rm"}
		if how == "isolate" {
			args = append(args, "--isolate")
		}
		cmd := exec.Command("starquake", append(args, script)...)
		log := newSleeper(t)
		if how == "unread" {
			cmd.Stderr = log.w
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		await(t, "the faults", func() bool {
			_, err := os.Stat(mark)
			state := tox.State("shop")
			return err == nil && len(state.Toxics) == 2 && !state.Enabled
		})
		if how == "unread" {
			log.fill(t)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		await(t, "the end of the faults", func() bool {
			_, err := os.Stat(mark)
			return err != nil && tox.Clean("shop")
		})
		await(t, "what the guardian notes, so that nobody takes it off again", func() bool {
			files, err := filepath.Glob(filepath.Join(dir, "data", "runs", "*", "cleaned.json"))
			if err != nil || len(files) != 1 {
				return false
			}
			text, err := os.ReadFile(files[0])
			var noted struct{ Off map[string]time.Time }
			return err == nil && json.Unmarshal(text, &noted) == nil && len(noted.Off) == 3
		})
		if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
			t.Fatal(err)
		}
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
