package runtime_test

import (
	"slices"
	"testing"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// TestOpenExits: wherever a run is cut off, its clean-ups that have not run to their end
// are known; at its end there are none.
func TestOpenExits(t *testing.T) {
	clean := func(names ...string) func(*runtime.Branch) error {
		return func(b *runtime.Branch) error {
			for _, name := range names {
				when := runtime.ExitAlways
				if name == "failure" {
					when = runtime.ExitFailure
				}
				err := b.OnExit(when, name, func(b *runtime.Branch) (any, error) { b.Log("info", "did "+name, nil); return nil, b.Sleep(1) })
				if err != nil {
					return err
				}
			}
			return nil
		}
	}
	mem := &journal.Memory{}
	cfg := runtime.Config{Begin: journal.RunBeginBody{Name: "test", Origin: runtime.VirtualOrigin, World: "virtual"}}
	runtime.New(cfg, newScripted(answers{}, mem)).Execute(func(b *runtime.Branch) (any, error) {
		if err := clean("a", "a", "failure")(b); err != nil {
			return nil, err
		}
		_, err := b.Step(&runtime.StepSpec{Name: "s", Run: func(b *runtime.Branch) (any, error) {
			return nil, clean("in step")(b)
		}})
		return nil, err
	})
	var got [][]string
	for n, recs := 0, mem.Records(); n <= len(recs); n++ {
		open := runtime.OpenExits(recs[:n])
		if len(got) == 0 || !slices.Equal(got[len(got)-1], open) {
			got = append(got, open)
		}
	}
	want := [][]string{nil, {"a"}, {"a", "a"}, {"a", "a", "in step"}, {"a", "a"}, {"a"}, nil}
	if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("not run yet: %v, expected %v", got, want)
	}
}
