package store

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"starquake/runtime/journal"
)

const (
	infoFile     = "run.json"
	endFile      = "end.json"
	journalFile  = "journal.jsonl"
	scriptFolder = "script"
)

// ErrBusy says that another process holds the run.
var ErrBusy = errors.New("another process holds the run")

// Run is one run that this process writes. It implements runtime.Journal.
type Run struct {
	store *Store
	log   *wal
	id    string
	dir   string

	mu   sync.Mutex
	file *os.File // the journal, locked; nil once closed
	// size is that of the journal, settled how much of it is durable in its own file; -1 where
	// not even the other files are. Invariant: settled <= size.
	size, settled int64
	// alive is what Alive says, found the size of the journal then.
	alive time.Time
	found int64
	// noted says that the end is written into its file, which is as durable as settled;
	// unnoted that it is in the log, and could not be written there yet.
	noted, unnoted bool
	// logged is up to where the log must be synced to have all of the run; from is where it
	// begins in the log, of one that was created here (settled is -1 then until it is durable).
	logged, from int64
	// err is the first failure to write; nothing is accepted after it.
	err error
	buf []byte
	end *End
	// scripts are those that could not be written for people yet.
	scripts map[string]string
	// unlogged says that the journal does not have the end.
	unlogged bool
	// doubt is why the journal may not tell all; see Salvage. Nothing is appended then.
	doubt error
}

// Create begins a run. Its folder appears whole.
func (s *Store) Create(info Info) (*Run, error) {
	if err := checkID(info.ID); err != nil {
		return nil, err
	}
	log, err := s.openLog()
	if err != nil {
		return nil, s.orCramped(err)
	}
	text, err := marshal(info)
	if err != nil {
		return nil, err
	}
	runs := filepath.Join(s.dir, runsFolder)
	dir, err := os.MkdirTemp(runs, newPrefix)
	if err != nil {
		return nil, s.orCramped(fmt.Errorf("the folder of run %s: %w", info.ID, err))
	}
	r := &Run{store: s, log: log, id: info.ID, dir: filepath.Join(runs, info.ID), settled: -1}
	if err := r.create(dir, text); err != nil {
		_ = os.RemoveAll(dir)
		return nil, s.orCramped(fmt.Errorf("the folder of run %s: %w", info.ID, err))
	}
	killPoint()
	err = s.forgetRemoved(r.id) // the log is to bring this one back
	if err == nil {
		r.logged, err = log.append(r, frameInfo, 0, text)
		r.from = r.logged - int64(frameHead+frameMin+len(r.id)+len(text))
	}
	if err != nil {
		_ = r.file.Close()
		_ = os.RemoveAll(r.dir)
		return nil, err
	}
	s.hold(r)
	return r, nil
}

// create fills a new folder, and gives it its name when all is in it.
func (r *Run) create(dir string, info []byte) (err error) {
	if err := os.WriteFile(filepath.Join(dir, infoFile), info, 0o600); err != nil {
		return err
	}
	if r.file, err = os.OpenFile(filepath.Join(dir, journalFile), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
		return err
	}
	ok, err := tryLock(r.file)
	if err == nil && !ok {
		err = ErrBusy
	}
	if err == nil {
		if _, serr := os.Lstat(r.dir); serr == nil {
			err = fs.ErrExist
		} else {
			err = os.Rename(dir, r.dir)
		}
	}
	if err != nil {
		_ = r.file.Close()
	}
	return err
}

// Resume takes up a run that no process holds, and returns what its journal has. The
// error is ErrBusy if a process does.
func (s *Store) Resume(id string) (*Run, []journal.Record, error) {
	r, recs, err := s.take(id, false)
	return r, recs, err
}

// Salvage is Resume for who goes on with nothing of the run, but takes off what it has left on.
// What cannot be read of the journal, or added to it, is no reason then to leave on what the
// rest shows on: the records are those that can be read, and doubt says why they may not be all.
func (s *Store) Salvage(id string) (r *Run, recs []journal.Record, doubt, err error) {
	r, recs, err = s.take(id, true)
	if err != nil {
		return nil, nil, nil, err
	}
	return r, recs, r.doubt, nil
}

