package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func testShelf(t *testing.T) *Shelf {
	t.Helper()
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.Shelf(Orchestrations)
}

func body(n int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"n": %d, "text": "a < b"}`, n))
}

// TestShelf writes, reads, lists and removes documents, whatever they are called.
func TestShelf(t *testing.T) {
	shelf := testShelf(t)
	now := time.Now()
	names := []string{"checkout", "Über/../alles", ".hidden", "x-y", "..", "a b"}
	for _, name := range names {
		first, err := shelf.Put(name, "ann", body(1), "none", now)
		if err != nil || first.Version != 1 {
			t.Fatal(name, first, err)
		}
		if again, err := shelf.Put(name, "bob", body(1), "", now); err != nil || again.Version != 1 {
			t.Errorf("%s: the same again is version %d, %v", name, again.Version, err)
		}
		if _, err := shelf.Put(name, "bob", body(2), "none", now); !errors.Is(err, ErrThere) {
			t.Errorf("%s: over one that is there: %v", name, err)
		}
		second, err := shelf.Put(name, "bob", body(2), first.ETag(), now)
		if err != nil || second.Version != 2 {
			t.Fatal(name, second, err)
		}
		if _, err := shelf.Put(name, "eve", body(3), first.ETag(), now); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: with an old etag: %v", name, err)
		}
		if got, err := shelf.Get(name); err != nil || got.ETag() != second.ETag() || got.Name != name || got.By != "bob" {
			t.Errorf("%s: %+v %v", name, got, err)
		}
		if got, err := shelf.GetVersion(name, 1); err != nil || got.ETag() != first.ETag() {
			t.Errorf("%s: %+v %v", name, got, err)
		}
		if all, err := shelf.Versions(name); err != nil || len(all) != 2 || all[0].Version != 2 {
			t.Errorf("%s: %+v %v", name, all, err)
		}
	}
	if all, err := shelf.List(); err != nil || len(all) != len(names) {
		t.Errorf("%d documents, %v", len(all), err)
	}
	if err := shelf.Delete("checkout", "1-0"); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	for _, name := range names {
		if err := shelf.Delete(name, ""); err != nil {
			t.Error(err)
		}
		if _, err := shelf.Get(name); !errors.Is(err, ErrNoDocument) {
			t.Error(name, err)
		}
		if err := shelf.Delete(name, ""); !errors.Is(err, ErrNoDocument) {
			t.Error(name, err)
		}
	}
	for _, bad := range []struct{ name, body string }{{"", "{}"}, {string(make([]byte, 1001)), "{}"}, {"x", "{"}, {"x", ""}} {
		if _, err := shelf.Put(bad.name, "", json.RawMessage(bad.body), "", now); err == nil {
			t.Errorf("written: %.20q %q", bad.name, bad.body)
		}
	}
	if all, err := shelf.List(); err != nil || len(all) != 0 {
		t.Errorf("left: %v %v", all, err)
	}
}

// TestShelfTogether lets several writers count in one document: none of them is lost,
// and only the latest versions stay.
func TestShelfTogether(t *testing.T) {
	shelf := testShelf(t)
	const writers, each = 8, 20
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for done := 0; done < each; {
				d, err := shelf.Get("count")
				etag, n := "none", 0
				if err == nil {
					var was struct{ N int }
					if err := json.Unmarshal(d.Body, &was); err != nil {
						t.Error(err)
						return
					}
					etag, n = d.ETag(), was.N
				}
				switch _, err := shelf.Put("count", "", body(n+1), etag, time.Now()); {
				case err == nil:
					done++
				case !errors.Is(err, ErrChanged) && !errors.Is(err, ErrThere):
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	last, err := shelf.Get("count")
	if err != nil || last.Version != writers*each {
		t.Errorf("version %d, want %d (%v)", last.Version, writers*each, err)
	}
	if kept, err := shelf.Versions("count"); err != nil || len(kept) != versionsKept {
		t.Errorf("%d versions kept, %v", len(kept), err)
	}
}

// TestMigrate brings an old folder to this version, step by step, and goes on where it
// was interrupted.
func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, versionFile), []byte("0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if text, err := os.ReadFile(filepath.Join(dir, versionFile)); err != nil || string(text) != fmt.Sprintf("%d\n", Version) {
		t.Errorf("version %q, %v", text, err)
	}
	var done []int
	fails := true
	steps := []func(string) error{
		func(string) error { done = append(done, 1); return nil },
		func(string) error {
			if fails {
				return errors.New("killed")
			}
			done = append(done, 2)
			return nil
		},
	}
	if err := s.migrate(0, steps); err == nil {
		t.Error("a step failed, and nothing was said")
	}
	if text, _ := os.ReadFile(filepath.Join(dir, versionFile)); string(text) != "1\n" {
		t.Errorf("version %q", text)
	}
	fails = false
	if err := s.migrate(1, steps); err != nil || fmt.Sprint(done) != "[1 2]" {
		t.Error(done, err)
	}
	if len(migrations) != Version {
		t.Errorf("%d migrations lead to version %d", len(migrations), Version)
	}
}

// TestHalfDeleted: a document whose deletion was cut short is gone: it is in no list, does not
// come back, and one of its name can be written and deleted.
func TestHalfDeleted(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	shelf := s.Shelf("schedules")
	put := func() {
		t.Helper()
		_, err := shelf.Put("nightly", "ada", json.RawMessage(`{"a":1}`), "none", time.Now())
		must(t, err)
	}
	put()
	dir := filepath.Join(s.Dir(), "schedules")
	must(t, os.Rename(filepath.Join(dir, "nightly"), filepath.Join(dir, ".gone-nightly"))) // and here the process was killed
	if docs, err := shelf.List(); err != nil || len(docs) > 0 {
		t.Errorf("the list has %v, %v", docs, err)
	}
	put()
	if docs, err := shelf.List(); err != nil || len(docs) != 1 {
		t.Errorf("written again the list has %v, %v", docs, err)
	}
	must(t, shelf.Delete("nightly", ""))
	if docs, err := shelf.List(); err != nil || len(docs) > 0 {
		t.Errorf("deleted again the list has %v, %v", docs, err)
	}
}

// TestDamagedDocument: one that cannot be read keeps no others, stays where it is, and can be
// removed.
func TestDamagedDocument(t *testing.T) {
	shelf := testShelf(t)
	for _, name := range []string{"a", "b", "c", "d e"} {
		if _, err := shelf.Put(name, "", body(1), "", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(shelf.dir, "b", versionName(1))
	must(t, os.WriteFile(path, []byte(`{"name": "b", "ver`), 0o600))
	must(t, os.WriteFile(filepath.Join(shelf.dir, "c", versionName(1)), []byte("null"), 0o600))
	docs, damaged, err := shelf.Readable()
	if err != nil || len(docs) != 2 || docs[0].Name != "a" || docs[1].Name != "d e" {
		t.Errorf("those that can be read are %v, %v", docs, err)
	}
	if len(damaged) != 2 || damaged[0].Name != "b" || damaged[0].Path != path || damaged[1].Name != "c" {
		t.Errorf("damaged are %v", damaged)
	}
	if _, err := shelf.List(); err == nil {
		t.Error("a list of all is whole")
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	if err := shelf.Delete("b", "1-x"); err == nil {
		t.Error("one is removed that may not be the one that was meant")
	}
	must(t, shelf.Delete("b", ""))
	must(t, shelf.Delete("c", ""))
	if docs, err := shelf.List(); err != nil || len(docs) != 2 {
		t.Errorf("then there are %v, %v", docs, err)
	}
}

// TestDamagedIsWrittenAnew: what is written where the latest version cannot be read takes its
// place, and the versions before it stay; who means a version, or none, changes nothing.
func TestDamagedIsWrittenAnew(t *testing.T) {
	for _, name := range []string{"a", "d e"} {
		shelf := testShelf(t)
		for i := range 2 {
			if _, err := shelf.Put(name, "", body(i), "", time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(shelf.folder(name), versionName(2))
		must(t, os.WriteFile(path, make([]byte, 100), 0o600))
		var d *Damaged
		if _, err := shelf.Get(name); !errors.As(err, &d) || d.Path != path {
			t.Errorf("%q: it is %v", name, err)
		}
		if doc, err := shelf.GetVersion(name, 1); err != nil || doc.Version != 1 {
			t.Errorf("%q: the version before it: %v", name, err)
		}
		if _, err := shelf.Put(name, "", body(3), "2-x", time.Now()); !errors.As(err, &d) {
			t.Errorf("%q: where another version is meant: %v", name, err)
		}
		if _, err := shelf.Put(name, "", body(3), "none", time.Now()); !errors.Is(err, ErrThere) {
			t.Errorf("%q: where none is to be: %v", name, err)
		}
		if doc, err := shelf.Put(name, "", body(3), "", time.Now()); err != nil || doc.Version != 2 {
			t.Errorf("%q: written anew it is %v, %v", name, doc.Version, err)
		}
		if all, err := shelf.Versions(name); err != nil || len(all) != 2 {
			t.Errorf("%q: then there are %d, %v", name, len(all), err)
		}
	}
}

// TestDamagedIsRemovedAsListed: one whose name is not that of its folder is removed by what the
// list calls it.
func TestDamagedIsRemovedAsListed(t *testing.T) {
	shelf := testShelf(t)
	if _, err := shelf.Put("d e", "", body(1), "", time.Now()); err != nil {
		t.Fatal(err)
	}
	listed := filepath.Base(shelf.folder("d e"))
	if err := shelf.Delete(listed, ""); !errors.Is(err, ErrNoDocument) {
		t.Errorf("while it can be read: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(shelf.dir, listed, versionName(1)), nil, 0o600))
	must(t, shelf.Delete(listed, ""))
	if _, damaged, err := shelf.Readable(); err != nil || len(damaged) > 0 {
		t.Errorf("there is %v, %v", damaged, err)
	}
}
