package server_test

import "testing"

// TestQueueTargetRemoved: a start that waits, and was given all targets, is not lost to one that is
// removed meanwhile; one that named it is, and says so.
func TestQueueTargetRemoved(t *testing.T) {
	l := serve(t, "--max-runs", "1", "--proxy", "web=127.0.0.1:0,127.0.0.1:1")
	first := l.begin("def main():\n    sleep(\"1h\")\n", "targets", []string{})
	added := map[string]any{"name": "t", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1"}
	l.do("POST", "/api/v1/targets", added).is(201)
	ask := func(more ...any) string {
		body := map[string]any{"format": "starlark", "content": "def main():\n    step(\"s\", duration = \"10ms\", chaos = fault.latency(\"1ms\"), on = target(\"web\"))\n"}
		for i := 0; i < len(more); i += 2 {
			body[more[i].(string)] = more[i+1]
		}
		return l.do("POST", "/api/v1/runs", body).is(202).text("id")
	}
	all, named := ask(), ask("targets", []string{"t", "web"})
	l.do("DELETE", "/api/v1/targets/t", nil).is(204)
	l.kill()
	l = serveIn(t, l.data, "--max-runs", "1", "--proxy", "web=127.0.0.1:0,127.0.0.1:1")
	l.do("POST", "/api/v1/runs/"+first+"/stop", nil).is(200)
	if a := l.over(all); a.text("reason") == "start_failed" {
		t.Errorf("what was given all: %s", a.body)
	}
	if a := l.over(named); a.text("reason") != "start_failed" {
		t.Errorf("what named it: %s", a.body)
	}
}
