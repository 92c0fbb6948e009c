package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Retention says which ended runs stay.
type Retention struct {
	// Keep is for how long after its start a run stays; 0 is for ever.
	Keep time.Duration
	// Runs is how many of the newest stay; 0 is all.
	Runs int
}

// Prune removes the ended runs that do not stay, or with dry only says which. A run
// that goes on, was interrupted, or ended unclean and was not cleaned up since, always
// stays: it may have faults on. One that cannot be removed keeps no other. What processes have
// left that were killed while they made or removed a run goes, too.
func (s *Store) Prune(keep Retention, now time.Time, dry bool) (removed []Entry, err error) {
	runs, err := s.Runs(Filter{Status: Ended})
	if err != nil {
		return nil, err
	}
	var failed []error
	if !dry {
		failed = append(failed, s.sweep(now))
	}
	for i, e := range runs {
		old := keep.Keep > 0 && now.Sub(e.Started) > keep.Keep
		if e.MayBeOn() || !old && (keep.Runs <= 0 || i < keep.Runs) {
			continue
		}
		if !dry {
			if err := s.Remove(e.ID); err != nil {
				if !isMissing(err) { // somebody else prunes, too
					failed = append(failed, err)
				}
				continue
			}
		}
		removed = append(removed, e)
	}
	slices.Reverse(removed) // the oldest first
	return removed, errors.Join(failed...)
}

// sweep removes what is in the runs' folder and is no run: half removed, or not made for so long
// that nobody is at it any more.
func (s *Store) sweep(now time.Time) error {
	runs := filepath.Join(s.dir, runsFolder)
	entries, err := os.ReadDir(runs)
	if err != nil {
		return fmt.Errorf("the runs: %w", err)
	}
	var failed []error
	for _, e := range entries {
		path := filepath.Join(runs, e.Name())
		if strings.HasPrefix(e.Name(), gonePrefix) || strings.HasPrefix(e.Name(), newPrefix) && now.Sub(lastWritten(path)) > unnamedFor {
			failed = append(failed, os.RemoveAll(path))
		}
	}
	return errors.Join(failed...)
}

// lastWritten is when a run's folder, or its journal, was last changed.
func lastWritten(dir string) (last time.Time) {
	for _, path := range []string{dir, filepath.Join(dir, journalFile)} {
		if info, err := os.Lstat(path); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}

// Remove removes a run that no process holds, whether it has ended or not.
func (s *Store) Remove(id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	dir := s.RunDir(id)
	f, err := os.Open(filepath.Join(dir, journalFile))
	if err == nil {
		defer f.Close()
		if ok, err := tryLock(f); err != nil {
			return fmt.Errorf("run %s: %w", id, err)
		} else if !ok {
			return fmt.Errorf("run %s: %w", id, ErrBusy)
		}
	} else if !isMissing(err) {
		return fmt.Errorf("run %s: %w", id, err)
	}
	if err := s.noteRemoved(id); err != nil {
		return fmt.Errorf("run %s: its removal cannot be noted: %w", id, err)
	}
	// Out of the list at once, so that nobody sees half of it.
	gone := filepath.Join(filepath.Dir(dir), gonePrefix+id)
	if err := errors.Join(os.RemoveAll(gone), os.Rename(dir, gone)); err != nil { // one may be left from before
		return fmt.Errorf("run %s: %w", id, err)
	}
	return os.RemoveAll(gone)
}
