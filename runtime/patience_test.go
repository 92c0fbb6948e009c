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

// Undo implements runtime.Undoer.
func (s slowToEnd) Undo(ctx context.Context, _ runtime.Request) error {
	select {
	case <-time.After(s.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestRecoverPatience: what a dead process has left on may take as long to take off.
func TestRecoverPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, mem, began := slowToEnd{90 * time.Second, 2 * time.Minute}, &journal.Memory{}, time.Now()
		main := func(b *runtime.Branch) (any, error) {
			if _, err := b.Hold(ask("fault", "f")); err != nil {
				return nil, err
			}
			return nil, b.Sleep(time.Hour)
		}
		first := runtime.NewReal(p, mem, began)
		done := make(chan runtime.Outcome, 1)
		go func() { done <- runtime.New(runtime.Config{}, first).Execute(main) }()
		synctest.Wait()
		recs := mem.Records() // what is there if it dies now
		w := runtime.NewReal(p, &journal.Memory{}, began)
		w.Recover(runtime.Recovery{Records: recs, Rollback: true})
		again := make(chan runtime.Outcome, 1)
		go func() { again <- runtime.New(runtime.Config{}, w).Execute(main) }()
		synctest.Wait() // it is being taken off: who leaves now leaves it on
		if on := w.InFlight(); len(on) != 1 || !on[0].Chaos {
			t.Errorf("while it is taken off %+v is on", on)
		}
		if out := <-again; out.Verdict != journal.VerdictStopped {
			t.Errorf("%s, want stopped: %+v", out.Verdict, out)
		}
		if on := w.InFlight(); len(on) != 0 {
			t.Errorf("then %+v is on", on)
		}
		first.Control(runtime.Control{Action: runtime.ActionStop})
		<-done
	})
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

// neverOn performs faults that are not on when they are cancelled, and do not end.
type neverOn struct{}

func (neverOn) Perform(context.Context, *runtime.Call) (any, error) {
	time.Sleep(time.Minute) // nobody knows yet what it will have done
	return nil, nil
}

// TestNobodyKnows: of a fault that was given up while it was still being put on nobody knows
// whether it is on. A probe or a load that does not end leaves nothing on.
func TestNobodyKnows(t *testing.T) {
	for kind, want := range map[string]journal.Verdict{"fault": journal.VerdictUnclean, "load": journal.VerdictStopped} {
		synctest.Test(t, func(t *testing.T) {
			mem := &journal.Memory{}
			w := runtime.NewReal(neverOn{}, mem, time.Now())
			done := make(chan runtime.Outcome, 1)
			go func() {
				done <- runtime.New(runtime.Config{}, w).Execute(func(b *runtime.Branch) (any, error) {
					_, err := b.Hold(ask(kind, "f"))
					return nil, err
				})
			}()
			synctest.Wait()
			w.Control(runtime.Control{Action: runtime.ActionStop})
			if out := <-done; out.Verdict != want {
				t.Errorf("%s: %s, want %s: %+v", kind, out.Verdict, want, out)
			}
			if left := len(runtime.LeftOn(mem.Records())) > 0; left != (kind == "fault") {
				t.Errorf("%s: a cleanup has something to take off: %v", kind, left)
			}
			time.Sleep(time.Hour) // what was given up ends, too
		})
	}
}

// heeds performs faults that write down what they are told, also a while after their cancel.
type heeds struct{ told []runtime.SignalKind }

func (h *heeds) Perform(ctx context.Context, call *runtime.Call) (any, error) {
	call.Report(struct{}{})
	for over := ctx.Done(); over != nil; {
		select {
		case s := <-call.Signals:
			h.told = append(h.told, s)
		case <-over:
			over = nil
			time.Sleep(time.Second)
		}
	}
	for len(call.Signals) > 0 {
		h.told = append(h.told, <-call.Signals)
	}
	return nil, nil
}

// TestEndOfALiftedPause: a fault that a pause has lifted is not put on again for the moment in
// which the run is stopped or aborted.
func TestEndOfALiftedPause(t *testing.T) {
	want := []runtime.SignalKind{runtime.SignalPause, runtime.SignalLift}
	for _, end := range []string{runtime.ActionStop, runtime.ActionAbort, runtime.ActionFail} {
		synctest.Test(t, func(t *testing.T) {
			fault := &heeds{}
			w := runtime.NewReal(fault, &journal.Memory{}, time.Now())
			done := make(chan runtime.Outcome, 1)
			go func() {
				done <- runtime.New(runtime.Config{}, w).Execute(func(b *runtime.Branch) (any, error) {
					if _, err := b.Hold(ask("fault", "f")); err != nil {
						return nil, err
					}
					return nil, b.Sleep(time.Hour)
				})
			}()
			synctest.Wait()
			w.Control(runtime.Control{Action: runtime.ActionPause, Lift: true})
			synctest.Wait()
			w.Control(runtime.Control{Action: end})
			<-done
			if !slices.Equal(fault.told, want) {
				t.Errorf("%s: it was told %v, want %v", end, fault.told, want)
			}
		})
	}
}
