package server_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestQueue: a start beyond the limit waits for its turn, in the order in which it came, is
// seen where runs are seen, and can be taken out again; one that there is no room for is
// refused.
func TestQueue(t *testing.T) {
	l := serve(t, "--max-runs", "1", "--queue", "3")
	ask := func(name string) map[string]any {
		return map[string]any{"format": "starlark", "content": "orchestration(name = \"" + name + "\")\ndef main():\n    sleep(\"1h\")\n", "labels": map[string]string{"n": name}}
	}
	first := l.do("POST", "/api/v1/runs", ask("a")).is(201).text("id")
	var ids []string
	for i, name := range []string{"b", "c", "d"} {
		a := l.do("POST", "/api/v1/runs", ask(name), "Idempotency-Key: "+name).is(202)
		if a.text("status") != "queued" || a.text("name") != name || a.get("queue_position") != float64(i+1) || a.header.Get("Location") != "/api/v1/runs/"+a.text("id") {
			t.Errorf("%s: %s", name, a.body)
		}
		ids = append(ids, a.text("id"))
	}
	if again := l.do("POST", "/api/v1/runs", ask("c"), "Idempotency-Key: c").is(200); again.text("id") != ids[1] {
		t.Errorf("asked twice: %s", again.body)
	}
	if full := l.do("POST", "/api/v1/runs", ask("e")).is(429, "too_many_runs"); full.header.Get("Retry-After") == "" || !strings.HasPrefix(full.problem().Detail, "1 run goes on of at most 1, and 3 wait of at most 3;") {
		t.Errorf("a queue that is full: %v %s", full.header, full.body)
	}
	l.do("POST", "/api/chaos/orchestration/start", `{"name": "f", "steps": [{"name": "a", "duration_seconds": 1}]}`).is(429, "too_many_runs")
	list := l.do("GET", "/api/v1/runs?status=queued", nil).is(200)
	if list.text("runs.0.id") != ids[2] || list.text("runs.2.id") != ids[0] || list.get("runs.3") != nil || list.get("runs.0.queue_position") != 3.0 || list.text("runs.0.labels.n") != "d" {
		t.Errorf("the queue: %s", list.body)
	}
	for _, path := range []string{"/journal", "/report"} {
		p := l.do("GET", "/api/v1/runs/"+ids[0]+path, nil).is(409, "run_queued").problem()
		if !strings.Contains(p.Detail, "is queued, at queue_position 1,") || !strings.Contains(p.Help, "GET /api/v1/runs/"+ids[0]+" tells") || !strings.Contains(p.Help, "/events") {
			t.Errorf("of what waits: %+v", p)
		}
	}
	if page := l.do("GET", "/api/v1/runs/"+ids[0]+"/events", nil).is(200); page.get("events.0") != nil || page.get("ended") != false {
		t.Errorf("the events of one that waits: %s", page.body)
	}
	if one := l.do("GET", "/api/v1/runs/"+ids[0], nil).is(200); one.text("view.state") != "queued" || one.text("view.origin") != one.text("started_at") {
		t.Errorf("one that waits: %s", one.body)
	}
	if out, err := command("runs", "--data", l.data, "--status", "queued"); err != nil || strings.Count(out, "queued") != 3 || !strings.Contains(out, ids[2]) {
		t.Errorf("what waits in the data folder: %v\n%s", err, out)
	}
	// Streams wait with what they are of.
	gone, waits := l.follow(ids[0]), l.follow(ids[1])
	watch, seen := exec.Command(program, "watch", ids[0], "--base-url", l.url), &said{}
	watch.Stdout, watch.Stderr = seen, seen
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	l.await("the watch to tell", func() bool { return strings.Contains(seen.String(), "run "+ids[0]+" waits for its turn") })
	l.do("POST", "/api/v1/runs/"+ids[0]+"/pause", nil).is(409, "run_queued")

	// One that is taken out never began; those behind it move up.
	out := l.do("POST", "/api/v1/runs/"+ids[0]+"/stop", map[string]any{"comment": "no need"}).is(200)
	if out.text("run.verdict") != "stopped" || out.text("run.reason") != "cancelled" || !strings.Contains(out.text("run.message"), "local: no need") {
		t.Errorf("taken out: %s", out.body)
	}
	l.do("POST", "/api/v1/runs/"+ids[0]+"/stop", nil).is(409, "run_ended")
	if text := <-gone; !strings.HasSuffix(text, "event: end\ndata: {}\n\n") || strings.Contains(text, "id: ") {
		t.Errorf("the stream of what was taken out: %q", text)
	}
	if err := watch.Wait(); err == nil || !strings.Contains(seen.String(), "never began") {
		t.Errorf("watch of what was taken out: %v\n%s", err, seen)
	}
	if again := l.do("POST", "/api/v1/runs", ask("b"), "Idempotency-Key: b").is(200); again.text("id") != ids[0] || again.text("reason") != "cancelled" || again.get("report") != nil {
		t.Errorf("asked again for what was taken out: %s", again.body)
	}
	for _, path := range []string{"/journal", "/report"} {
		l.do("GET", "/api/v1/runs/"+ids[0]+path, nil).is(409, "run_ended")
	}
	if out, err := command("runs", "--base-url", l.url, "--verdict", "stopped"); err != nil || !regexp.MustCompile(ids[0]+` +b +\S+ \S+ +0s +stopped +cancelled`).MatchString(out) {
		t.Errorf("what was taken out, in a list: %v\n%s", err, out)
	}
	if at := l.do("GET", "/api/v1/runs/"+ids[1], nil).is(200); at.get("queue_position") != 1.0 {
		t.Errorf("the next one: %s", at.body)
	}

	// A run that ends lets the next one begin, and no other.
	l.do("POST", "/api/v1/runs/"+first+"/stop", nil).is(200)
	l.await("the next one", func() bool { return l.do("GET", "/api/v1/runs/"+ids[1], nil).get("status") == "running" })
	if a := l.do("GET", "/api/v1/runs/"+ids[1], nil); a.text("name") != "c" || a.text("labels.n") != "c" || a.get("queue_position") != nil {
		t.Errorf("it is: %s", a.body)
	}
	if a := l.do("GET", "/api/v1/runs/"+ids[2], nil); a.get("status") != "queued" || a.get("queue_position") != 1.0 {
		t.Errorf("the last one: %s", a.body)
	}

	// What waits when the server ends, or is killed, waits in the next one; what ran goes on.
	l.stop()
	if log := l.log.String(); !strings.Contains(log, "waits for its turn in the next server") || !strings.Contains(log, ids[2]) {
		t.Errorf("nothing is told of %s:\n%s", ids[2], log)
	}
	if text := <-waits; !strings.Contains(text, `"kind":"run.begin"`) || strings.Contains(text, "event: end") {
		t.Errorf("the stream of what waited: %q", text)
	}
	for range 2 {
		l = serveIn(t, l.data, "--max-runs", "1", "--queue", "3")
		if a := l.do("GET", "/api/v1/runs/"+ids[2], nil).is(200); a.get("status") != "queued" || a.get("queue_position") != 1.0 || a.text("name") != "d" || a.text("labels.n") != "d" || a.text("by") != "local" {
			t.Errorf("what waited: %s", a.body)
		}
		if a := l.do("GET", "/api/v1/runs/"+ids[1], nil).is(200); a.get("status") != "running" {
			t.Errorf("what ran: %s", a.body)
		}
		if again := l.do("POST", "/api/v1/runs", ask("d"), "Idempotency-Key: d").is(200); again.text("id") != ids[2] {
			t.Errorf("asked again for what waits: %s", again.body)
		}
		l.kill()
	}

	// There is room at once: it begins, once, and is not in the queue of a later server.
	l = serveIn(t, l.data)
	l.await("its turn", func() bool { return l.do("GET", "/api/v1/runs/"+ids[2], nil).is(200).get("status") == "running" })
	l.await("its start to be off the disk", func() bool {
		_, err := os.Stat(filepath.Join(l.data, "queue", ids[2]))
		return os.IsNotExist(err)
	})
	l.do("POST", "/api/v1/runs/"+ids[2]+"/stop", nil).is(200)
	l.kill()
	l = serveIn(t, l.data)
	if a := l.do("GET", "/api/v1/runs/"+ids[2], nil).is(200); a.get("status") != "ended" || a.text("verdict") != "stopped" {
		t.Errorf("what had its turn: %s", a.body)
	}
	if a := l.do("GET", "/api/v1/runs?status=queued", nil).is(200); a.get("runs.0") != nil {
		t.Errorf("the queue: %s", a.body)
	}
}

