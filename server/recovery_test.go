package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestNarrowed: a run that is taken up may do what the operator permits now, not what was
// permitted when it began; what it had put on is taken off all the same.
func TestNarrowed(t *testing.T) {
	var hits atomic.Int32
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer canary.Close()
	mark := filepath.Join(t.TempDir(), "mark")
	asks := fmt.Sprintf("def main():\n    step(\"s\", duration = \"1h\")\n    http.get(%q)\n", canary.URL)
	flags := fmt.Sprintf(`
def main():
    step("s", duration = "1h", chaos = fault.exec("flag", on = ["touch", %q], off = ["rm", "-f", %q]))
`, mark, mark)
	open := []string{"--allow-net", "*", "--allow-exec", "touch,rm"}
	for _, tt := range []struct {
		name             string
		now              []string
		requests         int32
		asked, flagged   string // how the runs end
		message, flagMsg string
	}{
		{"as before", open, 1, "passed", "passed", "", ""},
		{"narrowed", []string{"--allow-net", "192.0.2.1"}, 0, "errored", "errored", "is not permitted", "is not permitted"},
		{"another list", []string{"--allow-net", "*", "--allow-exec", "rm"}, 1, "passed", "errored", "", "touch is not permitted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hits.Store(0)
			l := serve(t, open...)
			ids := []string{l.begin(asks), l.begin(flags)}
			waiting := func() { // in the step, or ended
				for i, id := range ids {
					l.await("run "+id, func() bool {
						run := l.do("GET", "/api/v1/runs/"+id, nil).is(200)
						return run.text("status") == "ended" || run.text("current_step_path") == "s" &&
							(run.get("faults_on") == float64(i) || run.text("view.problems.0.code") == "fault_lost")
					})
				}
			}
			waiting()
			if _, err := os.Stat(mark); err != nil {
				t.Fatalf("the fault is not on: %v\n%s", err, l.do("GET", "/api/v1/runs/"+ids[1], nil).body)
			}
			l.kill()
			l = serveIn(t, l.data, tt.now...)
			waiting()
			for i, want := range []string{tt.asked, tt.flagged} {
				if l.do("GET", "/api/v1/runs/"+ids[i], nil).text("status") != "ended" {
					l.do("POST", "/api/v1/runs/"+ids[i]+"/skip", map[string]any{"path": "s"}).is(200)
				}
				end := l.over(ids[i])
				if end.text("verdict") != want || !strings.Contains(string(end.body), []string{tt.message, tt.flagMsg}[i]) {
					t.Errorf("run %d ended: %s", i, end.body)
				}
			}
			if n := hits.Load(); n != tt.requests {
				t.Errorf("%d requests were made, expected %d", n, tt.requests)
			}
			if _, err := os.Stat(mark); err == nil {
				t.Error("the fault is still on")
			}
		})
	}
}

