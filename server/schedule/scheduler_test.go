package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"starquake/store"
)

// fakeRuns is a server's runs: each goes on until it is ended. It lives longer than the
// scheduler, as runs in a data folder do.
type fakeRuns struct {
	mu     sync.Mutex
	starts []string // "ID at TIME by WHO", for each
	keys   map[string]string
	active map[string]bool
	fail   error  // of every start
	crash  func() // called when a run has begun
	stops  []string
	hang   bool // no run ends by a stop
}

func newFakeRuns() *fakeRuns {
	return &fakeRuns{keys: map[string]string{}, active: map[string]bool{}}
}

func (f *fakeRuns) Start(_ context.Context, s Start) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return "", f.fail
	}
	if run := f.keys[s.Key]; s.Key != "" && run != "" {
		return run, nil
	}
	run := fmt.Sprintf("r%d", len(f.starts)+1)
	f.starts = append(f.starts, fmt.Sprintf("%s %s by %s", run, time.Now().UTC().Format("01-02T15:04"), s.By))
	f.active[run] = true
	if s.Key != "" {
		f.keys[s.Key] = run
	}
	if f.crash != nil {
		f.crash()
	}
	return run, nil
}

func (f *fakeRuns) Started(s Start) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	run, ok := f.keys[s.Key]
	return run, ok
}

func (f *fakeRuns) Active(run string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.active[run]
}

func (f *fakeRuns) Stop(ctx context.Context, run, why string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hang {
		f.mu.Unlock()
		<-ctx.Done()
		f.mu.Lock()
		return ctx.Err()
	}
	f.active[run] = false
	f.stops = append(f.stops, run)
	return nil
}

// Met implements Runs.
func (f *fakeRuns) Met(Outcome) {}

// set changes how it behaves.
func (f *fakeRuns) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeRuns) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.active)
}

// world is a data folder and runs, in virtual time from 2000-01-01T00:00:00Z.
type world struct {
	*testing.T
	dir  string
	runs *fakeRuns
	st   *store.Store
	s    *Scheduler
}

func inWorld(t *testing.T, f func(*world)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, dir: dir, runs: newFakeRuns()}
		w.up()
		f(w)
		w.down()
	})
}

func (w *world) up() {
	w.Helper()
	var err error
	if w.st, err = store.Open(w.dir, store.Options{}); err != nil {
		w.Fatal(err)
	}
	if w.s, err = New(w.st, w.runs, slog.New(slog.DiscardHandler)); err != nil {
		w.Fatal(err)
	}
}

func (w *world) down() {
	w.Helper()
	w.s.Close()
	if err := w.st.Close(); err != nil {
		w.Error(err)
	}
}

func (w *world) put(definition string) Entry {
	w.Helper()
	d, err := Parse([]byte(`{"orchestration":"x",` + definition + `}`))
	if err != nil {
		w.Fatal(err)
	}
	e, err := w.s.Put("s", "ann", d, "")
	if err != nil {
		w.Fatal(err)
	}
	return e
}

// pass lets time pass. Runs end after half an hour, unless one keeps them.
func (w *world) pass(d time.Duration, keep bool) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(30*time.Minute, time.Until(end)))
		synctest.Wait()
		if !keep {
			w.runs.end()
		}
	}
}

func (w *world) wantStarts(want ...string) {
	w.Helper()
	w.runs.mu.Lock()
	defer w.runs.mu.Unlock()
	if !slices.Equal(w.runs.starts, want) {
		w.Errorf("started %q, want %q", w.runs.starts, want)
	}
}

func (w *world) last() Outcome {
	w.Helper()
	e, err := w.s.Get("s")
	if err != nil || e.State.Last == nil {
		w.Fatalf("%+v, %v", e, err)
	}
	return *e.State.Last
}

