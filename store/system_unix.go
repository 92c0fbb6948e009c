//go:build unix

package store

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Whoever asks whether a lock is held has a shared one for a moment, which must not be
// taken for an owner's.
const (
	lockTries = 10
	lockPause = 2 * time.Millisecond
)

// tryLock takes the lock on f, which goes with f or the process. It reports false if
// another holds it.
func tryLock(f *os.File) (bool, error) {
	for try := 1; ; try++ {
		ok, err := tryLockOnce(f)
		if ok || err != nil || try == lockTries {
			return ok, err
		}
		time.Sleep(lockPause)
	}
}

// tryLockOnce is tryLock for a file of which nobody asks whether it is held.
func tryLockOnce(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// waitLock takes the lock on f, and waits for it: writers hold it for a moment only.
func waitLock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// locked reports whether somebody holds the lock on f. It asks for a shared one, so
// that two who ask do not take each other for an owner.
func locked(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_UN)
	}
	return false, err
}

// syncAll makes everything in the file system of a folder durable.
func syncAll(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(syncFS(f), f.Close())
}
