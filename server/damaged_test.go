package server_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDamagedDocuments: what a server keeps and cannot read keeps it from nothing else, is told of
// where it would be seen, and can be mended; no run is lost or begun without what it was given.
func TestDamagedDocuments(t *testing.T) {
	args := []string{"--max-runs", "1"}
	l := serve(t, args...)
	long := map[string]any{"format": "starlark", "content": "def main():\n    sleep(\"1h\")\n"}
	l.do("PUT", "/api/v1/orchestrations/long", long).is(201)
	hourly := map[string]any{"orchestration": "long", "every": "1h"}
	for _, name := range []string{"s1", "s2", "s3"} {
		l.do("PUT", "/api/v1/schedules/"+name, hourly).is(201)
	}
	target := func(name string) map[string]any {
		return map[string]any{"name": name, "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"}
	}
	for _, name := range []string{"t1", "t2"} {
		l.do("POST", "/api/v1/targets", target(name)).is(201)
	}
	goes := l.do("POST", "/api/v1/runs", long).is(201).text("id") // with all targets
	lost := l.do("POST", "/api/v1/runs", long, "Idempotency-Key: lost").is(202).text("id")
	waits := l.do("POST", "/api/v1/runs", long, "Idempotency-Key: waits").is(202).text("id")
	l.do("POST", "/api/v1/targets", target("t3")).is(201) // which none of them was given
	l.stop()
	for _, of := range []string{"queue/" + lost, "schedules/s1", "schedule-states/s2", "targets/t1", "targets/t3"} {
		files, err := filepath.Glob(filepath.Join(l.data, of, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatal(of, files, err)
		}
		if err := os.WriteFile(slices.Max(files), []byte(`{"name": "`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := command("runs", "--data", l.data, "--status", "queued"); err != nil || !strings.Contains(out, lost) || !strings.Contains(out, waits) {
		t.Errorf("what waits: %v\n%s", err, out)
	}

	l = serveIn(t, l.data, args...)
	log := l.log.String()
	for _, want := range []string{`"schedule":"s1"`, `"schedule":"s2"`, `"target":"t1"`, `"target":"t3"`, `"run":"` + lost + `"`, `"run":"` + goes + `"`} {
		if !strings.Contains(log, want) {
			t.Errorf("nothing is said of %s:\n%s", want, log)
		}
	}
	l.do("GET", "/readyz", nil).is(200)
	if a := l.do("GET", "/api/v1/schedules", nil).is(200); a.text("schedules.0.name") != "s3" || a.text("damaged.0.name") != "s1" || a.text("damaged.1.name") != "s2" || a.text("damaged.0.detail") == "" {
		t.Errorf("the schedules: %s", a.body)
	}
	if a := l.do("GET", "/api/v1/targets", nil).is(200); a.text("targets.0.name") != "t2" || a.text("damaged.0.name") != "t1" || a.text("damaged.1.name") != "t3" {
		t.Errorf("the targets: %s", a.body)
	}
	metrics := string(l.do("GET", "/metrics", nil).is(200).body)
	for _, want := range []string{`{kind="queue"} 1`, `{kind="schedules"} 2`, `{kind="targets"} 2`} {
		if !strings.Contains(metrics, "starquake_damaged_documents"+want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if a := l.do("GET", "/api/v1/runs/"+lost, nil).is(200); a.text("status") != "ended" || a.text("reason") != "start_failed" || !strings.Contains(a.text("message"), "cannot be read") {
		t.Errorf("the start that cannot be read: %s", a.body)
	}
	if files, err := os.ReadDir(filepath.Join(l.data, "queue", lost)); err != nil || len(files) == 0 {
		t.Errorf("it is not there any more: %v", err)
	}
	// What was given a target that cannot be read waits.
	if a := l.do("GET", "/api/v1/runs/"+goes, nil).is(200); a.text("status") != "interrupted" {
		t.Errorf("the run: %s", a.body)
	}
	if a := l.do("GET", "/api/v1/runs/"+waits, nil).is(200); a.text("status") != "queued" {
		t.Errorf("the start: %s", a.body)
	}
	l.do("POST", "/api/v1/runs", map[string]any{"format": "starlark", "content": long["content"], "targets": []string{"t1"}}).is(409, "target_damaged")
	l.do("GET", "/api/v1/targets/t1", nil).is(409, "target_damaged")
	for _, name := range []string{"s1", "s2"} {
		l.do("GET", "/api/v1/schedules/"+name, nil).is(409, "schedule_damaged")
		l.do("POST", "/api/v1/schedules/"+name+"/trigger", nil).is(409, "schedule_damaged")
	}

	l.do("POST", "/api/v1/targets", target("t1")).is(201)
	l.do("DELETE", "/api/v1/targets/t3", nil).is(204)
	for _, id := range []string{goes, waits} {
		l.await("the run", func() bool { return l.do("GET", "/api/v1/runs/"+id, nil).is(200).text("status") == "running" })
	}
	l.do("PUT", "/api/v1/schedules/s1", hourly).is(201)
	if a := l.do("PUT", "/api/v1/schedules/s2", hourly); a.status > 201 || a.get("due") == nil {
		t.Errorf("written anew: %s", a.body)
	}
	if a := l.do("GET", "/api/v1/schedules", nil).is(200); a.get("damaged") != nil || a.text("schedules.2.name") != "s3" {
		t.Errorf("the schedules, at last: %s", a.body)
	}
	if a := l.do("GET", "/api/v1/targets", nil).is(200); a.get("damaged") != nil {
		t.Errorf("the targets, at last: %s", a.body)
	}
	again := l.do("POST", "/api/v1/runs", long, "Idempotency-Key: lost").is(202).text("id")
	l.do("POST", "/api/v1/runs/"+again+"/stop", nil).is(200)
}
