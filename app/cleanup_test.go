package app_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"starquake/app"
	"starquake/runtime/journal"
	"starquake/store"
)

// TestEndedMeanwhile: a run that ended after somebody had seen that it was interrupted, as it was
// cleaned up, is not taken up: it would go on behind its end.
func TestEndedMeanwhile(t *testing.T) {
	st, began := openStore(t, t.TempDir()), time.Now()
	r, err := st.Create(store.Info{ID: "run-1", Name: "x", Script: "x.star", Started: began})
	if err != nil {
		t.Fatal(err)
	}
	begin := journal.Record{Kind: journal.RunBegin, Place: journal.Place{Branch: "0"}, Body: &journal.RunBeginBody{
		Format: journal.FormatVersion, Name: "x", Script: "x.star", Origin: began, World: "real", Modules: map[string]string{"x.star": "def main():\n    sleep(\"1h\")\n"},
	}}
	if err := r.Append([]journal.Record{begin}); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	if _, err := app.CleanUp(t.Context(), st, "run-1", logger); err != nil {
		t.Fatal(err)
	}
	running, err := app.Recover("run-1", false, app.RunOptions{Store: st, Logger: logger})
	if running != nil {
		if err := running.Park(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if !errors.Is(err, app.ErrEnded) {
		t.Errorf("error %v", err)
	}
	if e, err := st.Entry("run-1"); err != nil || e.Status != store.Ended || e.End.Reason != app.ReasonCleanedUp || e.Cleaned == nil || !e.Cleaned.All {
		t.Errorf("it is %+v, %v", e, err)
	}
}

// TestCleanUpTook: a run whose process died and that is cleaned up took until that process is
// last known to have been there, not only until its last record.
func TestCleanUpTook(t *testing.T) {
	dir, began := t.TempDir(), time.Now().Add(-time.Minute).Truncate(time.Millisecond)
	st := openStore(t, dir)
	r, err := st.Create(store.Info{ID: "run-1", Name: "x", Script: "x.star", Started: began})
	if err != nil {
		t.Fatal(err)
	}
	begin := journal.Record{Kind: journal.RunBegin, Place: journal.Place{Branch: "0"}, Body: &journal.RunBeginBody{
		Format: journal.FormatVersion, Name: "x", Script: "x.star", Origin: began, World: "real", Modules: map[string]string{"x.star": "sleep(\"1h\")\n"},
	}}
	slept := journal.Record{At: 4 * time.Millisecond, Kind: journal.Sleep, Place: journal.Place{Branch: "0", Op: 1}, Body: &journal.SleepBody{For: time.Hour}}
	if err := r.Append([]journal.Record{begin, slept}); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(st.RunDir("run-1"), "journal.jsonl"), time.Time{}, began.Add(14*time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := app.CleanUp(context.Background(), st, "run-1", slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	e, err := st.Entry("run-1")
	if err != nil || e.End == nil || e.End.Reason != app.ReasonCleanedUp || e.End.Duration != 14*time.Second {
		t.Errorf("it ended %+v, %v; it was there for 14s", e.End, err)
	}
}
