package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"starquake/internal/freeport"
	"starquake/internal/waittest"
)

// sleeper is a pipe that nobody reads unless the test does.
type sleeper struct {
	path string
	r, w *os.File
}

func newSleeper(t *testing.T) *sleeper {
	t.Helper()
	s := &sleeper{path: filepath.Join(t.TempDir(), "log")}
	err := syscall.Mkfifo(s.path, 0o600)
	if err == nil {
		s.r, err = os.OpenFile(s.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	}
	if err == nil {
		s.w, err = os.OpenFile(s.path, os.O_WRONLY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.r.Close(); s.w.Close() })
	return s
}

// fill leaves no room in it.
func (s *sleeper) fill(t *testing.T) {
	t.Helper()
	w, err := os.OpenFile(s.path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, size := range []int{1 << 20, 1} {
		if err := w.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Skip("pipes have no deadlines here: ", err)
		}
		if _, err := w.Write(make([]byte, size)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("it has room for %d bytes: %v", size, err)
		}
	}
}

// process is a starquake that is waited for.
type process struct {
	*exec.Cmd
	out   io.Reader
	ended chan struct{}
}

// begin starts it, with a log that is not read.
func begin(t *testing.T, log *sleeper, args ...string) *process {
	t.Helper()
	p := &process{exec.Command("starquake", args...), nil, make(chan struct{})}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out, p.Stdout, p.Stderr = out, in, log.w
	p.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	log.w.Close()
	go func() {
		defer close(p.ended)
		_ = p.Wait() // end looks at the state
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill() // it may have ended
		<-p.ended
		out.Close()
	})
	return p
}

// end ends it as an operator does, and gives its exit code.
func (p *process) end(t *testing.T) int {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waittest.Within(t, patience, "it does not end", func() { <-p.ended })
	return p.ProcessState.ExitCode()
}

// meet connects to a proxy whose upstream is not there, and returns when that has ended it.
func meet(t *testing.T, addr string) {
	t.Helper()
	client, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, _ = io.WriteString(client, "hello") // it may be gone already
	waittest.Within(t, patience, "a connection waits for the log", func() { _, _ = io.Copy(io.Discard, client) })
}

// TestUnreadProxy: where nobody reads the log of a data plane, connections end, what is on is
// taken off, and so does the program. Who reads late gets all.
func TestUnreadProxy(t *testing.T) {
	for _, late := range []bool{false, true} {
		log := newSleeper(t)
		p := begin(t, log, "proxy", "--admin", "127.0.0.1:0", "--proxy", "web=127.0.0.1:0,127.0.0.1:1,tcp")
		said := bufio.NewScanner(p.out)
		next := func(before string) string {
			t.Helper()
			said.Scan()
			_, after, ok := strings.Cut(said.Text(), before)
			if !ok {
				t.Fatalf("it says %q", said.Text())
			}
			addr, _, _ := strings.Cut(after, ",")
			return addr
		}
		addr := next("listens on ")
		api := next("API on ")
		log.fill(t)
		meet(t, addr)
		meet(t, addr)
		req, err := http.NewRequestWithContext(t.Context(), "DELETE", api+"/v1/targets/web", nil)
		if err != nil {
			t.Fatal(err)
		}
		waittest.Within(t, patience, "what takes off waits for the log", func() {
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			if resp.StatusCode >= 300 {
				t.Errorf("answer %s", resp.Status)
			}
		})
		read := make(chan string, 1)
		if late {
			go func() {
				text, _ := io.ReadAll(log.r)
				read <- string(text)
			}()
		}
		if code := p.end(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if !late {
			continue
		}
		text := strings.Trim(<-read, "\x00")
		if strings.Count(text, "cannot reach the upstream") != 2 || strings.Count(text, "\n") != 3 || !strings.Contains(text, "every fault goes off") {
			t.Errorf("the log is:\n%s", text)
		}
	}
}

// TestUnreadRun: where nobody reads what is said beside a run, its connections end, and it can
// be stopped.
func TestUnreadRun(t *testing.T) {
	listen, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "t.star")
	text := `
def main():
    step("all", duration = "1h", chaos = fault.latency("1ms"), on = target("web"))
`
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log := newSleeper(t)
	p := begin(t, log, "run", "--data", filepath.Join(dir, "data"), "--proxy", "web="+listen+",127.0.0.1:1,tcp", "--output", "ndjson", script)
	said := bufio.NewScanner(p.out)
	waittest.Within(t, patience, "no fault is on", func() {
		for said.Scan() && !strings.Contains(said.Text(), "latency") {
		}
	})
	go func() { _, _ = io.Copy(io.Discard, p.out) }()
	log.fill(t)
	meet(t, listen)
	if code := p.end(t); code != codeStopped {
		t.Errorf("exit code %d", code)
	}
}
