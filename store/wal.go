package store

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// walMagic begins every segment.
const walMagic = "starquake wal 1\n"

// wal is the write-ahead log of this process. Frames gather in memory; whoever wants
// them durable writes and syncs all there are, also those of others, so that one sync
// serves everybody who waits.
type wal struct {
	dir, name string
	runs      string // the folder of the runs' folders
	limit     int64  // of a segment
	logger    *slog.Logger

	mu   sync.Mutex
	cond *sync.Cond // synced or err has changed
	// buf are frames not yet written, spare the buffer that was written last.
	buf, spare []byte
	// end counts the bytes of all frames so far, synced those that are durable.
	// Invariant: synced <= end.
	end, synced int64
	// syncing is set while one goroutine writes and syncs on behalf of all.
	syncing bool
	// err is the first failure to write or sync that is not for want of room. It stays: after
	// a failed sync the kernel may have dropped what was not written, and another sync would
	// succeed.
	err error
	// full is why the last write was refused for want of room, nil where it was not; refused
	// counts those. What was to be written is in buf again, and every later write begins with
	// it. That is safe, unlike after a failed sync: the kernel has not taken it, the file ends
	// where it did, what is in front of that was synced, and nobody was told that more is kept.
	full    error
	refused int

	// kept are segments of runs that could not be made durable in their own files. They stay
	// locked, since this process holds the runs, until it ends; then Repair takes them.
	kept []segment

	// touched are the runs that may have frames in a segment that is not dropped.
	touched map[*Run]bool

	// Used only by the one who is syncing.
	current segment
	size    int64
	serial  int
	stuck   bool // the next segment could not be begun

	retiring sync.WaitGroup
}

// segment is one file of the log, locked for as long as it is open.
type segment struct {
	file *os.File
	path string
}

func newWAL(dir, runs string, limit int64, logger *slog.Logger) (*wal, error) {
	var random [8]byte
	_, _ = rand.Read(random[:]) // crypto/rand does not fail
	w := &wal{dir: dir, runs: runs, name: hex.EncodeToString(random[:]), limit: limit, logger: logger, touched: map[*Run]bool{}}
	w.cond = sync.NewCond(&w.mu)
	return w, w.begin()
}

// begin makes the next segment. Its name appears when it is locked, so that nobody
// takes it for that of a dead process.
func (w *wal) begin() error {
	f, err := os.CreateTemp(w.dir, newPrefix)
	if err != nil {
		return err
	}
	name := filepath.Join(w.dir, fmt.Sprintf("%s-%06d.log", w.name, w.serial+1))
	ok, err := tryLock(f)
	if err == nil && !ok {
		err = errors.New("a new log is locked by another process")
	}
	if err == nil {
		_, err = f.WriteString(walMagic)
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err == nil {
		err = syncFolder(w.dir)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		_ = f.Close()
		return err
	}
	w.current, w.size = segment{f, name}, int64(len(walMagic))
	w.serial++
	return nil
}

// maxBuffered is from how many bytes on whoever appends has to write them.
const maxBuffered = 4 << 20

// append adds one frame and returns up to where the log must be synced to have it.
func (w *wal) append(r *Run, kind frameKind, offset int64, payload []byte) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full != nil && !w.syncing {
		w.flush() // what could not be written has to go first, or memory would fill up, too
	}
	if err := cmp.Or(w.err, w.full); err != nil {
		return 0, err
	}
	start := len(w.buf)
	w.buf = beginFrame(w.buf, kind, r.id, offset)
	w.buf = append(w.buf, payload...)
	endFrame(w.buf, start)
	w.end += int64(len(w.buf) - start)
	w.touched[r] = true
	if len(w.buf) > maxBuffered && !w.syncing {
		w.flush()
	}
	return w.end, w.err
}

// sync returns once the log is durable up to the given end.
func (w *wal) sync(upto int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	refused := w.refused
	for w.synced < upto && w.err == nil {
		if w.full != nil && w.refused != refused { // it was tried, by this one or another, since it was asked for
			return w.full
		}
		if w.syncing {
			w.cond.Wait()
			continue
		}
		w.flush()
	}
	if w.synced >= upto {
		return nil
	}
	return w.err
}

// flush writes and syncs what there is. The caller holds mu, which is not held
// meanwhile.
func (w *wal) flush() {
	w.syncing = true
	buf, end := w.buf, w.end
	w.buf, w.spare = w.spare[:0], nil
	w.mu.Unlock()

	err := w.write(buf)

	w.mu.Lock()
	w.syncing = false
	defer w.cond.Broadcast()
	if no := (*noRoom)(nil); errors.As(err, &no) {
		if w.full == nil {
			w.logger.Error("the write-ahead log cannot be written for want of room; nothing is kept until there is some again", "log", w.current.path, "error", no.error)
		}
		w.full = fmt.Errorf("the write-ahead log: %w", no)
		w.refused++
		w.buf, w.spare = append(buf, w.buf...), nil
		return
	}
	w.spare = buf[:0]
	if cap(buf) > 2*maxBuffered {
		w.spare = nil // one huge turn must not hold its memory for ever
	}
	if err != nil {
		w.logger.Error("the write-ahead log is lost; nothing is kept until the next start", "log", w.current.path, "error", err)
		w.err = fmt.Errorf("the write-ahead log: %w", err)
		return
	}
	if w.full != nil {
		w.logger.Info("the write-ahead log can be written again", "log", w.current.path)
		w.full = nil
	}
	w.synced = end
}

