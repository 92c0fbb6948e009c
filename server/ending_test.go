package server

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"starquake/app"
	"starquake/store"
)

// someManager is a manager of runs in memory, where three starts may wait.
func someManager(t *testing.T) *manager {
	t.Helper()
	m, err := newManager(&Config{InMemory: true, Admission: Admission{MaxRuns: 1, Queue: 3}}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// keepsNothing is a manager whose starts cannot be written down: its shelf would be in a file.
func keepsNothing(t *testing.T) *manager {
	t.Helper()
	m := someManager(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m.shelf = store.ShelfIn(file, store.Queue)
	return m
}

// someWaiting puts a start into the queue.
func someWaiting(m *manager) *waiting {
	w := &waiting{asked: &starting{loaded: &loaded{}}}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wait(w)
	return w
}

// patient is a context that ends, with the test, where nothing else does.
func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestForgetsItsOwn: that a run was parked may be noticed before it is told. By then another
// may go on with it under its id, of which nothing is forgotten.
func TestForgetsItsOwn(t *testing.T) {
	m := someManager(t)
	was, is := &app.Running{ID: "x"}, &app.Running{ID: "x"}
	m.adopt(was, nil)
	m.forget(was)
	m.adopt(is, nil)
	m.forget(was)
	if m.find("x") != is {
		t.Error("the run that goes on is forgotten with the one before it")
	}
}

// TestKeyAgain: a key that started nothing at first and something later is known as long as
// any other, however often that was tried.
func TestKeyAgain(t *testing.T) {
	m := someManager(t)
	key := func(text string) startKey { return startKey{"a", text} }
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remember(key("other"), &started{})
	for range 3 {
		m.remember(key("k"), &started{})
		m.unkey(key("k"))
	}
	m.remember(key("k"), &started{})
	for i := range maxKeys - 1 {
		m.remember(key(strconv.Itoa(i)), &started{})
	}
	if m.keys[key("other")] != nil || m.keys[key("k")] == nil || len(m.keys) != maxKeys || len(m.keyed) != maxKeys {
		t.Errorf("the first is known: %v, the second: %v, %d and %d of %d are", m.keys[key("other")] != nil, m.keys[key("k")] != nil, len(m.keys), len(m.keyed), maxKeys)
	}
}

// TestCancelAtTheEnd: who takes a start out of the queue as the server ends is told so, and
// does not wait for its turn, which comes in the next server.
func TestCancelAtTheEnd(t *testing.T) {
	m := someManager(t)
	m.shelf = store.ShelfIn(t.TempDir(), store.Queue)
	w := someWaiting(m)
	if err := m.keep(w); err != nil {
		t.Fatal(err)
	}
	ctx := patient(t)
	if err := m.park(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := m.cancel(ctx, w.id, "me", "")
	if p := asProblem(err); p == nil || p.Code != "closing" {
		t.Errorf("error %v, expected that the server ends", err)
	}
}

// TestNotKeptAtTheEnd: who asks for a start that cannot be kept is told so, also where the server
// ends meanwhile: the next one does not have it.
func TestNotKeptAtTheEnd(t *testing.T) {
	m := keepsNothing(t)
	w := someWaiting(m)
	if err := m.park(patient(t)); err != nil {
		t.Fatal(err)
	}
	if err := m.keep(w); err == nil {
		t.Error("it is said to wait, and nobody has it")
	}
	select {
	case <-w.settled:
	default:
		t.Error("whoever waits for it waits for ever")
	}
}

// TestNotKept: who waits for the turn of a start that cannot be kept learns that it never comes.
func TestNotKept(t *testing.T) {
	m := keepsNothing(t)
	w := someWaiting(m)
	ctx := patient(t)
	came := make(chan error, 1)
	looked := make(chan struct{})
	go func() {
		close(looked)
		_, err := m.cancel(ctx, w.id, "me", "")
		came <- err
	}()
	<-looked
	if err := m.keep(w); err == nil {
		t.Fatal("it was kept in a file")
	}
	if err := <-came; errors.Is(err, context.DeadlineExceeded) {
		t.Error("nobody says that it never begins")
	}
	select {
	case <-w.settled:
	default:
		t.Error("whoever waits for it waits for ever")
	}
}

// TestKeptBeforeTheEnd: who is told that a start waits finds it in the next server: the queue is
// not given to that one before the start is written.
func TestKeptBeforeTheEnd(t *testing.T) {
	m := someManager(t)
	dir := t.TempDir()
	m.shelf = store.ShelfIn(dir, store.Queue)
	m.places[&place{}] = true // a run goes on
	if err := os.Mkdir(filepath.Join(dir, store.Queue), 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(filepath.Join(dir, store.Queue, ".lock"))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	given := make(chan []store.Document, 1)
	m.release = func() {
		docs, _ := m.shelf.List()
		given <- docs
	}
	type asked struct {
		id  string
		err error
	}
	answer, parked := make(chan asked, 1), make(chan error, 1)
	go func() {
		id, err := m.begin(&waiting{asked: &starting{loaded: &loaded{}}}, true)
		answer <- asked{id, err}
	}()
	for waits := 0; waits == 0; { // it is in the queue, and being written
		m.mu.Lock()
		waits = len(m.queue)
		m.mu.Unlock()
	}
	go func() { parked <- m.park(patient(t)) }()
	select {
	case docs := <-given:
		given <- docs
	case <-time.After(50 * time.Millisecond): // a defect shows by then
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	a := <-answer
	if err := <-parked; err != nil || a.err != nil {
		t.Fatal(err, a.err)
	}
	if docs := <-given; len(docs) != 1 || docs[0].Name != a.id {
		t.Errorf("the next server has %v, and run %s was said to wait", docs, a.id)
	}
}

// TestPermittedOnceReadable: what a run that is taken up may use is read after its targets are
// known to be there. The other way round, one opened in between would be none of it, and the run
// at its end.
func TestPermittedOnceReadable(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	script, diags := app.LoadText("x.star", []byte("def main():\n    sleep(\"1h\")\n"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	r, err := script.Start(app.RunOptions{Store: st})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Begun(), r.Park(patient(t))); err != nil {
		t.Fatal(err)
	}
	m, err := newManager(&Config{Store: st}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	m.metrics = newMetrics(m, nil, func() map[string]int { return nil })
	readable := false
	m.readable = func([]string) error {
		readable = true
		return nil
	}
	m.recover(func() app.Options {
		if !readable {
			t.Error("it is read before")
		}
		return app.Options{}
	})
	if m.find(r.ID) == nil {
		t.Error("the run does not go on")
	}
	if err := m.park(patient(t)); err != nil {
		t.Error(err)
	}
}

// TestNeverLetsGo: a start that comes to nothing stays known for a while, but not the texts and
// parameters that were to be started: a thousand of them could be more than there is memory.
func TestNeverLetsGo(t *testing.T) {
	m := someManager(t)
	m.places[&place{}] = true // a run goes on
	w := someWaiting(m)
	if err := m.keep(w); err != nil {
		t.Fatal(err)
	}
	if out, err := m.cancel(patient(t), w.id, "me", ""); !out || err != nil {
		t.Fatal(out, err)
	}
	if r, ok := m.queued(w.id); !ok || r.Reason != "cancelled" {
		t.Errorf("it is not known any more: %+v", r)
	}
	if w.start != nil || w.asked.loaded != nil {
		t.Error("what was to be started is kept")
	}
}

// TestRevivedHasItsPlace: a run whose script's process was killed has its place among those that go
// on, and its targets, while it is taken up again; where it cannot be, what waits for either begins.
func TestRevivedHasItsPlace(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for _, given := range [][]string{{"a"}, nil} { // of a run that was taken up before nobody knows its targets
		m, err := newManager(&Config{Store: st, Admission: Admission{MaxRuns: 1, Queue: 1, Exclusive: []string{"a"}}}, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		asked, goes := make(chan struct{}), make(chan struct{})
		m.takeUp = func(string) (*app.Running, error) {
			close(asked)
			<-goes
			return nil, errors.New("it cannot be taken up")
		}
		s, diags := app.LoadText("x.star", []byte("sleep(\"1h\")\n"))
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		r, err := s.Start(app.RunOptions{Store: st, OnEnd: m.forget})
		if err != nil {
			t.Fatal(err)
		}
		m.adopt(r, given)
		if err := r.Begun(); err != nil {
			t.Fatal(err)
		}
		if err := r.Park(patient(t)); err != nil {
			t.Fatal(err)
		}
		<-asked
		m.mu.Lock()
		free, full := m.free([]string{"a"}), m.crowded()
		m.mu.Unlock()
		if p := asProblem(free); p == nil || p.Code != "target_held" {
			t.Errorf("its target is given to another: %v", free)
		}
		if full == nil {
			t.Error("another run goes on in its place")
		}
		if in := m.using("a"); len(in) != 1 {
			t.Errorf("its target is said to be used by %v", in)
		}
		w := someWaiting(m)
		begins := make(chan struct{})
		w.start = func(app.RunOptions) (*app.Running, error) {
			close(begins)
			return nil, errors.New("enough")
		}
		close(w.kept)
		close(goes)
		m.starting.Wait()
		select {
		case <-begins:
		default:
			t.Error("what waited for its place does not begin")
		}
	}
}
