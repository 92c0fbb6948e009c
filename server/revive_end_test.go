package server_test

import (
	"strings"
	"syscall"
	"testing"
)

// TestWorkersKilledAtTheEnd: where a system ends, or a service manager, it may tell every process
// at once to end, those of the scripts too: their runs go on in the next server all the same.
func TestWorkersKilledAtTheEnd(t *testing.T) {
	data := t.TempDir()
	token := newToken(t, data, "operator")
	l := serveIn(t, data)
	var ids []string
	for range 6 {
		id := l.do("POST", "/api/v1/runs", map[string]any{"content": "def main():\n    step(\"s\", duration = \"1h\")\n", "format": "starlark"}, bearer(token)).is(201).text("id")
		l.await("its step", func() bool { return l.do("GET", "/api/v1/runs/"+id, nil).is(200).text("current_step_path") == "s" })
		ids = append(ids, id)
	}
	for _, pid := range append([]int{l.cmd.Process.Pid}, l.workers()...) {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && err != syscall.ESRCH { // it may have ended by now
			t.Fatal(err)
		}
	}
	if err := <-l.ended; err != nil {
		t.Errorf("the server ended with %v\n%s", err, l.log)
	}
	l = serveIn(t, data)
	for _, id := range ids {
		if a := l.do("GET", "/api/v1/runs/"+id, nil).is(200); a.text("status") != "running" {
			t.Errorf("after the restart: %s", a.body)
		}
		l.do("POST", "/api/v1/runs/"+id+"/stop", nil)
	}
}

// TestTargetsWhileRevived: a run that is taken up again, as its script's process was killed, has its
// targets meanwhile: none is removed under it, and no other run gets one that it has for itself.
func TestTargetsWhileRevived(t *testing.T) {
	data := t.TempDir()
	token := newToken(t, data, "operator")
	l := serveIn(t, data, "--exclusive", "t", "--max-runs", "1", "--queue", "0")
	l.do("POST", "/api/v1/targets", map[string]any{"name": "t", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}).is(201)
	asked := map[string]any{"content": "def main():\n    step(\"s\", duration = \"1h\", chaos = fault.latency(\"1ms\"), on = target(\"t\"))\n", "format": "starlark", "targets": []string{"t"}}
	id := l.do("POST", "/api/v1/runs", asked, bearer(token)).is(201).text("id")
	on := func() bool {
		return l.do("GET", "/api/v1/runs/"+id+"/status", nil).is(200).get("faults_on") == 1.0
	}
	l.await("the fault", on)
	if err := syscall.Kill(l.workers()[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	l.await("its being taken up", func() bool {
		l.do("DELETE", "/api/v1/targets/t", nil).is(409, "target_in_use")
		l.do("POST", "/api/v1/runs", asked, bearer(token)).is(409, "target_held")
		return strings.Contains(string(l.do("GET", "/api/v1/runs/"+id+"/journal", nil).is(200).body), `"action":"recover"`)
	})
	l.await("the fault again", on)
	l.do("POST", "/api/v1/runs/"+id+"/stop", nil).is(200)
	l.do("POST", "/api/v1/runs", asked, bearer(token)).is(201) // its place is free
}
