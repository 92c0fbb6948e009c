package app

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
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
	// What was taken off before it can be read, and cannot be forgotten: by then it is no file.
	cleaned := filepath.Join(st.RunDir(r.ID), "cleaned.json")
	if err := syscall.Mkfifo(cleaned, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		f, err := os.OpenFile(cleaned, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		_, err = f.WriteString("{}")
		if err := errors.Join(err, os.Remove(cleaned), os.MkdirAll(filepath.Join(cleaned, "x"), 0o700), f.Close()); err != nil {
			t.Error(err)
		}
	}()
	_, err = Recover(r.ID, false, RunOptions{Store: st, OnPast: func([]journal.Record) {
		t.Error("it is counted among those that go on")
	}})
	if err == nil {
		t.Fatal("it goes on")
	}
	if n := watched(); n != before {
		t.Errorf("%d scripts are watched, expected %d", n, before)
	}
}
