package dsl

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
)

// TestFiles checks that files which cannot or must not be read give a diagnostic.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside.star")
	root := filepath.Join(dir, "root")
	write(t, outside, "treasure = 1\n")
	write(t, filepath.Join(root, "main.star"), `load("x.star", "treasure")`+"\n")
	main := filepath.Join(root, "main.star")

	tests := []struct {
		name string
		make func(t *testing.T, path string) // makes x.star
		code string
	}{
		{"missing", func(*testing.T, string) {}, "missing_file"},
		{"folder", func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o777)) }, "unreadable_file"},
		{"link outside", func(t *testing.T, path string) { must(t, os.Symlink(outside, path)) }, "unreadable_file"},
		{"relative link outside", func(t *testing.T, path string) { must(t, os.Symlink("../outside.star", path)) }, "unreadable_file"},
		{"link to itself", func(t *testing.T, path string) { must(t, os.Symlink("x.star", path)) }, "unreadable_file"},
		{"device", func(t *testing.T, path string) { must(t, os.Symlink("/dev/zero", path)) }, "unreadable_file"},
		{"50 MB", func(t *testing.T, path string) {
			write(t, path, "")
			must(t, os.Truncate(path, 50<<20)) // a hole: nothing is written or read
		}, "file_too_big"},
		{"not UTF-8", func(t *testing.T, path string) { write(t, path, "treasure = '\xff'\n") }, "not_text"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(root, "x.star")
			t.Cleanup(func() { os.RemoveAll(path) })
			test.make(t, path)
			_, diags := Load(main, testOptions())
			if !diags.HasErrors() || diags[0].Code != test.code || diags[0].Line == 0 {
				t.Errorf("got %v with code %q, want code %q at a place", diags, diags[0].Code, test.code)
			}
			if strings.Contains(diags.Error(), dir) {
				t.Errorf("the message names a path outside of the script's folder: %v", diags)
			}
			if test.code == "missing_file" || test.code == "not_text" {
				return
			}
			// The same file as the script itself. Links of its own are its user's business.
			if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink == 0 {
				if _, diags := Load(path, testOptions()); !diags.HasErrors() || diags[0].Code != test.code {
					t.Errorf("as the script: got %v, want code %q", diags, test.code)
				}
			}
		})
	}
	t.Run("link inside", func(t *testing.T) {
		write(t, filepath.Join(root, "lib", "y.star"), "treasure = 1\n")
		must(t, os.Symlink("lib/y.star", filepath.Join(root, "x.star")))
		defer os.Remove(filepath.Join(root, "x.star"))
		if u, diags := Load(main, testOptions()); diags != nil || u.Main.Loads["x.star"] != "x.star" {
			t.Errorf("got %v and loads %v", diags, u.Main.Loads)
		}
	})
	t.Run("missing script", func(t *testing.T) {
		u, diags := Load(filepath.Join(root, "gone.star"), testOptions())
		if u == nil || u.Main != nil || len(diags) != 1 || diags[0].Code != "missing_file" {
			t.Errorf("got %v", diags)
		}
	})
}

// TestPipe checks that a named pipe is refused and not waited for.
func TestPipe(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("pipes are made the Linux way")
	}
	dir := t.TempDir()
	pipe := filepath.Join(dir, "x.star")
	if err := mkfifo(pipe); err != nil {
		t.Skipf("cannot make a pipe: %v", err)
	}
	write(t, filepath.Join(dir, "main.star"), `load("x.star", "y")`)
	for _, path := range []string{pipe, filepath.Join(dir, "main.star")} {
		if _, diags := Load(path, testOptions()); len(diags) == 0 || !strings.Contains(diags.Error(), "no regular file") {
			t.Errorf("%s: got %v", path, diags)
		}
	}
}

// TestModuleLimit checks that a script cannot load modules without end.
func TestModuleLimit(t *testing.T) {
	files := fstest.MapFS{}
	for i := range 20 {
		files[fmt.Sprintf("m%d.star", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "load(\"m%d.star\", f%d = \"f\")\ndef f(): pass\n", i+1, i)}
	}
	opt := testOptions()
	opt.Files, opt.MaxModules = files, 10
	_, diags := LoadText("main.star", []byte(`load("m0.star", "f")`), opt)
	if len(diags) != 1 || diags[0].Code != "too_many_modules" {
		t.Errorf("got %v, want one too_many_modules", diags)
	}
}

// TestLoadText checks where the modules of a text come from.
func TestLoadText(t *testing.T) {
	text := []byte("\ufeffload(\"x.star\", \"f\")\n")
	if _, diags := LoadText("page", text, testOptions()); len(diags) != 1 || diags[0].Code != "unreadable_file" {
		t.Errorf("without files: got %v", diags)
	}
	opt := testOptions()
	opt.Files = fstest.MapFS{"x.star": &fstest.MapFile{Data: []byte("def f(): pass\n")}}
	u, diags := LoadText("page", text, opt)
	if diags != nil || len(u.Order) != 2 || u.Order[1] != u.Main || u.Main.Program == nil {
		t.Errorf("with files: got %v and %d modules", diags, len(u.Order))
	}
	opt.MaxFile = 5
	if _, diags := LoadText("page", text, opt); len(diags) != 1 || diags[0].Code != "file_too_big" {
		t.Errorf("too big: got %v", diags)
	}
}

// TestLibraryFromJournal checks that a recovered run meets the library with which it began.
func TestLibraryFromJournal(t *testing.T) {
	const name = "@starquake/old.star"
	u, diags := LoadModules("main.star", map[string]string{
		"main.star": `load("` + name + `", "f")`,
		name:        "def f(): pass\n",
	}, testOptions())
	if diags != nil || string(u.Sources(name)) != "def f(): pass\n" {
		t.Errorf("got %v", diags)
	}
	if _, diags := LoadModules("main.star", nil, testOptions()); !diags.HasErrors() {
		t.Error("the main module is missing, and there is no error")
	}
}

// TestNesting checks that hostile nesting gives a diagnostic, not a stack overflow.
func TestNesting(t *testing.T) {
	const n = 1_000_000
	tests := map[string]string{
		"brackets":   strings.Repeat("[", n),
		"balanced":   "x = " + strings.Repeat("(", n) + strings.Repeat(")", n),
		"sum":        "x = 1" + strings.Repeat("+1", n),
		"calls":      "x = f" + strings.Repeat("()", n),
		"attributes": "x = f" + strings.Repeat(".a", n),
		"indexes":    "x = f" + strings.Repeat("[0]", n),
		"elif":       "if 1: pass\n" + strings.Repeat("elif 1:0\n", n/3),
		"minus":      "x = " + strings.Repeat("-", n) + "1",
		"not":        "x = " + strings.Repeat("not ", n) + "1",
		"lambda":     "x = " + strings.Repeat("lambda:", n/2) + "1",
		"condition":  "x = " + strings.Repeat("1 if 1 else ", n/4) + "1",
		"blocks":     nestedBlocks(2000),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			u, diags := LoadText("deep.star", []byte(text), testOptions())
			if len(diags) != 1 || diags[0].Code != "too_deep" || diags[0].Line == 0 {
				t.Fatalf("got %.300v", diags)
			}
			within(t, u, diags)
			if _, err := Format("deep.star", []byte(text)); err == nil {
				t.Error("it was formatted")
			}
		})
	}
}

func nestedBlocks(n int) string {
	var b bytes.Buffer
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "if 1:\n")
	}
	b.WriteString(strings.Repeat(" ", n) + "pass\n")
	return b.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o777))
	must(t, os.WriteFile(path, []byte(text), 0o666))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
