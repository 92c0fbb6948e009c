package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"starquake/app"
	"starquake/report/text"
	"starquake/store"
	"starquake/units"
)

// dataFlag names the folder in which runs are kept.
type dataFlag struct {
	Data string `placeholder:"DIR" env:"STARQUAKE_DATA" help:"The folder for data. Without it: $$XDG_STATE_HOME/starquake or ~/.local/state/starquake."`
}

// openStore opens the data folder.
func (f dataFlag) openStore() (*store.Store, error) { return f.openStoreTo(nil) }

// openStoreTo is openStore, and tells a logger what was repaired, and what cannot be kept.
func (f dataFlag) openStoreTo(logger *slog.Logger) (*store.Store, error) {
	dir, err := app.DataDir(f.Data)
	if err != nil {
		return nil, asInvalid(err)
	}
	s, err := store.Open(dir, store.Options{Logger: logger})
	if err != nil {
		return nil, errored("%w; --data names another folder", err)
	}
	return s, nil
}

// again is what names the same data folder to another command: nothing where it is the one
// that commands have anyway.
func (f dataFlag) again() string {
	dir, err := app.DataDir(f.Data)
	usual, usualErr := app.DataDir(os.Getenv("STARQUAKE_DATA"))
	if err == nil && usualErr == nil && dir == usual {
		return ""
	}
	return " --data " + text.Quote(f.Data)
}

// find opens the data folder and finds a run in it.
func (f dataFlag) find(name string) (*store.Store, string, error) {
	s, err := f.openStore()
	if err != nil {
		return nil, "", err
	}
	id, err := s.Find(name)
	if errors.Is(err, store.ErrNoRun) {
		err = fmt.Errorf("%w; expected an id, the beginning of one, or last: `starquake runs%s` lists them", err, f.again())
	}
	if err != nil {
		return nil, "", errors.Join(asInvalid(err), s.Close())
	}
	return s, id, nil
}

// notGoingOn is err, of a run that does not go on, as one says it who knows what the data
// folder keeps: a run that is over is not missing.
func (f dataFlag) notGoingOn(name string, err error) error {
	if e := f.kept(name); e != nil && (e.Status == store.Ended || e.Status == store.Interrupted) {
		how := "has ended: "
		if e.Status == store.Interrupted {
			how = "does not go on: "
		}
		return fmt.Errorf("run %s of %s %s%s; `starquake runs show %s%s` shows it", e.ID, text.Clean(e.Name), how, f.standingOf(e), e.ID, f.again())
	}
	if errors.Is(err, app.ErrNoneLive) {
		return fmt.Errorf("%w; `starquake runs%s` lists those that were%s", err, f.again(), f.interrupted())
	}
	return err
}

// interrupted tells of the newest run of the data folder whose process died: who asks for a
// run that goes on may mean it.
func (f dataFlag) interrupted() string {
	dir, err := app.DataDir(f.Data)
	if err != nil {
		return ""
	}
	if _, err := os.Stat(dir); err != nil { // to look is no reason to make it
		return ""
	}
	s, err := f.openStore()
	if err != nil {
		return ""
	}
	defer s.Close()
	runs, err := s.Runs(store.Filter{Status: store.Interrupted})
	if err != nil {
		return ""
	}
	for _, e := range runs {
		if !e.Imported {
			return fmt.Sprintf(", and `starquake recover%s` goes on with %s of %s, which was interrupted", f.again(), e.ID, text.Clean(e.Name))
		}
	}
	return ""
}

// kept gives the run of the data folder that name means, nil where it means none.
func (f dataFlag) kept(name string) *store.Entry {
	if name == "" {
		return nil
	}
	s, id, err := f.find(name)
	if err != nil {
		return nil
	}
	defer s.Close()
	e, err := s.Entry(id)
	if err != nil {
		return nil
	}
	return &e
}

// retentionFlags say which ended runs stay.
type retentionFlags struct {
	Keep     string `placeholder:"TIME" help:"For how long ended runs stay, such as 30d."`
	KeepRuns int    `placeholder:"N" help:"How many of the newest ended runs stay."`
}

// given reports whether there is anything to prune by.
func (f *retentionFlags) given() bool { return f.Keep != "" || f.KeepRuns != 0 }

