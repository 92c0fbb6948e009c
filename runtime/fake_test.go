package runtime_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"starquake/runtime"
	"starquake/runtime/journal"
)

// fake performs effects by name, and counts what is on. Without an entry in does a
// held effect goes on until it is cancelled, and another answers at once.
type fake struct {
	does map[string]func(ctx context.Context, call *runtime.Call) (any, error)

	mu      sync.Mutex
	begun   []string // names, in the order in which they began
	ended   int
	on      int // held effects that are on
	changed chan struct{}
}

func newFake() *fake {
	return &fake{does: map[string]func(context.Context, *runtime.Call) (any, error){}, changed: make(chan struct{}, 1)}
}

func (f *fake) change(do func()) {
	f.mu.Lock()
	do()
	f.mu.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Perform implements runtime.Performer.
func (f *fake) Perform(ctx context.Context, call *runtime.Call) (any, error) {
	var args effectArgs
	if err := call.Decode(&args); err != nil {
		return nil, err
	}
	f.change(func() { f.begun = append(f.begun, args.Name) })
	defer f.change(func() { f.ended++ })
	if do := f.does[args.Name]; do != nil {
		return do(ctx, call)
	}
	if !call.Held {
		return map[string]string{"got": args.Name}, nil
	}
	f.change(func() { f.on++ })
	defer f.change(func() { f.on-- })
	call.Report(map[string]bool{"on": true})
	<-ctx.Done()
	return nil, nil
}

// state is a copy of what is counted.
func (f *fake) state() (begun []string, ended, on int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.begun...), f.ended, f.on
}

// await waits until n held effects are on.
func (f *fake) await(t testing.TB, n int) {
	t.Helper()
	for deadline := time.After(soon); ; {
		if _, _, on := f.state(); on == n {
			return
		}
		select {
		case <-f.changed:
		case <-deadline:
			_, _, on := f.state()
			t.Fatalf("%d held effects are on after %s, expected %d", on, soon, n)
		}
	}
}

// until waits for ctx and answers, as an effect that obeys.
func until(ctx context.Context, _ *runtime.Call) (any, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// realRun is a run in the real world that goes on beside the test.
type realRun struct {
	*runtime.Real
	fake *fake
	mem  *journal.Memory
	done chan runtime.Outcome
}

// start runs a program in the real world. The journal is j, or in memory if nil.
func startReal(f *fake, j runtime.Journal, program string) *realRun {
	r := &realRun{fake: f, mem: &journal.Memory{}, done: make(chan runtime.Outcome, 1)}
	if j == nil {
		j = r.mem
	}
	now := time.Now()
	r.Real = runtime.NewReal(f, j, now)
	run := runtime.New(runtime.Config{Begin: journal.RunBeginBody{Name: "test", Origin: now, World: "real"}}, r.Real)
	body := newInterp(nil).body(parseTree(program))
	go func() { r.done <- run.Execute(body) }()
	return r
}

// within waits for the run's end for d at most.
func (r *realRun) within(t testing.TB, d time.Duration) runtime.Outcome {
	t.Helper()
	select {
	case out := <-r.done:
		if _, _, on := r.fake.state(); on != 0 {
			t.Errorf("%d held effects are on after the run's end", on)
		}
		if recs := r.mem.Records(); len(recs) > 0 {
			if err := invariants(recs); err != nil {
				t.Errorf("%v\n%s", err, render(recs))
			}
		}
		return out
	case <-time.After(d):
		t.Fatalf("the run has not ended within %s\n%s", d, render(r.mem.Records()))
	}
	panic("not reached")
}

func wantVerdict(t testing.TB, out runtime.Outcome, want journal.Verdict) {
	t.Helper()
	if out.Verdict != want {
		t.Errorf("verdict %s (%s: %s), expected %s", out.Verdict, out.Reason, out.Message, want)
	}
}

// noLeaks checks that the test leaves no goroutine behind.
func noLeaks(t *testing.T) {
	t.Helper()
	was := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, was) })
}

// brokenJournal keeps records until its budget of appends or syncs is used up.
type brokenJournal struct {
	journal.Memory
	appends, syncs int // how many succeed; negative: all
}

var errDisk = errors.New("no space left on device")

func (j *brokenJournal) Append(recs []journal.Record) error {
	if j.appends == 0 {
		return errDisk
	}
	j.appends--
	return j.Memory.Append(recs)
}

func (j *brokenJournal) Sync() error {
	if j.syncs == 0 {
		return errDisk
	}
	j.syncs--
	return nil
}
