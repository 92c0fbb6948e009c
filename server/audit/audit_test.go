package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func noon() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) }

// read gives the lines of a log's files, the oldest first.
func read(t *testing.T, dir string) (files int, lines []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "2*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, name := range append(names, filepath.Join(dir, current)) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
	}
	return len(names) + 1, lines
}

func TestAppend(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, 0, noon)
	if err != nil {
		t.Fatal(err)
	}
	e := Entry{Who: "ci", Role: "operator", Kind: "token", From: "10.0.0.1", What: "start-run", On: "/api/v1/runs", Status: 201, Request: "r1"}
	if err := l.Append(e, true); err != nil {
		t.Fatal(err)
	}
	hostile := Entry{Who: "a\n{\"who\":\"admin\"}", On: "/" + strings.Repeat("\xff", 1000), Status: 404, Code: "not_found"}
	if err := l.Append(hostile, false); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, lines := read(t, dir)
	want := `{"time":"2026-05-01T12:00:00Z","who":"ci","role":"operator","kind":"token","from":"10.0.0.1","what":"start-run","on":"/api/v1/runs","status":201,"request":"r1"}`
	if len(lines) != 2 || lines[0] != want {
		t.Fatalf("got  %q\nwant %s first", lines, want)
	}
	var got Entry
	if err := json.Unmarshal([]byte(lines[1]), &got); err != nil || got.Who != hostile.Who || len(got.On) > 3*maxField {
		t.Errorf("%q: %v", lines[1], err)
	}
	if err := l.Append(e, true); err == nil {
		t.Error("a closed log takes entries")
	}
}

// TestRotation: no entry is lost when the log goes on in another file, whoever writes at
// the same time, and a log that is opened again goes on.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	for round := range 2 {
		l, err := Open(dir, 1000, noon)
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for worker := range 4 {
			group.Go(func() {
				for i := range 10 {
					if err := l.Append(Entry{Who: fmt.Sprintf("%d.%d.%d", round, worker, i)}, i%2 == 0); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files, lines := read(t, dir)
	seen := map[string]bool{}
	for _, line := range lines {
		var e Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		seen[e.Who] = true
	}
	if len(seen) != 80 || len(lines) != 80 || files < 5 {
		t.Errorf("%d entries, %d lines, %d files", len(seen), len(lines), files)
	}
}

// TestTornLine: what a crash cut off does not spoil what comes next.
func TestTornLine(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, current), []byte(`{"time":"2026`), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Open(dir, 0, noon)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(Entry{Who: "ci"}, true); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, lines := read(t, dir)
	if len(lines) != 2 || !json.Valid([]byte(lines[1])) {
		t.Errorf("%q", lines)
	}
}

// TestFull: a log that cannot be written says so, and recovers.
func TestFull(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, 0, noon)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	good := l.file
	if l.file, err = os.Open(os.DevNull); err != nil { // read only
		t.Fatal(err)
	}
	if err := l.Append(Entry{Who: "ci"}, false); err == nil || l.Failing() == nil {
		t.Errorf("%v, failing %v", err, l.Failing())
	}
	if err := l.file.Close(); err != nil {
		t.Fatal(err)
	}
	l.file = good
	if err := l.Append(Entry{Who: "ci"}, false); err != nil || l.Failing() != nil {
		t.Errorf("%v, failing %v", err, l.Failing())
	}
	if text, err := os.ReadFile(filepath.Join(dir, current)); err != nil || bytes.Count(text, []byte("\n")) != 1 {
		t.Errorf("%q, %v", text, err)
	}
}
