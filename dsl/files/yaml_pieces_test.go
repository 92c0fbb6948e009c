package files

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// whole and inPieces read a text in either way; nil if it cannot be read so.
func whole(text []byte) (*node, *problems) {
	p := new(problems)
	return parseYAML(text, p), p
}

func inPieces(text []byte, n int) *node {
	l := newLines(text)
	if !withinLimits(text, l, new(problems)) {
		return nil
	}
	return parsePieces(text, l, n)
}

// checkPieces holds the pieces of a text against the whole, and reports whether it can be
// read in pieces.
func checkPieces(t interface{ Fatalf(string, ...any) }, text []byte, n int) bool {
	if piecesOfYAML(text) > 1 {
		t.Fatalf("the whole is too large to be one")
	}
	got := inPieces(text, n)
	if got == nil {
		return false
	}
	want, p := whole(text)
	if want == nil || len(p.list) > 0 {
		t.Fatalf("in %d pieces it is read, and as a whole there is something to say: %v\n%s", n, p.list, text)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(node{}, pair{})); diff != "" {
		t.Fatalf("in %d pieces it is something else:\n%s\n%s", n, diff, text)
	}
	return true
}

// Files as people and programs write them are read in pieces.
func TestPiecesOfYAML(t *testing.T) {
	hard := `# what it is
name: all sorts
description: |
  - not an item
  - nor this
tags:
  - nightly
steps:
  - name: "one
      - not an item"
    description: >
      - folded

      - and not an item
    labels: {a: [1,
  2], b: "x # no comment"}
  - name: two # a remark
    config: &base {a: 1}
    duration_seconds: 5
    again: *base

  # about three
  - name: three
    variables: 3
  -
    name: four
  - {name: five}
  - name: six
`
	for _, text := range []string{string(manySteps(10)), hard, strings.ReplaceAll(hard, "\n", "\r\n")} {
		for n := 2; n < 5; n++ {
			if !checkPieces(t, []byte(text), n) {
				t.Errorf("not read in %d pieces:\n%s", n, text)
			}
		}
	}
	if n := piecesOfYAML(manySteps(10_000)); n != min(runtime.GOMAXPROCS(0), 44) {
		t.Errorf("ten thousand steps are read in %d pieces, on %d cores", n, runtime.GOMAXPROCS(0))
	}
}

// What the pieces cannot tell is read as a whole.
func TestWholesOfYAML(t *testing.T) {
	for name, text := range map[string]string{
		"a key behind the list":   "steps:\n- name: a\n- name: b\n- name: c\nname: x\n",
		"an alias across":         "steps:\n- &a {name: a}\n- name: b\n- *a\n",
		"a second document":       "steps:\n- name: a\n- name: b\n- name: c\n---\n- d\n",
		"a comment at the end":    "steps:\n- name: a\n- name: b\n- name: c\n# end\n",
		"a key twice":             "steps:\n- name: a\n- name: b\n- name: c\n  name: d\n",
		"an error":                "steps:\n- name: a\n- name: b\n- name: \"c\n",
		"a list in another":       "steps:\n  more:\n  - name: a\n  - name: b\n  - name: c\n",
		"a list and nothing else": "- name: a\n- name: b\n- name: c\n",
		"a scalar":                "steps: a\n - name: b\n - name: c\n",
		"a list in brackets":      "steps: [\n- a,\n- b\n]\n",
	} {
		for n := 2; n < 5; n++ {
			if checkPieces(t, []byte(text), n) {
				t.Errorf("%s is read in %d pieces", name, n)
			}
		}
	}
}

// Whatever a text is made of: its pieces are the whole, or are not read.
func TestPiecesAreTheWhole(t *testing.T) {
	lines := []string{
		"name: x", "tags:", "steps:", "  - name: a", "- name: a", "    key: value", "  key: value", "    list:", "      - item", "    - item",
		"", "# comment", "  # comment", "      # comment", "    key: value # comment", "    text: |", "    text: >-", "      - indented", "  - dedented",
		"    quoted: \"begins", "  - within", "  ends\"", "    quoted: 'begins", "ends'", "    flow: [a,", "  - b]", "  ]", "    map: {a: 1,", "  b: 2}", "  - &a", "    anchor: &a 1",
		"    alias: *a", "  - *a", "    <<: *a", "---", "...", "  -", "  - - deep", "  - ? key", "    : value", "  - !!str tagged", "  - 12", "  - ", "\tkey: value", "  - name: é\u2028",
	}
	items := []string{"  - name: a", "  - name: b\n    key: value", "  - {name: c}", "  - name: d\n    list:\n      - item", "  - name: e # comment", "  - {name: g}\n  # behind\n\n  # before", "  - name: h\n    # behind\n\n  # before", "  - &a {name: i}", "  - name: f\n    text: |\n      - indented"}
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.SampledFrom(items), 6, 9).Draw(t, "items")
		odd := rapid.SliceOfN(rapid.SampledFrom(lines), 0, 6).Draw(t, "lines")
		for _, line := range odd {
			parts = slices.Insert(parts, rapid.IntRange(0, len(parts)).Draw(t, "place"), line)
		}
		text := "name: x\nsteps:\n  - name: a\n" + strings.Join(parts, "\n")
		if rapid.Bool().Draw(t, "end") {
			text += "\n"
		}
		checkPieces(t, []byte(text), rapid.IntRange(2, 4).Draw(t, "pieces"))
	})
}

func FuzzPieces(f *testing.F) {
	paths, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil || len(paths) == 0 {
		f.Fatal(paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, uint8(2))
	}
	f.Add([]byte(fmt.Sprintf("%s# end", manySteps(5))), uint8(3))
	f.Fuzz(func(t *testing.T, text []byte, n uint8) {
		if isText(text, "yaml", new(problems)) && piecesOfYAML(text) < 2 {
			checkPieces(t, text, 2+int(n%4))
		}
	})
}
