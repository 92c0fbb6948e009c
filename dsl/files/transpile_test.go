package files_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"starquake/app"
	"starquake/builtins"
	"starquake/dsl"
	"starquake/dsl/files"
	"starquake/runtime/journal"
)

// TestTranspile transpiles testdata/transpile/*.yaml and *.json. NAME.star is the
// program, NAME.said what is said of the file.
func TestTranspile(t *testing.T) {
	var paths []string
	for _, pattern := range []string{"*.yaml", "*.json"} {
		found, err := filepath.Glob("testdata/transpile/" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	if len(paths) < 5 {
		t.Fatalf("only %d files", len(paths))
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			file, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			base := strings.TrimSuffix(path, filepath.Ext(path))
			s, diags := app.LoadText(filepath.Base(path), file)
			var said bytes.Buffer
			if err := diags.Render(&said, s.SourceOf, false); err != nil {
				t.Fatal(err)
			}
			golden(t, base+".said", said.Bytes())
			text := s.Unit.Main.Text
			if diags.HasErrors() {
				if len(text) > 0 && s.Unit.Main.Program != nil {
					t.Error("a file with errors can be run")
				}
				return
			}
			golden(t, base+".star", text)
			formatted, err := dsl.Format("x.star", text)
			if err != nil || !bytes.Equal(formatted, text) {
				t.Errorf("not the layout of Format: %v\n%s", err, cmp.Diff(string(text), string(formatted)))
			}
			if _, err := s.Plan(app.PlanOptions{}); err != nil {
				t.Errorf("planning: %v", err)
			}
		})
	}
}

// TestTranspileGood transpiles and plans every file that keeps to the schema.
func TestTranspileGood(t *testing.T) {
	var paths []string
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/good/*.json", "testdata/export/*.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(found), err)
		}
		paths = append(paths, found...)
	}
	for _, path := range paths {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s, diags := app.LoadText(filepath.Base(path), file)
		if diags.HasErrors() {
			t.Errorf("%s: %v\n%s", path, diags, s.Unit.Main.Text)
			continue
		}
		res, err := s.Plan(app.PlanOptions{})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		switch res.Outcome.Verdict {
		case journal.VerdictPassed, journal.VerdictFailed, journal.VerdictStopped:
		default:
			t.Errorf("%s: %+v\n%s", path, res.Outcome, s.Unit.Main.Text)
		}
	}
}

// golden compares got with the file at path, or rewrites it. Nothing is no file.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		err := os.Remove(path)
		if len(got) > 0 {
			err = os.WriteFile(path, got, 0o644)
		}
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestTranspileLayout checks of any document that its program loads, is laid out as
// dsl.Format does it, and is the same every time.
func TestTranspileLayout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := genDoc(t)
		text, _, diags := files.Transpile(doc)
		if diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, text)
		}
		formatted, err := dsl.Format("x.star", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(string(formatted), string(text)); diff != "" {
			t.Fatalf("not the layout of Format (-want +got):\n%s", diff)
		}
		if again, _, _ := files.Transpile(doc); string(again) != string(text) {
			t.Fatalf("not the same twice:\n%s", cmp.Diff(string(text), string(again)))
		}
		if _, diags = app.LoadText("x.star", text); diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, text)
		}
	})
}

// TestTranspileBuiltins checks that a program calls nothing of its own by the name of a
// builtin, whatever its steps are called.
func TestTranspileBuiltins(t *testing.T) {
	names, err := builtins.Compile(builtins.Table(), builtins.Constants())
	if err != nil {
		t.Fatal(err)
	}
	doc := &files.Doc{Name: &files.Str{Value: "x"}, Parallel: &files.Bool{Value: true}}
	for _, name := range append(names.Keys(), "True", "len", "lambda", "async", "main", "turn", "vars", "finish", "9 lives", "…") {
		doc.Steps = append(doc.Steps, files.Step{Name: files.Str{Value: name + " "}}, files.Step{Name: files.Str{Value: strings.ToUpper(name) + "!"}})
	}
	text, _, diags := files.Transpile(doc)
	if _, more := app.LoadText("x.star", text); diags.HasErrors() || more.HasErrors() {
		t.Errorf("%v\n%v\n%s", diags, more, text)
	}
}

// TestTranspileManyTemplates fills in more than a call has arguments.
func TestTranspileManyTemplates(t *testing.T) {
	file := "name: many\nvariables: {n: 7}\nsteps: [{name: one}]\nhooks:\n  - name: tell\n    hook_type: pre_orchestration\n" +
		"    actions: [{type: log, message: \"" + strings.Repeat("{{variables.n}},", 300) + "\"}]\n"
	s, diags := app.LoadText("many.yaml", []byte(file))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	res, err := s.Plan(app.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if log := res.View.Log; len(log) != 1 || log[0].Message != strings.Repeat("7,", 300) {
		t.Errorf("%s, log %+v", res.Outcome.Message, log)
	}
}

// TestTranspileManyBranches has more branches than a call has arguments.
func TestTranspileManyBranches(t *testing.T) {
	var file strings.Builder
	file.WriteString("name: many\nparallel: true\nsteps:\n")
	for i := range 300 {
		fmt.Fprintf(&file, "  - {name: s%d, duration_seconds: 1}\n", i%7)
	}
	s, diags := app.LoadText("many.yaml", []byte(file.String()))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	res, err := s.Plan(app.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(res.View.Steps); n != 300 || res.View.Now.Seconds() != 1 {
		t.Errorf("%d steps in %v, want 300 in 1s", n, res.View.Now)
	}
}

// TestTranspileDescription writes descriptions that a docstring could end at, or read
// otherwise: the program has each as it is.
func TestTranspileDescription(t *testing.T) {
	for _, description := range []string{
		`"`, `""`, `"""`, `""""`, `""""""`, `a "b"`, `a """`, "a \"\"\"\nb", "a\n\"\"\"", `\`, `\"`, `\"""`, `\\"""`, `C:\new`, `{{x}}`, "tab\tand \u00e9",
	} {
		doc := &files.Doc{Name: &files.Str{Value: "x"}, Description: &files.Str{Value: description}, Steps: []files.Step{{Name: files.Str{Value: "one"}}}}
		text, _, _ := files.Transpile(doc)
		s, diags := app.LoadText("x.star", text)
		if diags.HasErrors() {
			t.Errorf("%q: %v\n%s", description, diags, text)
			continue
		}
		back, diags := files.Export(s.Unit, files.ExportOptions{Builtins: builtins.Rows()})
		if diags.HasErrors() || back.Description.Value != description {
			t.Errorf("%q: %v, description %+v\n%s", description, diags, back, text)
		}
	}
}
