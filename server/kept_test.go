package server_test

import (
	"os"
	"path/filepath"
	"testing"
)

// TestImportedKey: a run that came from elsewhere as a file is not what somebody here has
// started with its key.
func TestImportedKey(t *testing.T) {
	l := serve(t)
	ask := map[string]any{"format": "starlark", "content": "def main():\n    log(\"once\")\n"}
	const key = "Idempotency-Key: nightly"
	id := l.do("POST", "/api/v1/runs", ask, key).is(201).text("id")
	l.over(id)
	l.stop()
	file, data := filepath.Join(t.TempDir(), "run.jsonl"), t.TempDir()
	for _, args := range [][]string{{"runs", "export", id, "--data", l.data, "--output", file}, {"runs", "import", file, "--data", data}} {
		if out, err := command(args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	l = serveIn(t, data)
	if own := l.do("POST", "/api/v1/runs", ask, key).is(201).text("id"); own == id {
		t.Errorf("it is run %s, which ran somewhere else", own)
	}
}

// TestQueueHalfBegun: a start that waited, and whose run came to nothing but its folder, is not
// forgotten where that run cannot be taken up, and begins once that can be.
func TestQueueHalfBegun(t *testing.T) {
	l := serve(t, "--max-runs", "1", "--queue", "3")
	first := l.begin("def main():\n    sleep(\"1h\")\n")
	id := l.do("POST", "/api/v1/runs", map[string]any{"format": "starlark", "content": "def main():\n    log(\"once\")\n"}).is(202).text("id")
	l.kill()
	run, start, log := filepath.Join(l.data, "runs", id), filepath.Join(l.data, "queue", id), filepath.Join(l.data, "wal", "0-000001.log")
	for _, err := range []error{
		os.Mkdir(run, 0o700),
		os.WriteFile(filepath.Join(run, "run.json"), []byte(`{"id":"`+id+`","started":"2026-01-02T03:04:05Z"}`), 0o600),
		os.WriteFile(filepath.Join(run, "journal.jsonl"), nil, 0o600),
		os.Mkdir(log, 0o700), // it cannot be read, so nobody knows what it has of the run
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l = serveIn(t, l.data)
	l.stop()
	if _, err := os.Stat(start); err != nil {
		t.Fatalf("the start is forgotten: %v", err)
	}
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	l = serveIn(t, l.data)
	if a := l.over(id); a.text("verdict") != "passed" {
		t.Errorf("it ended %s", a.body)
	}
	l.do("POST", "/api/v1/runs/"+first+"/stop", nil).is(200)
}
