package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const waits = `
orchestration(name = "waits")
def main():
    step("first", duration = "10ms")
    step("long", duration = "1h")
`

const slow = `
orchestration(name = "slow")
by = param("by", default = "300ms")
def main():
    step("s", duration = "1h", chaos = fault.latency(by), on = target("api"))
`

// TestRun goes through the life of a run.
func TestRun(t *testing.T) {
	l := serve(t, "--proxy", upstream(t))
	begun := l.do("POST", "/api/v1/runs", map[string]any{
		"content": slow, "format": "starlark", "params": map[string]any{"by": "200ms"}, "seed": "18446744073709551615", "labels": map[string]string{"team": "a b"},
	}).is(201)
	id := begun.text("id")
	if got := begun.header.Get("Location"); got != "/api/v1/runs/"+id {
		t.Errorf("Location %q", got)
	}
	l.await("the fault", func() bool { return l.do("GET", "/api/v1/runs/"+id+"/status", nil).is(200).get("faults_on") == 1.0 })
	run := l.do("GET", "/api/v1/runs/"+id, nil).is(200)
	if run.text("seed") != "18446744073709551615" || run.text("params.by") != "200ms" || run.text("labels.team") != "a b" ||
		run.text("current_step_path") != "s" || run.text("by") != "local" || run.get("planned_seconds") != 3600.0 ||
		run.text("view.faults.0.text") == "" {
		t.Errorf("it is: %s", run.body)
	}
	paused := l.do("POST", "/api/v1/runs/"+id+"/pause", map[string]any{"lift_faults": true, "comment": "lunch"}).is(200)
	if paused.text("run.status") != "paused" {
		t.Errorf("paused: %s", paused.body)
	}
	faultsOn := func(n int) {
		t.Helper()
		l.await(fmt.Sprintf("%d faults on", n), func() bool {
			list := l.do("GET", "/api/v1/runs", nil).is(200)
			metrics := string(l.do("GET", "/metrics", nil).is(200).body)
			return l.do("GET", "/api/v1/runs/"+id+"/status", nil).is(200).get("faults_on") == float64(n) &&
				list.get("runs.0.faults_on") == float64(n) && strings.Contains(metrics, fmt.Sprintf("\nstarquake_faults_on %d\n", n))
		})
	}
	faultsOn(0) // they are lifted
	l.do("POST", "/api/v1/runs/"+id+"/resume", nil).is(200)
	faultsOn(1)
	l.do("POST", "/api/v1/runs/"+id+"/resume", nil).is(409, "refused")
	l.do("POST", "/api/v1/runs/"+id+"/approve", nil).is(409, "refused")
	l.do("POST", "/api/v1/runs/"+id+"/skip", map[string]any{"path": "none"}).is(409, "refused")
	l.do("POST", "/api/v1/runs/"+id+"/skip", map[string]any{"path": "s"}).is(200)
	if end := l.over(id); end.text("verdict") == "stopped" || end.get("progress") != 1.0 {
		t.Errorf("ended: %s", end.body)
	} else if !strings.Contains(end.text("warnings"), "no request met any fault") {
		t.Errorf("nobody sent a request, and it warns of %s", end.text("warnings"))
	}
	// The pause is not counted, by neither of those who say how long it was at work.
	ended, list := l.do("GET", "/api/v1/runs/"+id+"/status", nil).is(200), l.do("GET", "/api/v1/runs", nil).is(200)
	for _, field := range []string{"elapsed_seconds", "ended_at", "started_at", "planned_seconds", "progress"} {
		if got, want := list.text("runs.0."+field), ended.text(field); got != want {
			t.Errorf("the list says %s %s, the run itself %s", field, got, want)
		}
	}
	for _, verb := range []string{"pause", "resume", "skip", "stop", "approve", "reject"} {
		l.do("POST", "/api/v1/runs/"+id+"/"+verb, nil).is(409, "run_ended")
		l.do("POST", "/api/v1/runs/none/"+verb, nil).is(404, "run_not_found")
	}
	lines := l.do("GET", "/api/v1/runs/"+id+"/journal", nil).is(200)
	all := strings.Split(strings.TrimSpace(string(lines.body)), "\n")
	if n := int(run.get("events").(float64)); len(all) <= n || !strings.Contains(string(lines.body), `"kind":"run.end"`) {
		t.Errorf("the journal has %d lines", len(all))
	}
	for _, path := range []string{"", "/status", "/events", "/journal", "/report"} {
		l.do("GET", "/api/v1/runs/none"+path, nil).is(404, "run_not_found")
		l.do("GET", "/api/v1/runs/..%2f..%2fversion"+path, nil).is(404, "run_not_found")
	}
}

