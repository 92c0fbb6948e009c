package dsl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/syntax"
)

// Severity says how bad a Diagnostic is.
type Severity string

// The severities. Only errors keep a script from running.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Hint    Severity = "hint"
)

// A Diagnostic is one thing to say about a script, at one place of its text.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	// Code is stable and names the rule, for example "unknown_keyword".
	Code string `json:"code"`
	// File is a module's canonical name, or "" where there is no place.
	File string `json:"file,omitempty"`
	// Line and Col are 1-based, columns in characters; 0 stands for the whole file.
	Line int `json:"line,omitempty"`
	Col  int `json:"col,omitempty"`
	// EndLine and EndCol are just behind the last character; 0 for a single place.
	EndLine int `json:"end_line,omitempty"`
	EndCol  int `json:"end_col,omitempty"`
	// Message says what was found, and what was expected.
	Message string `json:"message"`
	// Help says what to write instead.
	Help string `json:"help,omitempty"`
	// Related are other places that belong to the matter.
	Related []Note `json:"related,omitempty"`
	// Stack is the backtrace of a failure at run time, the innermost frame last,
	// through the calls that spawned its branch.
	Stack []Frame `json:"stack,omitempty"`
}

// A Note is another place that belongs to a Diagnostic.
type Note struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Col     int    `json:"col"`
	Message string `json:"message"`
}

// A Frame is one line of a script's backtrace.
type Frame struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col,omitempty"`
	// Func is the function that was executing, "<toplevel>" outside of any.
	Func string `json:"func,omitempty"`
	// Spawned names the builtin that began another branch at this frame; the
	// frames behind it belong to that branch.
	Spawned string `json:"spawned,omitempty"`
}

// String gives the diagnostic as one line.
func (d Diagnostic) String() string {
	var b strings.Builder
	switch {
	case d.File == "":
	case d.Line == 0:
		fmt.Fprintf(&b, "%s: ", clean(d.File))
	default:
		fmt.Fprintf(&b, "%s:%d:%d: ", clean(d.File), d.Line, d.Col)
	}
	fmt.Fprintf(&b, "%s: %s", d.Severity, clean(d.Message))
	return b.String()
}

// Diagnostics is a list of diagnostics that is an error. A function that returns
// Diagnostics returns nil where there is nothing to say; ask HasErrors before
// treating it as a failure.
type Diagnostics []Diagnostic

// Error gives every diagnostic on a line of its own.
func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// HasErrors tells whether one of them is an error.
func (ds Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Severity == Error })
}

// Err returns ds as an error if it holds one, else nil.
func (ds Diagnostics) Err() error {
	if ds.HasErrors() {
		return ds
	}
	return nil
}

// Sort orders by file, place, severity and message. Files keep the order in which
// they first appear.
func (ds Diagnostics) Sort() {
	rank := map[string]int{}
	for _, d := range ds {
		if _, seen := rank[d.File]; !seen {
			rank[d.File] = len(rank)
		}
	}
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(rank[a.File], rank[b.File]),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Col, b.Col),
			cmp.Compare(severityRank(a), severityRank(b)),
			cmp.Compare(a.Message, b.Message),
		)
	})
}

// at returns an error diagnostic for the text from start to end.
func at(start, end syntax.Position, code, format string, args ...any) Diagnostic {
	d := Diagnostic{
		Severity: Error, Code: code, File: start.Filename(),
		Line: int(start.Line), Col: int(start.Col),
		Message: fmt.Sprintf(format, args...),
	}
	if end.Line > start.Line || end.Line == start.Line && end.Col > start.Col {
		d.EndLine, d.EndCol = int(end.Line), int(end.Col)
	}
	return d
}

// atNode returns an error diagnostic for the text of n.
func atNode(n syntax.Node, code, format string, args ...any) Diagnostic {
	start, end := n.Span()
	return at(start, end, code, format, args...)
}

// help returns d with what to write instead.
func (d Diagnostic) help(format string, args ...any) Diagnostic {
	d.Help = fmt.Sprintf(format, args...)
	return d
}

// as returns d with another severity.
func (d Diagnostic) as(s Severity) Diagnostic {
	d.Severity = s
	return d
}

// note returns d with another place that belongs to it.
func (d Diagnostic) note(pos syntax.Position, format string, args ...any) Diagnostic {
	d.Related = append(d.Related, Note{
		File: pos.Filename(), Line: int(pos.Line), Col: int(pos.Col), Message: fmt.Sprintf(format, args...),
	})
	return d
}
