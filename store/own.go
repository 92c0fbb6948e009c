package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrOwned says that another process acts on a shelf's documents.
var ErrOwned = errors.New("another process acts on them")

const ownerFile = ".owner"

// Own makes this process the one that acts on what the documents of a shelf say, until
// release or its end. Reading and writing them needs no owner. The address is where others
// reach this process, for Owner; it may be empty.
func (s *Shelf) Own(address string) (release func(), err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("the shelf: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(s.dir, ownerFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the shelf: %w", err)
	}
	ok, err := tryLock(f)
	if err == nil && !ok {
		err = ErrOwned
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteString(address)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s of %s: %w", filepath.Base(s.dir), filepath.Dir(s.dir), err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// Owner gives the address of the process that acts on the documents, as far as it has said
// one; empty where there is no such process.
func (s *Shelf) Owner() (address string, err error) {
	f, err := os.Open(filepath.Join(s.dir, ownerFile))
	if err != nil {
		return "", ignoreMissing(err)
	}
	defer f.Close()
	if held, err := locked(f); err != nil || !held {
		return "", err
	}
	text, err := io.ReadAll(f)
	return string(text), err
}
