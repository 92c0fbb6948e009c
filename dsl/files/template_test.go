package files_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"starquake/app"
	"starquake/dsl"
	"starquake/dsl/files"
	"starquake/runtime/journal"
)

// TestTemplates plans every template in every format: without a warning, to pass, and as
// YAML and JSON with the same steps.
func TestTemplates(t *testing.T) {
	for _, pattern := range files.Patterns() {
		docs := map[string]*files.Doc{}
		for _, format := range []string{"yaml", "json", "star"} {
			t.Run(pattern+"."+format, func(t *testing.T) {
				text, err := files.Template(pattern, format)
				if err != nil {
					t.Fatal(err)
				}
				s, diags := app.LoadText(pattern+"."+format, text)
				for _, d := range diags {
					if d.Severity != dsl.Hint {
						t.Error(d)
					}
				}
				if diags.HasErrors() {
					t.FailNow()
				}
				res, err := s.Plan(app.PlanOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if res.Outcome.Verdict != journal.VerdictPassed || res.View.Name != pattern || len(res.View.Steps) < 3 {
					t.Errorf("%s: %s, %d steps: %s", res.View.Name, res.Outcome.Verdict, len(res.View.Steps), res.Outcome.Message)
				}
				if !bytes.Contains(text, []byte("starquake plan FILE")) && format != "json" {
					t.Error("it does not say what to do with it")
				}
				if format != "star" {
					docs[format], _ = files.Read(pattern+"."+format, text, files.ReadOptions{})
					return
				}
				if formatted, err := dsl.Format(pattern, text); err != nil || !bytes.Equal(formatted, text) {
					t.Errorf("it is not laid out as starquake fmt does it: %v", err)
				}
			})
		}
		if diff := cmp.Diff(docs["yaml"], docs["json"], sameDoc(cmpopts.IgnoreTypes(files.Comment{}))); diff != "" {
			t.Errorf("%s as YAML and as JSON: %s", pattern, diff)
		}
	}
	if _, err := files.Template("../write", "go"); err == nil {
		t.Error("there is a template ../write.go")
	}
}
