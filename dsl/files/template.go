package files

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed templates
var templateFiles embed.FS

// Patterns names the patterns for which there is a template, the usual one first.
func Patterns() []string {
	return []string{"progressive-load", "cascading-failure", "spike", "endurance", "multi-protocol"}
}

// Template gives the starting point for a pattern in format "yaml", "json" or "star".
func Template(pattern, format string) ([]byte, error) {
	read := format
	if format == "json" {
		read = "yaml" // which has the comments that JSON cannot have
	}
	text, err := templateFiles.ReadFile("templates/" + pattern + "." + read)
	if err != nil {
		return nil, fmt.Errorf("there is no template %s in %s; there are %s, in yaml, json and star", pattern, format, strings.Join(Patterns(), ", "))
	}
	if format != "json" {
		return text, nil
	}
	doc, diags := Read(pattern+".yaml", text, ReadOptions{})
	if doc == nil {
		return nil, diags
	}
	return Write(doc, "json")
}
