package runtime_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// slowToEnd performs faults that take some time to end.
type slowToEnd struct {
	takes, patience time.Duration
}

func (s slowToEnd) Perform(ctx context.Context, call *runtime.Call) (any, error) {
	call.Report(struct{}{})
	<-ctx.Done()
	time.Sleep(s.takes)
	return nil, nil
}

func (s slowToEnd) EndWithin(*runtime.Request) time.Duration { return s.patience }

// TestPatience looks at a fault that takes longer to end than effects usually may: it is
// waited for if its performer says so, else it counts as not off.
func TestPatience(t *testing.T) {
	for patience, want := range map[time.Duration]journal.Verdict{0: journal.VerdictUnclean, 2 * time.Minute: journal.VerdictPassed} {
		synctest.Test(t, func(t *testing.T) {
			w := runtime.NewReal(slowToEnd{time.Minute, patience}, &journal.Memory{}, time.Now())
			out := runtime.New(runtime.Config{}, w).Execute(func(b *runtime.Branch) (any, error) {
				held, err := b.Hold(ask("fault", "f"))
				if err != nil {
					return nil, err
				}
				return nil, b.Release(held...)
			})
			if out.Verdict != want {
				t.Errorf("with a patience of %s: %s, want %s", patience, out.Verdict, want)
			}
			time.Sleep(time.Hour) // what was given up ends, too
		})
	}
}

// halfOn performs faults that cannot be put on as a whole, nor taken off.
type halfOn struct{}

func (halfOn) Perform(context.Context, *runtime.Call) (any, error) {
	return nil, &journal.EffectError{Code: journal.CodeUnclean, Message: "a part of it may be on"}
}

func TestHalfOn(t *testing.T) {
	w := runtime.NewReal(halfOn{}, &journal.Memory{}, time.Now())
	out := runtime.New(runtime.Config{}, w).Execute(func(b *runtime.Branch) (any, error) {
		_, err := b.Hold(ask("fault", "f"))
		return nil, err
	})
	if out.Verdict != journal.VerdictUnclean {
		t.Errorf("%s, want unclean: %+v", out.Verdict, out)
	}
}
