package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A run that is removed while a log that tells of it is there must not come back from that
// when the log's process dies, whole or, where parts of the log were dropped, as one that was
// interrupted. So its removal is noted beside the logs first, with the names of those that there
// are: where the run's folder is not there, what they say of it is void. The note goes when they
// have gone.
const removedPrefix = "removed-"

// noteRemoved notes durably that a run whose lock the caller holds is being removed, where a log
// may tell of it.
func (s *Store) noteRemoved(id string) error {
	logs, err := s.logs()
	if err != nil || len(logs) == 0 {
		return err
	}
	return replaceFile(s.removal(id), []byte(strings.Join(logs, "\n")+"\n"))
}

// forgetRemoved is for who makes a run of that id.
func (s *Store) forgetRemoved(id string) error {
	if err := os.Remove(s.removal(id)); err != nil {
		return ignoreMissing(err)
	}
	return syncFolder(filepath.Join(s.dir, walFolder))
}

func (s *Store) removal(id string) string {
	return filepath.Join(s.dir, walFolder, removedPrefix+id)
}

// logs are the names of the parts of all logs.
func (s *Store) logs() (names []string, err error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, walFolder))
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".log") && !strings.HasPrefix(e.Name(), removedPrefix) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// isRemoved reports whether a run that is not there was removed when a log had told of it.
func (s *Store) isRemoved(id, log string) (bool, error) {
	text, err := os.ReadFile(s.removal(id))
	return slices.Contains(strings.Fields(string(text)), filepath.Base(log)), ignoreMissing(err)
}

// dropRemovals drops the notes of removals of which no log tells any more.
func (s *Store) dropRemovals(entries []os.DirEntry) error {
	var failed []error
	for _, e := range entries {
		id, ok := strings.CutPrefix(e.Name(), removedPrefix)
		if !ok {
			continue
		}
		text, err := os.ReadFile(s.removal(id))
		there := func(log string) bool {
			_, err := os.Lstat(filepath.Join(s.dir, walFolder, log))
			return !isMissing(err)
		}
		if err == nil && !slices.ContainsFunc(strings.Fields(string(text)), there) {
			err = os.Remove(s.removal(id))
		}
		failed = append(failed, ignoreMissing(err))
	}
	return errors.Join(failed...)
}
