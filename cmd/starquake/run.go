package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"starquake/app"
	"starquake/dsl"
	"starquake/internal/alarm"
	"starquake/report"
	"starquake/report/text"
	"starquake/runtime"
	"starquake/runtime/journal"
	"starquake/runtime/view"
)

// runCmd is `starquake run`.
type runCmd struct {
	givenFlags
	Compress int               `default:"1" placeholder:"FACTOR" help:"Let the time of the run pass that many times faster, to try a long one out: durations, delays and ramps are divided by it. What the system does takes its own time."`
	Attended bool              `help:"Somebody will answer approve() from another shell, though this is no terminal."`
	Output   string            `short:"o" enum:"text,json,ndjson" default:"text" help:"text, json (the run, at its end) or ndjson (its records as they come)."`
	LogLevel string            `enum:"debug,info,warn,error" default:"warn" help:"What is told of the program itself: debug, info, warn or error."`
	Label    map[string]string `placeholder:"NAME=VALUE" help:"A label of the run, to find it by; may be repeated."`
	reportFlag
	keptFlags
}

// maxCompress is a day in less than a second.
const maxCompress = 100_000

// compressed is how many times faster the time of a run passes: 0 for as fast, which
// --compress says with 1.
func compressed(times int) (int, error) {
	switch {
	case times < 1 || times > maxCompress:
		return 0, invalid("--compress %d: expected a whole number from 1 to %d", times, maxCompress)
	case times == 1:
		return 0, nil
	}
	return times, nil
}

// Run runs the orchestration to its end.
func (c *runCmd) Run(sh *shell) error { return sh.failedIn(c.Output, c.run(sh)) }

func (c *runCmd) run(sh *shell) error {
	opt, err := c.options()
	if err != nil {
		return err
	}
	compress, err := compressed(c.Compress)
	if err != nil {
		return err
	}
	reports, err := c.files()
	if err != nil {
		return err
	}
	s, err := c.load(sh)
	if err != nil {
		return err
	}
	own, err := ownReport(c.File, s)
	if err != nil {
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return asInvalid(err)
	}
	logs := newAside(sh.err)
	defer logs.close()
	return sh.conduct(c.File, s, conducting{
		opt: app.RunOptions{
			Options: opt, Compress: compress,
			CanApprove: c.Attended || term.IsTerminal(int(os.Stdin.Fd())),
			Logger:     saidTo(logs, level),
			Given:      c.given(c.Attended),
			Labels:     c.Label, By: (&byFlag{}).by(), Version: programVersion(),
		},
		kept: c.keptFlags, format: c.Output, logs: logs, reports: append(reports, own...),
	})
}

// conducting is how a run is to be carried out.
type conducting struct {
	opt    app.RunOptions
	kept   keptFlags
	format string
	logs   *aside
	// reports are written once the run has ended.
	reports []reportFile
	// again is report.Run.Again.
	again string
	// unsaid is text.Options.Unsaid.
	unsaid func(message string) bool
	// begun ends with a signal that comes before the run begins; nil if nothing is done before.
	begun context.Context
}

// stopSignals are those that stop a run.
var stopSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

// stoppedBefore is the error of a run that a signal has stopped before it began.
func stoppedBefore(begun context.Context) error {
	if begun == nil || begun.Err() == nil {
		return nil
	}
	return &exitError{code: codeStopped, reason: "stopped", err: fmt.Errorf("stopped before the run began: %w", context.Cause(begun))}
}

// conduct runs the script, and ends with the run's verdict.
func (sh *shell) conduct(path string, s *app.Script, c conducting) error {
	var err error
	if c.opt.Authority, err = app.AuthorityDir(c.kept.Data); err != nil {
		return asInvalid(err)
	}
	begun, stop := signal.NotifyContext(context.Background(), stopSignals...)
	defer stop()
	keep, err := c.kept.open(begun, c.logs)
	if err != nil {
		return err
	}
	defer keep.close(c.logs)
	c.opt.Store, c.begun = keep.store, begun
	var total *time.Duration
	if sh.outTTY && c.format == formatText {
		total = planned(s, c.opt.Options)
	}
	return sh.follow(path, c, total, func(opt app.RunOptions) (*app.Running, error) {
		running, err := s.Start(opt)
		if err != nil {
			return nil, refused(path, s, err)
		}
		return running, nil
	})
}

