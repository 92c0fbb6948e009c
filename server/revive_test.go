package server_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// workers are the processes that the server has started for scripts.
func (l *lab) workers() (pids []int) {
	l.t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", l.cmd.Process.Pid))
	if err != nil || len(files) == 0 {
		l.t.Skip("processes cannot be found here")
	}
	for _, file := range files {
		text, _ := os.ReadFile(file) // a thread may have ended
		for _, field := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				l.t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestWorkerKilled: a run whose script's process is killed by somebody else goes on from where
// it was: its fault is on again, nothing is done twice, and who watches it sees no gap. One
// whose process is killed again and again ends, with its fault off.
func TestWorkerKilled(t *testing.T) {
	var asked atomic.Int64
	counter := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer counter.Close()
	data := t.TempDir()
	token := newToken(t, data, "operator")
	l := serveIn(t, data, "--proxy", upstream(t), "--allow-net", "*", "--log-level", "warn")
	script := fmt.Sprintf(`
def main():
    on_exit(lambda: log("bye"))
    http.post(%q)
    step("s", duration = "1h", chaos = fault.latency("1ms"), on = target("api"))
`, counter.URL)
	id := l.do("POST", "/api/v1/runs", map[string]any{"content": script, "format": "starlark"}, bearer(token)).is(201).text("id")
	events := make(chan []string, 1)
	req, err := http.NewRequest("GET", l.url+"/api/v1/runs/"+id+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := l.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer resp.Body.Close()
		var lines []string
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			if strings.HasPrefix(s.Text(), "id: ") || strings.HasPrefix(s.Text(), "data: ") || strings.HasPrefix(s.Text(), "event: ") {
				lines = append(lines, s.Text())
			}
		}
		events <- lines
	}()
	on := func() bool {
		return l.do("GET", "/api/v1/runs/"+id+"/status", nil).is(200).get("faults_on") == 1.0 && len(l.faultsOf("api")) == 1
	}
	kill := func(times int) {
		t.Helper()
		l.await("the fault", on)
		pids := l.workers()
		if len(pids) != 1 {
			t.Fatalf("the script's processes: %v", pids)
		}
		if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		l.await("its being taken up", func() bool {
			journal := string(l.do("GET", "/api/v1/runs/"+id+"/journal", nil).is(200).body)
			return strings.Count(journal, `"action":"recover"`) == times
		})
	}
	kill(1)
	l.await("the fault again", on)
	if status := l.do("GET", "/api/v1/runs/"+id, nil); status.text("status") != "running" || status.text("current_step_path") != "s" {
		t.Errorf("it goes on: %s", status.body)
	}
	stopped := l.do("POST", "/api/v1/runs/"+id+"/stop", nil).is(200)
	if end := l.over(id); end.text("verdict") != "stopped" || end.text("view.log.0.message") != "bye" {
		t.Errorf("stopped: %s\n%s", stopped.body, end.body)
	}
	if asked.Load() != 1 || len(l.faultsOf("api")) != 0 {
		t.Errorf("%d requests were made, and %v are on", asked.Load(), l.faultsOf("api"))
	}
	lines := <-events
	for i := 0; i+1 < len(lines)-2; i += 2 {
		if lines[i] != fmt.Sprint("id: ", i/2+1) {
			t.Fatalf("event %d is %s", i/2+1, lines[i])
		}
	}
	if n := strings.Count(strings.Join(lines, "\n"), `"kind":"run.end"`); n != 1 || !strings.Contains(strings.Join(lines, "\n"), `"action":"recover"`) || lines[len(lines)-2] != "event: end" {
		t.Errorf("who watched saw %d ends:\n%s", n, strings.Join(lines, "\n"))
	}

	id = l.do("POST", "/api/v1/runs", map[string]any{"content": script, "format": "starlark"}, bearer(token)).is(201).text("id")
	for i := range 3 {
		kill(i + 1)
	}
	l.await("the fault", on)
	if err := syscall.Kill(l.workers()[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// Its clean-up could not run, which somebody has to know.
	if end := l.over(id); end.text("verdict") != "unclean" || end.text("reason") != "cleanup_not_run" || end.get("faults_on") != 0.0 || len(l.faultsOf("api")) != 0 {
		t.Errorf("killed again and again: %s", end.body)
	}
}
