//go:build unix

package store

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"starquake/runtime/journal"
)

// full has a log written to a disk without room, until the function it gives is called.
func full(t *testing.T, w *wal) (freed func()) {
	t.Helper()
	f, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there is no disk that is always full:", err)
	}
	was := w.current.file
	w.current.file = f
	return func() {
		w.current.file = was
		must(t, f.Close())
	}
}

// TestNoRoom: while there is no room for the log nothing is accepted, and who waits is told; when
// there is some again it goes on, and has all that was accepted before.
func TestNoRoom(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	a, b := create(t, s, "run-a"), create(t, s, "run-b")
	must(t, a.Append([]journal.Record{slept(1)}))
	must(t, a.Sync())
	must(t, s.Check())
	freed := full(t, s.log)
	must(t, a.Append([]journal.Record{slept(2)}))
	must(t, b.Append([]journal.Record{slept(1)}))
	var waits sync.WaitGroup
	for _, r := range []*Run{a, b} {
		for range 3 {
			waits.Go(func() {
				if err := r.Sync(); !errors.Is(err, ErrNoRoom) {
					t.Errorf("it is said to be kept: %v", err)
				}
			})
		}
	}
	waits.Wait()
	if err := s.Check(); !errors.Is(err, ErrNoRoom) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("nothing can be kept, and that is said: %v", err)
	}
	pending := len(s.log.buf)
	info, _ := started("run-c")
	if _, err := s.Create(info); !errors.Is(err, ErrNoRoom) {
		t.Errorf("a run begins: %v", err)
	}
	if len(s.log.buf) != pending {
		t.Errorf("%d bytes wait for room, then %d", pending, len(s.log.buf))
	}
	freed()
	must(t, s.Check())
	must(t, b.Sync())
	c := create(t, s, "run-c")
	must(t, c.Append([]journal.Record{slept(1)}))
	must(t, c.Sync())

	// As after a stop of the machine: the log alone has the journals.
	for _, id := range []string{"run-a", "run-b", "run-c"} {
		must(t, os.Truncate(filepath.Join(s.RunDir(id), journalFile), 0))
	}
	die(t, s)
	next := open(t, dir, Options{})
	for id, turns := range map[string]int{"run-a": 2, "run-b": 1, "run-c": 1} {
		if _, recs, err := next.Read(id); err != nil || len(recs) != 1+turns {
			t.Errorf("%s has %d records, %v", id, len(recs), err)
		}
	}
}

// TestNoRoomForATurn: what was written of a turn for which the room did not suffice is taken back,
// and the turn is written whole later.
func TestNoRoomForATurn(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	r := create(t, s, "run-1")
	other := create(t, s, "run-2") // so that the log is the longest file there is
	n := 0
	turns := func(r *Run, upto int) (recs []journal.Record) {
		for range upto {
			n++
			recs = append(recs, slept(n))
		}
		must(t, r.Append(recs))
		return recs
	}
	turns(other, 100)
	must(t, other.Sync())
	size := s.log.size
	var was unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &was))
	must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(size) + 100, Max: was.Max}))
	n = 0
	turns(r, 10)
	err := r.Sync()
	info, serr := s.log.current.file.Stat()
	must(t, errors.Join(unix.Setrlimit(unix.RLIMIT_FSIZE, &was), serr))
	if !errors.Is(err, ErrNoRoom) || info.Size() != size {
		t.Errorf("the turn did not fit, and is: %v; the log has %d bytes, then %d", err, size, info.Size())
	}
	turns(r, 1)
	must(t, r.Sync())
	must(t, os.Truncate(filepath.Join(r.dir, journalFile), 0))
	die(t, s)
	if _, recs, err := open(t, s.dir, Options{}).Read("run-1"); err != nil || len(recs) != 1+10+1 {
		t.Errorf("it has %d records, %v", len(recs), err)
	}
}