func TestStartsAtItsTimes(t *testing.T) {
	for _, test := range []struct {
		definition string
		want       []string
	}{
		{`"at":"2000-01-01T01:30:00Z"`, []string{"r1 01-01T01:30 by ann"}},
		{`"after":"10m"`, []string{"r1 01-01T00:10 by ann"}},
		{`"after":"0s"`, []string{"r1 01-01T00:00 by ann"}},
		{`"every":"4h"`, []string{"r1 01-01T04:00 by ann", "r2 01-01T08:00 by ann"}},
		{`"every":"2h","max_runs":2`, []string{"r1 01-01T02:00 by ann", "r2 01-01T04:00 by ann"}},
		{`"every":"2h","until":"2000-01-01T07:00:00Z"`, []string{"r1 01-01T02:00 by ann", "r2 01-01T04:00 by ann", "r3 01-01T06:00 by ann"}},
		{`"cron":"15 3,5 * * *","time_zone":"Europe/Berlin"`, []string{"r1 01-01T02:15 by ann", "r2 01-01T04:15 by ann"}},
		{`"every":"1h","disabled":true`, nil},
	} {
		t.Run(test.definition, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.put(test.definition)
				w.pass(11*time.Hour, false)
				w.wantStarts(test.want...)
			})
		})
	}
}

func TestConcurrency(t *testing.T) {
	t.Run("forbid", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.put(`"every":"1h"`)
			w.pass(150*time.Minute, true)
			w.wantStarts("r1 01-01T01:00 by ann")
			if o := w.last(); o.What != Skipped || o.Run != "r1" || o.Due.Hour() != 2 {
				t.Errorf("the second: %+v", o)
			}
			w.runs.end()
			w.pass(time.Hour, true)
			w.wantStarts("r1 01-01T01:00 by ann", "r2 01-01T03:00 by ann")
		})
	})
	t.Run("allow", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.put(`"every":"1h","concurrency":"allow"`)
			w.pass(150*time.Minute, true)
			w.wantStarts("r1 01-01T01:00 by ann", "r2 01-01T02:00 by ann")
		})
	})
	t.Run("replace", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.put(`"every":"1h","concurrency":"replace"`)
			w.pass(150*time.Minute, true)
			w.wantStarts("r1 01-01T01:00 by ann", "r2 01-01T02:00 by ann")
			if !slices.Equal(w.runs.stops, []string{"r1"}) || w.runs.Active("r1") {
				t.Errorf("stopped %v", w.runs.stops)
			}
		})
	})
	t.Run("replace one that does not end", func(t *testing.T) {
		inWorld(t, func(w *world) {
			w.put(`"every":"1h","concurrency":"replace"`)
			w.runs.set(func() { w.runs.hang = true })
			w.pass(150*time.Minute, true)
			w.wantStarts("r1 01-01T01:00 by ann")
			if o := w.last(); o.What != Failed || !strings.Contains(o.Reason, "does not end") {
				t.Errorf("the second: %+v", o)
			}
		})
	})
}

// TestMissed: what is due while no server is there.
func TestMissed(t *testing.T) {
	for _, test := range []struct {
		definition string
		away       time.Duration
		want       []string
		last       string
	}{
		{`"every":"1h"`, 5*time.Hour + 20*time.Minute, []string{"r1 01-01T06:00 by ann", "r2 01-01T07:00 by ann"}, Started},
		{`"every":"1h","missed":"run_once"`, 5*time.Hour + 20*time.Minute, []string{"r1 01-01T05:20 by ann", "r2 01-01T06:00 by ann", "r3 01-01T07:00 by ann"}, Started},
		{`"at":"2000-01-01T01:00:00Z"`, 2 * time.Hour, nil, Missed},
		{`"at":"2000-01-01T01:00:00Z","missed":"run_once"`, 2 * time.Hour, []string{"r1 01-01T02:00 by ann"}, Started},
		{`"after":"1h"`, time.Hour + 50*time.Second, []string{"r1 01-01T01:00 by ann"}, Started}, // not a minute late
		{`"every":"1h","disabled":true,"missed":"run_once"`, 5 * time.Hour, nil, ""},
	} {
		t.Run(test.definition, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.put(test.definition)
				w.down()
				time.Sleep(test.away)
				w.up()
				w.pass(100*time.Minute, false)
				w.wantStarts(test.want...)
				e, err := w.s.Get("s")
				if err != nil || test.last == "" != (e.State.Last == nil) || e.State.Last != nil && e.State.Last.What != test.last {
					t.Errorf("%+v, %v", e.State.Last, err)
				}
			})
		})
	}
}