// noRoom is that a write was refused, and has left the file as it was.
type noRoom struct{ error }

func (e *noRoom) Unwrap() error { return e.error }

func (e *noRoom) Is(err error) bool { return err == ErrNoRoom }

// wantsRoom reports whether an error of a write says that there was no room. Of a sync it
// means another thing: then the kernel had taken what it could not keep.
func wantsRoom(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

func (w *wal) write(buf []byte) error {
	if w.size > int64(len(walMagic)) && w.size+int64(len(buf)) > w.limit {
		w.rotate()
	}
	killPoint()
	if _, err := w.current.file.WriteAt(buf, w.size); err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = fmt.Errorf("%s: %w", w.current.path, at.Err) // the name is the one that the file had while it was made
		}
		if wantsRoom(err) {
			_ = w.current.file.Truncate(w.size) // a part of a turn is read by nobody, and the next write begins with the same
			return &noRoom{err}
		}
		return err
	}
	w.size += int64(len(buf))
	killPoint()
	err := datasync(w.current.file)
	killPoint()
	return err
}

// takeBack takes a run that was created here out of what could not be written yet, if nothing of
// it ever was.
func (w *wal) takeBack(r *Run) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.syncing {
		w.cond.Wait()
	}
	if w.full == nil || w.synced > r.from {
		return false
	}
	var others []byte
	for rest := w.buf; len(rest) > 0; {
		f, size, err := readFrame(rest)
		if err != nil {
			return false // never: it was made here
		}
		if f.run != r.id {
			others = append(others, rest[:size]...)
		}
		rest = rest[size:]
	}
	w.buf = others
	delete(w.touched, r)
	return true
}

// check says why nothing can be kept now, nil if it can. What could not be written for want of
// room is tried once more: else nobody would, where no run is started any more.
func (w *wal) check() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full != nil && !w.syncing {
		w.flush()
	}
	return cmp.Or(w.err, w.full)
}

// rotate goes on in a new segment, or in the old one where that cannot be, as with too many
// open files. The old one is dropped as soon as the runs that it speaks of have their own
// journals synced.
func (w *wal) rotate() {
	old := w.current
	if err := w.begin(); err != nil {
		if !w.stuck {
			w.logger.Warn("the write-ahead log grows, as no other part of it can be begun", "log", old.path, "error", err)
		}
		w.stuck = true
		return
	}
	w.stuck = false
	w.retiring.Go(func() {
		if err := w.settle(); err != nil {
			w.logger.Error("a part of the log is kept: a run's own journal cannot be synced", "log", old.path, "error", err)
			w.mu.Lock()
			w.kept = append(w.kept, old)
			w.mu.Unlock()
			return
		}
		w.drop(old)
	})
}

// settleAtOnce is from how many runs on the file system is synced as a whole: that takes
// one call, where each run takes four.
const settleAtOnce = 64

// settle makes all runs durable in their own files, and forgets those that are closed.
func (w *wal) settle() error {
	w.mu.Lock()
	runs := slices.Collect(maps.Keys(w.touched))
	w.mu.Unlock()
	if len(runs) >= settleAtOnce {
		marks := make([]mark, len(runs))
		for i, r := range runs {
			marks[i] = r.mark()
		}
		if err := syncAll(w.runs); err == nil {
			for i, r := range runs {
				r.settleMarked(marks[i])
			}
		}
	}
	for _, r := range runs {
		if err := r.settle(); err != nil {
			return err
		}
	}
	if err := syncFolder(w.runs); err != nil {
		return err
	}
	// A run's lock is never taken under ours: Append takes them the other way.
	runs = slices.DeleteFunc(runs, func(r *Run) bool { return !r.done() })
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range runs {
		delete(w.touched, r)
	}
	return nil
}

// drop removes a segment that is no longer needed.
func (w *wal) drop(s segment) {
	if err := os.Remove(s.path); err != nil {
		w.logger.Warn("a part of the log that is no longer needed cannot be removed", "error", err)
	}
	_ = s.file.Close() // and with it the lock
}

// close makes everything durable in its own place and drops the log.
func (w *wal) close() error {
	w.mu.Lock()
	end := w.end
	w.mu.Unlock()
	err := w.sync(end)
	w.retiring.Wait()
	if err == nil {
		err = w.settle()
	}
	for _, old := range w.kept { // a file that was not synced once may not be although it is the next time
		_ = old.file.Close()
	}
	killPoint()
	if err != nil {
		_ = w.current.file.Close() // the file stays: Repair will find it
		return err
	}
	w.drop(w.current)
	return nil
}
