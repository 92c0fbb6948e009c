package dsl

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// TestHostileSize loads large texts that are made to be slow: nothing in
// the front end may be quadratic in what a stranger sends.
func TestHostileSize(t *testing.T) {
	const size = 1 << 19
	fill := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			b.WriteString(strings.ReplaceAll(format, "N", fmt.Sprint(i)))
		}
		return b.String()
	}
	deepFor := func() string {
		var b strings.Builder
		for i := range 80 {
			b.WriteString(strings.Repeat(" ", i) + "for x in xs:\n")
		}
		return "xs = []\n" + b.String() + fillIndented(80, "fs.append(lambda: g(x)) if x else xs.append(1)\n", size)
	}
	tests := map[string]string{
		"undefined names":    fill("aN = 1\nbbbbbbbN\n"),
		"one def":            fill("def f(): f()\n"),
		"chain of defs":      "def f0(): pass\n" + fill("def gN(): parallel(gN, f0)\n"),
		"unknown keywords":   fill("def fN(): step(\"x\", duraN = 1)\n"),
		"unknown members":    fill("x = fault.latencN\n"),
		"lambdas in loop":    "xs = []\nfor i in xs:\n" + fillIndented(1, "y = lambda: i\n", size),
		"defs in loop":       "xs = []\nfor i in xs:\n" + fillIndented(1, "def f(): i\n", size),
		"deep loops":         deepFor(),
		"steps and ifs":      "def main():\n" + fill(" step(\"sN\", duration = 1)\n if 1: step(\"tN\", duration = 1)\n"),
		"one line":           "x = [" + strings.Repeat("slep, ", size/6) + "]\n",
		"one string":         "x = slep(\"" + strings.Repeat("ü", size/2) + "\")\n",
		"syntax at the end":  fill("x = (1, 2, [3])\n") + "y = x is None\n",
		"open brackets":      "x = 1\ny = [" + fill("1,(2),") + "\n",
		"comments":           fill("# é\n") + "try:\n",
		"carriage returns":   strings.Repeat("\r", size) + "slep\n",
		"bad duration names": fill("dN = \"soon\"\nsleep(dN)\n"),
		"duplicate loads":    fill("load(\"@starquake/patterns.star\", xN = \"phases\")\n"),
		"mutual recursion":   fill("def f(): parallel(gN)\ndef gN(): f()\n"),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			u, diags := LoadText("hostile.star", []byte(text), testOptions())
			if err := diags.Render(io.Discard, u.Sources, false); err != nil {
				t.Fatal(err)
			}
			if len(diags) > maxProblems+1 {
				t.Errorf("got %d diagnostics", len(diags))
			}
			Untaken(u, testOptions(), func(string, int32, int32) bool { return false })
			within(t, u, diags[:min(len(diags), 3)])
			// Quadratic work on half a megabyte takes minutes; this is no measurement.
			if took := time.Since(begin); took > time.Minute {
				t.Errorf("it took %v", took)
			} else {
				t.Logf("%v for %d bytes, %d diagnostics", took, len(text), len(diags))
			}
		})
	}
}

func fillIndented(depth int, line string, size int) string {
	var b bytes.Buffer
	for b.Len() < size {
		b.WriteString(strings.Repeat(" ", depth) + line)
	}
	return b.String()
}

// TestLongNumber: Starlark reads a decimal number in quadratic time, so that one of some
// megabytes would hold up whoever reads it for minutes.
func TestLongNumber(t *testing.T) {
	long := strings.Repeat("9", 1<<20)
	tests := map[string]struct{ text, at string }{
		"integer":        {"a = 1\nx = " + long + "\n", "2:5"},
		"float":          {"x = 1." + long + "\n", "1:5"},
		"negative":       {"x = -" + long + "\n", "1:6"},
		"behind strings": {"x = [r'\\\\', '\"', \"\"\"'\n\"\"\", " + long + "]\n", "2:6"},
		// A line break of Windows behind a backslash ends no string.
		"behind two lines": {"x = ['a\\\r\n', " + long + "]\n", "2:4"},
		"in a string":      {"x = \"" + long + "\"\n", ""},
		"in a comment":     {"# " + long + "\n", ""},
		"in a name":        {"x" + long + " = 1\n", ""},
		"not so long":      {"x = " + long[:1000] + "\n", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, diags := LoadText("long.star", []byte(test.text), testOptions())
			got := ""
			for _, d := range diags {
				if d.Code == "number_too_long" {
					got += fmt.Sprintf("%d:%d", d.Line, d.Col)
				}
			}
			if got != test.at {
				t.Errorf("got number_too_long at %q, want %q; the first of %d problems: %.200v", got, test.at, len(diags), diags[:min(1, len(diags))])
			}
		})
	}
}
