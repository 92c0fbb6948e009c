package runtime_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// founded is a performer one of whose held effects others stand on.
type founded struct{ *fake }

func (founded) Founds(req *runtime.Request) bool {
	return req.Kind == "load" && string(req.Args) == `{"name":"ground"}`
}

// TestComeBackInOrder: what a recovery asks for again it asks in the order in which it
// stands on each other, however long each takes, and in whatever order the run had asked.
func TestComeBackInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const program = "load traffic\nload ground\nhold f\neffect slow"
		start := func(mem *journal.Memory, origin time.Time, does map[string]func(context.Context, *runtime.Call) (any, error), was []journal.Record) (*fake, *runtime.Real, chan runtime.Outcome) {
			f := newFake()
			f.does = does
			w := runtime.NewReal(founded{f}, mem, origin)
			if was != nil {
				w.Recover(runtime.Recovery{Records: was})
			}
			done := make(chan runtime.Outcome, 1)
			run := runtime.New(runtime.Config{Begin: journal.RunBeginBody{Name: "test", Origin: origin, World: "real"}}, w)
			go func() { done <- run.Execute(newInterp(nil).body(parseTree(program))) }()
			return f, w, done
		}
		origin := time.Now()
		mem := &journal.Memory{}
		_, w, done := start(mem, origin, map[string]func(context.Context, *runtime.Call) (any, error){"slow": until}, nil)
		synctest.Wait()
		was := slices.Clone(mem.Records())
		w.Control(runtime.Control{Action: runtime.ActionStop})
		<-done

		time.Sleep(time.Minute)
		var said []string
		late := func(name string, after time.Duration) func(context.Context, *runtime.Call) (any, error) {
			return func(ctx context.Context, call *runtime.Call) (any, error) {
				said = append(said, name+" asked")
				time.Sleep(after)
				said = append(said, name+" on")
				call.Report(true)
				<-ctx.Done()
				return nil, nil
			}
		}
		again := &journal.Memory{}
		f, _, done := start(again, origin, map[string]func(context.Context, *runtime.Call) (any, error){
			"ground": late("ground", 3*time.Second), "f": late("f", 2*time.Second), "traffic": late("traffic", time.Second),
		}, was)
		out := <-done
		want := []string{"ground asked", "ground on", "f asked", "f on", "traffic asked", "traffic on"}
		if !slices.Equal(said, want) {
			t.Errorf("asked again %v, expected %v", said, want)
		}
		if begun, _, on := f.state(); on != 0 || !slices.Equal(begun, []string{"ground", "f", "traffic"}) {
			t.Errorf("begun %v, %d are on", begun, on)
		}
		wantVerdict(t, out, journal.VerdictFailed) // slow may have been done, or not
	})
}
