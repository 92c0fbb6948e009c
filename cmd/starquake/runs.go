package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"starquake/app"
	"starquake/report/text"
	"starquake/runtime/journal"
	"starquake/runtime/view"
	"starquake/store"
	"starquake/units"
)

// runsCmd is `starquake runs`: the runs that the data folder keeps.
type runsCmd struct {
	List   runsListCmd   `cmd:"" default:"withargs" help:"List runs, the newest first."`
	Show   runsShowCmd   `cmd:"" help:"Show a run as it ended, or as it stands."`
	Export runsExportCmd `cmd:"" help:"Write a run as JSON lines: what was asked, then its journal."`
	Import runsImportCmd `cmd:"" help:"Take up a run that export wrote; it can be looked at, not resumed."`
	Prune  runsPruneCmd  `cmd:"" help:"Remove ended runs; those that go on, were interrupted or have left something on stay."`
}

type runsListCmd struct {
	Status  string            `enum:"queued,running,ended,interrupted," default:"" placeholder:"STATUS" help:"Only runs that are running, ended or interrupted, or that wait in a server's queue (queued)."`
	Verdict string            `enum:"passed,failed,invalid,aborted,errored,unclean,inconclusive,stopped," default:"" placeholder:"VERDICT" help:"Only runs that ended so: passed, failed, invalid, aborted, errored, unclean, inconclusive or stopped."`
	Name    string            `placeholder:"NAME" help:"Only runs of the orchestration of that name."`
	Label   map[string]string `placeholder:"NAME=VALUE" help:"Only runs with this label."`
	Limit   int               `default:"20" help:"How many at most; 0 for all."`
	Output  string            `short:"o" enum:"text,json" default:"text" help:"text or json."`
	keeperFlags
}

// Run lists runs.
func (c *runsListCmd) Run(sh *shell) error { return sh.failedIn(c.Output, c.run(sh)) }

func (c *runsListCmd) run(sh *shell) error {
	if c.Limit < 0 {
		return invalid("--limit %d: expected 0 or more", c.Limit)
	}
	runs, where, err := c.list(store.Filter{
		Status: store.Status(c.Status), Verdict: journal.Verdict(c.Verdict), Name: c.Name, Labels: c.Label, Limit: c.Limit,
	})
	if err != nil {
		return err
	}
	if c.Output == formatJSON {
		if runs == nil {
			runs = []store.Entry{}
		}
		return sh.json(formatJSON, struct {
			Runs []store.Entry `json:"runs"`
		}{runs})
	}
	if len(runs) == 0 {
		fmt.Fprintf(sh.err, "no such runs in %s\n", where)
		return nil
	}
	return listRuns(sh.out, runs)
}

func listRuns(w io.Writer, runs []store.Entry) error {
	var out bytes.Buffer
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "RUN\tORCHESTRATION\tSTARTED\tTOOK\tVERDICT\tREASON")
	for _, e := range runs {
		took, verdict := "", text.Clean(string(e.Status))
		if e.End != nil {
			took, verdict = units.FormatDuration(e.End.Duration.Round(time.Millisecond)), text.Clean(string(e.End.Verdict))
		}
		cells := []string{text.Clean(e.ID), text.Clean(e.Name), e.Started.UTC().Format("2006-01-02 15:04:05Z"), took, verdict, text.Clean(reasonOf(&e))}
		fmt.Fprintln(table, strings.Join(cells, "\t")) // empty ones too: a column is only as wide as its neighbours that have it
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := w.Write(text.Trimmed(out.Bytes()))
	return err
}

type runsShowCmd struct {
	ID     string `arg:"" name:"run" help:"A run, the beginning of its id, or last."`
	Output string `short:"o" enum:"text,json,ndjson" default:"text" help:"text, json (the run) or ndjson (its records)."`
	keeperFlags
}

// Run shows a run.
func (c *runsShowCmd) Run(sh *shell) error { return sh.failedIn(c.Output, c.run(sh)) }