// take takes up a run, with doubts or without any.
func (s *Store) take(id string, doubts bool) (*Run, []journal.Record, error) {
	if err := checkID(id); err != nil {
		return nil, nil, err
	}
	if e, err := s.Entry(id); err == nil && e.Imported {
		return nil, nil, fmt.Errorf("run %s was imported: it ran somewhere else and cannot go on here", id)
	}
	left, err := s.repair() // its process may have died since Open
	if err != nil {
		return nil, nil, err
	}
	lacks := left.of(id)
	if lacks != nil && !doubts { // it would do again what it has done
		return nil, nil, fmt.Errorf("run %s: %w", id, lacks)
	}
	log, err := s.openLog()
	if err != nil {
		return nil, nil, err
	}
	r := &Run{store: s, log: log, id: id, dir: s.RunDir(id)}
	if r.file, err = os.OpenFile(filepath.Join(r.dir, journalFile), os.O_RDWR, 0); err != nil {
		return nil, nil, fmt.Errorf("run %s: %w", id, err)
	}
	recs, err := r.takeUp(doubts)
	if err != nil {
		_ = r.file.Close()
		return nil, nil, fmt.Errorf("run %s: %w", id, err)
	}
	r.doubt = cmp.Or(r.doubt, lacks)
	s.hold(r)
	return r, recs, nil
}

// takeUp locks the journal, reads it, and cuts a last line that was not written whole. With
// doubts one that is damaged is left as it is.
func (r *Run) takeUp(doubts bool) ([]journal.Record, error) {
	ok, err := tryLock(r.file)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ErrBusy
	}
	if err := awaitGuardian(r.dir); err != nil {
		return nil, err
	}
	r.alive = changed(r.file)
	recs, size, err := readJournal(r.file)
	if d := (*damage)(nil); doubts && errors.As(err, &d) {
		recs, r.doubt = readLines(r.file), d
		if size, err = r.file.Seek(0, io.SeekEnd); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	// The log of this process goes on behind what was found: that is to be there, too, when
	// the machine stops.
	if err := errors.Join(r.file.Truncate(size), datasync(r.file)); err != nil {
		return nil, err
	}
	r.size, r.found = size, size
	if len(recs) > 0 {
		r.end = endOf(&recs[len(recs)-1]) // its process may have died before it was noted
	}
	return recs, nil
}

// ID is the run's.
func (r *Run) ID() string { return r.id }

// Dir is the run's folder.
func (r *Run) Dir() string { return r.dir }

// Append keeps records; they are durable after Sync.
func (r *Run) Append(recs []journal.Record) error {
	if len(recs) == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return fmt.Errorf("run %s is closed", r.id)
	}
	if err := cmp.Or(r.err, r.doubt); err != nil {
		return err
	}
	r.err = r.append(recs)
	return r.err
}

// maxPiece is from how many bytes on a turn goes on in another frame of the log, which is
// read back only up to maxFrame.
const maxPiece = 8 << 20

func (r *Run) append(recs []journal.Record) (err error) {
	r.buf = r.buf[:0]
	for i := range recs {
		start := len(r.buf)
		if r.buf, err = recs[i].AppendJSON(r.buf); err != nil {
			return fmt.Errorf("run %s: record %s: %w", r.id, recs[i].Kind, err)
		}
		if n := len(r.buf) - start; n > maxLine { // nobody could read the journal again
			return fmt.Errorf("run %s: record %s has %d bytes; expected at most %d", r.id, recs[i].Kind, n, maxLine)
		}
		r.buf = append(r.buf, '\n')
		if len(r.buf) > maxPiece {
			if err := r.write(); err != nil {
				return err
			}
		}
	}
	if err := r.write(); err != nil {
		return err
	}
	if cap(r.buf) > 1<<20 {
		r.buf = nil // thousands of runs may be open
	}
	for i := range recs {
		switch body := recs[i].Body.(type) {
		case *journal.RunBeginBody:
			if writeScripts(r.dir, body.Modules) != nil { // the journal has them: Close tries again
				r.scripts = body.Modules
			}
		case *journal.RunEndBody:
			r.end = endOf(&recs[i])
		}
	}
	return nil
}

// write writes what is in buf. The journal has it before the log: what a full disk refuses
// is in neither, else the log would write it over what another process has put there since.
func (r *Run) write() (err error) {
	if len(r.buf) == 0 {
		return nil
	}
	killPoint()
	n, err := r.file.WriteAt(r.buf, r.size)
	killPoint()
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err // the name is the one that the folder had while it was made
		}
		if wantsRoom(err) {
			r.store.cramp(err)
			err = &noRoom{err}
		}
		return fmt.Errorf("run %s: %s: %w", r.id, filepath.Join(r.dir, journalFile), err)
	}
	if r.logged, err = r.log.append(r, frameRecords, r.size, r.buf); err != nil {
		return err
	}
	r.size += int64(n)
	r.buf = r.buf[:0]
	return nil
}

// Sync returns once everything appended so far is durable.
func (r *Run) Sync() error {
	r.mu.Lock()
	upto, err := r.logged, r.err
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.log.sync(upto)
}