// follow begins a run, shows it, heeds signals, and ends with its verdict. path is the
// file that the run's script came from, total how long it takes if all goes as planned.
func (sh *shell) follow(path string, c conducting, total *time.Duration, begin func(app.RunOptions) (*app.Running, error)) error {
	draw := sh.text()
	draw.Planned, draw.Given, draw.Unsaid = total, c.opt.Given, c.unsaid
	// Signals are ours before the first fault can be on.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, stopSignals...)
	defer signal.Stop(signals)
	if err := stoppedBefore(c.begun); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // a closed pipe is an error of the next write, which stops the run

	if clock, err := alarm.New(); err == nil { // without one sleeps end a millisecond late
		defer clock.Close()
		c.opt.Clock = clock
	}
	running, err := begin(c.opt)
	if err != nil {
		return err
	}
	draw.Loads = running.LoadsNow
	go sh.heed(signals, running, &c)
	go func() {
		if readerGone(os.Stdout, running.Done()) { // also of one that has nothing to say for an hour
			_ = running.Control(unread)
		}
	}()
	if c.opt.Store != nil {
		if socket, err := running.ServeControl(); err == nil {
			defer socket.Close()
		} else {
			c.logs.logf("the run cannot be controlled from another shell: %v", err)
		}
	}
	c.logs.flush() // what comes next goes there too
	if c.format == formatText {
		fmt.Fprintf(sh.err, "run %s\n", running.ID)
	}
	_, err = sh.show(c.format, draw, running.Follow, c.logs)
	if err != nil { // nobody can see it any more: do not go on in the dark
		_ = running.Control(unread)
	}
	res := running.Wait()
	c.logs.flush()
	told := &report.Run{Run: judged(res), ID: running.ID, Path: path, Again: c.again, Given: c.opt.Given, By: c.opt.By, Version: c.opt.Version, Labels: c.opt.Labels}
	sh.annotate(told)
	unwritten := writeReports(c.reports, told)
	if err == nil && res.Outcome.Reason == app.ReasonDiverged {
		return &exitError{code: res.Outcome.Verdict.ExitCode(), reason: res.Outcome.Reason, err: errors.New(res.Outcome.Message)}
	}
	if err == nil {
		err = sh.close(c.format, running.ID, told.Run, draw)
	}
	if err != nil {
		return unseen(res, errors.Join(err, unwritten))
	}
	sh.backtraces(path, running.Script(), res)
	if unwritten != nil {
		code := res.Outcome.Verdict.ExitCode()
		if code == 0 {
			code = codeErrored // who asked for a report would take a missing one for another run's
		}
		err := fmt.Errorf("the run ended %s, but %w", res.Outcome.Verdict, unwritten)
		if c.opt.Store != nil {
			err = fmt.Errorf("%w\n`starquake report %s%s -o FILE` writes it later", err, running.ID, c.kept.again())
		}
		return &exitError{code: code, reason: "report", err: err}
	}
	return ended(res.Outcome.Verdict.ExitCode())
}

// judged is the run as its end was judged, which is not as its journal has it where the
// journal could not be kept.
func judged(res *app.Result) *view.Run {
	run := *res.View
	if out := &res.Outcome; run.State != view.Ended || run.Verdict != out.Verdict {
		run.State, run.Verdict, run.Reason, run.Message, run.Unclean = view.Ended, out.Verdict, out.Reason, out.Message, out.Unclean
	}
	return &run
}

// unread stops a run whose output nobody takes.
var unread = runtime.Control{Action: runtime.ActionStop, By: "output", Detail: "nobody reads the output any more"}

// unseen is the error of a run whose output could not be written. Its code is that of
// the verdict, unless that would be a success which nobody saw.
func unseen(res *app.Result, err error) error {
	e := &exitError{code: res.Outcome.Verdict.ExitCode(), reason: "output"}
	switch {
	case e.code == 0:
		e.code = codeErrored
		e.err = fmt.Errorf("the run passed, but that could not be shown: %w", err)
	case res.Outcome.Verdict == journal.VerdictUnclean:
		e.err = fmt.Errorf("the run could not be shown (%w) and was stopped; a fault may still be on: %s", err, res.Outcome.Message)
	default:
		e.err = fmt.Errorf("the run could not be shown (%w); it ended %s and its faults are off", err, res.Outcome.Verdict)
	}
	return e
}

// refused is the error of a run that was not started.
func refused(path string, s *app.Script, err error) error {
	var refusals app.Refusals
	if errors.As(err, &refusals) {
		return wrong(path, s, dsl.Diagnostics(refusals))
	}
	return asInvalid(err)
}

// planned is how long the run takes if all goes as planned; nil if nobody knows.
func planned(s *app.Script, opt app.Options) *time.Duration {
	res, err := s.Plan(app.PlanOptions{Options: opt})
	if err != nil {
		return nil
	}
	return res.View.Total()
}

// heed stops the run at the first signal, and ends the process at the second.
func (sh *shell) heed(signals <-chan os.Signal, running *app.Running, c *conducting) {
	first := true
	for {
		select {
		case <-running.Done():
			return
		case sig := <-signals:
			if !first {
				sh.leave(running, c)
			}
			first = false
			_ = running.Control(runtime.Control{Action: runtime.ActionStop, By: "signal", Detail: sig.String()}) // it may just have ended
			fmt.Fprintln(c.logs, "\nstarquake: stopping; faults are being taken off (once more: leave at once)")
		}
	}
}

// leave ends the process without waiting for the run.
func (sh *shell) leave(running *app.Running, c *conducting) {
	exits := "on_exit handlers that had not ended were cut off: starquake recover " + running.ID + c.kept.again() + " --recover=rollback runs them"
	if left := running.LeftBehind(); len(left) == 0 {
		fmt.Fprintln(c.logs, "\nstarquake: left at once; no fault was on, but "+exits)
	} else {
		fmt.Fprintf(c.logs, "\nstarquake: left at once; this may still be on (what the embedded proxy does ends with this process, and a guardian takes off what does not), and %s:\n  %s\n", exits, strings.Join(left, "\n  "))
	}
	c.logs.close()
	if sh.outTTY {
		fmt.Fprint(sh.out, "\x1b[?25h") // the live view hid the cursor
	}
	os.Exit(journal.VerdictUnclean.ExitCode()) // nothing was confirmed
}

// close writes what comes at the end of a run.
func (sh *shell) close(format, id string, run *view.Run, draw text.Options) error {
	var err error
	switch format {
	case formatJSON:
		err = sh.json(formatJSON, ran{ID: id, ExitCode: run.Verdict.ExitCode(), Run: run})
	case formatText:
		if sh.outTTY { // apart from the live view, which begins with the same words
			fmt.Fprintln(sh.out)
		}
		err = text.Summary(sh.out, run, draw)
	}
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// ran is the answer of --output json.
type ran struct {
	ID       string `json:"id"`
	ExitCode int    `json:"exit_code"`
	*view.Run
}

// records calls a function with the records of a run as they come, until it ends.
type records func(context.Context, func([]journal.Record) error) error
