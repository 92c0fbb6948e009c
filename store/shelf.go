package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The shelves of a data folder.
const (
	Orchestrations = "orchestrations" // definitions that were imported
	Schedules      = "schedules"
	Targets        = "targets" // of a server, added while it ran
	Queue          = "queue"   // starts that a server has taken and that wait for their turn
)

// ErrNoDocument says that there is no document of a name, or no such version of it;
// ErrChanged that it is not the one that was meant, ErrThere that there was to be none.
var (
	ErrNoDocument = errors.New("there is no such document")
	ErrChanged    = errors.New("it has been changed meanwhile")
	ErrThere      = errors.New("it is there already")
)

// versionsKept is how many versions of a document stay.
const versionsKept = 50

// Document is one version of something that people define.
type Document struct {
	Name string `json:"name"`
	// Version counts from 1.
	Version int       `json:"version"`
	Time    time.Time `json:"time"`
	// By is who wrote it, where that is known.
	By string `json:"by,omitempty"`
	// Body is what the document says. The store does not look into it.
	Body json.RawMessage `json:"body"`
}

// ETag names the version and its content.
func (d *Document) ETag() string {
	sum := sha256.Sum256(d.Body)
	return fmt.Sprintf("%d-%s", d.Version, hex.EncodeToString(sum[:8]))
}

// Shelf is the documents of one kind, with their versions: a folder for each, a file for
// each version. Every write is whole and durable when it returns. Any number of
// processes share it; a write has it for itself.
type Shelf struct{ dir string }

// Shelf gives the documents of a kind.
func (s *Store) Shelf(kind string) *Shelf { return ShelfIn(s.dir, kind) }

// ShelfIn is Shelf of a data folder that is only looked at: it need not be there.
func ShelfIn(data, kind string) *Shelf { return &Shelf{filepath.Join(data, kind)} }

// folder is that of a document. Its name is the document's where that can be the name of
// a folder, and otherwise made of it.
func (s *Shelf) folder(name string) string {
	if checkID(name) == nil && !strings.HasPrefix(name, "x-") {
		return filepath.Join(s.dir, name)
	}
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(s.dir, "x-"+hex.EncodeToString(sum[:16]))
}

// maxName bounds the name of a document, in bytes.
const maxName = 1000

// Put writes the next version of a document, or in place of the latest one where that cannot be
// read. With an etag it must be the latest one's, "" writes in any case, "none" only where
// there is no document of that name, and "any" only where there is one.
func (s *Shelf) Put(name, by string, body json.RawMessage, etag string, now time.Time) (Document, error) {
	var compact bytes.Buffer
	if name == "" || len(name) > maxName {
		return Document{}, fmt.Errorf("a document needs a name of 1 to %d bytes", maxName)
	}
	if err := json.Compact(&compact, body); err != nil {
		return Document{}, fmt.Errorf("document %q: its body: %w", name, err)
	}
	unlock, err := s.lock()
	if err != nil {
		return Document{}, err
	}
	defer unlock()
	last, err := s.Get(name)
	switch {
	case errors.Is(err, ErrNoDocument):
		if etag != "" && etag != "none" {
			return Document{}, err
		}
	case err != nil:
		// Where what is there cannot be read: what is written takes its place.
		numbers, none := versions(s.folder(name))
		var d *Damaged
		switch {
		case none != nil || len(numbers) == 0 || !errors.As(err, &d):
			return Document{}, err
		case etag == "none":
			return Document{}, fmt.Errorf("%q: %w, and cannot be read: %w", name, ErrThere, err)
		case etag != "" && etag != "any":
			return Document{}, err
		}
		last = Document{Version: numbers[len(numbers)-1] - 1}
	case etag == "none":
		return last, fmt.Errorf("%q: %w, with version %d", name, ErrThere, last.Version)
	case etag != "" && etag != "any" && etag != last.ETag():
		return last, fmt.Errorf("%q: %w: the latest version is %d", name, ErrChanged, last.Version)
	case bytes.Equal(last.Body, compact.Bytes()):
		return last, nil // nothing new
	}
	next := Document{Name: name, Version: last.Version + 1, Time: now.UTC(), By: by, Body: compact.Bytes()}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // the body keeps its form, and so its ETag
	if err := enc.Encode(next); err != nil {
		return Document{}, err
	}
	dir := s.folder(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Document{}, fmt.Errorf("document %q: %w", name, err)
	}
	if err := replaceFile(filepath.Join(dir, versionName(next.Version)), text.Bytes()); err != nil {
		if wantsRoom(err) {
			err = &noRoom{err}
		}
		return Document{}, fmt.Errorf("document %q: %w", name, err)
	}
	s.forget(dir, next.Version)
	return next, syncFolder(s.dir)
}

func versionName(n int) string { return fmt.Sprintf("%08d.json", n) }

// forget removes the versions that do not stay.
func (s *Shelf) forget(dir string, last int) {
	numbers, err := versions(dir)
	if err != nil {
		return // the next Put tries again
	}
	for _, n := range numbers {
		if n <= last-versionsKept {
			_ = os.Remove(filepath.Join(dir, versionName(n))) // likewise
		}
	}
}

