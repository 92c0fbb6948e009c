package server_test

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"

	"starquake/report"
)

// TestReport: the report of a run, going on or ended, comes in every format under its own
// name, says how the run stands, and a browser may do nothing with it but show it.
func TestReport(t *testing.T) {
	l := serve(t, "--proxy", upstream(t))
	started := l.do("POST", "/api/v1/runs", map[string]any{"content": slow, "format": "starlark"}).is(201)
	id := started.text("id")
	path := "/api/v1/runs/" + id + "/report"
	if started.text("report") != path {
		t.Errorf("the start names the report %q", started.text("report"))
	}
	l.await("the fault", func() bool { return l.do("GET", "/api/v1/runs/"+id+"/status", nil).get("faults_on") == 1.0 })
	if live := string(l.do("GET", path+"?format=md", nil).is(200).body); !strings.Contains(live, "slow") || strings.Contains(live, "stopped") {
		t.Errorf("of a run that goes on:\n%s", live)
	}
	l.do("POST", "/api/v1/runs/"+id+"/stop", map[string]any{}).is(200)
	for _, f := range report.Formats() {
		a := l.do("GET", path+"?format="+f.Name, nil).is(200)
		if got := a.header.Get("Content-Type"); got != f.MediaType {
			t.Errorf("%s comes as %q, expected %q", f.Name, got, f.MediaType)
		}
		policy := a.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "sandbox") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy of the page is %q", f.Name, policy)
		}
		if !strings.Contains(string(a.body), "slow") {
			t.Errorf("%s has not the run's name:\n%s", f.Name, a.body)
		}
		switch f.Name {
		case "json", "sarif":
			if !json.Valid(a.body) {
				t.Errorf("%s is no JSON", f.Name)
			}
		case "junit":
			if err := xml.Unmarshal(a.body, new(struct{ XMLName xml.Name })); err != nil {
				t.Errorf("junit: %v", err)
			}
		}
	}
	if page := l.do("GET", path, nil).is(200); !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") || !strings.Contains(string(page.body), "sha256-") {
		t.Errorf("without a format: %s", page.header.Get("Content-Type"))
	}
	l.do("GET", path+"?format=exe", nil).is(400, "invalid_request")
	if out, err := command("report", id, "--format", "md", "--base-url", l.url); err != nil || !strings.Contains(out, "slow") || !strings.Contains(out, "stopped") {
		t.Errorf("from the command line: %v\n%s", err, out)
	}
	l.stop()
	again := serveIn(t, l.data)
	if a := again.do("GET", path+"?format=json", nil).is(200); !strings.Contains(string(a.body), `"stopped"`) {
		t.Errorf("of a run of an earlier server:\n%s", a.body)
	}
}

// TestReportPath: the server writes no file for anybody, and says where the report is.
func TestReportPath(t *testing.T) {
	l := serve(t)
	const suite = "name: asks\nenable_reporting: true\nreport_path: reports/run.html\nsteps:\n  - {name: w, duration_seconds: 0.01}\n"
	kept := l.do("POST", "/api/v1/orchestrations/import", map[string]any{"content": suite, "format": "yaml"}).is(201)
	if kept.text("warnings.0.severity") != "hint" || kept.text("warnings.0.code") != "report_path" || kept.get("warnings.0.line") != 3.0 ||
		!strings.Contains(kept.text("warnings.0.message"), "/api/v1/runs/{id}/report") {
		t.Errorf("the import says: %s", kept.body)
	}
	begun := l.do("POST", "/api/chaos/orchestration/start", map[string]any{"name": "asks"}).is(200)
	l.over(begun.text("run_id"))
	l.do("GET", begun.text("report")+"?format=junit", nil).is(200)
	if a := l.do("GET", begun.text("report")+"?format=md", nil).is(200); !strings.Contains(string(a.body), "Run it again: `starquake start asks --seed ") {
		t.Errorf("what makes the run again, of what the server keeps:\n%s", a.body)
	}
	l.do("POST", "/api/v1/orchestrations/import", map[string]any{"content": strings.Replace(suite, "0.01", "0.02", 1), "format": "yaml"}).is(200)
	if a := l.do("GET", begun.text("report")+"?format=md", nil).is(200); !strings.Contains(string(a.body), "Run it again: `starquake start --file FILE --seed ") {
		t.Errorf("what makes the run again, which is kept no more:\n%s", a.body)
	}
}
