package app

import (
	"os"
	"path/filepath"
	"testing"

	"starquake/runtime/journal"
	"starquake/store"
)

// TestRecoverLeavesNothing: a run that cannot be taken up after all is not watched any more.
// What is watched and never ends its turn would be blamed for the memory of all others.
func TestRecoverLeavesNothing(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	s, diags := LoadText("x.star", []byte("def main():\n    sleep(\"1h\")\n"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	r, err := s.Start(RunOptions{Store: st})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Begun(); err != nil {
		t.Fatal(err)
	}
	if err := r.Park(t.Context()); err != nil {
		t.Fatal(err)
	}
	watched := func() int {
		processWatch.mu.Lock()
		defer processWatch.mu.Unlock()
		return len(processWatch.runs)
	}
	before := watched()
	_, err = Recover(r.ID, false, RunOptions{Store: st, OnPast: func([]journal.Record) {
		// What was taken off before it cannot be forgotten: that is no file.
		if err := os.MkdirAll(filepath.Join(st.RunDir(r.ID), "cleaned.json", "x"), 0o700); err != nil {
			t.Error(err)
		}
	}})
	if err == nil {
		t.Fatal("it goes on")
	}
	if n := watched(); n != before {
		t.Errorf("%d scripts are watched, expected %d", n, before)
	}
}
