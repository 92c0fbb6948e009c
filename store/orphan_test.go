package store

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"starquake/runtime/journal"
)

// TestOrphan goes through what may become of a run whose process has died.
func TestOrphan(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run, err := s.Create(Info{ID: "r"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	calls := 0
	count := func(context.Context) error { calls++; return nil }
	o := Orphaned(s.RunDir("r"))
	if over, err := o.Do(ctx, count); over || !errors.Is(err, ErrBusy) || calls > 0 {
		t.Errorf("while a process holds it: over %v, %v, %d calls", over, err, calls)
	}
	if err := run.Close(); err != nil { // as a process that dies frees it
		t.Fatal(err)
	}
	if over, err := o.Do(ctx, count); over || err != nil || calls != 1 {
		t.Errorf("orphaned: over %v, %v, %d calls", over, err, calls)
	}

	// One who takes it up ends what is under way, and waits for that.
	began, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := o.Do(ctx, func(ctx context.Context) error {
			close(began)
			select {
			case <-ctx.Done():
			case <-time.After(time.Minute):
			}
			time.Sleep(20 * time.Millisecond) // what is under way takes its time
			ended <- ctx.Err()
			return ctx.Err()
		})
		if err == nil {
			t.Error("what was cut short is no success")
		}
	}()
	<-began
	run, _, err = s.Resume("r")
	if err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	default:
		t.Error("the run was taken up while its guardian was at work")
	}
	if over, err := o.Do(ctx, count); over || !errors.Is(err, ErrBusy) {
		t.Errorf("taken up: over %v, %v", over, err)
	}

	// Who only looked leaves it an orphan; who went on with it does not.
	if err := run.Close(); err != nil {
		t.Fatal(err)
	}
	if over, err := o.Do(ctx, count); over || err != nil || calls != 2 {
		t.Errorf("let go: over %v, %v, %d calls", over, err, calls)
	}
	if run, _, err = s.Resume("r"); err != nil {
		t.Fatal(err)
	}
	if err := run.Append([]journal.Record{{Kind: journal.RunBegin, Body: &journal.RunBeginBody{}}}); err != nil {
		t.Fatal(err)
	}
	if err := run.Close(); err != nil {
		t.Fatal(err)
	}
	if over, err := o.Do(ctx, count); !over || err != nil || calls != 2 {
		t.Errorf("gone on with: over %v, %v, %d calls", over, err, calls)
	}
	// One that had ended by then is its business still, until it is cleaned up.
	run, err = s.Create(Info{ID: "e"})
	if err != nil {
		t.Fatal(err)
	}
	early := Orphaned(s.RunDir("e"))
	if err := run.End(End{Verdict: journal.VerdictUnclean}); err != nil {
		t.Fatal(err)
	}
	if over, err := early.Do(ctx, count); !over || err != nil || calls != 2 {
		t.Errorf("ended: over %v, %v, %d calls", over, err, calls)
	}
	late := Orphaned(s.RunDir("e"))
	if over, err := late.Do(ctx, count); over || err != nil || calls != 3 {
		t.Errorf("ended before: over %v, %v, %d calls", over, err, calls)
	}
	if run, _, _, err = s.Salvage("e"); err == nil {
		err = errors.Join(run.NoteCleaned(Cleaned{All: true}), run.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if over, err := late.Do(ctx, count); !over || err != nil || calls != 3 {
		t.Errorf("cleaned up: over %v, %v, %d calls", over, err, calls)
	}
	if err := os.RemoveAll(s.RunDir("r")); err != nil {
		t.Fatal(err)
	}
	if over, err := Orphaned(s.RunDir("r")).Do(ctx, count); !over || err != nil || calls != 3 {
		t.Errorf("removed: over %v, %v, %d calls", over, err, calls)
	}
}
