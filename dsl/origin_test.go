package dsl

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.starlark.net/starlark"
	"pgregory.net/rapid"
)

// lineLanguage makes a script of a file of which every line is a statement of main. It
// has a helper besides, which nobody wrote.
func lineLanguage(_ string, text []byte, _ func(string) bool) ([]byte, *Origin, Diagnostics) {
	origin := new(Origin)
	var out bytes.Buffer
	out.WriteString("def helper(f):\n    f()\n\ndef main():\n")
	origin.Mark(1, 1, Span{})
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if strings.HasPrefix(line, "!") {
			return nil, nil, Diagnostics{{Severity: Error, Code: "no", File: "x.lines", Line: i + 1, Col: 1, Message: "this line is wrong"}}
		}
		origin.Mark(5+i, 5, Span{i + 1, 1, i + 1, len(line) + 1})
		fmt.Fprintf(&out, "    %s\n", line)
	}
	return out.Bytes(), origin, nil
}

func originOptions() Options {
	return Options{Builtins: testOptions().Builtins, Transpile: lineLanguage}
}

// TestOriginChecks checks that what is wrong with a transpiled module is shown in the
// file that it was made of.
func TestOriginChecks(t *testing.T) {
	text := []byte("sleep(\"1s\")\nstep(\"a\", durration = \"1s\")\nslep(1)\nstep(\"a\", duration = \"1s\")\n")
	u, diags := LoadText("x.lines", text, originOptions())
	var got bytes.Buffer
	if err := diags.Render(&got, u.Sources, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"x.lines:2:1: error: step has no parameter durration", "   2 | step(\"a\", durration = \"1s\")\n     | ^^^", "x.lines:3:1: error: there is no slep",
		"x.lines:4:1: warning: another step", "note: x.lines:2:1: the other one"} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("%q is not in\n%s", want, got.String())
		}
	}
	_, diags = LoadText("x.lines", []byte("! no"), originOptions())
	if len(diags) != 1 || diags[0].String() != "x.lines:1:1: error: this line is wrong" {
		t.Errorf("the file's own errors: %v", diags)
	}
}

// TestOriginRunTime checks that a failure at run time has the places of the file, and no
// frame that nobody wrote.
func TestOriginRunTime(t *testing.T) {
	u, diags := LoadText("x.lines", []byte("x = 1\nhelper(lambda: x // 0)"), originOptions())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	thread := new(starlark.Thread)
	globals, err := u.Main.Program.Init(thread, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = starlark.Call(thread, globals["main"], nil, nil)
	d := FromEvalError(err)
	want := []Frame{{File: "x.lines", Line: 2, Col: 1, Func: "main"}, {File: "x.lines", Line: 2, Col: 1, Func: "lambda"}}
	if diff := cmp.Diff(want, d.Stack); diff != "" {
		t.Errorf("stack (-want +got):\n%s", diff)
	}
	if d.String() != "x.lines:2:1: error: floored division by zero" {
		t.Error(d)
	}
}

// TestOriginUntaken checks that a branch not taken is found by the places of the file.
func TestOriginUntaken(t *testing.T) {
	u, diags := LoadText("x.lines", []byte("if True: step(\"a\", duration = \"1s\")\nif False: step(\"b\", duration = \"1s\")"), originOptions())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	sites := Untaken(u, originOptions(), func(file string, line, col int32) bool { return file == "x.lines" && line == 1 && col == 1 })
	want := []Site{{File: "x.lines", Line: 2, Col: 1, Condition: "False", Actions: []Action{{Name: "step", Text: "b", Line: 2, Col: 1}}}}
	if diff := cmp.Diff(want, sites); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOriginTexts checks that a journal's texts give the same unit again, and that what
// another version had made of the file is what runs.
func TestOriginTexts(t *testing.T) {
	u, _ := LoadText("x.lines", []byte("sleep(\"1s\")"), originOptions())
	texts := u.Texts()
	if texts["x.lines"] != "sleep(\"1s\")" || texts["x.lines.star"] != string(u.Main.Text) || len(texts) != 2 {
		t.Fatalf("texts: %q", texts)
	}
	again, diags := LoadModules("x.lines", texts, originOptions())
	if diags.HasErrors() || string(again.Main.Text) != string(u.Main.Text) || again.Main.Origin == nil {
		t.Errorf("loaded again: %v, %+v", diags, again.Main)
	}
	texts["x.lines.star"] = "def main():\n    sleep(\"2s\")\n"
	older, diags := LoadModules("x.lines", texts, originOptions())
	if diags.HasErrors() || older.Main.Name != "x.lines.star" || string(older.Main.Text) != texts["x.lines.star"] || older.Main.Origin != nil {
		t.Errorf("loaded as it ran: %v, %+v", diags, older.Main)
	}
}

// TestOriginAt looks places up.
func TestOriginAt(t *testing.T) {
	o := new(Origin)
	a, b := Span{1, 2, 1, 3}, Span{9, 1, 9, 4}
	o.Mark(2, 5, a)
	o.Mark(2, 9, a) // says nothing new
	o.Mark(3, 1, b)
	o.Mark(3, 1, a) // nothing stands between
	o.Mark(4, 1, b)
	for _, c := range []struct {
		line, col int
		want      Span
	}{{1, 1, Span{}}, {2, 4, Span{}}, {2, 5, a}, {2, 100, a}, {3, 7, a}, {4, 1, b}, {99, 1, b}} {
		if got := o.At(c.line, c.col); got != c.want {
			t.Errorf("At(%d, %d) = %v, want %v", c.line, c.col, got, c.want)
		}
	}
	if len(o.marks) != 2 {
		t.Errorf("%d marks, want 2: %v", len(o.marks), o.marks)
	}
}

// Where a place is looked for first does not change what is found.
func TestOriginIndexFromNearby(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		o := new(Origin)
		line, col := 1, 1
		for i := range rapid.IntRange(0, 80).Draw(r, "marks") {
			line, col = line+rapid.IntRange(0, 1).Draw(r, "lines"), col+rapid.IntRange(0, 3).Draw(r, "cols")
			o.Mark(line, col, Span{Line: i + 1, Col: 1})
		}
		at := newMark(rapid.IntRange(0, 80).Draw(r, "line"), rapid.IntRange(0, 200).Draw(r, "col"), Span{})
		want := o.index(at, -1)
		for near := range o.marks {
			if got := o.index(at, near); got != want {
				r.Fatalf("from mark %d: %d, want %d of %v", near, got, want, o.marks)
			}
		}
		if want >= 0 && o.At(int(at.line), int(at.col)) != o.marks[want].of() {
			r.Fatalf("At gives another mark than %d", want)
		}
	})
}
