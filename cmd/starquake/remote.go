package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"os/user"
	"syscall"
	"time"

	"starquake/app"
	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// remoteFlags name a run that goes on.
type remoteFlags struct {
	ID     string `arg:"" optional:"" name:"run" help:"The run's id, or the beginning of it. Without it there must be exactly one."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
	dataFlag
}

// with connects to the run. Ctrl-C ends the context: it leaves the run alone.
func (f *remoteFlags) with(id string, do func(context.Context, *app.Remote) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	data, err := app.DataDir(f.Data)
	if err != nil {
		return asInvalid(err)
	}
	found, err := app.FindRun(ctx, data, id)
	if err != nil {
		return asInvalid(err)
	}
	remote, err := app.DialRun(ctx, data, found)
	if err != nil {
		return err
	}
	defer remote.Close()
	err = do(ctx, remote)
	var refused *app.RefusedError
	switch {
	case ctx.Err() != nil:
		return &exitError{code: codeStopped, reason: "interrupted", err: errors.New("interrupted; the run was left alone")}
	case errors.As(err, &refused):
		return &exitError{code: codeInvalid, reason: "refused", err: err}
	}
	return err
}

// request makes one request and says what came of it.
func (f *remoteFlags) request(sh *shell, req app.ControlRequest) error {
	return sh.failedIn(f.Output, f.with(f.ID, func(ctx context.Context, remote *app.Remote) error {
		ans, err := remote.Do(ctx, req)
		if ans.Verdict == journal.VerdictUnclean { // stop: it is over, and not well
			return &exitError{code: ans.Verdict.ExitCode(), reason: "unclean", err: err}
		}
		if err != nil {
			return err
		}
		if f.Output == formatJSON {
			return sh.json(formatJSON, ans)
		}
		_, err = fmt.Fprintf(sh.out, "run %s: %s\n", ans.ID, ans.Message)
		return err
	}))
}

// byFlag says who asks.
type byFlag struct {
	By      string `placeholder:"NAME" help:"Who asks. Without it: the user's name."`
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
	return sh.failedIn(c.Output, c.with(c.ID, func(ctx context.Context, remote *app.Remote) error {
		fold := view.New()
		info, err := remote.Do(ctx, app.ControlRequest{Op: "info"})
		if err != nil {
			return err
		}
		err = remote.Watch(ctx, false, func(recs []journal.Record) error {
			for _, rec := range recs {
				fold.Add(rec)
			}
			return nil
		})
		if err != nil {
			return err
		}
		run := fold.Run()
		if c.Output == formatJSON {
			return sh.json(formatJSON, standing{remote.ID, info.Loads, run})
		}
		now := run.Now
		if run.State != view.Ended {
			now = max(now, run.At(time.Now()))
		}
		draw := sh.text()
		draw.Loads = func() []view.LoadNow { return info.Loads }
		width := draw.Width
		if width == 0 {
			width = 100
		}
		if _, err := fmt.Fprintf(sh.out, "run %s\n", remote.ID); err != nil {
			return err
		}
		for _, line := range text.Frame(run, now, draw, width, statusHeight, 0) {
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
}

// Run shows the run to its end, with which it ends.
func (c *watchCmd) Run(sh *shell) error {
	flags := remoteFlags{dataFlag: c.dataFlag}
	return sh.failedIn(c.Output, flags.with(c.ID, func(ctx context.Context, remote *app.Remote) error {
		draw := sh.text()
		loads := &loadsOf{data: c.dataFlag, id: remote.ID}
		defer loads.close()
		draw.Loads = func() []view.LoadNow { return loads.now(ctx) }
		run, err := sh.show(c.Output, draw, func(_ context.Context, fn func([]journal.Record) error) error {
			return remote.Watch(ctx, true, fn)
		}, newAside(sh.err))
		if err != nil {
			return err
		}
		if err := sh.close(c.Output, remote.ID, run, draw); err != nil {
			return err
		}
		return ended(run.Verdict.ExitCode())
	}))
}

// loadsOf asks a run how its load goes, on a connection of its own, at most once a second.
// It is for one goroutine at a time.
type loadsOf struct {
	data   dataFlag
	id     string
	remote *app.Remote
	asked  time.Time
	last   []view.LoadNow
}

// now gives the latest figures; none where the run does not answer.
func (l *loadsOf) now(ctx context.Context) []view.LoadNow {
	if time.Since(l.asked) < time.Second {
		return l.last
	}
	l.asked, l.last = time.Now(), nil
	if l.remote == nil {
		data, err := app.DataDir(l.data.Data)
		if err != nil {
			return nil
		}
		if l.remote, err = app.DialRun(ctx, data, l.id); err != nil {
			l.remote = nil
			return nil
		}
	}
	ans, err := l.remote.Do(ctx, app.ControlRequest{Op: "info"})
	if err != nil {
		l.close()
		return nil
	}
	l.last = ans.Loads
	return l.last
}

func (l *loadsOf) close() {
	if l.remote != nil {
		_ = l.remote.Close() // nothing was written that could be lost
		l.remote = nil
	}
}