// TestRestart: times, counts and runs that go on are remembered.
func TestRestart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put(`"every":"3h","max_runs":2`)
		w.pass(2*time.Hour, true)
		w.down()
		time.Sleep(30 * time.Minute)
		w.up() // an interval goes on from when the schedule was made
		w.pass(time.Hour, true)
		w.wantStarts("r1 01-01T03:00 by ann")
		w.down()
		w.up()
		w.pass(3*time.Hour, true) // the first one still goes on
		w.wantStarts("r1 01-01T03:00 by ann")
		w.runs.end()
		w.pass(3*time.Hour, true)
		w.wantStarts("r1 01-01T03:00 by ann", "r2 01-01T09:00 by ann")
		w.down()
		w.up()
		w.pass(24*time.Hour, false)
		w.wantStarts("r1 01-01T03:00 by ann", "r2 01-01T09:00 by ann")
	})
}

// TestCrashAtStart: the process ends after a run has begun and before that is noted: the
// next one starts no second run, and counts the one there is. One that ends before the run
// has begun leaves a time that is met, or missed.
func TestCrashAtStart(t *testing.T) {
	for _, begun := range []bool{true, false} {
		for _, missed := range []string{Skip, RunOnce} {
			t.Run(fmt.Sprintf("begun %v, missed %s", begun, missed), func(t *testing.T) {
				inWorld(t, func(w *world) {
					w.put(`"at":"2000-01-01T01:00:00Z","missed":"` + missed + `"`)
					w.runs.set(func() {
						w.runs.crash = func() {
							if !begun {
								w.runs.starts, w.runs.keys, w.runs.active = nil, map[string]string{}, map[string]bool{}
							}
							runtime.Goexit() // as the end of the process: what comes after does not happen
						}
					})
					time.Sleep(time.Hour)
					w.down()
					w.runs.set(func() { w.runs.crash = nil })
					time.Sleep(time.Hour)
					w.up()
					w.pass(3*time.Hour, true)
					switch {
					case begun:
						w.wantStarts("r1 01-01T01:00 by ann")
					case missed == RunOnce:
						w.wantStarts("r1 01-01T02:00 by ann")
					default:
						w.wantStarts()
						if o := w.last(); o.What != Missed {
							t.Errorf("%+v", o)
						}
					}
					e, err := w.s.Get("s")
					if want := len(w.runs.starts); err != nil || e.State.Runs != want || !e.State.Starting.IsZero() {
						t.Errorf("%+v, %v; want %d runs", e.State, err, want)
					}
				})
			})
		}
	}
}

func TestTrigger(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put(`"every":"2h","max_runs":1,"disabled":true`)
		if run, err := w.s.Trigger(w.Context(), "s", "bob"); err != nil || run != "r1" {
			t.Errorf("triggered %q, %v", run, err)
		}
		if run, err := w.s.Trigger(w.Context(), "s", "bob"); !errors.Is(err, ErrActive) {
			t.Errorf("triggered while it goes on: %q, %v", run, err)
		}
		w.runs.end()
		if _, err := w.s.Enable("s", "eve", true); err != nil {
			t.Fatal(err)
		}
		w.pass(5*time.Hour, false)
		w.wantStarts("r1 01-01T00:00 by bob", "r2 01-01T02:00 by eve")
		full := errors.New("the queue is full")
		w.runs.set(func() { w.runs.fail = full })
		if _, err := w.s.Trigger(w.Context(), "s", "bob"); !errors.Is(err, full) {
			t.Errorf("a start that fails: %v", err)
		}
		if _, err := w.s.Trigger(w.Context(), "none", "bob"); !errors.Is(err, store.ErrNoDocument) {
			t.Errorf("none of that name: %v", err)
		}
	})
}

func TestFailedStart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put(`"every":"1h"`)
		full := errors.New("the queue is full")
		w.runs.set(func() { w.runs.fail = full })
		w.pass(90*time.Minute, false)
		if o := w.last(); o.What != Failed || o.Reason != "the queue is full" || o.Due.Hour() != 1 {
			t.Errorf("%+v", o)
		}
		w.runs.set(func() { w.runs.fail = nil })
		w.pass(time.Hour, false)
		w.wantStarts("r1 01-01T02:00 by ann")
	})
}

