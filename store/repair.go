package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"starquake/runtime/journal"
)

// Repair completes the journals of runs from the logs of processes that have died, and
// drops those logs. A log whose process lives is left alone. One that cannot be read, and
// those of which a run cannot be completed, stay, and the logger is told.
func (s *Store) Repair() error {
	_, err := s.repair()
	return err
}

// unrepaired is what the logs of processes that died have and the runs' folders lack.
type unrepaired struct {
	// runs are those that could not be completed.
	runs map[string]error
	// logs is why not all logs could be read: nobody knows of which runs they tell.
	logs error
}

// of says why a run is not whole, nil if it is.
func (u *unrepaired) of(id string) error {
	err := u.runs[id]
	if err == nil {
		err = u.logs
	}
	if err != nil {
		return fmt.Errorf("what the log of a process that died has of it cannot be added to its journal: %w", err)
	}
	return nil
}

// repair is Repair, and says what was left undone.
func (s *Store) repair() (left unrepaired, err error) {
	dir := filepath.Join(s.dir, walFolder)
	failed := func(err error) (unrepaired, error) { return left, fmt.Errorf("the write-ahead logs: %w", err) }
	entries, err := os.ReadDir(dir)
	if err != nil {
		return failed(err)
	}
	if len(entries) == 0 {
		return left, nil
	}
	// Whoever else is at it holds a dead log, which looks like one whose process lives: a run
	// is not to be taken up before it has what is in there.
	unlock, err := s.lockLogs(dir)
	if err != nil {
		return failed(err)
	}
	defer unlock()
	if entries, err = os.ReadDir(dir); err != nil {
		return failed(err)
	}
	left.runs = map[string]error{}
	// The segments of one process sort in the order in which they were written.
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), removedPrefix): // the id may end like a log's name
			continue
		case strings.HasSuffix(e.Name(), ".log"):
			err = s.repairFrom(path, left.runs)
		case strings.HasPrefix(e.Name(), newPrefix):
			err = dropUnnamed(path)
		}
		if err != nil {
			s.logger.Error("a log of a process that died stays", "log", path, "error", err)
		}
		if unread := (*unreadLog)(nil); errors.As(err, &unread) {
			left.logs = errors.Join(left.logs, err)
		}
	}
	if err := s.dropRemovals(entries); err != nil {
		s.logger.Warn("the note of a run that was removed stays", "error", err)
	}
	return left, nil
}

// unreadLog is why a log cannot be read.
type unreadLog struct{ error }

func (e *unreadLog) Unwrap() error { return e.error }