// TestKilledUnderLoad: a server that is killed with many runs, with faults on and while
// others are being started, has every one of them when it is there again, each once.
// STARQUAKE_KILLED_RUNS=100 has so many runs.
func TestKilledUnderLoad(t *testing.T) {
	n := 12
	if s := os.Getenv("STARQUAKE_KILLED_RUNS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	asked := map[string]int{} // by run
	counter := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.URL.Path]++
	}))
	defer counter.Close()
	script := fmt.Sprintf(`
orchestration(name = "many")
i = param("i", default = 0)
def main():
    http.post(%q + str(i))
    step("s", duration = "1h", chaos = fault.latency("1ms"), on = target("api"))
`, counter.URL+"/")
	args := []string{"--proxy", upstream(t), "--allow-net", "*", "--log-level", "error"}
	l := serve(t, args...)
	var ids sync.Map // of runs, by key
	start := func(l *lab, key int) error {
		req, err := http.NewRequest("POST", l.url+"/api/v1/runs", strings.NewReader(fmt.Sprintf(`{"content":%q,"format":"starlark","params":{"i":%d}}`, script, key)))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", fmt.Sprint(key))
		resp, err := l.client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		id := strings.TrimPrefix(resp.Header.Get("Location"), "/api/v1/runs/")
		if resp.StatusCode/100 != 2 || id == "" {
			return fmt.Errorf("start %d: %s", key, resp.Status)
		}
		if was, known := ids.Swap(key, id); known && was != id {
			t.Errorf("key %d began run %s, and was answered for run %s", key, id, was)
		}
		return nil
	}
	status := func(key int) *answer {
		id, _ := ids.Load(key)
		return l.do("GET", fmt.Sprintf("/api/v1/runs/%s/status", id), nil).is(200)
	}
	on := func() { // every fault of the first n
		for key := range n {
			l.await(fmt.Sprint("the fault of run ", key), func() bool { return status(key).get("faults_on") == 1.0 })
		}
	}
	for key := range n {
		if err := start(l, key); err != nil {
			t.Fatal(err)
		}
	}
	on()
	var starting sync.WaitGroup
	answered := make(chan bool, n)
	for key := n; key < 2*n; key++ {
		starting.Go(func() { answered <- start(l, key) == nil })
	}
	<-answered // some have begun, others have not
	l.kill()
	starting.Wait()
	accepted := map[int]string{} // what the dead server has said that it is there
	ids.Range(func(key, id any) bool { accepted[key.(int)] = id.(string); return true })

	l = serveIn(t, l.data, args...)
	for key, id := range accepted { // before anybody asks again
		if run := l.do("GET", "/api/v1/runs/"+id+"/status", nil).is(200); run.text("status") == "interrupted" || run.text("reason") == "not_begun" {
			t.Errorf("start %d was accepted, and is lost: %s", key, run.body)
		}
	}
	for key := range 2 * n {
		if err := start(l, key); err != nil { // the same run, or the first of that key
			t.Fatal(err)
		}
	}
	on()
	seen := map[any]int{}
	goesOn := map[string]bool{}
	for key := range 2 * n {
		id, _ := ids.Load(key)
		if other, twice := seen[id]; twice {
			t.Errorf("run %s is that of the keys %d and %d", id, other, key)
		}
		seen[id] = key
		var run *answer
		l.await(fmt.Sprint("run ", key), func() bool {
			run = status(key)
			// What was asked when the server died may have been done or not: it is not done again.
			return run.get("faults_on") == 1.0 || run.get("status") == "ended"
		})
		if run.get("status") != "ended" {
			goesOn[id.(string)] = true
		} else if key < n || !strings.Contains(run.text("message"), "the process died while this was under way") {
			t.Errorf("run %d has ended: %s", key, run.body)
		}
	}
	// There are no others: what the dead server had kept and not begun says that it did nothing.
	for _, r := range l.do("GET", "/api/v1/runs?limit=500", nil).is(200).get("runs").([]any) {
		run := r.(map[string]any)
		if _, known := seen[run["id"]]; !known && (run["reason"] != "not_begun" || run["verdict"] != "stopped") {
			t.Errorf("a run of no key: %v", run)
		}
	}
	// On the target are the faults of the runs that go on, one of each, and no others.
	if on := l.faultsOf("api"); len(on) != len(goesOn) {
		t.Errorf("%d faults are on, of %d runs that go on: %v", len(on), len(goesOn), on)
	}
	for key := range 2 * n {
		id, _ := ids.Load(key)
		ended := !goesOn[id.(string)]
		if !ended {
			l.do("POST", fmt.Sprintf("/api/v1/runs/%s/stop", id), nil).is(200)
			if end := l.over(fmt.Sprint(id)); end.text("verdict") != "stopped" {
				t.Errorf("run %d ended: %s", key, end.body)
			}
		}
		journal := string(l.do("GET", fmt.Sprintf("/api/v1/runs/%s/journal", id), nil).is(200).body)
		if b, e := strings.Count(journal, `"kind":"run.begin"`), strings.Count(journal, `"kind":"run.end"`); b != 1 || e != 1 {
			t.Errorf("run %d has %d beginnings and %d ends", key, b, e)
		}
		if taken := strings.Count(journal, `"action":"recover"`); taken > 1 || key < n && taken != 1 {
			t.Errorf("run %d was taken up %d times", key, taken)
		}
		mu.Lock()
		if did := asked[fmt.Sprint("/", key)]; did > 1 || !ended && did != 1 {
			t.Errorf("run %d made its request %d times", key, did)
		}
		mu.Unlock()
	}
	if on := l.faultsOf("api"); len(on) != 0 {
		t.Errorf("faults are left on: %v", on)
	}
}

// faultsOf are the ids of the faults that are on a target, as its data plane has them.
func (l *lab) faultsOf(target string) (ids []string) {
	l.t.Helper()
	series := regexp.MustCompile(`(?m)^starquake_fault_seen_total\{fault="([^"]+)",kind="[^"]+",target="` + target + `"\}`)
	for _, m := range series.FindAllStringSubmatch(string(l.do("GET", "/metrics", nil).is(200).body), -1) {
		ids = append(ids, m[1])
	}
	return ids
}

