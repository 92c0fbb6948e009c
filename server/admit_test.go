package server_test

import (
	"strings"
	"testing"
)

// TestAdmission: how many runs go on at once, and who has a target for itself, is said and
// kept to; what ends makes room.
func TestAdmission(t *testing.T) {
	l := serve(t, "--max-runs", "2", "--queue", "0", "--exclusive", "db", "--proxy", "db=127.0.0.1:0,127.0.0.1:1", "--proxy", "web=127.0.0.1:0,127.0.0.1:1")
	long := func(targets ...string) map[string]any {
		return map[string]any{"format": "starlark", "content": "def main():\n    sleep(\"1h\")\n", "targets": targets}
	}
	named := map[string]any{"format": "starlark", "content": "def main():\n    step(\"s\", duration = \"1s\", chaos = fault.latency(\"1s\"), on = target(\"db\"))\n", "targets": []string{"web"}}
	if p := l.do("POST", "/api/v1/runs", named).is(422).problem(); !strings.Contains(p.Detail+p.Help, "in the start's targets too") {
		t.Errorf("a target that the start left out: %+v", p)
	}
	first := l.do("POST", "/api/v1/runs", long("db")).is(201).text("id")
	held := l.do("POST", "/api/v1/runs", long("web", "db")).is(409, "target_held")
	if got := held.problem().Detail; !strings.Contains(got, first) || !strings.Contains(got, "db") {
		t.Errorf("a target that is held: %s", got)
	}
	second := l.do("POST", "/api/v1/runs", long("web")).is(201).text("id")
	if full := l.do("POST", "/api/v1/runs", long("web")).is(429, "too_many_runs"); full.header.Get("Retry-After") == "" {
		t.Error("a start that there is no room for is not told when to try again")
	}
	l.do("POST", "/api/v1/runs/"+second+"/stop", map[string]any{}).is(200)
	third := l.do("POST", "/api/v1/runs", long("web")).is(201).text("id") // web is shared
	l.do("POST", "/api/v1/runs/"+third+"/stop", map[string]any{}).is(200)
	l.do("POST", "/api/v1/runs", long("db")).is(409, "target_held")
	l.do("POST", "/api/v1/runs/"+first+"/stop", map[string]any{}).is(200)
	l.do("POST", "/api/v1/runs", long("db")).is(201)
}

// TestExclusiveUnknown: a name in --exclusive that is no target's is told, with those that are.
func TestExclusiveUnknown(t *testing.T) {
	data := t.TempDir()
	args := []string{"--proxy", "db=127.0.0.1:0,127.0.0.1:1", "--exclusive", "db,dbb,*"}
	out, err := command(append([]string{"serve", "--check", "--data", data}, args...)...)
	if err != nil || !strings.Contains(out, "there is no target dbb,") || !strings.Contains(out, "there are: db\"") {
		t.Errorf("--check: %v %s", err, out)
	}
	l := serveIn(t, data, args...)
	if log := l.log.String(); !strings.Contains(log, "there is no target dbb,") {
		t.Errorf("nothing is told:\n%s", log)
	}
	l.do("POST", "/api/v1/targets", map[string]any{"name": "dbb", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}).is(201)
	l.stop()
	if l = serveIn(t, data, args...); strings.Contains(l.log.String(), "there is no target") {
		t.Errorf("told of a target that was added:\n%s", l.log)
	}
}
