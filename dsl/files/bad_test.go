package files_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"starquake/dsl"
	"starquake/dsl/files"
)

// The bounds within which any file has to be read, the time in CPU time of the process:
// what else the machine does is no fault of the reader. Reading is never near them but
// where it is not linear; under the race detector it takes some ten times as long.
const (
	maxReadTime   = 2 * time.Second
	maxReadMemory = 256 << 20
)

// readBounded reads a bad file, and holds what that costs and says against the bounds.
func readBounded(t *testing.T, name string, text []byte) dsl.Diagnostics {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := cpuTime(t)
	doc, diags := files.Read(name, text, files.ReadOptions{})
	took := cpuTime(t) - begin
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > maxReadMemory {
		t.Errorf("reading took %d MB of memory", used>>20)
	}
	if took > maxReadTime*slowness {
		t.Errorf("reading took %v", took)
	}
	if doc != nil || !diags.HasErrors() {
		t.Errorf("a bad file was read; diagnostics: %v", diags)
	}
	within(t, diags, text)
	return diags
}

// cpuTime is what this process has computed so far; nothing else of it runs meanwhile.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// within checks that every diagnostic has a place in the text, in order, and a code.
func within(t *testing.T, diags dsl.Diagnostics, text []byte) {
	t.Helper()
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
	lines := bytes.Split(text, []byte("\n"))
	last := 0
	for _, d := range diags {
		if d.Code == "" || d.Message == "" {
			t.Errorf("a diagnostic without code or message: %+v", d)
		}
		if d.Code == "too_many_problems" {
			continue
		}
		if d.Line < last {
			t.Errorf("line %d comes after line %d: %v", d.Line, last, d)
		}
		last = d.Line
		if d.Line == 0 {
			continue
		}
		if d.Line > len(lines) || d.Col < 1 || d.Col > utf8.RuneCount(lines[d.Line-1])+1 {
			t.Errorf("no such place in the file: %d:%d: %v", d.Line, d.Col, d)
		}
	}
}

// TestReadBad reads the files of testdata/badfiles. Beside each is what is said of it.
func TestReadBad(t *testing.T) {
	paths, err := filepath.Glob("../../testdata/badfiles/*")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, path := range paths {
		if strings.HasSuffix(path, ".diag") {
			if _, err := os.Stat(strings.TrimSuffix(path, ".diag")); err != nil {
				t.Errorf("%s belongs to no file", path)
			}
			continue
		}
		count++
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			diags := readBounded(t, filepath.Base(path), text)
			goldenFile(t, path+".diag", rendered(t, diags, text))
		})
	}
	if count < 60 {
		t.Errorf("found only %d files", count)
	}
}

