package dsl

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files; commit only changes whose cause you understand")

// TestWrong checks the diagnostics of every wrong script under testdata/wrong.
func TestWrong(t *testing.T) {
	scripts, err := filepath.Glob("testdata/wrong/*.star")
	if err != nil || len(scripts) < 60 {
		t.Fatalf("found %d wrong scripts, err %v; expected at least 60", len(scripts), err)
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".star"), func(t *testing.T) {
			u, diags := Load(path, testOptions())
			if len(diags) == 0 {
				t.Fatal("there is no diagnostic")
			}
			within(t, u, diags)
			golden(t, strings.TrimSuffix(path, ".star")+".diag", rendered(t, u, diags))
		})
	}
}

// TestGood checks that good scripts have no diagnostics, formatted or not.
func TestGood(t *testing.T) {
	scripts, err := filepath.Glob("testdata/good/*.star")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("found no good scripts, err %v", err)
	}
	for _, path := range scripts {
		t.Run(filepath.Base(path), func(t *testing.T) {
			u, diags := Load(path, testOptions())
			if len(diags) > 0 {
				t.Errorf("diagnostics of a good script:\n%s", rendered(t, u, diags))
			}
			if u.Main.Program == nil {
				t.Error("the script was not compiled")
			}
			formatted, err := Format(path, u.Main.Text)
			if err != nil {
				t.Fatal(err)
			}
			if u, diags := LoadText("formatted.star", formatted, testOptions()); len(diags) > 0 {
				t.Errorf("diagnostics of the formatted script:\n%s", rendered(t, u, diags))
			}
		})
	}
}

// TestModules loads scripts of several files: a txtar archive holds them, and in
// "diag" the diagnostics expected.
func TestModules(t *testing.T) {
	archives, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("found no archives, err %v", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive := readArchive(t, path)
			dir := t.TempDir()
			expected := -1
			for i, f := range archive {
				if f.name == "diag" {
					expected = i
					continue
				}
				file := filepath.Join(dir, filepath.FromSlash(f.name))
				if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, f.data, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			u, diags := Load(filepath.Join(dir, "main.star"), testOptions())
			got := rendered(t, u, diags)
			if *update {
				if expected < 0 {
					archive = append(archive, archiveFile{name: "diag"})
					expected = len(archive) - 1
				}
				archive[expected].data = got
				if err := os.WriteFile(path, formatArchive(archive), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			if expected < 0 {
				t.Fatal("the archive has no file diag; run with -update")
			}
			if diff := cmp.Diff(string(archive[expected].data), string(got)); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
			fromTexts, again := LoadModules("main.star", u.Texts(), testOptions())
			if !diags.HasErrors() {
				if len(again) != len(diags) || len(fromTexts.Order) != len(u.Order) {
					t.Errorf("LoadModules gave %d modules and %v, Load %d and %v", len(fromTexts.Order), again, len(u.Order), diags)
				}
			}
		})
	}
}

// golden compares got with the file at path, or rewrites it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run with -update to write it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func rendered(t *testing.T, u *Unit, diags Diagnostics) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := diags.Render(&b, u.Sources, false); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// within checks that every place of a diagnostic is in its text.
func within(t *testing.T, u *Unit, diags Diagnostics) {
	t.Helper()
	for _, d := range diags {
		if d.Line == 0 {
			continue
		}
		if d.Message == "" || d.Code == "" {
			t.Errorf("diagnostic without message or code: %+v", d)
		}
		text := newLineIndex(u.Sources(d.File))
		if _, ok := text.offset(d.Line, d.Col); !ok {
			t.Errorf("%s: %d:%d is not in the text", d, d.Line, d.Col)
		}
		if d.EndLine != 0 {
			if _, ok := text.offset(d.EndLine, d.EndCol); !ok {
				t.Errorf("%s: the end %d:%d is not in the text", d, d.EndLine, d.EndCol)
			}
		}
	}
}

// An archiveFile is one file of an archive in the txtar format.
type archiveFile struct {
	name string
	data []byte
}

func readArchive(t *testing.T, path string) []archiveFile {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var files []archiveFile
	for line := range bytes.Lines(text) {
		name, header := bytes.CutPrefix(bytes.TrimSpace(line), []byte("-- "))
		if header && bytes.HasSuffix(name, []byte(" --")) {
			files = append(files, archiveFile{name: string(bytes.TrimSuffix(name, []byte(" --")))})
		} else if n := len(files); n > 0 {
			files[n-1].data = append(files[n-1].data, line...)
		}
	}
	return files
}

func formatArchive(files []archiveFile) []byte {
	var b bytes.Buffer
	for _, f := range files {
		b.WriteString("-- " + f.name + " --\n")
		b.Write(f.data)
	}
	return b.Bytes()
}
