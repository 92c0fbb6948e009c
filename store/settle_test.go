package store

import (
	"testing"

	"starquake/runtime/journal"
)

// TestEndIsNotSettledByAnEarlierSync: how a run ended, noted while the file system is being
// synced, may not be on disk when that is done: the log keeps the run.
func TestEndIsNotSettledByAnEarlierSync(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := s.Create(Info{ID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Append([]journal.Record{{Kind: journal.Timer, Place: journal.Place{Branch: "0"}}}); err != nil {
		t.Fatal(err)
	}
	first := r.mark()
	if err := r.Append([]journal.Record{{Kind: journal.Timer, Place: journal.Place{Branch: "0"}}}); err != nil {
		t.Fatal(err)
	}
	second := r.mark()
	r.settleMarked(first)
	if r.settled == r.size {
		t.Error("what was written after the sync began is taken for durable")
	}
	if err := r.End(End{Verdict: journal.VerdictStopped}); err != nil {
		t.Fatal(err)
	}
	r.settleMarked(second)
	if r.done() {
		t.Error("its end is taken for durable, which was written after the sync began")
	}
	r.settleMarked(r.mark())
	if !r.done() {
		t.Error("all of it is durable")
	}
}