// TestUncleanIsTriedAgain: what a run has left on that ended unclean the next start of the
// server takes off, if it can by then, and the run says so; its verdict stays.
func TestUncleanIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	mark, hold := filepath.Join(dir, "mark"), filepath.Join(dir, "hold")
	if err := os.WriteFile(hold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--allow-exec", "touch,sh"}
	l := serve(t, args...)
	id := l.begin(fmt.Sprintf(`
def main():
    step("s", duration = "1ms", min_hits = 0,
         chaos = fault.exec("flag", on = ["touch", %q], off = ["sh", "-c", "test ! -e %s && rm -f %s"], off_timeout = "5s"))
`, mark, hold, mark))
	if end := l.over(id); end.text("verdict") != "unclean" || end.text("view.faults.0.state") != "unclean" {
		t.Fatalf("the run ended: %s", end.body)
	}
	on := func(want float64) {
		t.Helper()
		for _, path := range []string{"", "/status"} {
			if a := l.do("GET", "/api/v1/runs/"+id+path, nil).is(200); a.get("faults_on") != want {
				t.Errorf("%v faults are on, expected %v, says %s", a.get("faults_on"), want, path)
			}
		}
	}
	on(1)
	l.stop()

	// While that cannot be done the server answers, and no run begins: its faults could go
	// with those that are taken off.
	l = serveIn(t, l.data, args...)
	l.do("GET", "/healthz", nil).is(200)
	other := l.begin("def main():\n    log(\"begins\")\n")
	l.do("GET", "/readyz", nil).is(200)
	l.over(other)
	l.stop()
	if _, err := os.Stat(mark); err != nil {
		t.Error("the fault is off, which nothing has let go off")
	}

	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
	l = serveIn(t, l.data, args...)
	l.await("the server", func() bool { return l.do("GET", "/readyz", nil).status == 200 })
	if _, err := os.Stat(mark); err == nil {
		t.Error("the fault is still on")
	}
	run := l.do("GET", "/api/v1/runs/"+id, nil).is(200)
	on(0)
	if run.text("verdict") != "unclean" || run.text("view.faults.0.state") != "off" || run.text("view.faults.0.cleaned") == "" {
		t.Errorf("the run: %s", run.body)
	}
}

// TestStopUnclean: a stop whose run ends with a fault that may still be on says so, under a
// code of its own, and ends the command line with the run's exit code.
func TestStopUnclean(t *testing.T) {
	dir := t.TempDir()
	mark, hold := filepath.Join(dir, "mark"), filepath.Join(dir, "hold")
	if err := os.WriteFile(hold, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l := serve(t, "--allow-exec", "touch,sh")
	script := fmt.Sprintf(`
def main():
    step("s", duration = "1h", chaos = fault.exec("flag", on = ["touch", %q], off = ["sh", "-c", "test ! -e %s && rm -f %s"], off_timeout = "2s"))
`, mark, hold, mark)
	begin := func() string {
		id := l.begin(script)
		l.await("the fault", func() bool { return l.do("GET", "/api/v1/runs/"+id+"/status", nil).get("faults_on") == 1.0 })
		return id
	}
	id := begin()
	if a := l.do("POST", "/api/v1/runs/"+id+"/stop", map[string]any{}).is(409, "unclean"); !strings.Contains(a.text("detail"), "a fault may still be on") {
		t.Errorf("the stop says: %s", a.body)
	}
	id = begin()
	out, err := command("stop", id, "--base-url", l.url)
	if e := (*exec.ExitError)(nil); !errors.As(err, &e) || e.ExitCode() != 5 || !strings.Contains(out, "a fault may still be on") {
		t.Errorf("starquake stop: %v\n%s", err, out)
	}
	if out, err := command("cleanup", "--data", l.data); err == nil || !strings.Contains(out, "may still be on") {
		t.Errorf("starquake cleanup: %v\n%s", err, out)
	}
	if err := os.Remove(hold); err != nil {
		t.Fatal(err)
	}
	if out, err := command("cleanup", "--data", l.data); err != nil {
		t.Errorf("starquake cleanup: %v\n%s", err, out)
	}
	if a := l.do("GET", "/api/v1/runs/"+id, nil).is(200); a.get("faults_on") != 0.0 || a.text("view.faults.0.state") != "off" || a.text("verdict") != "unclean" {
		t.Errorf("after somebody has cleaned up: %s", a.body)
	}
}
