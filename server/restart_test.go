package server_test

import (
	"bufio"
	"context"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"starquake/internal/porttest"
)

// TestWaitOverRestart: who follows a run, or one that waits for its turn, while its server is
// restarted in good order sees it to its real end, and ends as it does.
func TestWaitOverRestart(t *testing.T) {
	args := []string{"--listen", porttest.Free(t), "--max-runs", "1"}
	l := serve(t, args...)
	put := func(name string) {
		l.do("PUT", "/api/v1/orchestrations/"+name, map[string]any{"format": "starlark",
			"content": "orchestration(name = \"" + name + "\")\ndef main():\n    step(\"long\", duration = \"1h\")\n    check(\"it\", 1, above = 2)\n"}).is(201)
	}
	type waiting struct {
		id   string
		code chan int
		said *said
	}
	start := func(name string) *waiting {
		put(name)
		ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
		w := &waiting{code: make(chan int, 1), said: &said{}}
		cmd := exec.CommandContext(ctx, program, "start", name, "--wait", "--base-url", l.url)
		cmd.Stdout, cmd.Stderr = w.said, w.said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cancel)
		go func() {
			_ = cmd.Wait()
			w.code <- cmd.ProcessState.ExitCode()
		}()
		l.await("the run of "+name, func() bool {
			w.id = l.do("GET", "/api/v1/runs?name="+name, nil).is(200).text("runs.0.id")
			return strings.Contains(w.said.String(), w.id)
		})
		return w
	}
	first := start("first")
	l.await("its step", func() bool {
		return l.do("GET", "/api/v1/runs/"+first.id+"/status", nil).text("current_step_path") == "long" && strings.Contains(first.said.String(), "long")
	})
	second := start("second")
	stream := l.follow(first.id)

	l.stop()
	if end := <-stream; strings.Contains(end, "event: end") {
		t.Errorf("the stream of a run that goes on was ended: %s", end)
	}
	l = serveIn(t, l.data, args...)
	for _, w := range []*waiting{first, second} {
		l.await("its step, again", func() bool {
			return l.do("GET", "/api/v1/runs/"+w.id+"/status", nil).is(200).text("current_step_path") == "long"
		})
		l.do("POST", "/api/v1/runs/"+w.id+"/skip", map[string]any{"path": "long"}).is(200)
		if code := <-w.code; code != 1 {
			t.Errorf("start --wait ended with %d, expected the run's own 1:\n%s", code, w.said)
		}
	}
	if end := <-l.follow(first.id); !strings.Contains(end, "event: end") {
		t.Errorf("the stream of a run that has ended has no end: %s", end)
	}
}

// follow reads a run's stream of events to its end. It has begun when follow returns.
func (l *lab) follow(id string) <-chan string {
	l.t.Helper()
	req, err := http.NewRequest("GET", l.url+"/api/v1/runs/"+id+"/events", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := l.client.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	all := make(chan string, 1)
	go func() {
		defer resp.Body.Close()
		var text strings.Builder
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			text.WriteString(lines.Text() + "\n")
		}
		all <- text.String()
	}()
	return all
}