func (f *retentionFlags) retention() (store.Retention, error) {
	var keep time.Duration
	if f.Keep != "" {
		var err error
		if keep, err = units.ParseDuration(f.Keep); err != nil {
			return store.Retention{}, invalid("--keep: %w", err)
		}
		if keep <= 0 {
			return store.Retention{}, invalid("--keep %s: expected a time above 0", f.Keep)
		}
	}
	if f.KeepRuns < 0 {
		return store.Retention{}, invalid("--keep-runs %d: expected 1 or more", f.KeepRuns)
	}
	return store.Retention{Keep: keep, Runs: f.KeepRuns}, nil
}

// keptFlags say how a run is kept.
type keptFlags struct {
	InMemory bool `help:"Keep nothing of the run: it can be neither controlled from another shell nor recovered."`
	retentionFlags
	dataFlag
}

// keeping is the store of one command, and which runs stay when it ends.
type keeping struct {
	store *store.Store // nil: in memory
	flags *keptFlags
	stay  store.Retention
}

// open opens the store before anything is started: a run that cannot be kept is refused.
// A signal, which ctx ends with, ends what is done beforehand, too.
func (f *keptFlags) open(ctx context.Context, logs *aside) (*keeping, error) {
	k := &keeping{flags: f}
	var err error
	if k.stay, err = f.retention(); err != nil || f.InMemory {
		return k, err
	}
	dir, err := app.DataDir(f.Data)
	if err == nil {
		k.store, err = store.Open(dir, store.Options{})
	}
	if err != nil {
		return nil, invalid("the run cannot be kept: %w; give a folder with --data, or --in-memory for a run that is lost with its process", err)
	}
	k.warn(ctx, logs)
	if err := stoppedBefore(ctx); err != nil {
		k.close(logs)
		return nil, err
	}
	return k, nil
}

// takeOffWithin is how long a start may be held up by what an interrupted run has left on.
const takeOffWithin = 10 * time.Second

// takeOffSoon is after how long it is said that a start is held up.
const takeOffSoon = 500 * time.Millisecond

// warn tells of runs that were interrupted, and takes off what they, or runs that ended
// unclean, have left on.
func (k *keeping) warn(begin context.Context, logs *aside) {
	runs, err := k.store.Runs(store.Filter{})
	if err != nil {
		logs.logf("interrupted runs: %v", err)
		return
	}
	for _, e := range runs {
		switch {
		case e.Imported: // it ran somewhere else
			continue
		case e.Status == store.Interrupted:
			fmt.Fprintf(logs, "starquake: run %[1]s of %[2]s was interrupted; take it up with `starquake recover %[1]s%[3]s`, or end it with `starquake cleanup %[1]s%[3]s`\n", e.ID, text.Clean(e.Name), k.flags.again())
		case !e.MayBeOn():
			continue
		}
		if begin.Err() != nil {
			return
		}
		ctx, cancel := context.WithTimeout(begin, takeOffWithin)
		slow := time.AfterFunc(takeOffSoon, func() {
			fmt.Fprintf(logs, "starquake: taking off what run %s may have left on, for %s at most, before the run begins\n", e.ID, units.FormatDuration(takeOffWithin))
		})
		done, err := app.TakeOff(ctx, k.store, e.ID, saidTo(logs, slog.LevelInfo))
		slow.Stop()
		cancel()
		switch {
		case errors.Is(err, store.ErrBusy): // somebody has just taken it up
		case err != nil:
			logs.logf("what run %s may have left on cannot be found out: %v", e.ID, err)
		default:
			for _, what := range done.Off {
				fmt.Fprintf(logs, "starquake: run %s had left on, and now is off: %s\n", e.ID, text.Clean(what))
			}
			for _, what := range done.Left {
				logs.logf("run %s may have left on: %s", e.ID, what)
			}
			if len(done.NotRun) > 0 {
				fmt.Fprintf(logs, "starquake: its on_exit handlers have not run: %s; `starquake recover %s%s --recover=rollback` runs them now, cleanup would not\n",
					text.Clean(strings.Join(done.NotRun, ", ")), e.ID, k.flags.again())
			}
		}
	}
}

// close removes the runs that do not stay, and closes the store.
func (k *keeping) close(logs *aside) {
	if k.store == nil {
		return
	}
	if k.flags.given() {
		if _, err := k.store.Prune(k.stay, time.Now(), false); err != nil {
			logs.logf("old runs could not be removed: %v", err)
		}
	}
	if err := k.store.Close(); err != nil {
		logs.logf("the data folder: %v", err)
	}
}