// settle makes the run's folder durable in its own files, so that the log is not
// needed for it. The name of the folder itself is the caller's business.
func (r *Run) settle() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settled == r.size {
		return nil
	}
	if r.unnoted {
		if err := writeEnd(r.dir, r.end); err != nil && !isMissing(err) { // removed by now
			return fmt.Errorf("run %s: %w", r.id, err)
		}
		r.noted, r.unnoted = true, false
	}
	names := []string{journalFile, infoFile}
	if r.noted {
		names = append(names, endFile)
	}
	for _, name := range names {
		if err := syncFile(filepath.Join(r.dir, name)); err != nil && !isMissing(err) { // removed by now
			return fmt.Errorf("run %s: %w", r.id, err)
		}
	}
	if err := syncFolder(r.dir); err != nil && !isMissing(err) {
		return fmt.Errorf("run %s: %w", r.id, err)
	}
	r.settled = r.size
	return nil
}

// mark is what a sync of the whole file system that begins now makes durable of a run.
type mark struct {
	size  int64
	noted bool // its end, too
}

func (r *Run) mark() mark {
	r.mu.Lock()
	defer r.mu.Unlock()
	return mark{r.size, r.noted}
}

// settleMarked says that the sync which began at a mark has succeeded.
func (r *Run) settleMarked(m mark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unnoted || r.noted && !m.noted { // the end came too late for it
		m.size = min(m.size, r.size-1)
	}
	r.settled = max(r.settled, m.size)
}

// done reports whether the run is closed and durable in its own files.
func (r *Run) done() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file == nil && r.settled == r.size
}

// Close ends the writing: everything is durable, how the run ended is noted, and the
// lock is free.
func (r *Run) Close() error {
	err := r.Sync()
	r.store.letGo(r)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return err
	}
	if errors.Is(err, ErrNoRoom) && r.settled == -1 && r.log.takeBack(r) {
		// It has done nothing, since nothing of it was kept, and whoever asked for it is told so,
		// and may ask again: it must not go on some day as well.
		r.store.cramp(err) // the log may have nothing more to try it with
		err = errors.Join(err, os.RemoveAll(r.dir), r.file.Close())
		r.file, r.buf, r.settled = nil, nil, r.size
		return err
	}
	if err == nil && r.end != nil {
		killPoint()
		err = r.note()
		killPoint()
	} else if r.end != nil && errors.Is(err, ErrNoRoom) { // its end is noted when the log has it
		r.unnoted, r.settled = true, min(r.settled, r.size-1)
	}
	if r.scripts != nil {
		if serr := writeScripts(r.dir, r.scripts); serr != nil {
			r.store.logger.Warn("the scripts of a run are in its journal alone", "run", r.id, "error", serr)
		}
	}
	if !r.alive.IsZero() && r.size == r.found { // who wrote nothing did not go on with it
		_ = os.Chtimes(r.file.Name(), time.Time{}, r.alive)
	}
	if cerr := r.file.Close(); err == nil {
		err = cerr
	}
	r.file, r.buf = nil, nil
	return err
}

// note notes how the run ended. What no log has is durable at once; the log keeps the rest
// until it is noted.
func (r *Run) note() error {
	r.settled = min(r.settled, r.size-1)
	if r.logged == 0 || r.unlogged {
		r.noted = true
		return writeEnd(r.dir, r.end, (*os.File).Sync)
	}
	err := writeEnd(r.dir, r.end)
	r.noted, r.unnoted = err == nil, err != nil
	return err
}

// End closes a run whose journal has no end and that is not to go on: lists show it as
// ended so.
func (r *Run) End(end End) error {
	r.mu.Lock()
	r.end, r.unlogged = &end, true
	r.mu.Unlock()
	return r.Close()
}

// writeEnd notes how a run ended, for lists. Like the journal it follows from the log,
// and is made durable with it, unless before it gets its name.
func writeEnd(dir string, end *End, before ...func(*os.File) error) error {
	text, err := marshal(end)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, endFile), text, before...)
}

// endOf makes an End of the last record of a run, or nil of another.
func endOf(rec *journal.Record) *End {
	body, ok := rec.Body.(*journal.RunEndBody)
	if !ok {
		return nil
	}
	return &End{Verdict: body.Verdict, Reason: body.Reason, Message: body.Message, Duration: rec.At, Paused: body.Paused}
}

// writeScripts writes the modules' texts for people to read. The journal has them too:
// they are what a run is taken up with.
func writeScripts(dir string, modules map[string]string) error {
	if len(modules) == 0 {
		return nil
	}
	base := filepath.Join(dir, scriptFolder)
	if err := os.MkdirAll(base, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		return err
	}
	defer root.Close()
	for name, text := range modules {
		name = path.Clean(strings.TrimPrefix(name, "/"))
		if !fs.ValidPath(name) || strings.ContainsRune(name, 0) {
			continue // a name that is no path: the journal has it
		}
		if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
			return err
		}
		if err := root.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
