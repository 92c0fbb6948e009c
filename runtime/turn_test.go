package runtime_test

import (
	"errors"
	"testing"
	"time"

	"starquake/runtime"
	"starquake/runtime/journal"
)

func runVirtual(t *testing.T, cfg runtime.Config, body runtime.Body) runtime.Outcome {
	t.Helper()
	cfg.Begin = journal.RunBeginBody{Name: "turn", Origin: runtime.VirtualOrigin}
	return runtime.New(cfg, runtime.NewVirtual(planner{}, journal.Discard{})).Execute(body)
}

// TestTurnTooLong: a loop that waits for nothing ends, and is no success.
func TestTurnTooLong(t *testing.T) {
	out := runVirtual(t, runtime.Config{}, func(b *runtime.Branch) (any, error) {
		for {
			if err := b.Check(runtime.CheckSpec{Name: "again", OK: true}); err != nil {
				return nil, err
			}
		}
	})
	if out.Reason != "turn_too_long" || out.Verdict != journal.VerdictInvalid {
		t.Errorf("%s, %s: %s", out.Verdict, out.Reason, out.Message)
	}
}

// TestManyTurns: the bound is for one turn, not for the run.
func TestManyTurns(t *testing.T) {
	out := runVirtual(t, runtime.Config{}, sleeper(500_000))
	if out.Verdict != journal.VerdictPassed || out.Took != 500_000*time.Second {
		t.Errorf("%s after %s: %s", out.Verdict, out.Took, out.Message)
	}
}

// TestManyBranchesInOneTurn: many branches may begin together, each with some
// operations, though one branch alone may not do as many in a turn.
func TestManyBranchesInOneTurn(t *testing.T) {
	specs := make([]runtime.BranchSpec, 20_000)
	for i := range specs {
		specs[i].Body = func(b *runtime.Branch) (any, error) {
			for range 15 {
				if err := b.Check(runtime.CheckSpec{Name: "c", OK: true}); err != nil {
					return nil, err
				}
			}
			return nil, b.Sleep(time.Second)
		}
	}
	out := runVirtual(t, runtime.Config{}, func(b *runtime.Branch) (any, error) {
		_, err := b.Parallel(specs, runtime.ParallelOptions{})
		return nil, err
	})
	if out.Verdict != journal.VerdictPassed || out.Took != time.Second {
		t.Errorf("%s after %s: %s", out.Verdict, out.Took, out.Message)
	}
}

// TestLimits: branches beyond the limits are an error of the script; a clean-up is
// never refused.
func TestLimits(t *testing.T) {
	var cleaned int
	var deep func(n int) runtime.Body
	deep = func(n int) runtime.Body {
		return func(b *runtime.Branch) (any, error) {
			clean := func(*runtime.Branch) (any, error) { cleaned++; return nil, nil }
			if err := b.OnExit(runtime.ExitAlways, "clean", clean); err != nil {
				return nil, err
			}
			_, err := b.Parallel([]runtime.BranchSpec{{Body: deep(n - 1)}}, runtime.ParallelOptions{})
			return nil, err
		}
	}
	for _, test := range []struct {
		cfg     runtime.Config
		code    string
		cleaned int
	}{
		{runtime.Config{MaxDepth: 5}, "too_deep", 6},
		{runtime.Config{MaxBranches: 3}, "too_many_branches", 3},
	} {
		cleaned = 0
		out := runVirtual(t, test.cfg, deep(1000))
		if out.Reason != test.code || cleaned != test.cleaned || len(out.Unclean) > 0 {
			t.Errorf("%s (%s) with %d clean-ups and unclean %v, expected %s with %d", out.Reason, out.Message, cleaned, out.Unclean, test.code, test.cleaned)
		}
	}
}

// TestEndless: a loop of sleeps of nothing ends in the virtual world.
func TestEndless(t *testing.T) {
	out := runVirtual(t, runtime.Config{}, func(b *runtime.Branch) (any, error) {
		for {
			if err := b.Sleep(0); err != nil {
				return nil, err
			}
		}
	})
	if out.Reason != "endless" || out.Verdict != journal.VerdictErrored {
		t.Errorf("%s, %s: %s", out.Verdict, out.Reason, out.Message)
	}
}

// TestWrappedCancellation: an interpreter wraps errors; cancellation stays what it is.
func TestWrappedCancellation(t *testing.T) {
	w := runtime.NewVirtual(planner{}, journal.Discard{})
	w.Control(time.Second, runtime.Control{Action: runtime.ActionStop})
	out := runtime.New(runtime.Config{}, w).Execute(func(b *runtime.Branch) (any, error) {
		_, err := b.Attempt(func(b *runtime.Branch) (any, error) {
			return nil, errors.Join(errors.New("in f"), b.Sleep(time.Hour))
		})
		return nil, err
	})
	if out.Verdict != journal.VerdictStopped || len(out.Failures) > 0 {
		t.Errorf("%s with failures %v, expected stopped with none", out.Verdict, out.Failures)
	}
}

// TestCancelledByNobody: a body that returns ErrCancelled by mistake is a defect, and
// never a success.
func TestCancelledByNobody(t *testing.T) {
	out := runVirtual(t, runtime.Config{}, func(*runtime.Branch) (any, error) { return nil, runtime.ErrCancelled })
	if out.Verdict != journal.VerdictErrored || out.Reason != "internal_error" {
		t.Errorf("%s, %s: %s", out.Verdict, out.Reason, out.Message)
	}
}
