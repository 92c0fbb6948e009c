package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"starquake/runtime/journal"
)

// TestPieces: a run is given in pieces as Read gives it as a whole, also one that is cut off or
// damaged, and no further than whoever takes it wants it.
func TestPieces(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	r := create(t, s, "run-1")
	for i := range 3*pieceRecords + 7 {
		must(t, r.Append([]journal.Record{slept(i)}))
	}
	must(t, r.Append([]journal.Record{ended}))
	must(t, r.Close())
	_, want, err := s.Read("run-1")
	must(t, err)

	var got []journal.Record
	status, most := Status(""), 0
	pieces := func(fn func([]journal.Record) error) error {
		got = nil
		return s.Pieces("run-1", func(e Entry) error { status = e.Status; return nil }, func(recs []journal.Record) error {
			got, most = append(got, recs...), max(most, len(recs))
			return fn(recs)
		})
	}
	all := func([]journal.Record) error { return nil }
	must(t, pieces(all))
	if lines(t, got) != lines(t, want) || status != Ended || most > pieceRecords {
		t.Errorf("%s, %d of %d records, up to %d at once", status, len(got), len(want), most)
	}
	enough := errors.New("enough")
	if err := pieces(func([]journal.Record) error { return enough }); err != enough || len(got) != pieceRecords {
		t.Errorf("of somebody who wants no more: %v, after %d", err, len(got))
	}

	// What Export writes is whole.
	var file bytes.Buffer
	must(t, s.Export("run-1", &file))
	if e, recs, err := ReadFile(&file); err != nil || e.Status != Ended || lines(t, recs) != lines(t, want) {
		t.Errorf("exported: %v, %d records, %v", e.Status, len(recs), err)
	}

	path := filepath.Join(s.RunDir("run-1"), journalFile)
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, text[:len(text)-3], 0o600))
	must(t, pieces(all))
	if len(got) != len(want)-1 {
		t.Errorf("cut off: %d records of %d", len(got), len(want))
	}
	text[len(text)/2] = '\n'
	must(t, os.WriteFile(path, text, 0o600))
	if err := pieces(all); !errors.Is(err, ErrDamaged) || len(got) == 0 || len(got) > len(want)/2+1 {
		t.Errorf("damaged: %v, after %d records", err, len(got))
	}
	if err := s.Export("run-1", new(bytes.Buffer)); !errors.Is(err, ErrDamaged) {
		t.Errorf("damaged and exported: %v", err)
	}
}
