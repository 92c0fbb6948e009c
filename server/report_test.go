package server_test

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
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

// TestReportGiven: what makes a run again has all that its start was given that changes what
// the run does, in every format, from the server and from what it leaves on disk: with the
// targets left out it would break more than the first did.
func TestReportGiven(t *testing.T) {
	flag := upstream(t)
	l := serve(t, "--proxy", flag, "--proxy", strings.Replace(flag, "api=", "other=", 1), "--max-runs", "1")
	const suite = "name: careful\nchaos_everything: yes\nsteps:\n  - {name: w, duration_seconds: 0.01}\n"
	l.do("POST", "/api/v1/orchestrations/import", map[string]any{"content": suite, "format": "yaml", "lenient": true}).is(201)
	for _, c := range []struct {
		start map[string]any
		want  string
	}{
		{map[string]any{"orchestration": "careful", "targets": []string{"api"}, "seed": 7, "labels": map[string]string{"team": "a"}}, "starquake start careful --seed 7 --target api"},
		{map[string]any{"orchestration": "careful", "targets": []string{"api", "other"}, "seed": 7}, "starquake start careful --seed 7 --target api --target other"},
		{map[string]any{"orchestration": "careful", "targets": []string{}, "seed": 7}, "starquake start careful --seed 7 --no-targets"},
		{map[string]any{"orchestration": "careful", "seed": 7}, "starquake start careful --seed 7"},
		{map[string]any{"content": strings.Replace(suite, "careful", "asks", 1), "format": "yaml", "lenient": true, "targets": []string{"other"}, "seed": 7}, "starquake start --file FILE --seed 7 --target other --lenient"},
	} {
		id := l.do("POST", "/api/v1/runs", c.start).is(201).text("id")
		l.over(id)
		if got := l.do("GET", "/api/v1/runs/"+id+"/report?format=json", nil).is(200).text("repeat"); got != c.want {
			t.Errorf("%v: the report says %q, expected %q", c.start, got, c.want)
		}
		if page := string(l.do("GET", "/api/v1/runs/"+id+"/report?format=md", nil).is(200).body); !strings.Contains(page, "`"+c.want+"`") {
			t.Errorf("%v: expected %q in:\n%s", c.start, c.want, page)
		}
		_, options, _ := strings.Cut(c.want, " --seed 7")
		kept := "starquake start --file FILE --seed 7" + options
		if out, err := command("report", id, "--format", "junit", "--data", l.data); err != nil || !strings.Contains(out, kept) {
			t.Errorf("%v: of the kept run: %v, expected %q in:\n%s", c.start, err, kept, out)
		}
	}

	first := l.begin(slow)
	waits := l.do("POST", "/api/v1/runs", map[string]any{"orchestration": "careful", "targets": []string{"other"}, "seed": 7}).is(202).text("id")
	l.kill()
	again := serveIn(t, l.data, "--proxy", flag, "--proxy", strings.Replace(flag, "api=", "other=", 1), "--max-runs", "1")
	again.do("POST", "/api/v1/runs/"+first+"/stop", map[string]any{}).is(200)
	again.over(waits)
	if got := again.do("GET", "/api/v1/runs/"+waits+"/report?format=json", nil).is(200).text("repeat"); got != "starquake start careful --seed 7 --target other" {
		t.Errorf("of one that waited on disk: %q", got)
	}
}

// TestReportOfRun: a run that no server began is not told to be started on one.
func TestReportOfRun(t *testing.T) {
	data := t.TempDir()
	path := filepath.Join(data, "mine.star")
	if err := os.WriteFile(path, []byte("def main():\n    sleep(\"10ms\")\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := command("run", path, "--seed", "7", "--strict", "--proxy", upstream(t), "--allow-net", "127.0.0.1", "--data", data); err != nil {
		t.Fatal(err, out)
	}
	l := serveIn(t, data)
	id := l.do("GET", "/api/v1/runs", nil).is(200).text("runs.0.id")
	got := l.do("GET", "/api/v1/runs/"+id+"/report?format=json", nil).is(200).text("repeat")
	if !strings.HasPrefix(got, "starquake run "+path+" --seed 7 --strict --proxy api=") || !strings.HasSuffix(got, " --allow-net 127.0.0.1") {
		t.Errorf("what makes it again: %q", got)
	}
}
