package server_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestDamagedDocuments: what a server keeps and cannot read keeps it from nothing else, is told of
// where it would be seen, and can be mended; no run is lost or begun without what it was given.
func TestDamagedDocuments(t *testing.T) {
	args := []string{"--max-runs", "1"}
	l := serve(t, args...)
	long := map[string]any{"format": "starlark", "content": "def main():\n    sleep(\"1h\")\n"}
	l.do("PUT", "/api/v1/orchestrations/long", long).is(201)
	hourly := map[string]any{"orchestration": "long", "every": "1h"}
	for _, name := range []string{"s1", "s2", "s3"} {
		l.do("PUT", "/api/v1/schedules/"+name, hourly).is(201)
	}
	target := func(name string) map[string]any {
		return map[string]any{"name": name, "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9"}
	}
	for _, name := range []string{"t1", "t2"} {
		l.do("POST", "/api/v1/targets", target(name)).is(201)
	}
	goes := l.do("POST", "/api/v1/runs", long).is(201).text("id") // with all targets
	lost := l.do("POST", "/api/v1/runs", long, "Idempotency-Key: lost").is(202).text("id")
	waits := l.do("POST", "/api/v1/runs", long, "Idempotency-Key: waits").is(202).text("id")
	l.do("POST", "/api/v1/targets", target("t3")).is(201) // which none of them was given
	l.stop()
	for _, of := range []string{"queue/" + lost, "schedules/s1", "schedule-states/s2", "targets/t1", "targets/t3"} {
		files, err := filepath.Glob(filepath.Join(l.data, of, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatal(of, files, err)
		}
		if err := os.WriteFile(slices.Max(files), []byte(`{"name": "`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := command("runs", "--data", l.data, "--status", "queued"); err != nil || !strings.Contains(out, lost) || !strings.Contains(out, waits) {
		t.Errorf("what waits: %v\n%s", err, out)
	}

	l = serveIn(t, l.data, args...)
	log := l.log.String()
	for _, want := range []string{`"schedule":"s1"`, `"schedule":"s2"`, `"target":"t1"`, `"target":"t3"`, `"run":"` + lost + `"`, `"run":"` + goes + `"`} {
		if !strings.Contains(log, want) {
			t.Errorf("nothing is said of %s:\n%s", want, log)
		}
	}
	l.do("GET", "/readyz", nil).is(200)
	if a := l.do("GET", "/api/v1/schedules", nil).is(200); a.text("schedules.0.name") != "s3" || a.text("damaged.0.name") != "s1" || a.text("damaged.1.name") != "s2" || a.text("damaged.0.detail") == "" {
		t.Errorf("the schedules: %s", a.body)
	}
	if a := l.do("GET", "/api/v1/targets", nil).is(200); a.text("targets.0.name") != "t2" || a.text("damaged.0.name") != "t1" || a.text("damaged.1.name") != "t3" {
		t.Errorf("the targets: %s", a.body)
	}
	metrics := string(l.do("GET", "/metrics", nil).is(200).body)
	for _, want := range []string{`{kind="queue"} 1`, `{kind="schedules"} 2`, `{kind="targets"} 2`} {
		if !strings.Contains(metrics, "starquake_damaged_documents"+want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if a := l.do("GET", "/api/v1/runs/"+lost, nil).is(200); a.text("status") != "ended" || a.text("reason") != "start_failed" || !strings.Contains(a.text("message"), "cannot be read") {
		t.Errorf("the start that cannot be read: %s", a.body)
	}
	if files, err := os.ReadDir(filepath.Join(l.data, "queue", lost)); err != nil || len(files) == 0 {
		t.Errorf("it is not there any more: %v", err)
	}
	// What was given a target that cannot be read waits.
	if a := l.do("GET", "/api/v1/runs/"+goes, nil).is(200); a.text("status") != "interrupted" {
		t.Errorf("the run: %s", a.body)
	}
	if a := l.do("GET", "/api/v1/runs/"+waits, nil).is(200); a.text("status") != "queued" {
		t.Errorf("the start: %s", a.body)
	}
	l.do("POST", "/api/v1/runs", map[string]any{"format": "starlark", "content": long["content"], "targets": []string{"t1"}}).is(409, "target_damaged")
	l.do("GET", "/api/v1/targets/t1", nil).is(409, "target_damaged")
	for _, name := range []string{"s1", "s2"} {
		l.do("GET", "/api/v1/schedules/"+name, nil).is(409, "schedule_damaged")
		l.do("POST", "/api/v1/schedules/"+name+"/trigger", nil).is(409, "schedule_damaged")
	}

	l.do("POST", "/api/v1/targets", target("t1")).is(201)
	l.do("DELETE", "/api/v1/targets/t3", nil).is(204)
	for _, id := range []string{goes, waits} {
		l.await("the run", func() bool { return l.do("GET", "/api/v1/runs/"+id, nil).is(200).text("status") == "running" })
	}
	l.do("PUT", "/api/v1/schedules/s1", hourly).is(201)
	if a := l.do("PUT", "/api/v1/schedules/s2", hourly); a.status > 201 || a.get("due") == nil {
		t.Errorf("written anew: %s", a.body)
	}
	if a := l.do("GET", "/api/v1/schedules", nil).is(200); a.get("damaged") != nil || a.text("schedules.2.name") != "s3" {
		t.Errorf("the schedules, at last: %s", a.body)
	}
	if a := l.do("GET", "/api/v1/targets", nil).is(200); a.get("damaged") != nil {
		t.Errorf("the targets, at last: %s", a.body)
	}
	again := l.do("POST", "/api/v1/runs", long, "Idempotency-Key: lost").is(202).text("id")
	l.do("POST", "/api/v1/runs/"+again+"/stop", nil).is(200)
}

// TestDamagedTokenServes: a server whose one token cannot be read starts, lets nobody in with it,
// and names its file; other tokens open it.
func TestDamagedTokenServes(t *testing.T) {
	data := t.TempDir()
	broken, good := newToken(t, data, "admin"), newToken(t, data, "viewer")
	path := filepath.Join(data, "tokens", "a-admin", "00000001.json")
	if err := os.WriteFile(path, []byte(`{"name": "`), 0o600); err != nil {
		t.Fatal(err)
	}
	l := serveIn(t, data, "--require-token")
	if log := l.log.String(); !strings.Contains(log, path) {
		t.Errorf("its file is not named:\n%s", log)
	}
	l.do("GET", "/api/v1/runs", nil, "Authorization: Bearer "+broken).is(401)
	if a := l.do("GET", "/metrics", nil, "Authorization: Bearer "+good).is(200); !strings.Contains(string(a.body), `starquake_damaged_documents{kind="tokens"} 1`) {
		t.Error("the metrics lack it")
	}
	if out, err := command("token", "list", "--data", data); err != nil || !strings.Contains(out, "damaged") || !strings.Contains(out, "viewer") {
		t.Errorf("the list: %v\n%s", err, out)
	}
	if out, err := command("token", "revoke", "a-admin", "--data", data); err != nil {
		t.Errorf("it cannot be revoked: %v\n%s", err, out)
	}
	if a := l.do("GET", "/metrics", nil, "Authorization: Bearer "+good).is(200); !strings.Contains(string(a.body), `starquake_damaged_documents{kind="tokens"} 0`) {
		t.Error("it is counted still")
	}
}

// TestDamagedOrchestration: one that cannot be read keeps nobody from the others, is told of, and
// can be written anew, or removed.
func TestDamagedOrchestration(t *testing.T) {
	l := serve(t)
	text := map[string]any{"format": "starlark", "content": "def main():\n    log(\"hello\")\n"}
	for _, name := range []string{"a", "b", "c", "d"} {
		l.do("PUT", "/api/v1/orchestrations/"+name, text).is(201)
	}
	l.do("PUT", "/api/v1/orchestrations/b", map[string]any{"format": "starlark", "content": "def main():\n    log(\"later\")\n"}).is(200)
	l.stop()
	for path, broken := range map[string]string{"b/00000002.json": "", "c/00000001.json": `{"name": "c", "version": 1, "body": 7}`} {
		if err := os.WriteFile(filepath.Join(l.data, "orchestrations", path), []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l = serveIn(t, l.data)
	for _, want := range []string{`"orchestration":"b"`, `"orchestration":"c"`} {
		if log := l.log.String(); !strings.Contains(log, want) {
			t.Errorf("nothing is said of %s:\n%s", want, log)
		}
	}
	if a := l.do("GET", "/metrics", nil).is(200); !strings.Contains(string(a.body), `starquake_damaged_documents{kind="orchestrations"} 2`) {
		t.Error("the metrics lack them")
	}
	if a := l.do("GET", "/api/v1/orchestrations", nil).is(200); a.text("orchestrations.0.name") != "a" || a.text("orchestrations.1.name") != "d" || a.text("damaged.0.name") != "b" || a.text("damaged.1.name") != "c" {
		t.Errorf("the list: %s", a.body)
	}
	for _, name := range []string{"b", "c"} {
		l.do("GET", "/api/v1/orchestrations/"+name, nil).is(409, "orchestration_damaged")
		l.do("GET", "/api/v1/orchestrations/"+name+"/versions", nil).is(409, "orchestration_damaged")
		l.do("POST", "/api/v1/runs", map[string]any{"orchestration": name}).is(409, "orchestration_damaged")
		l.do("PUT", "/api/v1/schedules/s", map[string]any{"orchestration": name, "every": "1h"}).is(409, "orchestration_damaged")
	}
	l.do("PUT", "/api/v1/orchestrations/b", text, `If-Match: "2-x"`).is(409, "orchestration_damaged")
	l.do("GET", "/api/v1/orchestrations/b?version=1", nil).is(200)
	l.do("PUT", "/api/v1/orchestrations/b", text).is(200)
	l.do("DELETE", "/api/v1/orchestrations/c", nil).is(204)
	if a := l.do("GET", "/api/v1/orchestrations", nil).is(200); a.get("damaged") != nil || a.text("orchestrations.1.name") != "b" {
		t.Errorf("the list, at last: %s", a.body)
	}
	if a := l.do("GET", "/metrics", nil).is(200); !strings.Contains(string(a.body), `starquake_damaged_documents{kind="orchestrations"} 0`) {
		t.Error("they are counted still")
	}
}

// TestTargetNotOpened: a target that was added and cannot be opened keeps a server from nothing
// else. What was given it waits, and goes on when it can be opened by itself.
func TestTargetNotOpened(t *testing.T) {
	l := serve(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	l.do("POST", "/api/v1/targets", map[string]any{"name": "taken", "listen": address, "upstream": "127.0.0.1:9"}).is(201)
	cert, key, _ := certificate(t)
	l.do("POST", "/api/v1/targets", map[string]any{"name": "gone", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9", "tls": map[string]any{"cert": cert, "key": key}}).is(201)
	run := l.do("POST", "/api/v1/runs", map[string]any{"format": "starlark", "content": "def main():\n    sleep(\"1h\")\n", "targets": []string{"taken"}}).is(201).text("id")
	l.stop()
	taken, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}

	l = serveIn(t, l.data)
	for _, want := range []string{`"target":"taken"`, `"target":"gone"`} {
		if log := l.log.String(); !strings.Contains(log, want) {
			t.Errorf("nothing is said of %s:\n%s", want, log)
		}
	}
	l.do("GET", "/readyz", nil).is(200)
	if a := l.do("GET", "/api/v1/targets", nil).is(200); a.text("damaged.0.name") != "gone" || a.text("damaged.1.name") != "taken" || !strings.Contains(a.text("damaged.1.detail"), "opened") {
		t.Errorf("the targets: %s", a.body)
	}
	if a := l.do("GET", "/metrics", nil).is(200); !strings.Contains(string(a.body), `starquake_damaged_documents{kind="targets"} 2`) {
		t.Error("the metrics lack them")
	}
	if a := l.do("GET", "/api/v1/runs/"+run, nil).is(200); a.text("status") != "interrupted" {
		t.Errorf("the run: %s", a.body)
	}
	l.do("POST", "/api/v1/runs", map[string]any{"format": "starlark", "content": "def main(): pass\n", "targets": []string{"taken"}}).is(409, "target_damaged")
	l.do("DELETE", "/api/v1/targets/gone", nil).is(204)
	taken.Close()
	l.await("the target", func() bool { return l.do("GET", "/api/v1/targets/taken", nil).status == 200 })
	l.await("the run", func() bool { return l.do("GET", "/api/v1/runs/"+run, nil).is(200).text("status") == "running" })
	if a := l.do("GET", "/api/v1/targets", nil).is(200); a.get("damaged") != nil || a.text("targets.0.listen") != address || a.get("targets.0.added") != true {
		t.Errorf("the targets, at last: %s", a.body)
	}
}
