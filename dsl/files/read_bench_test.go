package files

import (
	"fmt"
	"strings"
	"testing"
)

// manySteps is an orchestration of n steps, each with a chaos of its own.
func manySteps(n int) []byte {
	var b strings.Builder
	b.WriteString("name: many\ntags: [nightly]\nsteps:\n")
	for i := range n {
		fmt.Fprintf(&b, `  - name: step %d
    duration_seconds: 30
    delay_before_seconds: 5
    continue_on_failure: true
    scenario:
      name: slow and failing %d
      config:
        latency:
          fixed_delay_ms: %d
          jitter_percent: 10
          probability: 0.5
        fault_injection:
          http_errors: [500, 503]
`, i, i, 100+i%400)
	}
	return []byte(b.String())
}

func BenchmarkRead(b *testing.B) {
	text := manySteps(10_000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if doc, diags := Read("many.yaml", text, ReadOptions{}); doc == nil {
			b.Fatal(diags)
		}
	}
}
