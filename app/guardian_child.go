package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"starquake/builtins"
	"starquake/effects"
	"starquake/internal/lines"
	"starquake/runtime"
	"starquake/store"
)

// guardianWithin is for how long a guardian tries to take off what a run left on. The pauses
// between its tries become longer, up to the other. What an engine was asked for, and had not done
// when the run ended, it looks for as long as overdueWithin.
const (
	guardianWithin = 10 * time.Minute
	guardianPause  = 30 * time.Second
	overdueWithin  = 5 * time.Minute
)

// IsGuardian reports whether this process was started by a run as its guardian; main then
// calls Guardian and nothing else.
func IsGuardian() bool {
	return len(os.Args) == 2 && os.Args[1] == guardianCommand && os.Getenv(guardianVariable) == "1"
}

// Guardian watches over the faults of the run that started this process, by its standard
// input, and gives the exit code.
func Guardian() int {
	os.Unsetenv(guardianVariable) // what it starts is none
	deaf()
	logger, log := lines.Logger(os.Stderr, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) })
	defer log.Flush()
	if err := guard(os.Stdin, logger, quiet, guardianWithin); err != nil {
		fmt.Fprintln(log, "starquake: guardian:", err)
		return 1
	}
	return 0
}

// quiet lets go of standard error: whoever started a run and reads what it says waits until all
// have done so.
func quiet() {
	_ = os.Stderr.Close()
	_, _ = os.OpenFile(os.DevNull, os.O_WRONLY, 0) // in its place, so that nothing else comes there
}

// guard reads what is on, and takes it off when in ends without an orderly end. quiet is called
// when the run has ended and something is left.
func guard(in io.Reader, logger *slog.Logger, quiet func(), within time.Duration) error {
	left := false
	var hello guardianHello
	var held []guarded
	lines := json.NewDecoder(bufio.NewReader(in))
	for {
		var line guardianLine
		err := lines.Decode(&line)
		switch {
		case err != nil && len(held) == 0 && errors.Is(err, io.EOF):
			return nil
		case err != nil: // also half a line: whoever wrote it has died
			return takeAllOff(hello, held, left, logger, within)
		case line.End:
			return nil
		case line.Left:
			left = true
			quiet()
		case line.Hello != nil:
			hello = *line.Hello
		case line.Add != nil:
			line.Add.asked = time.Now()
			held = append(held, *line.Add)
		case line.On != "":
			if i := slices.IndexFunc(held, func(f guarded) bool { return f.ID == line.On }); i >= 0 {
				held[i].On = true
			}
		default:
			held = slices.DeleteFunc(held, func(f guarded) bool { return f.ID == line.Remove })
		}
	}
}

// errLate says that something of a fault that was taken off may still arrive.
var errLate = errors.New("what had put it on may still arrive")

// late is errLate once a fault was taken off, until nothing of it can arrive any more. left says
// that its run has waited for it, and ended: if it was never on it may come at any time. What
// takes it off is then done again and again, if that can meet nothing else.
func (f *guarded) late(left bool) error {
	if f.settles.IsZero() {
		f.settles = settles(f.Args, f.On, f.asked, time.Now())
		var args builtins.FaultArgs
		if left && !f.On && json.Unmarshal(f.Args, &args) == nil && !sharesUndo(&args, &args) {
			f.overdue, f.settles = true, time.Now().Add(overdueWithin)
		}
	}
	if time.Now().Before(f.settles) {
		return errLate
	}
	return nil
}

// takeAllOff takes faults off, the newest first, and tries again what did not go, or may have
// come once more. It does nothing while another process goes on with the run, nor after: that
// one takes them off itself, and may have put them on again. left says that the run has ended.
func takeAllOff(hello guardianHello, held []guarded, left bool, logger *slog.Logger, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	alone := func(ctx context.Context, f func(ctx context.Context) error) (over bool, err error) {
		return false, f(ctx)
	}
	noted := func(string) error { return nil }
	var runs *store.Store
	if hello.Dir != "" {
		orphan := store.Orphaned(hello.Dir)
		alone, runs = orphan.Do, orphan.Store()
		all := func(off map[string]time.Time) bool { return left && areAllOff(runs, hello.Run, off) }
		noted = func(place string) error { return orphan.NoteOff(place, all) }
	}
	redactor := builtins.NewRedactor(hello.Secrets)
	if !left {
		logger.Warn("the process of a run has died; taking its faults off", "run", hello.Run, "faults", len(held))
	}
	for pause := time.Second; ; pause = min(2*pause, guardianPause) {
		var rest []guarded
		var errs []error
		live := liveFaults{store: runs, but: hello.Run}
		next := pause
		for _, f := range slices.Backward(held) {
			if wait := time.Until(f.settles); wait > 0 && !f.overdue {
				rest, errs, next = append(rest, f), append(errs, errLate), min(next, wait)
				continue
			}
			what := f.ID
			over, err := alone(ctx, func(ctx context.Context) (err error) {
				if what, err = undoGuarded(ctx, hello.Policy, f, &live, redactor.Redact, logger); err != nil {
					return err
				}
				if err := f.late(left); err != nil {
					return err
				}
				return noted(f.Place)
			})
			if over {
				logger.Info("another process goes on with the run, or has ended it; the guardian stands down", "run", hello.Run)
				return nil
			}
			what = redactor.Redact(what)
			if err == nil {
				logger.Warn("a fault is off", "run", hello.Run, "fault", what)
				continue
			}
			busy := errors.Is(err, store.ErrBusy) // its holder sees to it, and perhaps in vain
			if errors.Is(err, errLate) {
				busy, next = true, min(next, time.Until(f.settles))
				logger.Info("a fault is off; it is looked for once more, as what had put it on may still arrive", "run", hello.Run, "fault", what)
			}
			err = errors.New(redactor.Redact(err.Error()))
			if !busy {
				logger.Error("a fault cannot be taken off", "run", hello.Run, "fault", what, "error", err)
			}
			rest, errs = append(rest, f), append(errs, err)
		}
		if len(rest) == 0 {
			return nil
		}
		slices.Reverse(rest)
		held = rest
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d faults of run %s may still be on: %w", len(rest), hello.Run, errors.Join(errs...))
		case <-time.After(next):
		}
	}
}

// areAllOff reports whether the faults at these places are all that a run which has ended has left
// on in other processes.
func areAllOff(runs *store.Store, run string, off map[string]time.Time) bool {
	_, recs, err := runs.Read(run)
	return err == nil && !slices.ContainsFunc(runtime.LeftOn(recs), func(req runtime.Request) bool {
		_, is := off[req.ID.String()]
		return !is && Outlives(&req)
	})
}

// undoGuarded takes one fault off, unless a run that goes on has put on the same; what
// describes it.
func undoGuarded(ctx context.Context, policy effects.Policy, f guarded, live *liveFaults, redact func(string) string, logger *slog.Logger) (what string, err error) {
	var args builtins.FaultArgs
	if err := json.Unmarshal(f.Args, &args); err != nil {
		return f.ID, err
	}
	named, err := effects.MapStrings(f.Args, redact) // as the journals of others have it
	if err == nil {
		err = live.spare(named)
	}
	if err != nil {
		return describeFault(&args), err
	}
	base := effects.New(policy, effects.Options{})
	defer base.Close()
	plane, err := newTargets(logger, base).plane(&args)
	if err == nil {
		err = plane.Undo(ctx, f.ID)
	}
	return describeFault(&args), err
}
