package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/alecthomas/kong"

	"starquake/server/config"
)

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
