package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// upstream is a service behind a proxy; the flag opens that proxy as target api.
func upstream(t testing.TB) (flag string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	t.Cleanup(s.Close)
	return "api=127.0.0.1:0," + strings.TrimPrefix(s.URL, "http://")
}

const suite = `name: Chaos Suite
steps:
  - name: base
    duration_seconds: 0.05
  - name: slow
    duration_seconds: 3600
    scenario:
      name: mine
      config: {latency: {fixed_delay_ms: 3000}}
`

// TestLegacy goes through the four calls that the format's users know, in their shapes.
func TestLegacy(t *testing.T) {
	l := serve(t, "--proxy", upstream(t))
	const base = "/api/chaos/orchestration"
	idle := l.do("GET", base+"/status", nil).is(200)
	if idle.get("is_running") != false || idle.get("name") != nil || idle.get("progress") != nil {
		t.Errorf("before anything was started: %s", idle.body)
	}
	l.do("POST", base+"/stop", nil).is(409, "nothing_runs")
	l.do("POST", base+"/start", map[string]any{"name": "Chaos Suite"}).is(404, "orchestration_not_found")

	in := l.do("POST", base+"/import", map[string]any{"content": suite, "format": "yaml"}).is(200)
	if got, want := in.text("message"), "Orchestration 'Chaos Suite' imported successfully (2 steps)"; got != want {
		t.Errorf("message %q, expected %q", got, want)
	}
	begun := l.do("POST", base+"/start", map[string]any{"name": "Chaos Suite"}).is(200)
	if got, want := begun.text("message"), "Orchestration 'Chaos Suite' started successfully"; got != want {
		t.Errorf("message %q, expected %q", got, want)
	}
	id := begun.text("run_id")
	l.await("the fault", func() bool { return l.do("GET", "/api/v1/runs/"+id, nil).get("faults_on") == 1.0 })
	st := l.do("GET", base+"/status", nil).is(200)
	progress, _ := st.get("progress").(float64)
	if st.get("is_running") != true || st.text("name") != "Chaos Suite" || st.text("run_id") != id || progress <= 0 || progress > 0.99 ||
		st.get("current_step") != 2.0 || st.get("total_steps") != 2.0 || st.get("current_iteration") != 1.0 || st.get("verdict") != nil {
		t.Errorf("while it runs: %s", st.body)
	}
	api := l.do("GET", "/api/v1/targets/api", nil).is(200).text("listen")
	if took := get(t, "http://"+api); took < 3*time.Second {
		t.Errorf("a request took %s with 3s of latency on", took)
	}
	stop := l.do("POST", base+"/stop", nil).is(200)
	if got := stop.text("message"); got != "Orchestration stopped" {
		t.Errorf("message %q", got)
	}
	if on := l.faultsOf("api"); len(on) != 0 {
		t.Errorf("after the stop was answered this is on: %v", on)
	}
	st = l.do("GET", base+"/status", nil).is(200)
	if st.get("is_running") != false || st.get("progress") != 1.0 || st.text("verdict") != "stopped" {
		t.Errorf("after the stop: %s", st.body)
	}
	for _, path := range []string{"/api/chaos/status", "/api/chaos/scenarios", "/api/chaos/scenarios/predefined", "/api/chaos/profiles"} {
		l.do("GET", path, nil).is(200)
	}
	if out := l.do("GET", base+"/export?format=json", nil).is(200).text("content"); !strings.Contains(out, `"Chaos Suite"`) {
		t.Errorf("exported: %s", out)
	}
}

// get makes a request through a proxy of its own connection, and says how long it took.
func get(t testing.TB, url string) time.Duration {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	began := time.Now()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return time.Since(began)
}

// TestLegacyBodies starts orchestrations that are the body, and says what is wrong with
// others, at its place.
func TestLegacyBodies(t *testing.T) {
	l := serve(t, "--proxy", upstream(t))
	const start = "/api/chaos/orchestration/start"
	id := l.do("POST", start, `{"name": "inline", "steps": [{"name": "a", "duration_seconds": 0.01}]}`).is(200).text("run_id")
	if got := l.over(id); got.text("verdict") != "passed" || got.text("name") != "inline" {
		t.Errorf("ended: %s", got.body)
	}
	p := l.do("POST", start, "{\n  \"name\": \"x\",\n  \"stepz\": []\n}").is(400).problem()
	if p.Line != 3 || p.Column == 0 || p.Source != `  "stepz": []` {
		t.Errorf("a wrong key is at %d:%d of %q", p.Line, p.Column, p.Source)
	}
	l.do("POST", start, `[1]`).is(400, "invalid_request")
	l.do("POST", start, `{`).is(400)
	l.do("POST", start, ``).is(400)
	l.do("POST", start, `{"name": "x", "params": 3}`).is(400, "invalid_request")
	l.do("POST", "/api/chaos/orchestration/import", map[string]any{"content": "", "format": "yaml"}).is(400, "invalid_request")
	l.do("POST", "/api/chaos/orchestration/import", map[string]any{"content": "x", "format": "toml"}).is(400, "invalid_request")
	l.do("POST", "/api/chaos/orchestration/import", map[string]any{"content": "name: [", "format": "yaml"}).is(400)
	deep := strings.Repeat("[", 200_000)
	l.do("POST", start, deep).is(400)
	content, _ := json.Marshal(deep)
	l.do("POST", "/api/chaos/orchestration/import", `{"format":"json","content":`+string(content)+`}`).is(400)
	l.do("GET", "/healthz", nil).is(200)
}

// TestNoTarget: chaos that would reach nothing is refused.
func TestNoTarget(t *testing.T) {
	l := serve(t)
	p := l.do("POST", "/api/chaos/orchestration/start", `{"name":"x","steps":[{"name":"s","scenario":{"name":"network_degradation"}}]}`).is(422).problem()
	if !strings.Contains(p.Detail, "target") {
		t.Errorf("says %q", p.Detail)
	}
}