// TestEndWithoutRoom: the end of a run for which there was no room in the log is noted later.
func TestEndWithoutRoom(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	r := create(t, s, "run-1")
	must(t, r.Sync())
	freed := full(t, s.log)
	must(t, r.Append([]journal.Record{ended}))
	if err := r.Close(); !errors.Is(err, ErrNoRoom) {
		t.Errorf("its end is kept: %v", err)
	}
	if e, err := s.Entry("run-1"); err != nil || e.Status == Ended {
		t.Errorf("without room it is %v, %v", e.Status, err)
	}
	freed()
	must(t, s.Close())
	if e, err := s.Entry("run-1"); err != nil || e.Status != Ended {
		t.Errorf("at last it is %v, %v", e.Status, err)
	}
}

// TestSyncFailedOnce: after a sync that failed nothing is ever accepted again, whatever it failed
// for: nobody knows what the kernel has dropped.
func TestSyncFailedOnce(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	r := create(t, s, "run-1")
	must(t, r.Sync())
	was := s.log.current.file
	in, out, err := os.Pipe() // what cannot be synced
	must(t, err)
	t.Cleanup(func() { must(t, errors.Join(in.Close(), out.Close())) })
	s.log.current.file = out
	must(t, r.Append([]journal.Record{slept(1)}))
	if err := r.Sync(); err == nil {
		t.Fatal("a pipe is synced")
	}
	s.log.current.file = was
	if err := s.Check(); err == nil || errors.Is(err, ErrNoRoom) {
		t.Errorf("it is said to be kept, or to go on by itself: %v", err)
	}
	if err := r.Append([]journal.Record{slept(2)}); err == nil {
		t.Error("more is accepted")
	}
}

// TestNoRoomForAFolder: while there is no room for the folder of a run that is said, and it is
// tried whether there is some again.
func TestNoRoomForAFolder(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	must(t, create(t, s, "run-1").Close())
	runs := filepath.Join(s.dir, runsFolder)
	must(t, os.Rename(runs, runs+"-away")) // no folder can be made
	err := s.orCramped(&os.PathError{Op: "mkdir", Path: runs, Err: syscall.ENOSPC})
	if checked := s.Check(); !errors.Is(err, ErrNoRoom) || !errors.Is(checked, ErrNoRoom) || !errors.Is(checked, syscall.ENOSPC) {
		t.Errorf("%v; then it is said: %v", err, checked)
	}
	must(t, os.Rename(runs+"-away", runs))
	must(t, s.Check())
	if left, err := filepath.Glob(filepath.Join(runs, ".new-*")); err != nil || len(left) > 0 {
		t.Errorf("left is %v, %v", left, err)
	}
}

// TestTakenBack: a run of which nothing could be kept does not go on some day, as whoever asked for
// it may have asked again; one that was there before stays.
func TestTakenBack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	was := create(t, s, "run-1")
	must(t, was.Sync())
	freed := full(t, s.log)
	must(t, was.Append([]journal.Record{slept(1)}))
	r := create(t, s, "run-2")
	for _, one := range []*Run{r, was} {
		if err := one.Close(); !errors.Is(err, ErrNoRoom) {
			t.Errorf("%s is kept: %v", one.id, err)
		}
	}
	freed()
	must(t, s.Check())
	again, recs, err := s.Resume("run-1")
	if err != nil || len(recs) != 2 {
		t.Errorf("run-1 has %d records, %v", len(recs), err)
	}
	must(t, again.Append([]journal.Record{slept(2)}))
	must(t, again.Sync())
	die(t, s)
	s = open(t, dir, Options{})
	if ids, err := s.IDs(); err != nil || len(ids) != 1 || ids[0] != "run-1" {
		t.Errorf("there are %v, %v", ids, err)
	}
	if _, recs, err := s.Read("run-1"); err != nil || len(recs) != 3 {
		t.Errorf("run-1 has %d records at last, %v", len(recs), err)
	}
}
