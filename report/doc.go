// Package report writes what became of a run for those who were not there: a page for
// people, a comment for a pull request, tests for a CI system, results for a code
// scanner, JSON for programs. Two runs are set side by side by report/compare.
//
// What lives here: the formats, each one file and a row of Formats. What may not:
// facts that the view does not have, reading of the environment, clocks, the network.
//
//	Run      a view.Run with what stands beside its journal
//	Format   a format by name and by the ending of a file's name
//
// Every text of a run is treated as hostile: a script, an answer of a server and the
// name of a step end up in a page that somebody opens. Each format escapes for itself,
// and none writes control characters or marks that reorder text.
//
// A run may be long, so what is written is bounded: what failed comes first, and what is
// left out is counted.
package report

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"starquake/runtime/view"
)

// StartText is the Again of a run whose script came to a server as text: no file of anybody's
// machine is it, and the report has the text.
const StartText = "starquake start --file FILE"

// Run is a run with what stands beside its journal. All but the view may be empty.
type Run struct {
	*view.Run
	// ID names the run where runs are kept.
	ID string
	// Path is the file that the script was read from, as the person named it: places in
	// the script are told from its folder.
	Path string
	// Again is the command that runs its script again, but for seed and parameters, where
	// that is not run, or plan, with the file.
	Again string
	// Given are the flags that the run was given besides what its journal has, word by word:
	// environment, targets, permissions, limits.
	Given []string
	// By is who started it, Version that of the program.
	By, Version string
	Labels      map[string]string
	// Imported says that it came as a file: nobody goes on with it here.
	Imported bool
}

// Format is one way to write a run.
type Format struct {
	Name string
	// Doc is one line for people.
	Doc string
	// Endings of file names that stand for it.
	Endings []string
	// MediaType is what it is called over HTTP.
	MediaType string
	Write     func(io.Writer, *Run) error
}

// Formats are all formats, the one for people first.
func Formats() []Format {
	return []Format{
		{"html", "one self-contained page for people", []string{".html", ".htm"}, "text/html; charset=utf-8", writeHTML},
		{"md", "Markdown, for a pull request", []string{".md", ".markdown"}, "text/markdown; charset=utf-8", writeMarkdown},
		{"json", "JSON, for programs", []string{".json"}, "application/json", writeJSON},
		{"junit", "JUnit XML, which CI systems show as tests", []string{".xml"}, "application/xml", writeJUnit},
		{"sarif", "SARIF 2.1.0, failures at their place in the script", []string{".sarif", ".sarif.json"}, "application/sarif+json", writeSARIF},
	}
}

// Named is the format of a name, or of an ending without its dot.
func Named(name string) (Format, error) {
	for _, f := range Formats() {
		if f.Name == name || slices.Contains(f.Endings, "."+name) {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("there is no format %q; expected %s", name, strings.Join(names(), ", "))
}

// ForFile is the format that the name of a file asks for.
func ForFile(path string) (Format, error) {
	base := strings.ToLower(filepath.Base(path))
	var best Format
	longest := 0
	for _, f := range Formats() {
		for _, ending := range f.Endings {
			if strings.HasSuffix(base, ending) && len(ending) > longest {
				best, longest = f, len(ending)
			}
		}
	}
	if longest == 0 {
		return Format{}, fmt.Errorf("%s: the ending tells the format of a report; expected %s", path, strings.Join(endings(), ", "))
	}
	return best, nil
}

func names() (out []string) {
	for _, f := range Formats() {
		out = append(out, f.Name)
	}
	return out
}

func endings() (out []string) {
	for _, f := range Formats() {
		out = append(out, f.Endings[0])
	}
	return out
}
