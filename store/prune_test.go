package store

import (
	"os"
	"path/filepath"
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
