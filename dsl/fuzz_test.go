package dsl

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// seed adds the scripts of testdata to a fuzz target.
func seed(f *testing.F) {
	for _, pattern := range []string{"testdata/wrong/*.star", "testdata/good/*.star", "testdata/format/*.in", "library/*.star"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Add([]byte("def f():\n\tpass # x\n\n\n# y\nx = [ # a\n1, # b\n]\n"))
}

// FuzzLoad checks that any text is answered with diagnostics inside of the text, or
// with a program, and that rendering them is harmless.
func FuzzLoad(f *testing.F) {
	seed(f)
	opt := testOptions()
	f.Fuzz(func(t *testing.T, text []byte) {
		u, diags := LoadText("fuzz.star", text, opt)
		within(t, u, diags)
		if u.Main.Program == nil && !diags.HasErrors() {
			t.Error("there is neither a program nor an error")
		}
		var b bytes.Buffer
		if err := diags.Render(&b, u.Sources, false); err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(b.Bytes()) || strings.ContainsFunc(b.String(), func(r rune) bool { return r != '\n' && !shown(r) }) {
			t.Errorf("the rendering holds control characters: %q", b.String())
		}
		Untaken(u, opt, func(string, int32, int32) bool { return false })
		for c := range Calls(u, opt) {
			c.Text("name")
		}
	})
}

// FuzzFormat checks that formatting keeps the program, settles at once, and never panics.
func FuzzFormat(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		out, err := Format("fuzz.star", text)
		if err != nil {
			return // it does not parse, or the formatter declined to change it
		}
		again, err := Format("fuzz.star", out)
		if err != nil || !bytes.Equal(out, again) {
			t.Errorf("formatting again: %v\n%q\n%q\n%q", err, text, out, again)
		}
	})
}

// FuzzParseSignature checks that a signature is read or refused.
func FuzzParseSignature(f *testing.F) {
	for _, b := range testTable() {
		f.Add(b.Sig)
	}
	f.Fuzz(func(t *testing.T, sig string) {
		s, err := ParseSignature(sig)
		if (s == nil) == (err == nil) {
			t.Errorf("ParseSignature(%q) = %v, %v", sig, s, err)
		}
	})
}

// bigScript is a script of at least n lines.
func bigScript(n int) []byte {
	var b bytes.Buffer
	b.WriteString("p = proxy(\"p\", listen = \":1\", upstream = \":2\")\n\ndef main():\n    guard(\"g\", probe.tcp(\"a:1\"))\n")
	for i := 0; i < n; i += 10 {
		fmt.Fprintf(&b, `    r%[1]d = step("step %[1]d", duration = "30s", on = p, chaos = fault.latency("50ms", jitter = "5ms"))
    if not r%[1]d.ok and r%[1]d.duration > duration("1s"):
        log("it took %[1]d", times = [x * 2 for x in range(3)])
    else:
        parallel(lambda: sleep("1s"), lambda: helper%[1]d(5))

def helper%[1]d(n):
    for i in range(n):
        attempt(lambda: step("in %%d" %% i, duration = "1s"))

def more%[1]d():
`, i)
	}
	b.WriteString("    pass\n")
	return b.Bytes()
}

func BenchmarkLoad10000Lines(b *testing.B) {
	text, opt := bigScript(10000), testOptions()
	b.ReportMetric(float64(bytes.Count(text, []byte("\n"))), "lines")
	for b.Loop() {
		if u, diags := LoadText("big.star", text, opt); diags != nil {
			var out bytes.Buffer
			_ = diags[:1].Render(&out, u.Sources, false)
			b.Fatal(out.String())
		}
	}
}
