package server_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// TestMetrics: what runs do is counted, and every metric that the dashboard and the alert
// rules name is there.
func TestMetrics(t *testing.T) {
	args := []string{"--proxy", upstream(t), "--allow-net", "127.0.0.1", "--max-runs", "1"}
	l := serve(t, args...)
	l.over(l.begin("def main():\n    step(\"one\", lambda: sleep(\"0s\"))\n    http.get(\"" + l.url + "/healthz\", timeout = \"10s\")\n"))
	faulty := l.begin("def main():\n    step(\"two\", duration = \"1h\", chaos = fault.latency(\"1ms\"))\n")
	read := func() map[string]float64 {
		a := l.do("GET", "/metrics", nil).is(200)
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(string(a.body)))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for name, family := range families {
			for _, m := range family.Metric {
				switch {
				case m.Counter != nil:
					got[name] += m.Counter.GetValue()
				case m.Gauge != nil:
					got[name] += m.Gauge.GetValue()
					for _, label := range m.Label {
						got[name+"/"+label.GetValue()] += m.Gauge.GetValue()
					}
				case m.Histogram != nil:
					got[name] += float64(m.Histogram.GetSampleCount())
				default:
					got[name] = 0
				}
			}
		}
		return got
	}
	var got map[string]float64
	l.await("the fault, also at its proxy", func() bool {
		got = read()
		_, listed := got["starquake_fault_hit_total"]
		return got["starquake_faults_on"] == 1 && listed
	})
	for name, want := range map[string]float64{
		"starquake_runs_started_total": 2, "starquake_runs_ended_total": 1, "starquake_runs/running": 1, "starquake_runs/queued": 0, "starquake_steps_ended_total": 1, "starquake_effect_seconds": 1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, expected %v", name, got[name], want)
		}
	}
	if got["starquake_journal_records_total"] < 10 || got["starquake_http_request_seconds"] < 3 {
		t.Errorf("%v", got)
	}
	names := regexp.MustCompile(`\b(?:starquake|process|go)_[a-z_]+\b`)
	states := regexp.MustCompile(`starquake_runs\{state=~?\\?"([a-z|]+)`)
	suffix := regexp.MustCompile(`_(bucket|count|sum)$`)
	for _, file := range []string{"grafana.json", "alerts.yaml"} {
		text, err := os.ReadFile("../deploy/" + file)
		if err != nil {
			t.Fatal(err)
		}
		named := names.FindAllString(string(text), -1)
		if len(named) < 5 {
			t.Errorf("%s names %v", file, named)
		}
		for _, found := range states.FindAllStringSubmatch(string(text), -1) {
			for _, state := range strings.Split(found[1], "|") {
				if _, ok := got["starquake_runs/"+state]; !ok {
					t.Errorf("%s: runs have no state %s", file, state)
				}
			}
		}
		for _, name := range named {
			if _, ok := got[name]; ok {
				continue
			}
			if _, ok := got[suffix.ReplaceAllString(name, "")]; !ok {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
	}

	// Each run is in one state, also where another server goes on with it.
	next := l.do("POST", "/api/v1/runs", map[string]any{"content": waits, "format": "starlark"}).is(202).text("id")
	l.do("POST", "/api/v1/runs/"+faulty+"/pause", map[string]any{}).is(200)
	standing := func(what string, paused, running, queued, faults float64) {
		t.Helper()
		got := read()
		for name, want := range map[string]float64{
			"starquake_runs/paused": paused, "starquake_runs/running": running, "starquake_runs/queued": queued, "starquake_faults_on": faults,
			"starquake_runs/stopping": 0, "starquake_runs/parked": 0,
		} {
			if got[name] != want {
				t.Errorf("%s: %s is %v, expected %v", what, name, got[name], want)
			}
		}
	}
	standing("paused, and one waits", 1, 0, 1, 1)
	l.do("POST", "/api/v1/runs/"+next+"/stop", nil).is(200)
	l.stop()
	l = serveIn(t, l.data, args...)
	l.await("the fault again", func() bool { return l.do("GET", "/api/v1/runs/"+faulty, nil).get("faults_on") == 1.0 })
	standing("taken up", 1, 0, 0, 1)
	l.do("POST", "/api/v1/runs/"+faulty+"/resume", map[string]any{}).is(200)
	l.await("its going on", func() bool { return l.do("GET", "/api/v1/runs/"+faulty, nil).get("status") == "running" })
	if got := read(); got["starquake_runs/running"] != 1 || got["starquake_runs/paused"] != 0 {
		t.Errorf("resumed: %v", got)
	}
	l.do("POST", "/api/v1/runs/"+faulty+"/stop", map[string]any{}).is(200)
	if got := read(); got["starquake_faults_on"] != 0 || got["starquake_runs_ended_total"] != 1 || got["starquake_runs/paused"]+got["starquake_runs/stopping"] != 0 {
		t.Errorf("after the stop: %v faults on, %v runs ended", got["starquake_faults_on"], got["starquake_runs_ended_total"])
	}
}
