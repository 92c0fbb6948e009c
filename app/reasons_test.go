package app_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// TestInconclusiveReasons holds the reasons of runs that say nothing against the code: the
// reports know each, and the documents say what to do about it.
func TestInconclusiveReasons(t *testing.T) {
	codes := map[string]bool{runtime.CodeDisturbed: true, runtime.CodeNothingDone: true}
	made := regexp.MustCompile(`ClassInconclusive, "(\w+)"`)
	for _, room := range []string{"../runtime/*.go", "../builtins/*.go"} {
		paths, err := filepath.Glob(room)
		if err != nil || len(paths) == 0 {
			t.Fatal("no code in ", room, err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range made.FindAllSubmatch(text, -1) {
				codes[string(m[1])] = true
			}
		}
	}
	if !codes["no_stats"] || !codes["steady_state_unmet"] {
		t.Fatalf("of the code only %v were found", codes)
	}
	text, err := os.ReadFile("../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	for code := range codes {
		if !journal.Inconclusive(code) {
			t.Errorf("journal.Inconclusive does not know %s", code)
		}
		if code != "inconclusive" && !strings.Contains(string(text), "**`"+code+"`") { // that one is the script's own
			t.Errorf("docs/troubleshooting.md does not say what to do about `%s`", code)
		}
	}
}