// TestLogOfRuns: the log tells of each run that begins and of how it ended, not of the end of one
// that only waits for the next server.
func TestLogOfRuns(t *testing.T) {
	l := serve(t)
	passes := l.begin("def main(): check(\"c\", 1, equals = 1)\n")
	fails := l.begin("def main(): fail(\"no\")\n")
	waits := l.begin("def main(): sleep(\"1h\")\n")
	l.over(passes)
	l.over(fails)
	l.stop()
	log := l.log.String()
	for id, end := range map[string]string{passes: `"level":"INFO","msg":"a run ended","run":"` + passes + `","name":"orchestration","verdict":"passed","reason":"passed"`, fails: `"level":"WARN","msg":"a run ended","run":"` + fails + `","name":"orchestration","verdict":"failed"`} {
		if !strings.Contains(log, `"msg":"a run begins","run":"`+id) || !strings.Contains(log, end) {
			t.Errorf("of run %s it does not tell:\n%s", id, log)
		}
	}
	if !strings.Contains(log, `"msg":"a run begins","run":"`+waits) || strings.Contains(log, `"msg":"a run ended","run":"`+waits) {
		t.Errorf("of the run that waits it tells:\n%s", log)
	}
}

// TestQuestions: where several questions wait, what is refused says how a body names one.
func TestQuestions(t *testing.T) {
	l := serve(t)
	id := l.begin("def main():\n    parallel(lambda: approve(\"left?\"), lambda: approve(\"right?\"))\n")
	l.await("the questions", func() bool { return l.do("GET", "/api/v1/runs/"+id, nil).text("approvals.1.message") == "right?" })
	for _, verb := range []string{"approve", "reject"} {
		if no := l.do("POST", "/api/v1/runs/"+id+"/"+verb, nil).is(409, "refused"); !strings.Contains(no.text("detail"), `name one with "question": "ID" in the body`) {
			t.Errorf("%s: %s", verb, no.body)
		}
	}
	l.do("POST", "/api/v1/runs/"+id+"/stop", nil).is(200)
}

// TestApproval answers the question of a run.
func TestApproval(t *testing.T) {
	l := serve(t)
	const asks = "orchestration(name = \"asks\")\ndef main():\n    approve(\"go on?\")\n"
	for verb, verdict := range map[string]string{"approve": "passed", "reject": "stopped"} {
		id := l.begin(asks)
		l.await("the question", func() bool { return l.do("GET", "/api/v1/runs/"+id, nil).text("approvals.0.message") == "go on?" })
		l.do("POST", "/api/v1/runs/"+id+"/"+verb, map[string]any{"comment": "as agreed"}).is(200)
		if end := l.over(id); end.text("verdict") != verdict {
			t.Errorf("%s: ended %s", verb, end.body)
		}
	}
}