// TestChange: a change of the times begins them anew, any other change does not, and what
// is deleted starts nothing any more.
func TestChange(t *testing.T) {
	inWorld(t, func(w *world) {
		first := w.put(`"every":"2h"`)
		w.pass(90*time.Minute, true)
		w.put(`"every":"2h","concurrency":"allow"`)
		w.pass(time.Hour, false)
		w.wantStarts("r1 01-01T02:00 by ann")
		second := w.put(`"every":"3h"`) // at 02:30
		if !second.State.Due.Equal(time.Date(2000, 1, 1, 5, 30, 0, 0, time.UTC)) || second.State.Runs != 1 {
			t.Errorf("after the change: %+v", second.State)
		}
		if _, err := w.s.Put("s", "bob", second.Definition, first.ETag()); !errors.Is(err, store.ErrChanged) {
			t.Errorf("written over another's change: %v", err)
		}
		if err := w.s.Delete("s", first.ETag()); !errors.Is(err, store.ErrChanged) {
			t.Errorf("deleted over another's change: %v", err)
		}
		if list, err := w.s.List(); err != nil || len(list) != 1 || list[0].Name != "s" {
			t.Errorf("%+v, %v", list, err)
		}
		if err := w.s.Delete("s", second.ETag()); err != nil {
			t.Fatal(err)
		}
		w.pass(24*time.Hour, false)
		w.wantStarts("r1 01-01T02:00 by ann")
		if e := w.put(`"every":"1h"`); e.State.Runs != 0 || e.Version != 1 {
			t.Errorf("a new one of the name: %+v", e)
		}
		if _, err := w.s.Put("a/b", "bob", second.Definition, ""); !errors.Is(err, ErrInvalid) {
			t.Errorf("a name with a slash: %v", err)
		}
	})
}

// TestOneScheduler: of two servers on a data folder one has the schedules.
func TestOneScheduler(t *testing.T) {
	inWorld(t, func(w *world) {
		if _, err := New(w.st, w.runs, slog.New(slog.DiscardHandler)); !errors.Is(err, store.ErrOwned) {
			t.Errorf("a second scheduler: %v", err)
		}
	})
}

// TestChangeUnread: a schedule that is changed while what was noted of it can be neither read nor
// written starts no runs from then on, and it is said of it; written once more it does.
func TestChangeUnread(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put(`"every":"1h"`)
		synctest.Wait() // it waits now, and notes nothing for a minute
		noted := filepath.Join(w.dir, states, "s")
		files, err := os.ReadDir(noted)
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		latest := filepath.Join(noted, files[len(files)-1].Name())
		if err := errors.Join(os.Remove(latest), os.Mkdir(latest, 0o700)); err != nil { // nor can it be written
			t.Fatal(err)
		}
		d := Definition{Orchestration: "x", Every: "2h"}
		if _, err := w.s.Put("s", "ann", d, ""); err == nil {
			t.Fatal("what it has started is not known, and it was changed")
		}
		w.pass(5*time.Hour, false)
		w.wantStarts()
		if w.s.Damaged()["s"] == nil || w.s.SetAside() != 1 {
			t.Errorf("nothing is said of it: %v", w.s.Damaged())
		}
		if _, err := w.s.Get("s"); !errors.Is(err, ErrDamaged) {
			t.Errorf("it is shown as one that is due: %v", err)
		}
		if list, err := w.s.List(); err != nil || len(list) != 0 {
			t.Errorf("it is listed as one that is due: %+v, %v", list, err)
		}
		if _, err := w.s.Trigger(context.Background(), "s", "ann"); !errors.Is(err, ErrDamaged) {
			t.Errorf("triggered: %v", err)
		}
		w.put(`"every":"2h"`)
		w.pass(3*time.Hour, false)
		w.wantStarts("r1 01-01T07:00 by ann")
		if len(w.s.Damaged()) != 0 {
			t.Errorf("written anew: %v", w.s.Damaged())
		}
	})
}
