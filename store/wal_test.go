package store

import (
	"os"
	"path/filepath"
	"testing"

	"starquake/runtime/journal"
)

// TestNoNewSegment: where no other segment can be begun, as there are too many open files,
// the log goes on in the one that it has, and in a new one once that is possible.
func TestNoNewSegment(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{SegmentSize: 500})
	r := create(t, s, "run-1")
	wal := filepath.Join(dir, walFolder)
	must(t, os.Rename(wal, wal+"-away"))
	n := 0
	turns := func() {
		t.Helper()
		for range 50 {
			n++
			must(t, r.Append([]journal.Record{slept(n)}))
			must(t, r.Sync())
		}
	}
	turns()
	must(t, os.Rename(wal+"-away", wal))
	turns()
	s.log.retiring.Wait()
	if logs, _ := filepath.Glob(filepath.Join(wal, "*.log")); len(logs) != 1 || s.log.serial < 3 {
		t.Errorf("the log has the segments %v, the last one number %d", logs, s.log.serial)
	}
	must(t, r.Close())
}

// TestUnsettledStays: a segment whose runs could not be made durable in their own files is
// nobody else's to drop while its process lives, which holds those runs.
func TestUnsettledStays(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{SegmentSize: 500})
	r := create(t, s, "run-1")
	must(t, r.Sync())
	info := filepath.Join(r.dir, infoFile)
	must(t, os.Rename(info, info+"-away"))
	must(t, os.Symlink(infoFile, info)) // of itself: it cannot be opened, and is not missing
	first := s.log.current.path
	must(t, r.Append([]journal.Record{slept(1)}))
	for n := 2; s.log.current.path == first; n++ {
		must(t, r.Append([]journal.Record{slept(n)}))
		must(t, r.Sync())
	}
	s.log.retiring.Wait()
	must(t, open(t, dir, Options{}).Close())
	if _, err := os.Lstat(first); err != nil {
		t.Errorf("another process has dropped it: %v", err)
	}
	must(t, os.Rename(info+"-away", info))
	must(t, r.Close())
	must(t, s.Close())
	must(t, open(t, dir, Options{}).Close())
	if logs, _ := os.ReadDir(filepath.Join(dir, walFolder)); len(logs) > 0 {
		t.Errorf("at last there are %v", logs)
	}
}

// TestEndIsNotedLate: the log keeps a run whose end could not be noted until it is.
func TestEndIsNotedLate(t *testing.T) {
	for _, mended := range []bool{true, false} {
		dir := t.TempDir()
		s := open(t, dir, Options{})
		r := create(t, s, "run-1")
		must(t, r.Append([]journal.Record{ended}))
		end := filepath.Join(r.dir, endFile)
		must(t, os.Mkdir(end, 0o700)) // as too many open files
		if err := r.Close(); err == nil {
			t.Fatal("its end is noted in a folder")
		}
		if mended {
			must(t, os.Remove(end))
			must(t, s.Close())
		} else {
			if err := s.Close(); err == nil {
				t.Error("the store closes as if all were kept")
			}
			must(t, os.Remove(end))
		}
		s = open(t, dir, Options{})
		if e, err := s.Entry("run-1"); err != nil || e.Status != Ended {
			t.Errorf("mended %v: the run is %v, %v", mended, e.Status, err)
		}
	}
}

// TestSettledWithoutRecords: a run that has no records yet is made durable in its own files, too,
// before the log that has it is dropped.
func TestSettledWithoutRecords(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	info, _ := started("run-1")
	r, err := s.Create(info)
	must(t, err)
	if r.settled == r.size {
		t.Error("what was just written is taken for durable")
	}
	must(t, r.settle())
	if r.settled != r.size {
		t.Errorf("settled to %d of %d", r.settled, r.size)
	}
	must(t, r.Close())
}

// TestEmptyEnd: of an end that the machine stopped before it was written nothing is known; the
// run can be read and taken up, and its end is noted again.
func TestEmptyEnd(t *testing.T) {
	for _, text := range []string{"", "\x00\x00\x00"} {
		dir := t.TempDir()
		s := open(t, dir, Options{})
		r := create(t, s, "run-1")
		must(t, r.Append([]journal.Record{ended}))
		must(t, r.Close())
		must(t, s.Close())
		must(t, os.WriteFile(filepath.Join(r.dir, endFile), []byte(text), 0o600))
		s = open(t, dir, Options{})
		if e, err := s.Entry("run-1"); err != nil || e.Status != Interrupted {
			t.Errorf("with %q it is %v, %v", text, e.Status, err)
		}
		r, _, err := s.Resume("run-1")
		must(t, err)
		must(t, r.Close())
		if e, err := s.Entry("run-1"); err != nil || e.Status != Ended || e.End.Verdict != journal.VerdictPassed {
			t.Errorf("with %q it is at last %v, %v", text, e.Status, err)
		}
	}
}
