package dsl

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFormat formats testdata/format/*.in into *.out.
func TestFormat(t *testing.T) {
	inputs, err := filepath.Glob("testdata/format/*.in")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("found no inputs, err %v", err)
	}
	for _, path := range inputs {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			out, err := Format("x.star", text)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(path, ".in")+".out", out)
			again, err := Format("x.star", out)
			if err != nil || !bytes.Equal(again, out) {
				t.Errorf("formatting again: %v\n%s", err, again)
			}
		})
	}
}

// TestFormatRefuses checks that only scripts that parse are formatted.
func TestFormatRefuses(t *testing.T) {
	for _, text := range []string{"x = (", "x = \xff", "def f(:", "\x00"} {
		out, err := Format("x.star", []byte(text))
		if err == nil || out != nil {
			t.Errorf("Format(%q) = %q, %v; want an error and no text", text, out, err)
		}
	}
}

// TestOutline checks that the comparison behind Format sees what matters.
func TestOutline(t *testing.T) {
	outlineOf := func(text string) string {
		file, diags := parse(&Module{Name: "x", Text: []byte(text)}, 1<<20)
		if diags != nil {
			t.Fatal(diags)
		}
		return outline(file)
	}
	base := outlineOf("x = f(1, k = 2)[3:]\n")
	if same := outlineOf("x = ((f( 1,k=0x2 )[3:]))"); same != base {
		t.Errorf("spelling makes a difference:\n%s\n%s", base, same)
	}
	for _, other := range []string{
		"x = f(1, j = 2)[3:]", "x = f(1, 2)[3:]", "x = f(1, k = 2)[:3]", "x += f(1, k = 2)[3:]",
		"y = f(1, k = 2)[3:]", "x = f(*1, k = 2)[3:]", "x = f(1, k = 2.0)[3:]", "x = f(1, k = '2')[3:]", "x = f.g(1, k = 2)[3:]",
	} {
		if outlineOf(other) == base {
			t.Errorf("%s has the outline of another program", other)
		}
	}
}

// TestFormatKeepsComments puts a comment behind every line of the good scripts, one
// line at a time, and looks for it in the formatted text.
func TestFormatKeepsComments(t *testing.T) {
	paths, err := filepath.Glob("testdata/good/*.star")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, "library/patterns.star") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(text), "\n")
		tried := 0
		for i, line := range lines {
			commented := strings.TrimSuffix(line, "\n") + "  # a remark\n"
			changed := strings.Join(lines[:i], "") + commented + strings.Join(lines[i+1:], "")
			if comments([]byte(changed)) != comments(text)+1 {
				continue // inside of a string, or behind another comment
			}
			tried++
			out, err := Format(path, []byte(changed))
			if err != nil {
				t.Errorf("%s:%d: %v", path, i+1, err)
			} else if strings.Count(string(out), "# a remark") != 1 {
				t.Errorf("%s:%d: the comment is lost:\n%s", path, i+1, out)
			}
		}
		if tried == 0 {
			t.Errorf("%s: no line was tried", path)
		}
	}
}
