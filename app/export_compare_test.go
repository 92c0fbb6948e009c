package app

import (
	"strings"
	"testing"
)

// TestExportIsCompared says of files that do almost what a script does where they differ.
func TestExportIsCompared(t *testing.T) {
	const script = `
orchestration(name = "a")
shop = proxy("shop", listen = "127.0.0.1:0", upstream = "127.0.0.1:80")

def main():
    step("one", duration = "10s", chaos = fault.latency("50ms"), on = shop, on_failure = "tolerate")
    step("two", duration = "5s", delay_before = "1s")
`
	s, diags := LoadText("a.star", []byte(script))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	text, _, err := s.Export("yaml", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ old, new, want string }{
		{"duration_seconds: 10", "duration_seconds: 11", "step \\\"one\\\" begins, for 10s"},
		{"fixed_delay_ms: 50", "fixed_delay_ms: 51", "latency"},
		{"    target: shop\n", "    target: shap\n", `on \"shap\"`},
		{"    continue_on_failure: true\n", "", `when the step "one" fails: the exported file would not do the same`},
		{"    delay_before_seconds: 1\n", "", "after 1s"},
		{"127.0.0.1:80", "127.0.0.1:81", "upstream"},
		{"  - name: two", "  - name: one", "two"},
		{"name: a\n", "name: a\nparallel: true\n", "the script has"},
		{"name: a\n", "name: a\nloop_orchestration: true\nmax_iterations: 2\n", "the script has"},
		{"duration_seconds", "duration_secs", "would not be read"},
	} {
		changed := strings.Replace(string(text), test.old, test.new, 1)
		if changed == string(text) {
			t.Fatalf("%q is not in\n%s", test.old, text)
		}
		if err := s.sameAs("a.yaml", []byte(changed), Options{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q in place of %q: %v, want %q", test.new, test.old, err, test.want)
		}
	}
	if err := s.sameAs("a.yaml", text, Options{}); err != nil {
		t.Errorf("as exported: %v", err)
	}
}