// versions are the numbers of the versions in a document's folder, the oldest first.
func versions(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var numbers []int
	for _, e := range entries {
		if text, ok := strings.CutSuffix(e.Name(), ".json"); ok {
			if n, err := strconv.Atoi(text); err == nil && n > 0 {
				numbers = append(numbers, n)
			}
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Get gives the latest version of a document.
func (s *Shelf) Get(name string) (Document, error) { return s.read(name, 0) }

// GetVersion gives one version of a document.
func (s *Shelf) GetVersion(name string, version int) (Document, error) {
	if version < 1 {
		return Document{}, fmt.Errorf("document %q, version %d: %w", name, version, ErrNoDocument)
	}
	return s.read(name, version)
}

// read reads a version, 0 for the latest.
func (s *Shelf) read(name string, version int) (Document, error) {
	dir := s.folder(name)
	for {
		n := version
		if n == 0 {
			numbers, err := versions(dir)
			if err != nil {
				return Document{}, fmt.Errorf("document %q: %w", name, err)
			}
			if len(numbers) == 0 {
				return Document{}, fmt.Errorf("document %q: %w", name, ErrNoDocument)
			}
			n = numbers[len(numbers)-1]
		}
		var d Document
		err := readJSON(filepath.Join(dir, versionName(n)), &d)
		switch {
		case isMissing(err) && version == 0: // deleted meanwhile
			continue
		case err == nil && d.Name != name && filepath.Base(dir) == name:
			err = fmt.Errorf("%s says that it is document %q, which it is not", filepath.Join(dir, versionName(n)), d.Name)
			return Document{}, fmt.Errorf("document %q: %w", name, s.Damaged(name, n, err))
		case isMissing(err), err == nil && d.Name != name: // the folder is another's
			return Document{}, fmt.Errorf("document %q, version %d: %w", name, n, ErrNoDocument)
		case Passes(err):
			return Document{}, fmt.Errorf("document %q: %w", name, err)
		case err != nil:
			return Document{}, fmt.Errorf("document %q: %w", name, s.Damaged(name, n, err))
		}
		return d, nil
	}
}

// Versions lists the versions of a document that are there, the newest first.
func (s *Shelf) Versions(name string) ([]Document, error) {
	numbers, err := versions(s.folder(name))
	if err != nil {
		return nil, fmt.Errorf("document %q: %w", name, err)
	}
	if len(numbers) == 0 {
		return nil, fmt.Errorf("document %q: %w", name, ErrNoDocument)
	}
	var all []Document
	for _, n := range slices.Backward(numbers) {
		d, err := s.read(name, n)
		if errors.Is(err, ErrNoDocument) {
			continue // forgotten meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// List gives the latest version of every document, by name.
func (s *Shelf) List() ([]Document, error) {
	all, damaged, err := s.Readable()
	if err == nil && len(damaged) > 0 {
		err = &damaged[0]
	}
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Damaged is a document whose version is no use to who reads it, for why.
func (s *Shelf) Damaged(name string, version int, why error) *Damaged {
	dir := s.folder(name)
	return &Damaged{filepath.Base(dir), filepath.Join(dir, versionName(version)), why}
}

// Damaged is a document that is there, and cannot be read.
type Damaged struct {
	// Name is that of its folder, which is the document's where that can be the name of a
	// folder; Path is the file.
	Name, Path string
	Err        error
}

func (d *Damaged) Error() string { return d.Err.Error() }

func (d *Damaged) Unwrap() error { return d.Err }

// Readable is List for who does without those documents that are damaged, and says so. They
// stay as they are: Delete removes one.
func (s *Shelf) Readable() (all []Document, damaged []Damaged, err error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, nil, ignoreMissing(err)
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") { // such as what a deletion that was killed has left
			continue
		}
		dir := filepath.Join(s.dir, e.Name())
		numbers, err := versions(dir)
		if err != nil {
			return nil, nil, err
		}
		if len(numbers) == 0 {
			continue // half deleted
		}
		path := filepath.Join(dir, versionName(numbers[len(numbers)-1]))
		var d Document
		err = readJSON(path, &d)
		if err == nil && s.folder(d.Name) != dir {
			err = fmt.Errorf("%s says that it is document %q, which it is not", path, d.Name)
		}
		switch {
		case isMissing(err):
		case Passes(err):
			return nil, nil, err
		case err != nil:
			damaged = append(damaged, Damaged{e.Name(), path, err})
		default:
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b Document) int { return strings.Compare(a.Name, b.Name) })
	return all, damaged, nil
}

// Passes reports whether an error says nothing of the file: there are too many open ones.
func Passes(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}

// Delete removes a document with all its versions. With an etag it must be the latest
// one's; "any" is none, as in Put.
func (s *Shelf) Delete(name, etag string) error {
	if etag == "any" {
		etag = ""
	}
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	last, err := s.Get(name)
	dir := s.folder(name)
	if errors.Is(err, ErrNoDocument) && etag == "" && strings.HasPrefix(name, "x-") { // it may be what a list calls it
		_, damaged, wrong := s.Readable()
		if i := slices.IndexFunc(damaged, func(d Damaged) bool { return d.Name == name }); wrong == nil && i >= 0 {
			dir, err = filepath.Join(s.dir, name), &damaged[i]
		}
	}
	if err != nil && (etag != "" || errors.Is(err, ErrNoDocument)) { // else it is damaged, and goes
		return err
	}
	if etag != "" && etag != last.ETag() {
		return fmt.Errorf("document %q: %w: it has version %d", name, ErrChanged, last.Version)
	}
	gone := filepath.Join(s.dir, gonePrefix+filepath.Base(dir)) // out of the list at once
	if err := errors.Join(os.RemoveAll(gone), os.Rename(dir, gone), syncFolder(s.dir)); err != nil {
		return fmt.Errorf("document %q: %w", name, err)
	}
	_ = os.RemoveAll(gone) // it is deleted, whatever is left of it
	return nil
}

// lock has the shelf for this writer until unlock.
func (s *Shelf) lock() (unlock func(), err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("the shelf: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(s.dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the shelf: %w", err)
	}
	if err := waitLock(f); err != nil {
		return nil, errors.Join(fmt.Errorf("the shelf %s: %w", s.dir, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}
