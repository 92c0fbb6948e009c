package files_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"starquake/app"
	"starquake/dsl/files"
)

// planned is what a script or file does, a line each.
func planned(t *rapid.T, s *app.Script) []string {
	t.Helper()
	seed := uint64(1)
	res, err := s.Plan(app.PlanOptions{Options: app.Options{Seed: &seed}})
	if err != nil {
		t.Fatal(err)
	}
	return app.Timeline(res.Records)
}

// TestExportIsTheInverse imports files, exports what they become, and imports that: the
// same happens, at the same times.
func TestExportIsTheInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := genDoc(t)
		if doc.HasAdvanced || len(doc.Variables) > 0 { // which export does not write
			t.SkipNow()
		}
		writeEntries(doc)
		text, err := files.Write(doc, "yaml")
		if err != nil {
			t.Fatal(err)
		}
		file, diags := app.LoadText("a.yaml", text)
		if diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, text)
		}
		star, diags := app.LoadText("a.star", file.Unit.Main.Text)
		if diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, file.Unit.Main.Text)
		}
		again, diags, err := star.Export(rapid.SampledFrom([]string{"yaml", "json"}).Draw(t, "format"), app.Options{})
		if err != nil || diags.HasErrors() {
			t.Fatalf("%v %v\n%s\n%s", err, diags, text, file.Unit.Main.Text)
		}
		name := "b.yaml"
		if strings.HasPrefix(string(again), "{") {
			name = "b.json"
		}
		back, diags := app.LoadText(name, again)
		if diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, again)
		}
		if diff := cmp.Diff(planned(t, file), planned(t, back)); diff != "" {
			t.Fatalf("%s\n%s\n%s", diff, text, again)
		}
	})
}

// TestExportOfGolden exports every good script of testdata/export, with the comparison of
// plans.
func TestExportOfGolden(t *testing.T) {
	for _, name := range []string{"steps", "loop_parallel", "kinds"} {
		s, diags := app.Load("testdata/export/" + name + ".star")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, format := range []string{"yaml", "json"} {
			if _, diags, err := s.Export(format, app.Options{}); err != nil || diags.HasErrors() {
				t.Errorf("%s as %s: %v %v", name, format, err, diags)
			}
		}
	}
}
