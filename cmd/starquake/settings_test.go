package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/alecthomas/kong"

	"starquake/server/config"
)

// TestSettingsReference compares docs/reference/settings.md with the flags of serve.
func TestSettingsReference(t *testing.T) {
	parser, err := kong.New(&serveCmd{}, kong.Name("serve"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/reference/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	if err != nil || string(got) != settingsReference(parser.Model.Flags) {
		t.Errorf("docs/reference/settings.md is not that of the flags of serve: make docs writes it (%v)", err)
	}
}

// TestDocsSettings reads every block of a server's settings in the documents.
func TestDocsSettings(t *testing.T) {
	parser, err := kong.New(&serveCmd{}, kong.Name("serve"))
	if err != nil {
		t.Fatal(err)
	}
	table := settings(parser.Model.Flags)
	paths, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?s)```yaml settings\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			seen++
			if said, err := config.Read(path, []byte(m[1]), table); err != nil || len(said) == 0 {
				t.Errorf("%s: %v\n%s", path, err, m[1])
			}
		}
	}
	if seen == 0 {
		t.Error("no blocks")
	}
}