// TestQueueKilled: no start that was answered is lost or begun twice, wherever the server is
// killed while it begins what waits.
func TestQueueKilled(t *testing.T) {
	l := serve(t, "--max-runs", "1", "--queue", "20")
	ask := map[string]any{"format": "starlark", "content": "orchestration(name = \"q\")\ndef main():\n    log(\"once\")\n"}
	wait := l.begin("orchestration(name = \"first\")\ndef main():\n    sleep(\"1h\")\n")
	var ids []string
	for range 8 {
		ids = append(ids, l.do("POST", "/api/v1/runs", ask).is(202).text("id"))
	}
	l.do("POST", "/api/v1/runs/"+ids[7]+"/stop", nil).is(200) // taken out for good
	l.do("POST", "/api/v1/runs/"+wait+"/stop", nil).is(200)
	for range 8 {
		l.kill()
		if l = serveIn(t, l.data, "--max-runs", "1", "--queue", "20"); l.allEnded(ids[:7]) {
			break
		}
	}
	l.await("all of them", func() bool { return l.allEnded(ids[:7]) })
	for _, id := range ids[:7] {
		a := l.do("GET", "/api/v1/runs/"+id, nil).is(200)
		if a.get("status") != "ended" || a.text("verdict") != "passed" {
			t.Errorf("%s: %s", id, a.body)
		}
		if n := strings.Count(string(l.do("GET", "/api/v1/runs/"+id+"/journal", nil).is(200).body), `"message":"once"`); n != 1 {
			t.Errorf("%s said it %d times", id, n)
		}
	}
	l.do("GET", "/api/v1/runs/"+ids[7], nil).is(404, "run_not_found")
}

