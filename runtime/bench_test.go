package runtime_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// planner answers every effect at once; held ones go on until they are cancelled.
type planner struct{}

func (planner) Plan(req *runtime.Request) (runtime.Planned, error) {
	if req.Held {
		return runtime.Planned{Reports: []runtime.PlannedEvent{{Data: json.RawMessage(`{"on":true}`)}}}, nil
	}
	return runtime.Planned{Done: &runtime.PlannedEvent{Data: json.RawMessage(`{}`)}}, nil
}

func virtualRun(tb testing.TB, j runtime.Journal, body runtime.Body) runtime.Outcome {
	tb.Helper()
	w := runtime.NewVirtual(planner{}, j)
	r := runtime.New(runtime.Config{Begin: journal.RunBeginBody{Name: "bench", Seed: 1, Origin: runtime.VirtualOrigin, World: "virtual"}}, w)
	out := r.Execute(body)
	if out.Verdict != journal.VerdictPassed {
		tb.Fatalf("the run is %s: %s", out.Verdict, out.Message)
	}
	return out
}

func sleeper(n int) runtime.Body {
	return func(b *runtime.Branch) (any, error) {
		for range n {
			if err := b.Sleep(time.Second); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
}

// BenchmarkVirtualTimers is the cost of one timer event, its two journal records
// included, kept nowhere ("discard") or in memory.
func BenchmarkVirtualTimers(b *testing.B) {
	for _, branches := range []int{1, 100, 10_000} {
		for _, kept := range []string{"discard", "memory"} {
			b.Run(fmt.Sprintf("branches=%d/journal=%s", branches, kept), func(b *testing.B) {
				var j runtime.Journal = journal.Discard{}
				if kept == "memory" {
					j = &journal.Memory{}
				}
				b.ReportAllocs()
				virtualRun(b, j, func(br *runtime.Branch) (any, error) {
					if branches == 1 {
						return sleeper(b.N)(br)
					}
					specs := make([]runtime.BranchSpec, branches)
					for i := range specs {
						n := b.N/branches + 1
						specs[i].Body = func(br *runtime.Branch) (any, error) {
							// Staggered due times: each branch begins at its own.
							if err := br.Sleep(time.Duration(i) * time.Microsecond); err != nil {
								return nil, err
							}
							return sleeper(n)(br)
						}
					}
					_, err := br.Parallel(specs, runtime.ParallelOptions{})
					return nil, err
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

// BenchmarkStep is a step without duration and without effects.
func BenchmarkStep(b *testing.B) {
	b.ReportAllocs()
	virtualRun(b, journal.Discard{}, func(br *runtime.Branch) (any, error) {
		for i := range b.N {
			if i%10_000 == 9_999 { // a turn has a bound
				if err := br.Sleep(time.Millisecond); err != nil {
					return nil, err
				}
			}
			if _, err := br.Step(&runtime.StepSpec{Name: "soak", Run: func(*runtime.Branch) (any, error) { return nil, nil }}); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
}

// BenchmarkSwitch is one switch between two branches: two of them sleep in turn.
func BenchmarkSwitch(b *testing.B) {
	virtualRun(b, journal.Discard{}, func(br *runtime.Branch) (any, error) {
		specs := []runtime.BranchSpec{{Body: sleeper(b.N / 2)}, {Body: sleeper(b.N / 2)}}
		_, err := br.Parallel(specs, runtime.ParallelOptions{})
		return nil, err
	})
}