// lockLogs has this process be the only one that repairs, until unlock.
func (s *Store) lockLogs(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	ok, err := tryLockOnce(f)
	if err == nil && !ok {
		s.logger.Info("another process completes runs from the logs of those that died; this one waits for it", "folder", dir)
		err = waitLock(f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// unnamedFor is for how long a file that has no name yet is left alone: its process may
// be about to give it one.
const unnamedFor = time.Hour

// dropUnnamed removes what a process has left that died while it began a segment.
func dropUnnamed(path string) error {
	info, err := os.Lstat(path)
	if err != nil || time.Since(info.ModTime()) < unnamedFor {
		return ignoreMissing(err)
	}
	return ignoreMissing(os.Remove(path))
}

// repairFrom completes runs from one segment, if its process has died, and notes those for
// which that fails.
func (s *Store) repairFrom(path string, incomplete map[string]error) error {
	f, err := os.Open(path)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return &unreadLog{err}
	}
	defer f.Close()
	if ok, err := tryLockOnce(f); err != nil {
		return &unreadLog{err}
	} else if !ok {
		return nil
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return &unreadLog{err}
	}
	frames, left := readFrames(text)
	if left > 0 {
		s.logger.Warn("the log of a process that died ends in a turn that was not written whole; nobody was told that it is kept",
			"log", path, "bytes", left)
	}
	whole := true
	for _, run := range frames {
		if err := s.complete(path, run.id, run.frames); err != nil { // not the others' fault
			whole = false
			incomplete[run.id] = err
			s.logger.Error("a run cannot be completed from the log of a process that died; the log is kept",
				"run", run.id, "log", path, "error", err)
		}
	}
	if !whole {
		return nil
	}
	return os.Remove(path)
}

func ignoreMissing(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}

// runFrames are the frames of one run, in order.
type runFrames struct {
	id     string
	frames []frame
}

// readFrames reads a segment and sorts its frames by run; left is how many bytes at
// the end are no frame.
func readFrames(text []byte) (runs []runFrames, left int) {
	rest, ok := bytes.CutPrefix(text, []byte(walMagic))
	if !ok {
		return nil, len(text)
	}
	at := map[string]int{}
	for len(rest) > 0 {
		f, size, err := readFrame(rest)
		if err != nil {
			return runs, len(rest)
		}
		rest = rest[size:]
		i, known := at[f.run]
		if !known {
			i = len(runs)
			at[f.run] = i
			runs = append(runs, runFrames{id: f.run})
		}
		runs[i].frames = append(runs[i].frames, f)
	}
	return runs, 0
}

// complete writes into a run's folder what the frames of a log say and it lacks. Frames say
// only what was written before, so doing it again changes nothing.
func (s *Store) complete(log, id string, frames []frame) error {
	dir := s.RunDir(id)
	if _, err := os.Lstat(dir); isMissing(err) {
		if gone, err := s.isRemoved(id, log); err != nil || gone {
			return err
		}
		if frames[0].kind != frameInfo {
			return nil // it was pruned: the log of a run that is there has its beginning
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, infoFile)
	info, _ := os.ReadFile(path) // one that is missing, or cannot be read, is written
	var is Info
	if json.Unmarshal(info, &is) == nil && is.Imported {
		return nil // it was removed, and came back as a file: the log is of what it was before
	}
	f, err := os.OpenFile(filepath.Join(dir, journalFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if ok, err := tryLock(f); err != nil {
		return err
	} else if !ok {
		return nil // taken up by another process, which has repaired it
	}
	alive := changed(f)
	length, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	logged := int64(0) // where the log ends
	for _, fr := range frames {
		switch {
		case fr.kind == frameInfo && slices.Equal(info, fr.payload):
		case fr.kind == frameInfo: // it was not written whole
			err = replaceFile(path, fr.payload)
		case fr.offset > length: // as in a folder that was copied while a run went on
			err = fmt.Errorf("its journal has %d bytes, and the log goes on behind byte %d", length, fr.offset)
		default:
			err = writeDiffering(f, fr.payload, fr.offset)
			logged = fr.offset + int64(len(fr.payload))
			length = max(length, logged)
		}
		if err != nil {
			return err
		}
	}
	recs, size, err := readJournal(f)
	if err != nil && logged > 0 && size >= logged {
		// Of what is behind the log nobody was told that it is kept: parts of it may be on disk.
		s.logger.Warn("the journal of a run ends where the machine stopped", "run", id, "error", err)
	} else if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(size), f.Sync(), syncFolder(dir), syncFolder(filepath.Dir(dir))); err != nil {
		return err
	}
	_ = os.Chtimes(f.Name(), time.Time{}, alive) // see Alive
	return finishFolder(dir, recs)
}

// finishFolder writes what follows from the journal and is not there. No log has it any more:
// its end is durable when this returns.
func finishFolder(dir string, recs []journal.Record) error {
	if len(recs) == 0 {
		return nil
	}
	if begin, ok := recs[0].Body.(*journal.RunBeginBody); ok {
		if err := writeScripts(dir, begin.Modules); err != nil {
			return err
		}
	}
	if end := endOf(&recs[len(recs)-1]); end != nil {
		return errors.Join(writeEnd(dir, end, (*os.File).Sync), syncFolder(dir))
	}
	return nil
}

// writeDiffering writes text at offset unless it stands there.
func writeDiffering(f *os.File, text []byte, offset int64) error {
	old := make([]byte, len(text))
	if n, _ := f.ReadAt(old, offset); n == len(text) && bytes.Equal(old, text) {
		return nil
	}
	_, err := f.WriteAt(text, offset)
	return err
}
