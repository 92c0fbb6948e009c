package app_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"starquake/app"
	"starquake/runtime/journal"
)

// TestReadme does what the README says: its orchestration plans, its tests pass, and
// its environment is one.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string][]string{}
	for _, m := range regexp.MustCompile("(?s)```(python|yaml)(?: file=\\S+)?\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks[m[1]] = append(blocks[m[1]], m[2])
	}
	if len(blocks["python"]) != 2 || len(blocks["yaml"]) != 1 {
		t.Fatalf("the README has %d blocks of python and %d of yaml", len(blocks["python"]), len(blocks["yaml"]))
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s, diags := app.Load(write("first.star", blocks["python"][0]))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	res, err := s.Plan(app.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if res.Outcome.Verdict != journal.VerdictPassed {
		t.Errorf("the plan's verdict is %s: %s", res.Outcome.Verdict, res.Outcome.Message)
	}
	_, results, diags := app.TestFile(write("first_test.star", blocks["python"][1]), app.TestOptions{})
	if len(results) != 2 || diags.HasErrors() {
		t.Fatalf("%d tests: %v", len(results), diags)
	}
	for _, r := range results {
		if !r.OK {
			t.Errorf("%s: %v", r.Name, r.Problem)
		}
	}
	t.Setenv("SHOP_TOKEN", "x")
	env, err := app.LoadEnvironment(write("staging.yaml", blocks["yaml"][0]))
	if err != nil {
		t.Fatal(err)
	}
	if env.Name != "staging" || len(env.Targets) != 1 {
		t.Errorf("the environment is %+v", env)
	}
}
