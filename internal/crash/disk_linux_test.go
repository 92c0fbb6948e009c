package crash_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"starquake/runtime/journal"
	"starquake/store"
)

// smallDisk mounts a file system of its own of so many bytes, for root.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestFullDisk: a run whose journal cannot be written any more ends errored and says why,
// its fault is off, and what it had said before is all there.
func TestFullDisk(t *testing.T) {
	l := newLab(t, script(t, `
url = param("url")
shop = target("shop")

def main():
    apply_chaos(fault.latency("1ms"), on = shop, min_hits = 0)
    loop(lambda i: [http.get(url + "/fill"), log("x" * 1000)], times = 10000)
`))
	l.data = smallDisk(t, "1m")
	code, _, output := l.exec(0, "run", l.script, "--param", "url="+l.service.URL, "--proxy", "shop="+l.proxy+","+strings.TrimPrefix(l.service.URL, "http://"))
	if code != journal.VerdictErrored.ExitCode() || !strings.Contains(output, "the journal cannot be written") || !strings.Contains(output, "no space left") {
		t.Fatalf("it ended %d:\n%s", code, tail(output))
	}
	if !strings.Contains(output, "latency 1ms off") {
		t.Errorf("the fault is not off:\n%s", tail(output))
	}
	shown := strings.Count(output, "log ")
	_, recs := l.journal()
	kept := 0
	for _, rec := range recs {
		if rec.Kind == journal.Log {
			kept++
		}
	}
	if kept < shown-1 { // the last one says that it cannot be kept
		t.Errorf("%d lines were shown, %d are kept", shown, kept)
	}
}

// TestFullDiskAtTheEnd: a run whose end cannot be kept is not shown to have passed.
func TestFullDiskAtTheEnd(t *testing.T) {
	l := newLab(t, script(t, "for i in range(40):\n    log(\"x\" * 100000)\n"))
	l.data = smallDisk(t, "1m")
	for _, format := range []string{"text", "json", "ndjson"} {
		code, _, output := l.exec(0, "run", l.script, "--output", format)
		if code != journal.VerdictErrored.ExitCode() || !strings.Contains(output, "the journal cannot be written") || strings.Contains(output, "passed\n") || strings.Contains(output, "passed  ") || strings.Contains(output, `"verdict": "passed"`) || strings.Contains(output, `"verdict":"passed"`) {
			t.Errorf("with %s it ended %d:\n%s", format, code, tail(output))
		}
	}
}

func tail(s string) string { return s[max(0, len(s)-3000):] }

// TestReadOnlyDisk: where nothing can be kept nothing is started, but for who says so.
func TestReadOnlyDisk(t *testing.T) {
	l := newLab(t, script(t, "log(\"hello\")\n"))
	l.data = filepath.Join(smallDisk(t, "1m"), "data")
	if err := unix.Mount("", filepath.Dir(l.data), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	code, _, output := l.exec(0, "run", l.script)
	if code != journal.VerdictInvalid.ExitCode() || !strings.Contains(output, "read-only file system") || !strings.Contains(output, "--in-memory") {
		t.Errorf("it ended %d:\n%s", code, output)
	}
	if code, _, output = l.exec(0, "run", l.script, "--in-memory"); code != 0 {
		t.Errorf("in memory it ended %d:\n%s", code, output)
	}
}

// TestDamage: a flipped bit in a journal is told with its place, and nothing is done.
func TestDamage(t *testing.T) {
	l := newLab(t, "testdata/sequence.star")
	if code, _, output := l.run(14); code != -1 {
		t.Fatal(code, output)
	}
	l.journal() // which drops the log of the process: it would mend the damage
	files, err := filepath.Glob(filepath.Join(l.data, "runs", "*", "journal.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(text), `"effect.start"`)
	text[at] ^= 1 << 6
	if err := os.WriteFile(files[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, output := l.exec(0, "recover")
	if code != journal.VerdictErrored.ExitCode() || !strings.Contains(output, "damaged at byte") {
		t.Errorf("it ended %d:\n%s", code, output)
	}
}

// TestClocks recovers runs whose wall clock has been set back or forwards meanwhile: the
// run's own time never falls, and a sleep that is over by the clock is over.
func TestClocks(t *testing.T) {
	for name, shift := range map[string]time.Duration{"back": -time.Hour, "forwards": time.Hour} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "testdata/sequence.star")
			if code, _, output := l.run(14); code != -1 {
				t.Fatal(code, output)
			}
			// The clock moved by shift is the same as a run that began shift earlier.
			files, err := filepath.Glob(filepath.Join(l.data, "runs", "*", "journal.jsonl"))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			_, recs := l.journal()
			begin := recs[0].Body.(*journal.RunBeginBody)
			begin.Origin = begin.Origin.Add(-shift)
			f, err := os.Create(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := journal.Write(f, recs); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if code, _, output := l.exec(0, "recover"); code != 0 {
				t.Fatalf("it ended %d:\n%s", code, output)
			}
			entry, recs := l.journal()
			if entry.Status != store.Ended {
				t.Fatal(entry)
			}
			for i := range recs[1:] {
				if recs[i+1].At < recs[i].At {
					t.Errorf("time falls from %s to %s", recs[i].At, recs[i+1].At)
				}
			}
		})
	}
}
