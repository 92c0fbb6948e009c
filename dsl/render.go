package dsl

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Render writes ds for people: for each its place and message, the source line
// with a caret under the range, what to write instead, and the backtrace with the
// source line of every frame.
//
// sources gives the text of a module by its canonical name, nil if it is unknown;
// sources itself may be nil. The output is valid UTF-8 without control characters
// whatever the script holds; color adds ANSI colors.
func (ds Diagnostics) Render(w io.Writer, sources func(file string) []byte, color bool) error {
	r := renderer{sources: sources, color: color}
	for i, d := range ds {
		if i > 0 {
			r.out.WriteByte('\n')
		}
		r.diagnostic(d)
	}
	_, err := w.Write(r.out.Bytes())
	return err
}

// renderer holds what the parts of one rendering share.
type renderer struct {
	out     bytes.Buffer
	sources func(file string) []byte
	color   bool
}

// The colors, as parameters of ANSI's "select graphic rendition".
const (
	bold   = "1"
	red    = "1;31"
	yellow = "1;33"
	blue   = "1;34"
	cyan   = "1;36"
)

// severityColors are the colors of the words and carets.
var severityColors = map[Severity]string{Error: red, Warning: yellow, Hint: cyan}

func (r *renderer) diagnostic(d Diagnostic) {
	tint := severityColors[d.Severity]
	if place := place(d.File, d.Line, d.Col); place != "" {
		r.paint(bold, place+": ")
	}
	r.paint(tint, string(d.Severity)+":")
	// A message of several lines stays one, indented.
	text := strings.ReplaceAll(strings.TrimRight(d.Message, "\n"), "\n", "\n  ")
	r.out.WriteString(" " + cleanLines(text) + "\n")
	gutter := gutterWidth(d)
	r.source(d.File, d.Line, d.Col, d.EndLine, d.EndCol, gutter, tint)
	if d.Help != "" {
		r.paint(cyan, "help:")
		r.out.WriteString(" " + cleanLines(strings.ReplaceAll(d.Help, "\n", "\n      ")) + "\n")
	}
	for _, n := range d.Related {
		r.paint(blue, "note:")
		fmt.Fprintf(&r.out, " %s: %s\n", place(n.File, n.Line, n.Col), clean(n.Message))
		r.source(n.File, n.Line, n.Col, 0, 0, gutter, blue)
	}
	r.stack(d, gutter)
}

// stack writes the frames from the innermost outwards. The innermost is the
// diagnostic's own place and has been shown.
func (r *renderer) stack(d Diagnostic, gutter int) {
	for i := len(d.Stack) - 1; i >= 0; i-- {
		f := d.Stack[i]
		if i == len(d.Stack)-1 && f.Spawned == "" && f.File == d.File && f.Line == d.Line && f.Col == d.Col {
			continue
		}
		how := "called from"
		if f.Spawned != "" {
			how = "spawned by " + clean(f.Spawned) + " at"
		}
		r.paint(blue, how)
		fmt.Fprintf(&r.out, " %s", place(f.File, f.Line, f.Col))
		if f.Func != "" && f.Func != topLevelFrame {
			fmt.Fprintf(&r.out, " in %s", clean(f.Func))
		}
		r.out.WriteByte('\n')
		r.source(f.File, f.Line, f.Col, 0, 0, gutter, blue)
	}
}

// source writes one source line and a caret range below it; nothing if the text
// is not known.
func (r *renderer) source(file string, line, col, endLine, endCol, gutter int, tint string) {
	if r.sources == nil || line < 1 {
		return
	}
	text, ok := sourceLine(r.sources(file), line)
	if !ok {
		return
	}
	switch {
	case endLine > line:
		endCol = int(^uint(0) >> 1) // to the end of the line
	case endLine < line || endCol <= col:
		endCol = col + 1
	}
	shown, caret := excerpt(text, col, endCol)
	r.paint(blue, fmt.Sprintf("%*d | ", gutter, line))
	r.out.WriteString(shown + "\n")
	r.paint(blue, strings.Repeat(" ", gutter)+" | ")
	r.paint(tint, caret)
	r.out.WriteByte('\n')
}

func (r *renderer) paint(tint, text string) {
	if !r.color || tint == "" {
		r.out.WriteString(text)
		return
	}
	r.out.WriteString("\x1b[" + tint + "m" + text + "\x1b[0m")
}

// place writes file:line:col, as far as they are known.
func place(file string, line, col int) string {
	file = clean(file)
	switch {
	case file == "" || line == 0:
		return file
	case col == 0:
		return fmt.Sprintf("%s:%d", file, line)
	}
	return fmt.Sprintf("%s:%d:%d", file, line, col)
}

// gutterWidth is that of the largest line number to be shown, and at least 4.
func gutterWidth(d Diagnostic) int {
	largest := d.Line
	for _, n := range d.Related {
		largest = max(largest, n.Line)
	}
	for _, f := range d.Stack {
		largest = max(largest, f.Line)
	}
	return max(4, len(fmt.Sprint(largest)))
}
