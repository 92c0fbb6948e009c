package runtime_test

import (
	"testing"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

func TestZZ(t *testing.T) {
	for _, n := range []int{100, 10000} {
		mem := &journal.Memory{}
		w := runtime.NewVirtual(planner{}, mem)
		r := runtime.New(runtime.Config{Begin: journal.RunBeginBody{Name: "x", Origin: runtime.VirtualOrigin}}, w)
		out := r.Execute(func(br *runtime.Branch) (any, error) {
			if _, err := br.Start("others", staggered(n)); err != nil {
				return nil, err
			}
			for range 300 {
				if err := br.Sleep(100 * time.Millisecond); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		t.Log(n, out.Verdict, out.Reason, out.Message)
		if out.Verdict != "passed" {
			recs := mem.Records()
			for i, r := range recs {
				if r.Kind == journal.BranchEnd {
					t.Log(render(recs[i-3 : i+3]))
					break
				}
			}
		}
	}
}
