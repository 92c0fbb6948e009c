//go:build unix && !linux

package store

import (
	"errors"
	"os"
)

// syncFS is not there on this system: each file is synced.
func syncFS(*os.File) error { return errors.ErrUnsupported }

func datasync(f *os.File) error { return f.Sync() }
