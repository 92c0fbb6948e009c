package files_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starquake/builtins"
	"starquake/dsl"
	"starquake/dsl/files"
)

// TestExport exports every script of testdata/export. The golden file of a good one is
// its YAML, with what is said besides as comments at its end; of a bad one, whose name
// begins with bad_, it is what is said.
func TestExport(t *testing.T) {
	paths, err := filepath.Glob("testdata/export/*.star")
	if err != nil || len(paths) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".star")
		t.Run(name, func(t *testing.T) {
			unit, diags := dsl.Load(path, dsl.Options{Builtins: builtins.Rows()})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			doc, diags := files.Export(unit, files.ExportOptions{Builtins: builtins.Rows()})
			bad := strings.HasPrefix(name, "bad_")
			if bad != (doc == nil) || bad != diags.HasErrors() {
				t.Fatalf("document %v, diagnostics %v", doc, diags)
			}
			var said bytes.Buffer
			if err := diags.Render(&said, unit.Sources, false); err != nil {
				t.Fatal(err)
			}
			if bad {
				goldenFile(t, strings.TrimSuffix(path, ".star")+".diag", said.Bytes())
				return
			}
			text, err := files.Write(doc, "yaml")
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(said.String()) {
				text = append(text, "# "+line...)
			}
			goldenFile(t, strings.TrimSuffix(path, ".star")+".yaml", text)
		})
	}
}

var update = flag.Bool("update", false, "rewrite the golden files; commit only changes whose cause you understand")

// goldenFile compares got with the file at path, or rewrites it.
func goldenFile(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites):\n%s", path, diff)
	}
}