func (c *runsShowCmd) run(sh *shell) error {
	if c.Output == formatNDJSON {
		export, done, err := c.exporter(c.ID)
		if err != nil {
			return err
		}
		defer done()
		return export(sh.out)
	}
	e, run, err := c.read(c.ID)
	if err != nil {
		return err
	}
	if c.Output == formatJSON {
		shown := shownRun{ID: e.ID, Status: e.Status, Run: run}
		if run.State == view.Ended {
			shown.ExitCode = new(run.Verdict.ExitCode())
		}
		return sh.json(formatJSON, shown)
	}
	fmt.Fprintf(sh.out, "run %s of %s, %s\n\n", text.Clean(e.ID), text.Clean(run.Name), text.Clean(c.standingOf(e)))
	return text.Timeline(sh.out, run, sh.text())
}

// shownRun is the answer of runs show --output json.
type shownRun struct {
	ID     string       `json:"id"`
	Status store.Status `json:"status"`
	// ExitCode is that of run --output json; nil of a run that has not ended.
	ExitCode *int `json:"exit_code"`
	*view.Run
}

// standingOf says in a line how a run stands, and what is to be done where nobody runs it.
func (f dataFlag) standingOf(e *store.Entry) string {
	how := string(e.Status)
	if e.End != nil {
		how = string(e.End.Verdict)
		if reason := reasonOf(e); reason != "" {
			how += " (" + text.Clean(reason) + ")"
		}
	}
	if e.Status == store.Interrupted && !e.Imported {
		how += fmt.Sprintf("; `starquake recover %[1]s%[2]s` takes it up, `starquake cleanup %[1]s%[2]s` ends it", e.ID, f.again())
	}
	return how
}

// reasonOf is what a run's reason says beyond its verdict.
func reasonOf(e *store.Entry) string {
	reason := ""
	if e.End != nil && e.End.Reason != string(e.End.Verdict) {
		reason = e.End.Reason
	}
	if e.Cleaned != nil && e.Cleaned.All && len(e.Cleaned.Off) > 0 && reason != app.ReasonCleanedUp {
		reason = strings.TrimPrefix(reason+", faults taken off later", ", ")
	}
	return reason
}

type runsExportCmd struct {
	ID     string `arg:"" name:"run" help:"A run, the beginning of its id, or last."`
	Output string `short:"o" placeholder:"FILE" help:"The file; stdout without it."`
	keeperFlags
}

// Run writes a run.
func (c *runsExportCmd) Run(sh *shell) error {
	if err := hasFolder(c.Output); err != nil {
		return err
	}
	export, done, err := c.exporter(c.ID)
	if err != nil {
		return err
	}
	defer done()
	if c.Output == "" || c.Output == "-" {
		return export(sh.out)
	}
	f, err := os.CreateTemp(filepath.Dir(c.Output), ".export-")
	if err != nil {
		return asInvalid(err)
	}
	err = errors.Join(export(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), c.Output)
	}
	if err != nil {
		return errors.Join(errored("%w", err), os.Remove(f.Name()))
	}
	return nil
}

type runsImportCmd struct {
	File string `arg:"" help:"The file; - for stdin."`
	dataFlag
}

// Run takes a run up.
func (c *runsImportCmd) Run(sh *shell) error {
	in := sh.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return asInvalid(err)
		}
		defer f.Close()
		in = f
	}
	s, err := c.openStore()
	if err != nil {
		return err
	}
	defer s.Close()
	id, err := s.Import(in)
	if err != nil {
		return invalid("%s: %w", c.File, err)
	}
	fmt.Fprintln(sh.out, id)
	return nil
}

type runsPruneCmd struct {
	retentionFlags
	DryRun bool `help:"Only say which would be removed."`
	dataFlag
}

// Run removes runs.
func (c *runsPruneCmd) Run(sh *shell) error {
	if !c.given() {
		return invalid("say what stays: --keep 30d, --keep-runs 1000, or both")
	}
	stay, err := c.retention()
	if err != nil {
		return err
	}
	s, err := c.openStore()
	if err != nil {
		return err
	}
	defer s.Close()
	removed, err := s.Prune(stay, time.Now(), c.DryRun)
	for _, e := range removed {
		fmt.Fprintln(sh.out, e.ID)
	}
	what := "removed"
	if c.DryRun {
		what = "would be removed"
	}
	fmt.Fprintf(sh.err, "%d runs %s\n", len(removed), what)
	if err != nil { // of others
		return errored("%w", err)
	}
	return nil
}
