package store

import (
	"errors"
	"testing"
)

func TestOwn(t *testing.T) {
	dir := t.TempDir()
	var shelves []*Shelf
	for range 2 {
		st, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		shelves = append(shelves, st.Shelf(Schedules))
	}
	release, err := shelves[0].Own("http://here:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shelves[1].Own(""); !errors.Is(err, ErrOwned) {
		t.Errorf("a second owner: %v", err)
	}
	if at, err := shelves[1].Owner(); err != nil || at != "http://here:1" {
		t.Errorf("the owner is at %q, %v", at, err)
	}
	release()
	if at, err := shelves[1].Owner(); err != nil || at != "" {
		t.Errorf("after the release the owner is at %q, %v", at, err)
	}
	again, err := shelves[1].Own("")
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	again()
	if docs, err := shelves[0].List(); err != nil || len(docs) != 0 {
		t.Errorf("the lock is listed: %v, %v", docs, err)
	}
}