// TestReadHostile reads texts that are too large to be kept as files.
func TestReadHostile(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, files.MaxSize/len(s)) }
	head := "name: a\nsteps: [{name: one}]\nx: "
	for name, text := range map[string]string{
		"100 MB.yaml":               string(make([]byte, 100<<20)),
		"200000 brackets.yaml":      head + strings.Repeat("[", 200_000),
		"200000 braces.yaml":        head + strings.Repeat("{a: ", 200_000),
		"200000 pairs.yaml":         head + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000),
		"200000 dashes.yaml":        strings.Repeat("- ", 200_000),
		"200000 questions.yaml":     strings.Repeat("? ", 200_000),
		"deep indentation.yaml":     indented(2500),
		"brackets.yaml":             head + fill("[")[100:],
		"empty lists.yaml":          "x: [" + fill("[],")[100:],
		"keys.yaml":                 fill("a: 1\n"),
		"anchors.yaml":              fill("- &a 1\n"),
		"tags.yaml":                 fill("- !a 1\n"),
		"comments.yaml":             fill("# é\n"),
		"comments and keys.yaml":    fill("#a\nb: 1\n"),
		"comments in brackets.yaml": "[" + fill("a, #x\n")[10:],
		"feet.yaml":                 "a:\n" + fill("  - 1\n  # x\n\n")[10:],
		"lines.yaml":                fill("\n"),
		"one word.yaml":             fill("x"),
		"one quote.yaml":            "\"" + fill("x")[1:],
		"blocks.yaml":               "|\n" + fill(" x\n")[10:],
		"long plain.yaml":           "a: " + fill("x\n ")[10:],
		"backslashes.yaml":          "a: \"" + fill("\\n")[10:] + "\"",
		"documents.yaml":            fill("---\n"),
		"commas.yaml":               "[" + fill(",")[1:],
		"colons.yaml":               fill(":"),
		"spaced colons.yaml":        fill(": "),
		"aliases.yaml":              "a: &a {b: 1}\nx:\n" + fill("- *a\n")[100:],
		"merges.yaml":               "a: &a {b: 1, c: 2}\nx: {" + strings.Repeat("<<: *a, ", 100_000) + "}\n",
		"unknown keys.yaml":         "name: a\nsteps: [{name: one}]\n" + numbered("k%d: 1\n", 100_000),
		"wrong steps.yaml":          "name: a\nsteps:\n" + numbered("- {nme: s%d}\n", 50_000),
		"duplicates.yaml":           "name: a\nsteps: [{name: one}]\nvariables:\n" + strings.Repeat(" a: 1\n", 100_000),
		"templates.yaml":            "name: a\nsteps: [{name: one}]\nvariables: {x: \"" + strings.Repeat("{{a}} ", 200_000) + "\"}\n",
		"late syntax error.yaml":    "name: a\nsteps:\n" + numbered("- name: s%d\n  duration_seconds: 1\n", 20_000) + " x: 1\n",
		"open quote.yaml":           "name: a\nsteps:\n" + numbered("- name: s%d\n", 50_000) + "x: \"" + fill("y\n")[:1<<20],
		"brackets.json":             fill("["),
		"objects.json":              fill("{\"a\":"),
		"values.json":               "[" + fill("1,")[10:] + "1]",
		"string.json":               "\"" + fill("x")[1:],
		"escapes.json":              "[\"" + fill("\\u0041")[100:] + "\"]",
		"number.json":               fill("1"),
		"comments.json":             fill("/* */"),
		"slashes.json":              fill("//\n"),
		"trailing commas.json":      "{\"name\": [" + strings.Repeat("[1,],", 100_000) + "1]}",
	} {
		t.Run(name, func(t *testing.T) {
			if len(text) > files.MaxSize && !strings.HasPrefix(name, "100") {
				t.Fatalf("the text has %d bytes and tests nothing but its size", len(text))
			}
			diags := readBounded(t, name, []byte(text))
			if len(diags) > 201 {
				t.Errorf("%d diagnostics", len(diags))
			}
			if len(diags) > 0 {
				t.Log(diags[0])
			}
		})
	}
}

// indented nests mappings by indentation.
func indented(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(format, "%d", strconv.Itoa(i)))
	}
	return b.String()
}

// TestReadManyOdd reads large files that are good, but for what is warned of.
func TestReadManyOdd(t *testing.T) {
	for name, text := range map[string]string{
		"unknown config keys.yaml": "name: a\nsteps:\n- name: one\n  duration_seconds: 1\n  scenario:\n    config:\n" + numbered("      k%d: 1\n", 100_000),
		"escaped templates.json":   `{"name": "a", "steps": [{"name": "one"}], "variables": {"x": ["` + strings.Repeat(`\u007b\u007biteration}}","`, 140_000) + `"]}}`,
		"escaped templates.yaml":   "name: a\nsteps: [{name: one}]\nvariables:\n  x:\n" + strings.Repeat("  - !!str \"\\x7b\\x7biteration}}\"\n", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			begin := cpuTime(t)
			doc, diags := files.Read(name, []byte(text), files.ReadOptions{Lenient: true})
			if took := cpuTime(t) - begin; took > maxReadTime*slowness {
				t.Errorf("reading took %v", took)
			}
			if doc == nil {
				t.Error(diags.Err())
			}
			within(t, diags, []byte(text))
		})
	}
}

// TestReadEscapedTemplate reads a template written with an escape, whose place is that of the
// whole string even where one stands behind it that is written as it is.
func TestReadEscapedTemplate(t *testing.T) {
	for _, text := range []string{
		"name: a\nvariables: {x: \"\\x7b{variables.no}}\", y: 1}\nsteps: [{name: \"{{variables.no}}\"}]\n",
		"name: a\nvariables: {x: &x \"\\x7b{variables.no}}\", y: 1}\nsteps: [{name: \"{{variables.no}}\"}]\n",
	} {
		_, diags := files.Read("a.yaml", []byte(text), files.ReadOptions{})
		if len(diags) != 2 || diags[0].Line != 2 || diags[1].Line != 3 {
			t.Errorf("%s\n%v", text, diags)
		}
	}
}
