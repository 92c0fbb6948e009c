package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/term"

	"starquake/app"
	"starquake/report"
	"starquake/runtime/journal"
	"starquake/store"
)

// recoverCmd is `starquake recover`.
type recoverCmd struct {
	ID      string `arg:"" optional:"" name:"run" help:"A run that was interrupted, the beginning of its id, or last. Without it all that were, one after another, the oldest first."`
	Recover string `enum:"resume,rollback" default:"resume" placeholder:"HOW" help:"resume goes on with the run; rollback stops it, which runs its on_exit handlers."`
	Output  string `short:"o" enum:"text,json,ndjson" default:"text" help:"text, json (the run, at its end) or ndjson (its records)."`
	reportFlag
	dataFlag
}

// Run takes runs up that were interrupted, and ends with the gravest of their verdicts.
func (c *recoverCmd) Run(sh *shell) error { return sh.failedIn(c.Output, c.run(sh)) }

func (c *recoverCmd) run(sh *shell) error {
	st, ids, err := c.left(c.ID, false)
	if err != nil {
		return err
	}
	defer st.Close()
	reports, err := c.files()
	switch {
	case err != nil:
		return err
	case len(reports) > 0 && c.ID == "":
		return invalid("--report: say which run it is of, or last")
	}
	if len(ids) == 0 {
		fmt.Fprintf(sh.err, "no run was interrupted in %s\n", st.Dir())
		return nil
	}
	var worst error
	for _, id := range ids {
		if err := c.one(sh, st, id, reports); weightOf(err) > weightOf(worst) {
			if worst != nil {
				sh.code(worst) // else nobody learns of it
			}
			worst = err
		} else if err != nil {
			sh.code(err)
		}
	}
	return worst
}

// one takes up one run and follows it to its end.
func (c *recoverCmd) one(sh *shell, st *store.Store, id string, reports []reportFile) error {
	logs := newAside(sh.err)
	defer logs.close()
	entry, err := st.Entry(id)
	if err != nil {
		return errored("%w", err)
	}
	again := ""
	if app.ServedOf(entry.Info) {
		again = report.StartText
	}
	return sh.follow(cmp.Or(app.PathOf(entry.Info), entry.Script), conducting{
		opt: app.RunOptions{
			Store: st, Given: app.GivenOf(entry.Info), Labels: entry.Labels, By: entry.By, Version: entry.Version, CanApprove: term.IsTerminal(int(os.Stdin.Fd())),
			Logger: saidTo(logs, slog.LevelWarn),
		},
		kept: keptFlags{dataFlag: c.dataFlag}, format: c.Output, logs: logs, reports: reports,
		again: again,
	}, nil, func(opt app.RunOptions) (*app.Running, error) {
		running, err := app.Recover(id, c.Recover == "rollback", opt)
		switch {
		case errors.Is(err, store.ErrBusy):
			return nil, invalid("run %s goes on in another process", id)
		case errors.Is(err, app.ErrEnded):
			return nil, invalid("%w: it was interrupted, and somebody else has gone on with it or cleaned it up", err)
		case errors.Is(err, store.ErrDamaged):
			return nil, errored("%w; the run cannot go on, and starquake cleanup %s%s takes off what its journal still shows on", err, id, c.again())
		case err != nil:
			return nil, errored("%w", err)
		}
		return running, nil
	})
}

// left opens the data folder and gives the runs that nobody runs and that are not done with,
// the oldest first: all, or the one of a name. They are those that were interrupted, and
// with unclean also those that ended so and were not cleaned up since.
func (f dataFlag) left(name string, unclean bool) (*store.Store, []string, error) {
	if name != "" {
		st, id, err := f.find(name)
		if err != nil {
			return nil, nil, err
		}
		entry, err := st.Entry(id)
		switch {
		case err != nil:
			err = errored("%w", err)
		case entry.Imported:
			err = invalid("run %s was imported: it ran somewhere else, and nothing of it is on or goes on here", id)
		case entry.Status == store.Running:
			err = invalid("run %s goes on in another process", id)
		case entry.Status == store.Interrupted, unclean && entry.End.Verdict == journal.VerdictUnclean:
		case entry.End.Verdict == journal.VerdictUnclean:
			err = invalid("run %s was not interrupted: it has ended, unclean; starquake cleanup %s%s takes off what it may have left on", id, id, f.again())
		default:
			err = invalid("run %s was not interrupted: it has %s, %s", id, entry.Status, entry.End.Verdict)
		}
		if err != nil {
			return nil, nil, errors.Join(err, st.Close())
		}
		return st, []string{id}, nil
	}
	st, err := f.openStore()
	if err != nil {
		return nil, nil, err
	}
	runs, err := st.Runs(store.Filter{})
	if err != nil {
		return nil, nil, errors.Join(errored("%w", err), st.Close())
	}
	var ids []string
	for _, e := range slices.Backward(runs) {
		if e.Status == store.Interrupted && !e.Imported || unclean && e.MayBeOn() {
			ids = append(ids, e.ID)
		}
	}
	return st, ids, nil
}

// weightOf orders the ends of several runs: unclean is the gravest, then as in
// LANGUAGE.md, "Verdicts and exit codes".
func weightOf(err error) int {
	if err == nil {
		return 0
	}
	order := []journal.Verdict{journal.VerdictInconclusive, journal.VerdictFailed, journal.VerdictErrored, journal.VerdictStopped, journal.VerdictAborted, journal.VerdictUnclean}
	var e *exitError
	if errors.As(err, &e) {
		for i, v := range order {
			if v.ExitCode() == e.code {
				return i + 2
			}
		}
	}
	return 1
}

// cleanupCmd is `starquake cleanup`.
type cleanupCmd struct {
	ID string `arg:"" optional:"" name:"run" help:"A run that was interrupted or ended unclean, the beginning of its id, or last. Without it all that did."`
	dataFlag
}

// Run takes off what the journals of runs show on that were interrupted or ended unclean.
func (c *cleanupCmd) Run(sh *shell) error {
	st, ids, err := c.left(c.ID, true)
	if err != nil {
		return err
	}
	defer st.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(ids) == 0 {
		fmt.Fprintf(sh.err, "no run was interrupted or has left anything on in %s\n", st.Dir())
	}
	logs := newAside(sh.err)
	defer logs.close()
	var left []string
	for _, id := range ids {
		done, err := app.CleanUp(ctx, st, id, saidTo(logs, slog.LevelInfo))
		logs.flush()
		if errors.Is(err, store.ErrBusy) {
			continue // somebody has taken it up
		}
		if err != nil {
			return errored("%w", err)
		}
		for _, what := range done.Off {
			fmt.Fprintf(sh.out, "run %s: off: %s\n", id, what)
		}
		if len(done.Left) == 0 {
			fmt.Fprintf(sh.out, "run %s: nothing of it is on any more\n", id)
		}
		if len(done.NotRun) > 0 {
			fmt.Fprintf(sh.out, "run %s: on_exit handlers were not run: %s (cleanup executes nothing of the script; where they are needed, begin with starquake recover --recover=rollback)\n", id, strings.Join(done.NotRun, ", "))
		}
		for _, what := range done.Left {
			left = append(left, "run "+id+": "+what)
		}
	}
	if len(left) > 0 {
		return &exitError{code: journal.VerdictUnclean.ExitCode(), reason: "unclean", err: fmt.Errorf("this may still be on:\n  %s", strings.Join(left, "\n  "))}
	}
	return nil
}
