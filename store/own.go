package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrOwned says that another process acts on a shelf's documents.
var ErrOwned = errors.New("another process acts on them")

// Own makes this process the one that acts on what the documents of a shelf say, until
// release or its end. Reading and writing them needs no owner.
func (s *Shelf) Own() (release func(), err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("the shelf: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(s.dir, ".owner"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the shelf: %w", err)
	}
	ok, err := tryLockOnce(f)
	if err == nil && !ok {
		err = ErrOwned
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s of %s: %w", filepath.Base(s.dir), filepath.Dir(s.dir), err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}
