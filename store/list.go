package store

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"starquake/runtime/journal"
)

// Filter selects runs; its zero value all of them.
type Filter struct {
	Status  Status
	Verdict journal.Verdict
	// Name is the orchestration's.
	Name string
	// Labels are those that a run must have.
	Labels map[string]string
	// Since is the earliest start.
	Since time.Time
	// Before is an id: only runs that sort before it, for the next page.
	Before string
	// Limit is how many at most; 0 is all.
	Limit int
}

// Runs lists runs, the newest first. A folder that cannot be read as a run is left
// out, and told to the logger.
func (s *Store) Runs(f Filter) ([]Entry, error) {
	ids, err := s.IDs()
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, id := range slices.Backward(ids) {
		if f.Before != "" && id >= f.Before {
			continue
		}
		e, err := s.Entry(id)
		if err != nil {
			if !isMissing(err) { // pruned meanwhile
				s.logger.Warn("a folder is no run", "run", id, "error", err)
			}
			continue
		}
		if !f.Fits(&e) {
			continue
		}
		out = append(out, e)
		if len(out) == f.Limit {
			break
		}
	}
	return out, nil
}

// Fits reports whether a run is among those selected.
func (f *Filter) Fits(e *Entry) bool {
	switch {
	case f.Status != "" && f.Status != e.Status,
		f.Verdict != "" && (e.End == nil || f.Verdict != e.End.Verdict),
		f.Name != "" && f.Name != e.Name,
		e.Started.Before(f.Since):
		return false
	}
	for name := range maps.Keys(f.Labels) {
		if value, ok := e.Labels[name]; !ok || value != f.Labels[name] {
			return false
		}
	}
	return true
}

// IDs lists the ids of all runs, sorted.
func (s *Store) IDs() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, runsFolder))
	if err != nil {
		return nil, fmt.Errorf("the runs: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && checkID(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// Entry gives one run as a list has it.
func (s *Store) Entry(id string) (Entry, error) {
	var e Entry
	if err := checkID(id); err != nil {
		return e, err
	}
	dir := s.RunDir(id)
	if err := readJSON(filepath.Join(dir, infoFile), &e.Info); err != nil {
		return e, fmt.Errorf("run %s: %w", id, err)
	}
	e.ID = id // the folder's name is the run's, whatever its file says
	var err error
	switch e.End, err = readEnd(dir); {
	case err != nil:
		return e, fmt.Errorf("run %s: %w", id, err)
	case e.End != nil:
		e.Status = Ended
		return e, e.clean(dir)
	}
	held, err := s.held(id)
	e.Status = Interrupted
	if held {
		e.Status = Running
	}
	if err == nil {
		err = e.clean(dir)
	}
	return e, err
}

// readEnd gives how a run ended, nil where that is not noted. A file that got its name before
// its text, as the machine stopped, notes nothing: who takes the run up notes it again.
func readEnd(dir string) (*End, error) {
	var end End
	path := filepath.Join(dir, endFile)
	err := readJSON(path, &end)
	if err == nil {
		return &end, nil
	}
	if text, unread := os.ReadFile(path); unread == nil && isZero(text) {
		return nil, nil
	}
	return nil, ignoreMissing(err)
}

// clean adds what was taken off of a run that nobody runs, where there can be any.
func (e *Entry) clean(dir string) error {
	if e.Status == Running || e.End != nil && e.End.Verdict != journal.VerdictUnclean && e.End.Verdict != journal.VerdictStopped {
		return nil
	}
	c, err := readCleaned(dir)
	if err != nil {
		return fmt.Errorf("run %s: %w", e.ID, err)
	}
	if len(c.Off) > 0 || c.All {
		e.Cleaned = &c
	}
	return nil
}

// held reports whether a process holds the run.
func (s *Store) held(id string) (bool, error) {
	f, err := os.Open(filepath.Join(s.RunDir(id), journalFile))
	if err != nil {
		return false, ignoreMissing(err) // its folder is being made, or was cut short
	}
	defer f.Close()
	return locked(f)
}

// Find gives the id of the run that a person means: a whole id, the beginning of one,
// or "last".
func (s *Store) Find(name string) (string, error) {
	ids, err := s.IDs()
	if err != nil {
		return "", err
	}
	if name == "last" && len(ids) > 0 {
		return ids[len(ids)-1], nil
	}
	var found []string
	for _, id := range ids {
		if id == name {
			return id, nil
		}
		if strings.HasPrefix(id, name) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("run %q: %w in %s", name, ErrNoRun, s.dir)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("run %q could be %s; give more of it", name, strings.Join(found[:min(len(found), 5)], ", "))
}

// ErrNoRun says that there is no such run.
var ErrNoRun = errors.New("there is no such run")