// TestFaultsCompose: runs share a target, and each takes off only what is its own.
func TestFaultsCompose(t *testing.T) {
	l := serve(t, "--proxy", upstream(t))
	api := "http://" + l.do("GET", "/api/v1/targets/api", nil).is(200).text("listen")
	on := func(id string) func() bool {
		return func() bool { return l.do("GET", "/api/v1/runs/"+id, nil).get("faults_on") == 1.0 }
	}
	a, b := l.begin(slow), l.begin(slow)
	l.await("faults", on(a))
	l.await("faults", on(b))
	if took := get(t, api); took < 600*time.Millisecond {
		t.Errorf("a request took %s under two faults of 300ms", took)
	}
	l.do("POST", "/api/v1/runs/"+a+"/stop", nil).is(200)
	if took := get(t, api); took < 300*time.Millisecond {
		t.Errorf("a request took %s: the other run's fault is gone", took)
	}
	if on := l.faultsOf("api"); len(on) != 1 {
		t.Errorf("on the target are %v, expected the other run's fault", on)
	}
	l.await("the target's figures", func() bool {
		return l.do("GET", "/api/v1/targets/api/stats?last=1m", nil).is(200).get("requests") == 2.0
	})
	l.do("GET", "/api/v1/targets/api/stats?last=x", nil).is(400, "invalid_request")
	l.do("POST", "/api/v1/runs/"+b+"/stop", nil).is(200)
}

// TestIdempotency: asking twice with a key is one start, also after a restart.
func TestIdempotency(t *testing.T) {
	l := serve(t)
	body := map[string]any{"content": waits, "format": "starlark"}
	const key = "Idempotency-Key: k 1"
	ids := make(chan string, 8)
	for range cap(ids) {
		go func() {
			a := l.do("POST", "/api/v1/runs", body, key)
			if a.status != 200 && a.status != 201 {
				t.Errorf("%d %s", a.status, a.body)
			}
			ids <- a.text("id")
		}()
	}
	id := <-ids
	for range cap(ids) - 1 {
		if other := <-ids; other != id {
			t.Errorf("two runs of one key: %s and %s", id, other)
		}
	}
	if n := len(l.do("GET", "/api/v1/runs", nil).get("runs").([]any)); n != 1 {
		t.Errorf("%d runs", n)
	}
	l.do("POST", "/api/v1/runs", map[string]any{"content": slow, "format": "starlark"}, key).is(422, "idempotency_key_reused")
	l.kill()
	l = serveIn(t, l.data)
	if again := l.do("POST", "/api/v1/runs", body, key).is(200).text("id"); again != id {
		t.Errorf("after a restart it is run %s, not %s", again, id)
	}
	l.do("POST", "/api/v1/runs", body, "Idempotency-Key: "+strings.Repeat("x", 300)).is(400, "invalid_request")
	// What was refused can be tried again with its key.
	l.do("POST", "/api/v1/runs", map[string]any{"content": "x", "format": "starlark"}, "Idempotency-Key: k2").is(400)
	l.do("POST", "/api/v1/runs", body, "Idempotency-Key: k2").is(201)
}

// TestRestart: runs survive a kill and an orderly end of the server, with their faults
// off in between.
func TestRestart(t *testing.T) {
	flag := upstream(t)
	for _, how := range []string{"killed", "ended"} {
		t.Run(how, func(t *testing.T) {
			l := serve(t, "--proxy", flag)
			id, other := l.begin(slow), l.begin(waits)
			on := func() bool { return l.do("GET", "/api/v1/runs/"+id, nil).get("faults_on") == 1.0 }
			l.await("the fault", on)
			if how == "ended" {
				l.stop()
			} else {
				l.kill()
			}
			l = serveIn(t, l.data, "--proxy", flag)
			l.do("GET", "/readyz", nil).is(200)
			l.await("the fault again", on)
			if took := get(t, "http://"+l.do("GET", "/api/v1/targets/api", nil).text("listen")); took < 300*time.Millisecond {
				t.Errorf("a request took %s", took)
			}
			run := l.do("GET", "/api/v1/runs/"+id, nil).is(200)
			if run.get("view.recovered") != 1.0 || run.get("planned_seconds") != 3600.0 {
				t.Errorf("it is: %s", run.body)
			}
			for _, id := range []string{id, other} {
				l.do("POST", "/api/v1/runs/"+id+"/stop", nil).is(200)
				if end := l.over(id); end.text("verdict") != "stopped" {
					t.Errorf("ended %s", end.body)
				}
			}
		})
	}
}

