// Package text shows a run to a person in a terminal: its plan as a timeline, its
// events line by line, its present as a live tree, and its end as a summary.
//
// What lives here: the drawing of a view.Run with letters. What may not: facts
// that the view does not have, reading of the environment (whether to colour, how
// wide the terminal is: the caller knows), clocks and goroutines.
//
//	Timeline   a plan, or a run after the fact, along a time axis
//	Event      one line for one record, for pipes
//	Live       a tree that is redrawn in place, for a terminal
//	Summary    the verdict, and what a person needs next
//
// Every text of a run is treated as hostile: control characters, among them the
// escape sequences of terminals, and marks that reorder text never reach the output.
package text

import (
	"bytes"
	"errors"
	"io"
	"time"

	"starquake/runtime/view"
)

// Options say how to draw. The zero value draws in Unicode without colour.
type Options struct {
	// Width is that of the terminal, in cells. 0 stands for 100, and for Event for
	// lines that are never cut.
	Width int
	// Color adds ANSI colours. NO_COLOR and the like are the caller's business.
	Color bool
	// ASCII draws bars and symbols with ASCII only.
	ASCII bool

	// MaxLines bounds the lines of steps and faults in a timeline; 0 stands for 80.
	MaxLines int
	// NotTaken are branches of the script that the plan did not take.
	NotTaken []string
	// Warnings are shown after those of the run.
	Warnings []string
	// Given are the flags that a run was given besides what its journal has, word by word,
	// for the line that repeats it.
	Given []string
	// Longest is the longest that the plan can take where waits decide; 0 where
	// nothing but the total is known.
	Longest time.Duration
	// Loads gives the figures of load that is on, for a live tree; nil without them.
	Loads func() []view.LoadNow
	// Unsaid reports of a line of the run's log that it is not to be told; nil tells all.
	Unsaid func(message string) bool
	// Planned is the planned total, for the progress of a live tree; nil without one.
	Planned *time.Duration
}

const (
	defaultWidth = 100
	minWidth     = 20
)

// page collects lines and writes them at once.
type page struct {
	style
	width int
	// indent is where the text of a fact begins, longer names apart.
	indent int
	text   []byte
}

func newPage(opt Options) *page {
	width := opt.Width
	if width <= 0 {
		width = defaultWidth
	}
	return &page{style: style{color: opt.Color, ascii: opt.ASCII}, width: max(width, minWidth), indent: factIndent}
}

// add appends a line, cut to the width.
func (p *page) add(l line) {
	p.text = append(p.text, l.draw(p.style, p.width)...)
	p.text = append(p.text, '\n')
}

// flush writes what was added.
func (p *page) flush(w io.Writer) error {
	n, err := w.Write(p.text)
	if err == nil && n < len(p.text) {
		err = errors.New("the terminal took only a part of the text")
	}
	return err
}

// Trimmed takes the blanks off the ends of lines, such as those of a table's empty cells.
func Trimmed(text []byte) []byte {
	lines := bytes.Split(text, []byte("\n"))
	for i := range lines {
		lines[i] = bytes.TrimRight(lines[i], " ")
	}
	return bytes.Join(lines, []byte("\n"))
}
