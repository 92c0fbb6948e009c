package files_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"starquake/app"
	"starquake/runtime/journal"
)

// manySteps is an orchestration of n steps, as tools write them: no two alike.
func manySteps(n int) []byte {
	var b strings.Builder
	b.WriteString("name: many\ntargets:\n  api: {listen: \"127.0.0.1:18081\", upstream: \"127.0.0.1:8081\"}\nsteps:\n")
	for i := range n {
		fmt.Fprintf(&b, `  - name: step %d
    scenario:
      name: scenario %d
      config:
        latency:
          fixed_delay_ms: %d
          jitter_percent: 10
        fault_injection:
          http_errors: [500, 503]
          http_error_probability: 0.2
    duration_seconds: 60
    continue_on_failure: true
`, i, i, i%5000+1)
	}
	return []byte(b.String())
}

// importAndPlan is what plan does with a file, without its details.
func importAndPlan(tb testing.TB, file []byte, n int) {
	s, diags := app.LoadText("many.yaml", file)
	if diags.HasErrors() {
		tb.Fatal(diags)
	}
	res, err := s.Plan(app.PlanOptions{Horizon: 365 * 24 * time.Hour})
	if err != nil {
		tb.Fatal(err)
	}
	if res.Outcome.Verdict != journal.VerdictPassed || len(res.View.Steps) != n {
		tb.Fatalf("%d steps, %+v", len(res.View.Steps), res.Outcome)
	}
}

// BenchmarkImportAndPlan reads, transpiles, checks and plans ten thousand steps.
func BenchmarkImportAndPlan(b *testing.B) {
	file := manySteps(10_000)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		importAndPlan(b, file, 10_000)
	}
}

// TestImportIsLinear imports ten times as much, which must not take much more than ten
// times the memory: what is quadratic in the steps would show here.
func TestImportIsLinear(t *testing.T) {
	allocated := func(n int) float64 {
		file := manySteps(n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		importAndPlan(t, file, n)
		runtime.ReadMemStats(&after)
		return float64(after.TotalAlloc - before.TotalAlloc)
	}
	allocated(100) // what is made once
	few, many := allocated(500), allocated(5000)
	if many > 13*few {
		t.Errorf("500 steps allocate %.1f MB, 5000 steps %.1f MB: expected no more than 13 times as much", few/1e6, many/1e6)
	}
	if perStep := many / 5000; perStep > 150_000 {
		t.Errorf("a step allocates %.0f bytes, expected at most 150000", perStep)
	}
}
