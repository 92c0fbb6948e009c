package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"starquake/app"
	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/server/client"
)

// remoteFlags name a run that goes on.
type remoteFlags struct {
	ID     string `arg:"" optional:"" name:"run" help:"The run's id, or the beginning of it. Without it there must be exactly one."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
	dataFlag
	serverFlags
}

// with connects to the run. Ctrl-C ends the context: it leaves the run alone.
func (f *remoteFlags) with(sh *shell, id string, do func(context.Context, *reached) error) error {
	ctx, stop := interruptible()
	defer stop()
	run, err := f.reach(ctx, sh, id)
	if err != nil {
		return err
	}
	defer run.Close()
	err = do(ctx, run)
	var refused *app.RefusedError
	var judged *exitError
	switch {
	case errors.As(err, &judged): // what it wraps has been looked at
		return err
	case ctx.Err() != nil:
		return &exitError{code: codeStopped, reason: "interrupted", err: errors.New("interrupted; the run was left alone")}
	case errors.As(err, &refused):
		return &exitError{code: codeInvalid, reason: "refused", err: err}
	}
	return refusedBy(err, "", nil)
}

// reach finds the run: on the server that is named, else in a process of this machine, else
// on the server that has the data folder, or on the one that listens where servers do.
func (f *remoteFlags) reach(ctx context.Context, sh *shell, id string) (*reached, error) {
	server, local, guessed := f.serverFlags, error(nil), false
	if f.BaseURL == "" {
		data, err := app.DataDir(f.Data)
		if err != nil {
			return nil, asInvalid(err)
		}
		var found string
		if found, local = app.FindRun(ctx, data, id); local == nil {
			return reach(ctx, found, func(ctx context.Context) (distant, error) { return app.DialRun(ctx, data, found) })
		}
		var elsewhere *app.ServedError
		served, none := errors.As(local, &elsewhere), errors.Is(local, app.ErrNoneLive)
		if !served {
			local = f.notGoingOn(id, local)
		}
		if f.Data != "" || !served && !none {
			return nil, asInvalid(local)
		}
		if guessed = !served; served {
			server.BaseURL = elsewhere.URL
		}
	}
	c, err := server.client()
	if err != nil {
		return nil, err
	}
	found, err := onServer(ctx, c, id)
	var lost *client.Unreachable
	if local != nil {
		switch {
		case errors.As(err, &lost):
			return nil, asInvalid(fmt.Errorf("%w; nor is there a server at %s", local, c.URL()))
		case err != nil && guessed: // it may be anybody's: what is known here says more
			return nil, asInvalid(fmt.Errorf("%w; %w", local, err))
		}
		fmt.Fprintf(sh.err, "starquake: no such run goes on outside of servers; asking the one at %s\n", c.URL())
	}
	if err != nil {
		return nil, refusedBy(err, "", nil)
	}
	return reach(ctx, found, func(context.Context) (distant, error) { return served{c, found}, nil })
}

// request makes one request and says what came of it.
func (f *remoteFlags) request(sh *shell, req app.ControlRequest) error {
	return sh.failedIn(f.Output, f.with(sh, f.ID, func(ctx context.Context, run *reached) error {
		ans, err := run.Do(ctx, req)
		if ans.Verdict == journal.VerdictUnclean { // stop: it is over, and not well
			return &exitError{code: ans.Verdict.ExitCode(), reason: "unclean", err: err}
		}
		if err != nil {
			return err
		}
		if f.Output == formatJSON {
			return sh.json(formatJSON, ans)
		}
		_, err = fmt.Fprintf(sh.out, "run %s: %s\n", text.Clean(ans.ID), text.Clean(ans.Message))
		return err
	}))
}

// byFlag says who asks.
type byFlag struct {
	By      string `placeholder:"NAME" help:"Who asks, of a run of this machine. Without it: the user's name. A server knows by the token."`
	Comment string `placeholder:"TEXT" help:"Why; it is kept with the run."`
}

func (b *byFlag) by() string {
	if b.By != "" {
		return b.By
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}

// stateQueued is the state of a run that waits in a server's queue.
const stateQueued view.State = "queued"

// statusCmd is `starquake status`.
type statusCmd struct{ remoteFlags }

// standing is the answer of --output json.
type standing struct {
	ID string `json:"id"`
	// LoadsNow are the figures of the load that is on.
	LoadsNow []view.LoadNow `json:"loads_now,omitempty"`
	*view.Run
}

// Run shows how the run stands.
func (c *statusCmd) Run(sh *shell) error {
	return sh.failedIn(c.Output, c.with(sh, c.ID, func(ctx context.Context, run *reached) error {
		fold := view.New()
		info, err := run.Do(ctx, app.ControlRequest{Op: "info"})
		if err != nil {
			return err
		}
		err = run.Watch(ctx, false, func(recs []journal.Record) error {
			for _, rec := range recs {
				fold.Add(rec)
			}
			return nil
		})
		if err != nil {
			return err
		}
		seen := fold.Run()
		if info.State == stateQueued { // it has no journal yet
			seen.Name, seen.State = info.Name, info.State
			if c.Output == formatJSON {
				return sh.json(formatJSON, standing{run.id, nil, seen})
			}
			_, err := fmt.Fprintf(sh.out, "run %s\n%s waits for its turn\n", text.Clean(run.id), text.Clean(info.Name))
			return err
		}
		switch info.State { // the journal does not know that nobody goes on with it
		case view.Interrupted:
			seen.Interrupt()
		case view.Ended:
			seen.Close(info.Verdict, info.Reason, info.Message, info.Elapsed)
		}
		if c.Output == formatJSON {
			return sh.json(formatJSON, standing{run.id, info.Loads, seen})
		}
		now := seen.Now
		if seen.State != view.Ended && seen.State != view.Interrupted {
			now = max(now, seen.At(time.Now()))
		}
		draw := sh.text()
		draw.Loads = func() []view.LoadNow { return info.Loads }
		width := draw.Width
		if width == 0 {
			width = 100
		}
		if _, err := fmt.Fprintf(sh.out, "run %s\n", text.Clean(run.id)); err != nil {
			return err
		}
		for _, line := range text.Frame(seen, now, draw, width, statusHeight, 0) {
			if _, err := fmt.Fprintln(sh.out, line); err != nil {
				return err
			}
		}
		return nil
	}))
}

// statusHeight is how many lines the status may take.
const statusHeight = 200

// watchCmd is `starquake watch`.
type watchCmd struct {
	ID     string `arg:"" optional:"" name:"run" help:"The run's id, or the beginning of it. Without it there must be exactly one."`
	Output string `short:"o" enum:"text,json,ndjson" default:"text" help:"text, json (the run, at its end) or ndjson (its records as they come)."`
	dataFlag
	serverFlags
}

// Run shows the run to its end, with which it ends.
func (c *watchCmd) Run(sh *shell) error {
	flags := remoteFlags{dataFlag: c.dataFlag, serverFlags: c.serverFlags}
	return sh.failedIn(c.Output, flags.with(sh, c.ID, func(ctx context.Context, run *reached) error {
		if now, err := run.Do(ctx, app.ControlRequest{Op: "info"}); err == nil && now.State == stateQueued {
			fmt.Fprintf(sh.err, "run %s waits for its turn\n", text.Clean(run.id))
		}
		return sh.watch(ctx, c.Output, run)
	}))
}

// watch shows a run to its end, and ends as it does.
func (sh *shell) watch(ctx context.Context, format string, run *reached) error {
	draw := sh.text()
	loads := &loadsOf{dial: run.dial}
	defer loads.close()
	draw.Loads = func() []view.LoadNow { return loads.now(ctx) }
	seen, err := sh.show(format, draw, func(_ context.Context, fn func([]journal.Record) error) error {
		return run.Watch(ctx, true, fn)
	}, newAside(sh.err))
	if err != nil {
		return err
	}
	if err := sh.close(format, run.id, seen, draw); err != nil {
		return err
	}
	return ended(seen.Verdict.ExitCode())
}

// loadsOf asks a run how its load goes, on a connection of its own, at most once a second.
// It is for one goroutine at a time.
type loadsOf struct {
	dial  func(context.Context) (distant, error)
	run   distant
	asked time.Time
	last  []view.LoadNow
}

// now gives the latest figures; none where the run does not answer.
func (l *loadsOf) now(ctx context.Context) []view.LoadNow {
	if time.Since(l.asked) < time.Second {
		return l.last
	}
	l.asked, l.last = time.Now(), nil
	if l.run == nil {
		run, err := l.dial(ctx)
		if err != nil {
			return nil
		}
		l.run = run
	}
	ans, err := l.run.Do(ctx, app.ControlRequest{Op: "info"})
	if err != nil {
		l.close()
		return nil
	}
	l.last = ans.Loads
	return l.last
}

func (l *loadsOf) close() {
	if l.run != nil {
		_ = l.run.Close() // nothing was written that could be lost
		l.run = nil
	}
}
