package dsl

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("a", 500)
	tests := []struct {
		name, line  string
		col, endCol int
		text, caret string
	}{
		{"plain", "x = slep(1)", 5, 9, "x = slep(1)", "    ^^^^"},
		{"tab", "\tx = 1", 2, 3, "    x = 1", "    ^"},
		{"wide", "日本 x", 4, 5, "日本 x", "     ^"},
		{"accent", "e\u0301 x", 4, 5, "e\u0301 x", "  ^"},
		{"escape", "\x1b[1m x", 6, 7, `\x1b[1m x`, "        ^"},
		{"right to left", "\u202e x", 3, 4, `\u202e x`, "       ^"},
		{"bad byte", "\xff x", 3, 4, `\xff x`, "     ^"},
		{"behind the end", "x", 2, 3, "x", " ^"},
		{"far behind the end", "x", 200, 300, "x", " ^"},
		{"empty", "", 1, 2, "", "^"},
		{"cut", long, 250, 251, "…" + strings.Repeat("a", 100) + "…", strings.Repeat(" ", 34) + "^"},
		{"cut at the end", long, 500, 501, "…" + strings.Repeat("a", 100), strings.Repeat(" ", 100) + "^"},
		{"long range", long, 1, 501, strings.Repeat("a", 100) + "…", strings.Repeat("^", 100)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text, caret := excerpt(test.line, test.col, test.endCol)
			if text != test.text || caret != test.caret {
				t.Errorf("got\n%q\n%q\nwant\n%q\n%q", text, caret, test.text, test.caret)
			}
		})
	}
}

func TestRenderBacktrace(t *testing.T) {
	text := []byte("def f():\n    x = 1 / 0\n\ndef main():\n    parallel(f)\n")
	ds := Diagnostics{{
		Severity: Error, Code: "script_error", File: "a.star", Line: 2, Col: 11, Message: "division by zero\nand more", Help: "ask first",
		Stack: []Frame{
			{File: "a.star", Line: 5, Col: 13, Func: "main", Spawned: "parallel"},
			{File: "a.star", Line: 2, Col: 11, Func: "f"},
		},
	}, {Severity: Hint, Code: "x", Message: "no place"}}
	var b bytes.Buffer
	if err := ds.Render(&b, func(string) []byte { return text }, false); err != nil {
		t.Fatal(err)
	}
	want := `a.star:2:11: error: division by zero
  and more
   2 |     x = 1 / 0
     |           ^
help: ask first
spawned by parallel at a.star:5:13 in main
   5 |     parallel(f)
     |             ^

hint: no place
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.Reset()
	if err := ds.Render(&b, nil, true); err != nil || !strings.Contains(b.String(), "\x1b[1;31merror:\x1b[0m") {
		t.Errorf("without sources, with color: %v\n%q", err, b.String())
	}
}

// TestRenderHostile checks that nothing of a script reaches a terminal as a control.
func TestRenderHostile(t *testing.T) {
	evil := "\x1b]0;title\x07\u202e\r\x00\xff\u2028"
	ds := Diagnostics{{
		Severity: Error, File: "a" + evil, Line: 1, Col: 1, Message: evil, Help: evil,
		Related: []Note{{File: evil, Line: 1, Col: 1, Message: evil}},
		Stack:   []Frame{{File: evil, Line: 9, Col: 9, Func: evil, Spawned: evil}},
	}}
	var b bytes.Buffer
	if err := ds.Render(&b, func(string) []byte { return []byte(evil) }, false); err != nil {
		t.Fatal(err)
	}
	if !utf8.Valid(b.Bytes()) || strings.ContainsFunc(b.String(), func(r rune) bool { return r != '\n' && !shown(r) }) {
		t.Errorf("the output holds control characters: %q", b.String())
	}
	if strings.ContainsAny(ds.Error(), "\x1b\r\x00") {
		t.Errorf("the error holds control characters: %q", ds.Error())
	}
}

func TestJSON(t *testing.T) {
	_, diags := LoadText("x.star", []byte("slep(1)"), testOptions())
	got, err := json.Marshal(diags)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"severity":"error","code":"unknown_name","file":"x.star","line":1,"col":1,"end_line":1,"end_col":5,"message":"there is no slep","help":"did you mean sleep?"}]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSort(t *testing.T) {
	ds := Diagnostics{
		{File: "b", Line: 2, Severity: Hint}, {File: "a", Line: 1, Severity: Error},
		{File: "b", Line: 1, Severity: Warning}, {File: "b", Line: 1, Severity: Error},
	}
	ds.Sort()
	want := "b 1 error, b 1 warning, b 2 hint, a 1 error"
	var got []string
	for _, d := range ds {
		got = append(got, d.File+" "+string('0'+rune(d.Line))+" "+string(d.Severity))
	}
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
	if ds[1:3].HasErrors() || !ds.HasErrors() || ds[1:3].Err() != nil || ds.Err() == nil {
		t.Error("HasErrors or Err is wrong")
	}
}

func TestNearest(t *testing.T) {
	names := []string{"sleep", "step", "steady_state", "latency", "log", "None", "str"}
	for wrong, want := range map[string]string{
		"slep": "sleep", "SLEEP": "sleep", "setp": "step", "latncy": "latency", "steady": "steady_state",
		"xyzzy": "", "none": "None", "q": "", strings.Repeat("s", 100): "",
	} {
		if got := near(wrong, names); got != want {
			t.Errorf("near(%q) = %q, want %q", wrong, got, want)
		}
	}
}
