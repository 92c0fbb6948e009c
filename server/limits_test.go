package server_test

import (
	"strings"
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
