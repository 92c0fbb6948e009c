package files_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starquake/dsl"
	"starquake/dsl/files"
)

// rendered is what a person sees of diagnostics.
func rendered(t *testing.T, ds dsl.Diagnostics, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if err := ds.Render(&b, func(string) []byte { return text }, false); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestReadGood reads files that keep to the schema: the golden file is the document as
// JSON, and the warnings.
func TestReadGood(t *testing.T) {
	paths, err := filepath.Glob("testdata/good/*.*ml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("testdata/good/*.json")
	if err != nil {
		t.Fatal(err)
	}
	paths = append(paths, more...)
	if len(paths) < 5 {
		t.Fatalf("found only %d files", len(paths))
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			doc, diags := files.Read(filepath.Base(path), text, files.ReadOptions{})
			if doc == nil {
				t.Fatalf("not read:\n%s", rendered(t, diags, text))
			}
			out, err := json.MarshalIndent(doc, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			out = append(append(out, '\n'), rendered(t, diags, text)...)
			goldenFile(t, strings.TrimSuffix(path, filepath.Ext(path))+".golden", out)
		})
	}
}

// TestReadVersion reads files that say which version of YAML they are in: what follows is
// read alike, and stays at its place.
func TestReadVersion(t *testing.T) {
	for _, head := range []string{"%YAML 1.1\n---\n", "%YAML 1.2\n---\n", "%YAML 1.2 # new\n---\n", "# head\r\n\r\n%YAML\t1.2\r\n---\r\n", "%TAG ! tag:x,1:\n%YAML 1.2\n---\n"} {
		doc, diags := files.Read("x.yaml", []byte(head+"name: \"%YAML 1.2\"\nsteps: [{name: on, duration_seconds: 010}]\n"), files.ReadOptions{})
		if doc == nil {
			t.Errorf("%q: %v", head, diags)
			continue
		}
		line := strings.Count(head, "\n") + 1
		if s := doc.Steps[0]; doc.Name.Value != "%YAML 1.2" || doc.Name.Pos.Line != line || s.Name.Value != "on" || s.Name.Pos.Line != line+1 || s.DurationSeconds.Value != 10 {
			t.Errorf("%q: %+v, %+v", head, doc.Name, s)
		}
	}
}

// TestReadTaggedNumbers reads numbers with a tag: a float is one, however it is written.
func TestReadTaggedNumbers(t *testing.T) {
	file := "name: x\nvariables: {a: !!float 5, b: !!float -3, c: !!float 0x10, d: !!float 1e3, e: !!int 7}\nsteps: [{name: a}]\n"
	doc, diags := files.Read("x.yaml", []byte(file), files.ReadOptions{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	text, _, _ := files.Transpile(doc)
	for _, want := range []string{"a = 5.0\n", "b = -3.0\n", "c = 16.0\n", "d = 1000.0\n", "e = 7\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
