//go:build !unix

package store

import (
	"errors"
	"os"
)

var errNoLocks = errors.New("runs cannot be kept on this system: it has no file locks")

func tryLock(*os.File) (bool, error)     { return false, errNoLocks }
func tryLockOnce(*os.File) (bool, error) { return false, errNoLocks }
func locked(*os.File) (bool, error)      { return false, errNoLocks }
func waitLock(*os.File) error            { return errNoLocks }
func datasync(f *os.File) error          { return f.Sync() }
func syncAll(string) error               { return errors.ErrUnsupported }
