package view_test

import (
	"testing"

	"starquake/runtime/view"
	"starquake/runtime/view/viewtest"
)

// BenchmarkFold folds 100 000 steps, each with a fault: 700 000 records. The
// promise is 150 ms for the steps alone.
func BenchmarkFold(b *testing.B) {
	for name, j := range map[string]*viewtest.Journal{
		"steps":  viewtest.Turns(50_000),
		"faults": viewtest.Hourly(100_000),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if n := len(view.Of(j.Records).Steps); n < 100_000 {
					b.Fatalf("%d steps", n)
				}
			}
			b.ReportMetric(float64(len(j.Records)), "records/op")
		})
	}
}
