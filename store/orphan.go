package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// Orphan is a run whose process has died, or has ended it unclean, as the one sees it who takes
// off what it left on, its guardian. That must not be done while another process goes on with the run, or
// after: what is on then is that one's, under the same name.
type Orphan struct {
	dir   string
	size  int64 // of its journal when its process had died
	ended bool  // it had ended by then
}

// Orphaned gives the run of a folder as it is now that its process has died, or has ended it.
func Orphaned(dir string) *Orphan {
	o := &Orphan{dir: dir}
	if info, err := os.Stat(filepath.Join(dir, journalFile)); err == nil {
		o.size = info.Size()
	}
	_, err := os.Stat(filepath.Join(dir, endFile))
	o.ended = err == nil
	return o
}

// Store gives the data folder that the run is in, to look at the others: nothing is written
// to it, and nothing repaired.
func (o *Orphan) Store() *Store {
	return &Store{dir: filepath.Dir(filepath.Dir(o.dir)), logger: slog.New(slog.DiscardHandler)}
}

// How often is looked whether somebody takes the run up, and for how long that one waits
// for what is under way.
const (
	orphanPoll = 20 * time.Millisecond
	orphanWait = 30 * time.Second
)

// Do calls f while no other process holds the run; the context ends if one comes to. It is
// over when a process has gone on with the run since, or it has ended since or is gone: then
// nothing is left to do. An error for which errors.Is(err, ErrBusy) holds means that a
// process holds the run.
func (o *Orphan) Do(ctx context.Context, f func(ctx context.Context) error) (over bool, err error) {
	dir, err := os.Open(o.dir)
	if isMissing(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer dir.Close()
	if err := lockWithin(ctx, dir); err != nil {
		return false, err
	}
	journal, err := os.Open(filepath.Join(o.dir, journalFile))
	if isMissing(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer journal.Close()
	if held, err := locked(journal); err != nil || held {
		return false, errors.Join(err, fmt.Errorf("run %s: %w", filepath.Base(o.dir), ErrBusy))
	}
	if over, err := o.over(); err != nil || over {
		return over, err
	}
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for ticks := time.Tick(orphanPoll); ; {
			select {
			case <-ctx.Done():
				return
			case <-ticks:
			}
			if held, err := locked(journal); err == nil && held {
				cancel()
			}
		}
	}()
	err = f(ctx)
	cancel()
	<-watched
	return false, err
}

// NoteOff notes durably that the fault that was asked for at a place is off, and asks whether
// those that are noted are all of the run. It is for the function that Do calls.
func (o *Orphan) NoteOff(place string, all func(off map[string]time.Time) bool) error {
	c, err := readCleaned(o.dir)
	if err != nil {
		return err
	}
	c.Note(place)
	c.All = all(c.Off)
	return writeCleaned(o.dir, c)
}

// over reports whether the run has been gone on with, was cleaned up, or has ended since.
func (o *Orphan) over() (bool, error) {
	info, err := os.Stat(filepath.Join(o.dir, journalFile))
	if err != nil {
		return isMissing(err), ignoreMissing(err)
	}
	cleaned, err := readCleaned(o.dir)
	if err != nil || cleaned.All {
		return cleaned.All, err
	}
	_, err = os.Stat(filepath.Join(o.dir, endFile))
	return info.Size() > o.size || err == nil && !o.ended, ignoreMissing(err)
}

// lockWithin takes the lock on f, and waits for it.
func lockWithin(ctx context.Context, f *os.File) error {
	for {
		if ok, err := tryLockOnce(f); err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(orphanPoll):
		}
	}
}

// awaitGuardian waits until its guardian does nothing for a run any more, whose lock the
// caller holds: afterwards it knows of that and does nothing again.
func awaitGuardian(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	ctx, cancel := context.WithTimeout(context.Background(), orphanWait)
	defer cancel()
	if err := lockWithin(ctx, f); err != nil {
		return fmt.Errorf("the guardian of its dead process is still taking faults off: %w; try again", err)
	}
	return nil
}
