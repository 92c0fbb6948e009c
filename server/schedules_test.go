package server_test

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestSchedules goes through the life of a schedule, over a restart of the server.
func TestSchedules(t *testing.T) {
	data := t.TempDir()
	l := serveIn(t, data)
	const base = "/api/v1/schedules"
	l.do("PUT", "/api/v1/orchestrations/long", map[string]any{"format": "starlark", "content": "def main():\n    sleep(\"1h\")\n"}).is(201)

	for _, wrong := range []map[string]any{
		{}, {"orchestration": "long"}, {"orchestration": "long", "every": "1h", "cron": "@daily"}, {"orchestration": "long", "cron": "nonsense"},
		{"orchestration": "long", "every": "1h", "colour": "red"}, {"orchestration": "long", "every": "1h", "missed": "all"},
	} {
		a := l.do("PUT", base+"/s", wrong)
		if a.status != 400 {
			t.Errorf("%v: %d %s", wrong, a.status, a.body)
		}
	}
	l.do("PUT", base+"/a%2Fb", map[string]any{"orchestration": "long", "every": "1h"}).is(400, "invalid_schedule")
	l.do("GET", base+"/s", nil).is(404, "schedule_not_found")

	preview := l.do("POST", base+"/preview?count=2", map[string]any{"orchestration": "long", "cron": "30 2 * * *", "time_zone": "Europe/Berlin"}).is(200)
	if first, err := time.Parse(time.RFC3339, preview.text("times.0")); err != nil || !first.After(time.Now()) || preview.get("times.2") != nil {
		t.Errorf("preview: %s", preview.body)
	}

	made := l.do("PUT", base+"/s", map[string]any{"orchestration": "long", "at": time.Now().Add(time.Hour), "labels": map[string]string{"team": "shop"}}, "If-None-Match: *").is(201)
	if made.get("due") == nil || made.get("last") != nil || made.header.Get("ETag") != `"`+made.text("etag")+`"` {
		t.Errorf("made: %s", made.body)
	}
	l.do("PUT", base+"/s", map[string]any{"orchestration": "long", "every": "1h"}, "If-None-Match: *").is(412)
	run := l.do("POST", base+"/s/trigger", nil).is(201).text("run")
	if a := l.do("GET", "/api/v1/runs/"+run, nil).is(200); a.text("by") != "local" || a.text("labels.schedule") != "s" || a.text("labels.team") != "shop" {
		t.Errorf("its run: %s", a.body)
	}
	l.do("POST", base+"/s/trigger", nil).is(409, "schedule_active")
	if a := l.do("GET", base+"/s", nil).is(200); a.text("active.0") != run {
		t.Errorf("what goes on of it: %s", a.body)
	}
	if off := l.do("POST", base+"/s/disable", nil).is(200); off.get("due") != nil {
		t.Errorf("disabled: %s", off.body)
	}
	l.stop()

	l = serveIn(t, data) // the run goes on, and so does what is known of it
	l.do("POST", base+"/s/trigger", nil).is(409, "schedule_active")
	if on := l.do("POST", base+"/s/enable", nil).is(200); on.get("due") == nil || on.get("version") != 3.0 {
		t.Errorf("enabled: %s", on.body)
	}
	// One that is due at once starts by itself, and replaces its run.
	l.do("PUT", base+"/s", map[string]any{"orchestration": "long", "after": "0s", "concurrency": "replace"}).is(200)
	var now *answer
	l.await("a run", func() bool { now = l.do("GET", base+"/s", nil).is(200); return now.get("last") != nil })
	if now.get("active.1") != nil || now.text("active.0") != now.text("last.run") {
		t.Errorf("what goes on after its time: %s", now.body)
	}
	l.do("POST", "/api/v1/runs/"+now.text("last.run")+"/stop", map[string]any{}).is(200)
	if a := l.do("GET", base+"/s", nil).is(200); a.get("active.0") != nil {
		t.Errorf("its run has been stopped: %s", a.body)
	}
	if now.text("last.what") != "started" || now.get("due") != nil || now.get("runs") != 1.0 || now.text("last.run") == run {
		t.Errorf("after its time: %s", now.body)
	}
	if a := l.over(run); a.text("verdict") != "stopped" {
		t.Errorf("the run that was replaced: %s", a.body)
	}
	if by := l.do("GET", "/api/v1/runs/"+now.text("last.run"), nil).is(200).text("by"); by != "schedule:s" {
		t.Errorf("its run is signed %q", by)
	}
	// What would never start a run is refused; what is gone when it is due is told.
	past := time.Now().Add(-time.Hour)
	l.do("PUT", base+"/past", map[string]any{"orchestration": "long", "at": past}).is(422, "schedule_past")
	l.do("PUT", base+"/none", map[string]any{"orchestration": "no such", "after": "0s"}).is(422, "orchestration_not_found")
	l.do("GET", base+"/none", nil).is(404, "schedule_not_found")
	l.do("PUT", "/api/v1/orchestrations/no%20such", map[string]any{"format": "starlark", "content": "def main():\n    pass\n"}).is(201)
	l.do("PUT", base+"/none", map[string]any{"orchestration": "no such", "every": "1s", "disabled": true}).is(201)
	if p := l.do("DELETE", "/api/v1/orchestrations/no%20such", nil).is(409, "orchestration_in_use").problem(); !strings.Contains(p.Detail, "schedules: none;") {
		t.Errorf("of one that a schedule starts: %s", p.Detail)
	}
	l.do("PUT", base+"/params", map[string]any{"orchestration": "no such", "every": "1h", "params": map[string]any{"users": 1}}).is(422, "unknown_parameter")
	l.do("PUT", "/api/v1/orchestrations/no%20such", map[string]any{"format": "starlark", "content": "users = param(\"users\", type = \"int\")\n\ndef main():\n    pass\n"}).is(200)
	l.do("POST", base+"/none/enable", nil).is(200)
	l.await("a failure", func() bool { now = l.do("GET", base+"/none", nil).is(200); return now.get("last") != nil })
	if now.text("last.what") != "failed" || now.text("last.reason") == "" {
		t.Errorf("of an orchestration that is not there: %s", now.body)
	}
	if m := string(l.do("GET", "/metrics", nil).is(200).body); !regexp.MustCompile(`starquake_schedule_times_total\{what="failed"\} [1-9]`).MatchString(m) {
		t.Errorf("the metrics have no schedule that failed:\n%s", m)
	}
	if all := l.do("GET", base, nil).is(200); all.text("schedules.0.name") != "none" || all.text("schedules.1.name") != "s" {
		t.Errorf("the list: %s", all.body)
	}
	l.do("PUT", base+"/new", map[string]any{"orchestration": "no such", "every": "1h", "params": map[string]any{"users": 1}}, "If-Match: *").is(404, "schedule_not_found")
	l.do("DELETE", base+"/s", nil, `If-Match: "1-0"`).is(412)
	l.do("DELETE", base+"/s", nil, "If-Match: *").is(204)
	l.do("DELETE", base+"/s", nil).is(404, "schedule_not_found")
}
