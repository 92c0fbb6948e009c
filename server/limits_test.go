package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestLimits: a run of somebody below admin that takes more than the server lets it is
// aborted, says why, and leaves no fault; one of an admin is not.
func TestLimits(t *testing.T) {
	data := t.TempDir()
	token := newToken(t, data, "operator")
	start := func(l *lab, script string, headers ...string) string {
		t.Helper()
		return l.do("POST", "/api/v1/runs", map[string]any{"content": script, "format": "starlark"}, headers...).is(201).text("id")
	}
	l := serveIn(t, data, "--proxy", upstream(t), "--max-events", "60", "--max-branches", "5")
	aborted := func(id, why string) {
		t.Helper()
		end := l.over(id)
		if end.text("verdict") != "aborted" || !strings.Contains(end.text("message"), why) || end.get("faults_on") != 0.0 {
			t.Errorf("expected an abort, as %s: %s", why, end.body)
		}
		if stats := l.do("GET", "/api/v1/targets/api", nil).is(200); strings.Contains(string(stats.body), "latency") {
			t.Errorf("a fault is left: %s", stats.body)
		}
	}
	const chatty = "def main():\n    step(\"s\", lambda: [sleep(\"1ms\") for _ in range(200)], chaos = fault.latency(\"1ms\"))\n"
	aborted(start(l, chatty, bearer(token)), "its journal has more than 60 records")
	const broad = "def main():\n    parallel(*[lambda: sleep(\"1h\") for _ in range(8)])\n"
	aborted(start(l, broad, bearer(token)), "more than 5 branches go on at once")
	if end := l.over(start(l, chatty)); end.text("verdict") == "aborted" || end.get("events").(float64) < 200 {
		t.Errorf("of an admin: %s", end.body)
	}
	l.stop()

	// The time counts from the start, also where another server goes on with the run.
	l = serveIn(t, data, "--proxy", upstream(t))
	const long = "def main():\n    step(\"s\", duration = \"1h\", chaos = fault.latency(\"1ms\"))\n"
	id := start(l, long, bearer(token))
	l.await("the fault", func() bool { return l.do("GET", "/api/v1/runs/"+id, nil).get("faults_on") == 1.0 })
	l.stop()
	l = serveIn(t, data, "--proxy", upstream(t), "--max-run-time", "1ms")
	aborted(id, "the run took longer than 1ms")
	aborted(start(l, long, bearer(token)), "the run took longer than 1ms")
}

// TestBodyLimit: the script of somebody below admin sends no body that is too long, and reads
// no more of an answer; that of an admin does.
func TestBodyLimit(t *testing.T) {
	var longest atomic.Int64
	big := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		longest.Store(max(longest.Load(), n))
		_, _ = w.Write(bytes.Repeat([]byte("x"), 5000))
	}))
	defer big.Close()
	data := t.TempDir()
	token := newToken(t, data, "operator")
	l := serveIn(t, data, "--allow-net", "*", "--max-body", "1KiB")
	reads := fmt.Sprintf("def main():\n    check(\"length\", len(http.post(%q, body = \"x\" * 1024, simulated = {\"body\": \"x\"}).text), above = 0, at_most = 1024)\n", big.URL)
	if end := l.over(l.do("POST", "/api/v1/runs", map[string]any{"content": reads, "format": "starlark"}, bearer(token)).is(201).text("id")); end.text("verdict") != "passed" {
		t.Errorf("an answer that is longer is cut: %s", end.body)
	}
	for _, when := range []string{"True", "time.now().year > 2000"} { // which the plan sees, and does not
		sends := map[string]any{"content": fmt.Sprintf("def main():\n    if %s: http.post(%q, body = \"x\" * 1025)\n", when, big.URL), "format": "starlark"}
		a := l.do("POST", "/api/v1/runs", sends, bearer(token))
		if a.status != 422 {
			a = l.over(a.is(201).text("id"))
		}
		if a.text("verdict") == "passed" || !strings.Contains(string(a.body), "a body of 1025 bytes is not permitted: the policy's most is 1024") {
			t.Errorf("a body that is too long: %s", a.body)
		}
		if longest.Load() != 1024 {
			t.Errorf("%d bytes were sent", longest.Load())
		}
	}
	if end := l.over(l.begin(fmt.Sprintf("def main():\n    http.post(%q, body = \"x\" * 5000)\n", big.URL))); end.text("verdict") != "passed" || longest.Load() != 5000 {
		t.Errorf("of an admin: %s", end.body)
	}
}

// TestCPULimit: a script of somebody below admin that computes more than it may in all is
// ended, says why, and leaves no fault; each of its turns is within what a turn may take.
func TestCPULimit(t *testing.T) {
	data := t.TempDir()
	token := newToken(t, data, "operator")
	l := serveIn(t, data, "--proxy", upstream(t), "--cpu-limit", "2s")
	const busy = `
def main():
    apply_chaos(fault.latency("1ms"))
    if time.now().year > 2000:
        loop(lambda i: [sorted(range(20000)) for _ in range(3)] and sleep("1ms"), times = 1000000)
`
	end := l.over(l.do("POST", "/api/v1/runs", map[string]any{"content": busy, "format": "starlark"}, bearer(token)).is(201).text("id"))
	if end.text("verdict") != "errored" || end.text("reason") != "script_time" || !strings.Contains(end.text("message"), "processor time") || end.get("faults_on") != 0.0 {
		t.Errorf("%s", end.body)
	}
	if on := l.faultsOf("api"); len(on) != 0 {
		t.Errorf("faults are left on: %v", on)
	}
}
