package app_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"starquake/app"
	"starquake/dsl"
	"starquake/runtime/journal"
)

// maxBadTime guards against scripts that take for ever, in CPU time of the process: what
// else the machine does is no fault of the script. The bar is 2 s; the race detector, and
// another thread on the same core, take ten times that.
const maxBadTime = 20 * time.Second

// cpuTime is what this process has computed so far; nothing else of it runs meanwhile.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestBad loads and plans every wrong script: its verdict is invalid, or errored where
// the script says so, with a position, soon, and no fault was ever asked for.
func TestBad(t *testing.T) {
	paths, err := filepath.Glob("../testdata/bad/*.star")
	if err != nil || len(paths) < 40 {
		t.Fatalf("%d wrong scripts, expected at least 40 (%v)", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".star"), func(t *testing.T) {
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want := 2
			if bytes.HasPrefix(source, []byte("# want: exit 4\n")) {
				want = 4
			}
			begun := cpuTime(t)
			exit, diags, s := judged(t, path)
			if took := cpuTime(t) - begun; took > maxBadTime {
				t.Errorf("took %s of CPU time", took)
			}
			if exit != want {
				t.Errorf("exit code %d, expected %d", exit, want)
			}
			var first *dsl.Diagnostic
			for i := range diags {
				if diags[i].Severity == dsl.Error {
					first = &diags[i]
					break
				}
			}
			if first == nil || first.Line == 0 || first.File == "" {
				t.Errorf("no error with a position: %v", diags)
			}
			golden(t, strings.TrimSuffix(path, ".star")+".diag", []byte(fmt.Sprintf("exit %d\n%s", exit, rendered(diags, s))))
		})
	}
}

// judged gives the exit code that plan would end with, and what it would say.
func judged(t *testing.T, path string) (int, dsl.Diagnostics, *app.Script) {
	t.Helper()
	s, diags := app.Load(path)
	if diags.HasErrors() {
		return journal.VerdictInvalid.ExitCode(), diags, s
	}
	res, err := s.Plan(app.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range res.Records {
		if start, ok := rec.Body.(*journal.EffectStartBody); ok && start.Chaos {
			t.Errorf("a fault was asked for: %s", start.Args)
		}
	}
	diags = nil
	for _, f := range res.Outcome.Failures {
		diags = append(diags, app.Diagnostic(f.Problem))
	}
	return res.Outcome.Verdict.ExitCode(), diags, s
}

// TestBadFiles are the wrong files that do not belong into a repository.
func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link.star")); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"no UTF-8":           write("latin.star", []byte("# caf\xe9\n")),
		"a NUL":              write("nul.star", []byte("x = 1\x00\n")),
		"50 MB":              write("large.star", bytes.Repeat([]byte("# comment\n"), 5_000_000)),
		"a million letters":  write("long.star", append([]byte("x = "), bytes.Repeat([]byte("a"), 1_000_000)...)),
		"a million brackets": write("deep.star", append([]byte("x = "), bytes.Repeat([]byte("["), 1_000_000)...)),
		"load of a link":     write("links.star", []byte("load(\"link.star\", \"root\")\n")),
		"a folder":           dir,
		"nothing there":      filepath.Join(dir, "nothing.star"),
	} {
		t.Run(name, func(t *testing.T) {
			_, diags := app.Load(path)
			if !diags.HasErrors() {
				t.Fatal("no error")
			}
			if diags[0].File == "" || diags[0].Message == "" {
				t.Errorf("no place or no message: %+v", diags[0])
			}
		})
	}
}