// TestQueueNotKept: a start that has to wait and cannot be written down is refused, and may be
// tried again.
func TestQueueNotKept(t *testing.T) {
	l := serve(t, "--max-runs", "1", "--queue", "3")
	l.begin("def main():\n    sleep(\"1h\")\n")
	queue := filepath.Join(l.data, "queue")
	for _, err := range []error{os.Rename(queue, queue+"-away"), os.WriteFile(queue, nil, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ask := map[string]any{"format": "starlark", "content": waits}
	l.do("POST", "/api/v1/runs", ask, "Idempotency-Key: k").is(500, "internal_error")
	if a := l.do("GET", "/api/v1/runs?status=queued", nil).is(200); a.get("runs.0") != nil {
		t.Errorf("it waits all the same: %s", a.body)
	}
	for _, err := range []error{os.Remove(queue), os.Rename(queue+"-away", queue)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l.do("POST", "/api/v1/runs", ask, "Idempotency-Key: k").is(202)
}

// TestQueueUnreadable: of a run that cannot be read nobody knows whether it has begun: it is
// neither begun again nor removed.
func TestQueueUnreadable(t *testing.T) {
	l := serve(t, "--max-runs", "1", "--queue", "3")
	first := l.begin("def main():\n    sleep(\"1h\")\n")
	id := l.do("POST", "/api/v1/runs", map[string]any{"format": "starlark", "content": "def main():\n    log(\"once\")\n"}).is(202).text("id")
	start := filepath.Join(l.data, "queue", id)
	kept := t.TempDir()
	if err := os.CopyFS(kept, os.DirFS(start)); err != nil {
		t.Fatal(err)
	}
	l.do("POST", "/api/v1/runs/"+first+"/stop", nil).is(200)
	l.over(id)
	l.stop()
	run := filepath.Join(l.data, "runs", id)
	before, err := os.ReadFile(filepath.Join(run, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	// As a crash leaves it before the start is taken off the disk, and a file is damaged.
	for _, err := range []error{os.CopyFS(start, os.DirFS(kept)), os.WriteFile(filepath.Join(run, "run.json"), []byte("{"), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l = serveIn(t, l.data)
	if log := l.log.String(); !strings.Contains(log, "nobody can tell") || !strings.Contains(log, id) {
		t.Errorf("nothing is told of %s:\n%s", id, log)
	}
	if after, err := os.ReadFile(filepath.Join(run, "journal.jsonl")); err != nil || !bytes.Equal(after, before) {
		t.Errorf("its journal is another: %v", err)
	}
	if _, err := os.Stat(start); err != nil {
		t.Error(err)
	}
}

// allEnded reports whether runs have ended.
func (l *lab) allEnded(ids []string) bool {
	for _, id := range ids {
		if l.do("GET", "/api/v1/runs/"+id, nil).is(200).get("status") != "ended" {
			return false
		}
	}
	return true
}

// TestQueueRefused: a start whose turn comes and that then is none says so, and the one
// behind it begins. start --wait follows its run from the queue to the end.
func TestQueueRefused(t *testing.T) {
	l := serve(t, "--max-runs", "1")
	first := l.begin("def main():\n    sleep(\"1h\")\n")
	const legacy, brief = "/api/chaos/orchestration/start", `{"name": "brief", "steps": [{"name": "a", "duration_seconds": 0.01}]}`
	gone := l.do("POST", legacy, brief, "Idempotency-Key: gone").is(202)
	l.do("POST", "/api/v1/runs/"+gone.text("run_id")+"/stop", nil).is(200)
	if again := l.do("POST", legacy, brief, "Idempotency-Key: gone").is(200); again.text("run_id") != gone.text("run_id") || !strings.Contains(again.text("message"), "never began: taken out of the queue") || again.get("report") != nil {
		t.Errorf("asked again for what was taken out: %s", again.body)
	}
	wrong := map[string]any{"format": "starlark", "content": "n = param(\"n\", default = 1)\ndef main():\n    pass\n", "params": map[string]any{"n": "x"}}
	bad := l.do("POST", "/api/v1/runs", wrong, "Idempotency-Key: k").is(202).text("id")
	good := l.do("POST", "/api/chaos/orchestration/start", `{"name": "good", "steps": [{"name": "a", "duration_seconds": 0.01}]}`).is(202)
	if got := good.text("message"); !strings.Contains(got, "waits for its turn, at position 2") {
		t.Errorf("the message: %s", got)
	}
	follow := exec.Command(program, "start", "--wait", "good", "--base-url", l.url)
	l.do("POST", "/api/v1/orchestrations/import", map[string]any{"content": "name: good\nsteps:\n  - {name: a, duration_seconds: 0.01}\n", "format": "yaml"}).is(201)
	var said said
	follow.Stdout, follow.Stderr = &said, &said
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	l.await("the third", func() bool { return strings.Contains(said.String(), "at position 3") })
	l.do("POST", "/api/v1/runs/"+first+"/stop", nil).is(200)
	if end := l.over(bad); end.text("verdict") != "errored" || end.text("reason") != "start_failed" || !strings.Contains(end.text("message"), "expected an int") {
		t.Errorf("the one that is none: %s", end.body)
	}
	if end := l.over(good.text("run_id")); end.text("verdict") != "passed" {
		t.Errorf("the one behind it: %s", end.body)
	}
	if err := follow.Wait(); err != nil || !strings.Contains(said.String(), "passed") {
		t.Errorf("start --wait: %v\n%s", err, said.String())
	}
	l.do("POST", "/api/v1/runs", wrong, "Idempotency-Key: k").is(422) // its key is free: now it is refused at once
}

// TestSchedulesQueue: a run of a schedule waits for its turn like any other. While it waits it
// counts as one that goes on, and one that is replaced never begins.
func TestSchedulesQueue(t *testing.T) {
	l := serve(t, "--max-runs", "1")
	const base = "/api/v1/schedules/s"
	first := l.begin("def main():\n    sleep(\"1h\")\n")
	l.do("PUT", "/api/v1/orchestrations/long", map[string]any{"format": "starlark", "content": "def main():\n    sleep(\"1h\")\n"}).is(201)
	l.do("PUT", base, map[string]any{"orchestration": "long", "after": "0s"}).is(201)
	var now *answer
	l.await("its time", func() bool { now = l.do("GET", base, nil).is(200); return now.get("last") != nil })
	run := now.text("last.run")
	if now.text("last.what") != "started" || now.text("active.0") != run {
		t.Fatalf("its time came: %s", now.body)
	}
	if a := l.do("GET", "/api/v1/runs/"+run, nil).is(200); a.text("status") != "queued" || a.text("by") != "schedule:s" {
		t.Errorf("its run: %s", a.body)
	}
	l.do("POST", base+"/trigger", nil).is(409, "schedule_active")
	l.do("PUT", base, map[string]any{"orchestration": "long", "at": "2999-01-01T00:00:00Z", "concurrency": "replace"}).is(200)
	next := l.do("POST", base+"/trigger", nil).is(202)
	if a := l.over(run); a.text("verdict") != "stopped" || a.text("reason") != "cancelled" {
		t.Errorf("the one that was replaced: %s", a.body)
	}
	l.do("POST", "/api/v1/runs/"+first+"/stop", nil).is(200)
	l.await("its turn", func() bool { return l.do("GET", next.header.Get("Location"), nil).is(200).get("status") == "running" })
	l.do("POST", next.header.Get("Location")+"/stop", nil).is(200)
}