// TestPages lists runs page by page, and with filters.
func TestPages(t *testing.T) {
	for _, args := range [][]string{nil, {"--in-memory"}} {
		l := serve(t, args...)
		var want []string
		for i := range 5 {
			id := l.begin("orchestration(name = \"quick\")\ndef main():\n    log(\"x\")\n", "labels", map[string]string{"n": fmt.Sprint(i % 2)})
			l.over(id)
			want = append([]string{id}, want...)
			time.Sleep(2 * time.Millisecond) // ids sort by milliseconds
		}
		var got []string
		for path := "/api/v1/runs?limit=2"; path != ""; {
			page := l.do("GET", path, nil).is(200)
			for i := range page.get("runs").([]any) {
				got = append(got, page.text(fmt.Sprintf("runs.%d.id", i)))
			}
			path = ""
			if next := page.get("next_cursor"); next != nil {
				path = "/api/v1/runs?limit=2&cursor=" + next.(string)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: pages of %v, expected %v", args, got, want)
		}
		for query, n := range map[string]int{
			"label=n=1": 2, "label=n=0&verdict=passed": 3, "name=quick": 5, "name=other": 0, "status=ended": 5, "status=running": 0,
			"since=2100-01-01T00:00:00Z": 0,
		} {
			if page := l.do("GET", "/api/v1/runs?"+query, nil).is(200); len(page.get("runs").([]any)) != n {
				t.Errorf("%v: %s: expected %d: %s", args, query, n, page.body)
			}
		}
		for _, query := range []string{"limit=0", "limit=x", "status=odd", "since=yesterday", "label=x", "cursor=zzz"} {
			l.do("GET", "/api/v1/runs?"+query, nil).is(400, "invalid_request")
		}
	}
}

// listen reads a run's events as a stream, until n came or it ends.
func (l *lab) listen(id, last string, n int) (events []map[string]any, ids []string, ended bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", l.url+"/api/v1/runs/"+id+"/events", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := l.client.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || got != "text/event-stream" {
		l.t.Fatalf("%d %s", resp.StatusCode, got)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			ids = append(ids, value)
		case "event":
			return events, ids, value == "end"
		case "data":
			var e map[string]any
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				l.t.Fatal(err)
			}
			if events = append(events, e); len(events) == n {
				return events, ids, false // the connection is cut
			}
		}
	}
	return events, ids, false
}

// TestStream: cut again and again, a stream gives each event once, live and afterwards.
func TestStream(t *testing.T) {
	for _, args := range [][]string{nil, {"--in-memory"}} {
		l := serve(t, args...)
		id := l.begin("orchestration(name = \"many\")\ndef main():\n    loop(lambda i: step(\"s\", duration = \"5ms\"), times = 100)\n")
		var ids []string
		for ended := false; !ended; {
			last := ""
			if len(ids) > 0 {
				last = ids[len(ids)-1]
			}
			var more []string
			_, more, ended = l.listen(id, last, 37)
			ids = append(ids, more...)
		}
		for i, id := range ids {
			if id != fmt.Sprint(i+1) {
				t.Fatalf("%v: event %d has the id %s", args, i+1, id)
			}
		}
		end := l.over(id)
		if n := int(end.get("events").(float64)); n != len(ids) || n < 400 {
			t.Errorf("%v: %d events came, the run has %d", args, len(ids), n)
		}
		events, again, _ := l.listen(id, "", 0)
		if !slices.Equal(again, ids) || events[len(events)-1]["kind"] != "run.end" {
			t.Errorf("%v: afterwards %d came", args, len(again))
		}
		if _, rest, ended := l.listen(id, fmt.Sprint(len(ids)-2), 0); len(rest) != 2 || !ended {
			t.Errorf("%v: the last two: %v", args, rest)
		}
		page := l.do("GET", "/api/v1/runs/"+id+"/events?after=3&limit=4", nil).is(200)
		if page.get("events.0.id") != 4.0 || page.get("next") != 7.0 || page.get("ended") != false || len(page.get("events").([]any)) != 4 {
			t.Errorf("%v: a page: %s", args, page.body)
		}
		if page = l.do("GET", fmt.Sprintf("/api/v1/runs/%s/events?after=%d", id, len(ids)-1), nil).is(200); page.get("ended") != true {
			t.Errorf("%v: the last page: %s", args, page.body)
		}
		l.do("GET", "/api/v1/runs/"+id+"/events", nil, "Last-Event-ID: x").is(400, "invalid_request")
	}
}

