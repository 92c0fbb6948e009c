package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"starquake/app"
	"starquake/runtime/journal"
)

// TestDocs plans every orchestration in the documents: a block of yaml is a file, a block
// of python a script. A block of yaml without steps is an environment, and is read.
func TestDocs(t *testing.T) {
	paths, err := filepath.Glob("../docs/*.md") // README.md: TestReadme; docs/reference is made of tables
	if err != nil || len(paths) == 0 {
		t.Fatal("no documents", err)
	}
	fences := regexp.MustCompile("(?s)```(python|yaml)(?: file=\\S+)?\n(.*?)```")
	seen := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range fences.FindAllStringSubmatch(string(text), -1) {
			seen++
			if strings.Contains(m[2], "simulate(") {
				continue // tests, which are run with their document (cmd/starquake, TestDocuments)
			}
			name := map[string]string{"python": "block.star", "yaml": "block.yaml"}[m[1]]
			t.Run(fmt.Sprintf("%s/%d", filepath.Base(path), i+1), func(t *testing.T) {
				if m[1] == "yaml" && !regexp.MustCompile("(?m)^(advanced_|conditional_)?steps:").MatchString(m[2]) {
					file := filepath.Join(t.TempDir(), "environment.yaml")
					if err := os.WriteFile(file, []byte(m[2]), 0o600); err != nil {
						t.Fatal(err)
					}
					if _, err := app.LoadEnvironment(file); err != nil {
						t.Errorf("%v\n%s", err, m[2])
					}
					return
				}
				s, diags := app.LoadText(name, []byte(m[2]))
				if diags.HasErrors() {
					t.Fatalf("%v\n%s", diags, m[2])
				}
				res, err := s.Plan(app.PlanOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if res.Outcome.Verdict != journal.VerdictPassed {
					t.Errorf("the plan's verdict is %s: %s", res.Outcome.Verdict, res.Outcome.Message)
				}
			})
		}
	}
	if seen == 0 {
		t.Error("no blocks")
	}
}
