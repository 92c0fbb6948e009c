package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"starquake/runtime/journal"
)

// die lets go of everything as a process that is killed does.
func die(t *testing.T, s *Store) {
	t.Helper()
	must(t, s.log.current.file.Close())
	for r := range s.runs {
		must(t, r.file.Close())
	}
}

// TestRefusedIsNotInTheLog: what a run's own journal did not take is not in the log either. A
// process that went on with the run has other records there, and the log would write over
// them once its own process has died.
func TestRefusedIsNotInTheLog(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	r, other := create(t, s, "run-1"), create(t, s, "run-2")
	must(t, r.Sync())
	file, err := os.Open(filepath.Join(r.dir, journalFile))
	must(t, err)
	must(t, r.file.Close())
	r.file = file // as on a disk that is full
	if err := r.Append([]journal.Record{slept(1)}); err == nil {
		t.Fatal("a journal that cannot be written takes records")
	}
	must(t, other.Sync()) // there is room again, and the log is written
	if err := r.Close(); err == nil {
		t.Error("the run closes as if it were kept")
	}

	by := open(t, dir, Options{})
	took, _, err := by.Resume("run-1")
	must(t, err)
	must(t, took.Append([]journal.Record{slept(12345), ended}))
	must(t, took.Close())
	must(t, by.Close())
	die(t, s)

	s = open(t, dir, Options{})
	_, recs, err := s.Read("run-1")
	must(t, err)
	_, begin := started("run-1")
	if got, want := lines(t, recs), lines(t, []journal.Record{begin, slept(12345), ended}); got != want {
		t.Errorf("it has\n%sexpected\n%s", got, want)
	}
}

// TestTooLong: a record that nobody could read again is not taken, and those before it stay.
func TestTooLong(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	r := create(t, s, "run-1")
	long := journal.Record{Kind: journal.Log, Place: journal.Place{Branch: "0"}, Body: &journal.LogBody{Message: strings.Repeat("x", maxLine)}}
	if err := r.Append([]journal.Record{long}); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a line of more than %d bytes: %v", maxLine, err)
	}
	if _, recs, err := s.Read("run-1"); err != nil || len(recs) != 1 {
		t.Errorf("it has %d records, %v", len(recs), err)
	}
}

// TestLongTurn: a turn is in the log in pieces, none of them longer than what is read back.
func TestLongTurn(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	r := create(t, s, "run-1")
	text := strings.Repeat("x", maxPiece/2)
	var turn []journal.Record
	for range 5 {
		turn = append(turn, journal.Record{Kind: journal.Log, Place: journal.Place{Branch: "0"}, Body: &journal.LogBody{Message: text}})
	}
	must(t, r.Append(turn))
	must(t, r.Sync())
	must(t, os.Truncate(filepath.Join(r.dir, journalFile), 0)) // as after a power cut
	die(t, s)
	log, err := os.ReadFile(s.log.current.path)
	must(t, err)
	runs, _ := readFrames(log)
	for _, f := range runs[0].frames {
		if len(f.payload) > maxPiece+maxPiece/2+1000 {
			t.Errorf("a frame has %d bytes", len(f.payload))
		}
	}
	s = open(t, dir, Options{})
	if _, recs, err := s.Read("run-1"); err != nil || len(recs) != 1+len(turn) {
		t.Errorf("it has %d records of %d, %v", len(recs), 1+len(turn), err)
	}
}

// TestScriptsLater: that the scripts cannot be written for people, as with too many open files,
// keeps no run from its journal, which has them. They are written when it is closed.
func TestScriptsLater(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	info, begin := started("run-1")
	r, err := s.Create(info)
	must(t, err)
	folder := filepath.Join(r.dir, scriptFolder)
	must(t, os.WriteFile(folder, nil, 0o600))
	must(t, r.Append([]journal.Record{begin}))
	must(t, r.Append([]journal.Record{slept(1), ended}))
	must(t, os.Remove(folder))
	must(t, r.Close())
	if text, err := os.ReadFile(filepath.Join(folder, "checkout.star")); err != nil || len(text) == 0 {
		t.Errorf("its script is %q, %v", text, err)
	}
}