// TestDeafStream: clients that do not read hold up neither the run nor others.
func TestDeafStream(t *testing.T) {
	l := serve(t)
	id := l.begin("orchestration(name = \"talks\")\ndef main():\n    loop(lambda i: log(\"x\" * 4000), times = 3000)\n    step(\"wait\", duration = \"1h\")\n")
	for range 20 {
		req, err := http.NewRequest("GET", l.url+"/api/v1/runs/"+id+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		resp, err := l.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() // and nothing is read
	}
	l.await("the last step", func() bool {
		return l.do("GET", "/api/v1/runs/"+id+"/status", nil).is(200).text("current_step_path") == "wait"
	})
	l.do("POST", "/api/v1/runs/"+id+"/stop", nil).is(200)
	l.stop() // with the streams open
}

// TestListItems: what a list says of a run is what its status says, or nothing.
func TestListItems(t *testing.T) {
	l := serve(t)
	ended := l.begin("orchestration(name = \"listed\")\ndef main():\n    step(\"one\", lambda: check(\"it\", 1, above = 2))\n")
	l.over(ended)
	going := l.begin(waits)
	l.await("its step", func() bool { return l.do("GET", "/api/v1/runs/"+going+"/status", nil).get("current_step") == 2.0 })
	l.await("the list without the run's process", func() bool {
		return l.do("GET", "/api/v1/runs?status=ended", nil).is(200).get("runs.0.events") == nil
	})
	list := l.do("GET", "/api/v1/runs", nil).is(200)
	for i, id := range []string{going, ended} {
		status := l.do("GET", "/api/v1/runs/"+id+"/status", nil).is(200)
		for field, value := range list.get(fmt.Sprintf("runs.%d", i)).(map[string]any) {
			if field != "elapsed_seconds" && field != "progress" && fmt.Sprint(value) != status.text(field) {
				t.Errorf("run %d has %s %v in the list, and %s in its status", i, field, value, status.text(field))
			}
		}
	}
	if list.get("runs.0.current_step") != 2.0 || list.get("runs.0.events") == nil || list.get("runs.0.failed_steps") == nil {
		t.Errorf("of one that goes on: %s", list.body)
	}
}

// TestCleanedUp: of a run that was cleaned up the list and the run itself say the same, and
// it takes no more time.
func TestCleanedUp(t *testing.T) {
	l := serve(t)
	id := l.begin(waits)
	l.await("its step", func() bool {
		return l.do("GET", "/api/v1/runs/"+id+"/status", nil).is(200).text("current_step_path") == "long"
	})
	l.do("POST", "/api/v1/runs/"+id+"/pause", nil).is(200)
	l.kill()
	if out, err := command("cleanup", id, "--data", l.data); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l = serveIn(t, l.data)
	run, list := l.do("GET", "/api/v1/runs/"+id+"/status", nil).is(200), l.do("GET", "/api/v1/runs", nil).is(200)
	for _, field := range []string{"status", "verdict", "elapsed_seconds", "ended_at", "started_at", "planned_seconds", "progress"} {
		if got, want := list.text("runs.0."+field), run.text(field); got != want || want == "<nil>" {
			t.Errorf("the list says %s %s, the run itself %s", field, got, want)
		}
	}
}
