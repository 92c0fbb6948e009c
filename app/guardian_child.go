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
	"starquake/store"
)

// guardianWithin is for how long a guardian tries to take off what a killed run left on.
// The pauses between its tries become longer, up to the other.
const (
	guardianWithin = 10 * time.Minute
	guardianPause  = 30 * time.Second
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
	if err := guard(os.Stdin, logger, guardianWithin); err != nil {
		fmt.Fprintln(log, "starquake: guardian:", err)
		return 1
	}
	return 0
}

// guard reads what is on, and takes it off when in ends without an orderly end.
func guard(in io.Reader, logger *slog.Logger, within time.Duration) error {
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
			return takeAllOff(hello, held, logger, within)
		case line.End:
			return nil
		case line.Hello != nil:
			hello = *line.Hello
		case line.Add != nil:
			held = append(held, *line.Add)
		default:
			held = slices.DeleteFunc(held, func(f guarded) bool { return f.ID == line.Remove })
		}
	}
}

// takeAllOff takes faults off, the newest first, and tries again what did not go. It does
// nothing while another process goes on with the run, nor after: that one takes them off
// itself, and may have put them on again.
func takeAllOff(hello guardianHello, held []guarded, logger *slog.Logger, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	alone := func(ctx context.Context, f func(ctx context.Context) error) (over bool, err error) {
		return false, f(ctx)
	}
	noted := func(string) error { return nil }
	var runs *store.Store
	if hello.Dir != "" {
		orphan := store.Orphaned(hello.Dir)
		alone, noted, runs = orphan.Do, orphan.NoteOff, orphan.Store()
	}
	redactor := builtins.NewRedactor(hello.Secrets)
	logger.Warn("the process of a run has died; taking its faults off", "run", hello.Run, "faults", len(held))
	for pause := time.Second; ; pause = min(2*pause, guardianPause) {
		var left []guarded
		var errs []error
		live := liveFaults{store: runs, but: hello.Run}
		for _, f := range slices.Backward(held) {
			what := f.ID
			over, err := alone(ctx, func(ctx context.Context) (err error) {
				if what, err = undoGuarded(ctx, hello.Policy, f, &live, logger); err != nil {
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
			err = errors.New(redactor.Redact(err.Error()))
			if !busy {
				logger.Error("a fault cannot be taken off", "run", hello.Run, "fault", what, "error", err)
			}
			left, errs = append(left, f), append(errs, err)
		}
		if len(left) == 0 {
			return nil
		}
		slices.Reverse(left)
		held = left
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d faults of run %s may still be on: %w", len(left), hello.Run, errors.Join(errs...))
		case <-time.After(pause):
		}
	}
}

// undoGuarded takes one fault off, unless a run that goes on has put on the same; what
// describes it.
func undoGuarded(ctx context.Context, policy effects.Policy, f guarded, live *liveFaults, logger *slog.Logger) (what string, err error) {
	var args builtins.FaultArgs
	if err := json.Unmarshal(f.Args, &args); err != nil {
		return f.ID, err
	}
	if err := live.spare(f.Args); err != nil {
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
