package server_test

import (
	"strings"
	"testing"
)

// TestBeside: of two servers on one data folder the second does what it can, and what it
// leaves to the first it says, with what to do.
func TestBeside(t *testing.T) {
	first := serve(t)
	run := first.begin("def main():\n    sleep(\"1h\")\n")
	second := serveIn(t, first.data)
	const own = "or give this server a data folder of its own with --data"
	if log := second.log.String(); strings.Count(log, "ask the server that has it, at "+first.url+", "+own) != 2 {
		t.Errorf("of the queue and the schedules is said:\n%s", log)
	}
	if p := second.do("GET", "/api/v1/schedules", nil).is(409, "schedules_elsewhere").problem(); !strings.Contains(p.Help, first.url) || !strings.Contains(p.Help, own) {
		t.Errorf("schedules: %+v", p)
	}
	if p := second.do("POST", "/api/v1/runs/"+run+"/stop", nil).is(409, "run_elsewhere").problem(); !strings.Contains(p.Help, "`starquake status "+run+"`") {
		t.Errorf("a run of the first: %+v", p)
	}
	if out, err := command("status", run, "--data", first.data); err == nil || !strings.Contains(out, "--base-url "+first.url) {
		t.Errorf("status: %v\n%s", err, out)
	}
	first.do("POST", "/api/v1/runs/"+run+"/stop", nil).is(200)
}
