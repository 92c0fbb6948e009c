package server_test

import (
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
