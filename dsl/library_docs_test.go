package dsl

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLibraryDocumented: the page on the language names every function that comes with
// Starquake, and its module.
func TestLibraryDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "language.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("library", "*.star"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{"`@starquake/" + filepath.Base(file) + "`"}
		for _, def := range regexp.MustCompile(`(?m)^def ([a-z]\w*)`).FindAllStringSubmatch(string(text), -1) {
			names = append(names, "`"+def[1])
		}
		for _, name := range names {
			if !strings.Contains(string(page), name) {
				t.Errorf("docs/language.md does not name %s", name)
			}
		}
	}
}
