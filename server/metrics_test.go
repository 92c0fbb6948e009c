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
	l := serve(t, "--proxy", upstream(t), "--allow-net", "127.0.0.1")
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
	l.await("the fault", func() bool { got = read(); return got["starquake_faults_on"] == 1 })
	for name, want := range map[string]float64{
		"starquake_runs_started_total": 2, "starquake_runs_ended_total": 1, "starquake_runs_live": 1, "starquake_steps_ended_total": 1, "starquake_effect_seconds": 1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, expected %v", name, got[name], want)
		}
	}
	if got["starquake_journal_records_total"] < 10 || got["starquake_http_request_seconds"] < 3 {
		t.Errorf("%v", got)
	}
	names := regexp.MustCompile(`\b(?:starquake|process|go)_[a-z_]+\b`)
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
		for _, name := range named {
			if _, ok := got[name]; ok {
				continue
			}
			if _, ok := got[suffix.ReplaceAllString(name, "")]; !ok {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
	}
	l.do("POST", "/api/v1/runs/"+faulty+"/stop", map[string]any{}).is(200)
	if got := read(); got["starquake_faults_on"] != 0 || got["starquake_runs_ended_total"] != 2 {
		t.Errorf("after the stop: %v faults on, %v runs ended", got["starquake_faults_on"], got["starquake_runs_ended_total"])
	}
}
