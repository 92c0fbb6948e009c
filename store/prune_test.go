package store

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"starquake/runtime/journal"
)

// TestPruneGoesOn: what an earlier prune left that was killed, and a run that cannot be removed
// now, keep no others.
func TestPruneGoesOn(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for _, id := range []string{"run-1", "run-2", "run-3"} {
		r := create(t, s, id)
		must(t, r.Append([]journal.Record{ended}))
		must(t, r.Close())
	}
	half := filepath.Join(dir, runsFolder, ".gone-run-1", "script")
	must(t, os.MkdirAll(half, 0o700))
	held, err := os.Open(filepath.Join(s.RunDir("run-2"), journalFile))
	must(t, err)
	defer held.Close()
	if ok, err := tryLock(held); err != nil || !ok {
		t.Fatal(ok, err)
	}
	removed, err := s.Prune(Retention{Keep: time.Nanosecond}, time.Now(), false)
	if err == nil || len(removed) != 2 {
		t.Errorf("%d are removed, %v", len(removed), err)
	}
	if ids, err := s.IDs(); err != nil || len(ids) != 1 || ids[0] != "run-2" {
		t.Errorf("there are %v, %v", ids, err)
	}
	if _, err := os.Lstat(filepath.Dir(half)); !isMissing(err) {
		t.Errorf("what was left is still there: %v", err)
	}
}

// TestPruneSweeps: what a process has left that was killed while it made or removed a run, which
// no list has, goes with the next prune; what another may be making now stays.
func TestPruneSweeps(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	long := time.Now().Add(-2 * unnamedFor)
	for _, name := range []string{".gone-run-1", ".new-1", ".new-2", ".new-3"} {
		folder := filepath.Join(dir, runsFolder, name)
		must(t, os.MkdirAll(folder, 0o700))
		journal := filepath.Join(folder, journalFile)
		must(t, os.WriteFile(journal, nil, 0o600))
		if name != ".new-2" {
			must(t, os.Chtimes(folder, long, long))
		}
		if name != ".new-3" { // a long import writes into its journal alone
			must(t, os.Chtimes(journal, long, long))
		}
	}
	left := func() (names []string) {
		all, err := os.ReadDir(filepath.Join(dir, runsFolder))
		must(t, err)
		for _, e := range all {
			names = append(names, e.Name())
		}
		return names
	}
	if _, err := s.Prune(Retention{Runs: 1}, time.Now(), true); err != nil || len(left()) != 4 {
		t.Errorf("a dry one has left %v, %v", left(), err)
	}
	if _, err := s.Prune(Retention{Runs: 1}, time.Now(), false); err != nil || !slices.Equal(left(), []string{".new-2", ".new-3"}) {
		t.Errorf("left are %v, %v", left(), err)
	}
}

// TestPrunedStaysAway: a run that was removed while its server lived, by that or by another
// process, does not come back from the log when the server is killed; one that was made since
// by the same id does.
func TestPrunedStaysAway(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for _, id := range []string{"run-1", "run-2", "run-9"} {
		r := create(t, s, id)
		must(t, r.Append([]journal.Record{ended}))
		must(t, r.Close())
	}
	create(t, s, "run-3")
	must(t, s.Remove("run-1"))
	if removed, err := open(t, dir, Options{}).Prune(Retention{Runs: 1}, time.Now(), false); err != nil || len(removed) != 1 {
		t.Fatal(removed, err)
	}
	must(t, s.Remove("run-9"))
	again := create(t, s, "run-9")
	must(t, again.Sync())
	must(t, os.RemoveAll(again.dir)) // as after a stop of the machine, before the folder is durable
	die(t, s)
	s = open(t, dir, Options{})
	ids, err := s.IDs()
	must(t, err)
	if want := []string{"run-3", "run-9"}; !slices.Equal(ids, want) {
		t.Errorf("there are %v, expected %v", ids, want)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, walFolder)); len(left) > 0 {
		t.Errorf("beside the logs is left: %v", left)
	}
}

// TestImportedStaysImported: a run that was removed and came back as a file is what that says, though
// a log tells of it as one of this folder: it is never taken up.
func TestImportedStaysImported(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	r := create(t, s, "run-1")
	var text bytes.Buffer
	must(t, s.Export("run-1", &text))
	must(t, r.Append([]journal.Record{ended}))
	must(t, r.Close())
	must(t, s.Remove("run-1"))
	if _, err := s.Import(&text); err != nil {
		t.Fatal(err)
	}
	die(t, s)
	s = open(t, dir, Options{})
	if e, recs, err := s.Read("run-1"); err != nil || !e.Imported || e.End != nil || len(recs) != 1 {
		t.Errorf("it is %+v, with %d records, %v", e, len(recs), err)
	}
}
