package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"starquake/app"
	"starquake/dsl"
	"starquake/report"
	"starquake/runtime/journal"
	"starquake/store"
)

// reportCmd is `starquake report`.
type reportCmd struct {
	Name   string `arg:"" name:"run" help:"A run, the beginning of its id, or last; or a file with a journal or an exported run; - for stdin."`
	Format string `enum:"html,md,markdown,json,junit,sarif," default:"" placeholder:"FORMAT" help:"html (a page for people), md or markdown (for a pull request), json, junit or sarif. Without it: what the ending of --output says, else html."`
	Output string `short:"o" placeholder:"FILE" help:"The file; stdout without it."`
	keeperFlags
}

// Run writes a report of a run. The exit code says whether that could be done, and
// nothing of the run's verdict.
func (c *reportCmd) Run(sh *shell) error {
	format, err := c.format()
	if err != nil {
		return asInvalid(err)
	}
	run, err := c.read(sh, c.Name)
	if err != nil {
		return err
	}
	sh.annotate(run)
	if c.Output == "" || c.Output == "-" {
		if err := format.Write(sh.out, run); err != nil {
			return errored("writing the report: %w", err)
		}
		return nil
	}
	if err := (reportFile{path: c.Output, format: format}).write(run); err != nil {
		return errored("writing the report: %w", err)
	}
	return nil
}

func (c *reportCmd) format() (report.Format, error) {
	switch {
	case c.Format != "":
		return report.Named(c.Format)
	case c.Output == "" || c.Output == "-":
		return report.Named("html")
	}
	return report.ForFile(c.Output)
}

// read finds a run in a file, on the server that is named, or among those that are kept.
func (c *reportCmd) read(sh *shell, name string) (*report.Run, error) {
	if info, err := os.Stat(name); c.BaseURL == "" || name == "-" || err == nil && info.Mode().IsRegular() {
		return c.dataFlag.read(sh, name)
	}
	ctx, stop := interruptible()
	defer stop()
	there, id, err := c.onServer(ctx, name)
	if err != nil {
		return nil, err
	}
	now, err := there.Status(ctx, id)
	if err != nil {
		return nil, refusedBy(err, "", nil)
	}
	e, recs, err := download(ctx, there, &now)
	if err != nil {
		return nil, err
	}
	return reported(e, recs), nil
}

// read finds a run among those that are kept, or in a file.
func (f dataFlag) read(sh *shell, name string) (*report.Run, error) {
	if name == "-" {
		return readRun(sh.in, "stdin")
	}
	if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
		file, err := os.Open(name)
		if err != nil {
			return nil, asInvalid(err)
		}
		defer file.Close()
		return readRun(file, name)
	}
	s, id, err := f.find(name)
	if errors.Is(err, store.ErrNoRun) {
		err = invalid("%w; nor is there a file %s", err, name)
	}
	if err != nil {
		return nil, err
	}
	defer s.Close()
	e, recs, err := s.Read(id)
	if err != nil {
		return nil, errored("%w", err)
	}
	return reported(&e, recs), nil
}

func readRun(in io.Reader, name string) (*report.Run, error) {
	e, recs, err := store.ReadFile(in)
	if err != nil {
		return nil, invalid("%s: %w", name, err)
	}
	e.Imported = true
	return reported(&e, recs), nil
}

// reported is a run for a report.
func reported(e *store.Entry, recs []journal.Record) *report.Run {
	run := &report.Run{Run: app.ViewOf(e, recs), ID: e.ID, Path: app.PathOf(e.Info), Given: app.GivenOf(e.Info), By: e.By, Version: e.Version, Labels: e.Labels, Imported: e.Imported}
	if app.ServedOf(e.Info) {
		run.Again = report.StartText
	}
	return run
}

// annotate shows failures at their lines where GitHub runs the program. It reads both
// outputs of a job, and stdout may be somebody's JSON.
func (sh *shell) annotate(run *report.Run) {
	if os.Getenv("GITHUB_ACTIONS") == "true" {
		_ = report.Annotations(sh.err, run) // nobody can be told that stderr is gone
	}
}

// reportFlag asks for reports of a run.
type reportFlag struct {
	Report []string `sep:"none" placeholder:"FILE" help:"Write a report of the run, in the format of the file's ending: .html, .md, .json, .xml (JUnit) or .sarif; may be repeated."`
}

// reportFile is a report that is to be written.
type reportFile struct {
	path   string
	format report.Format
	// below is set where the path was no person's: it is then below the working folder.
	below bool
}

// files are the reports that were asked for, as far as one can tell before the run
// that they can be written.
func (f *reportFlag) files() ([]reportFile, error) {
	var out []reportFile
	for _, path := range f.Report {
		format, err := report.ForFile(path)
		if err == nil {
			err = writable(path)
		}
		if err != nil {
			return nil, invalid("--report %w", err)
		}
		out = append(out, reportFile{path: path, format: format})
	}
	return out, nil
}

// writable says what is in the way of a file.
func writable(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s: it is a folder; expected a file", path)
	}
	info, err := os.Stat(filepath.Dir(path))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: there is no folder %s: make it first, or name another file", path, filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, cause(err))
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: %s is no folder", path, filepath.Dir(path))
	}
	return nil
}

// ownReport is the report that an orchestration file asks for by itself. Unlike a flag
// it may name nothing outside the working folder, not by a link either.
func ownReport(path string, s *app.Script) ([]reportFile, error) {
	if s.Report == nil {
		return nil, nil
	}
	refuse := func(err error) error {
		d := s.Report.At
		d.Message = fmt.Sprintf("report_path: %v", err)
		return wrong(path, s, dsl.Diagnostics{d})
	}
	format, err := report.ForFile(s.Report.Path)
	if err != nil {
		return nil, refuse(err)
	}
	root, err := os.OpenRoot(".")
	if err != nil {
		return nil, asInvalid(err)
	}
	defer root.Close()
	if err := root.MkdirAll(filepath.Dir(s.Report.Path), 0o755); err != nil {
		return nil, refuse(fmt.Errorf("%s cannot be made below the working folder: %w", filepath.Dir(s.Report.Path), err))
	}
	info, err := root.Stat(s.Report.Path)
	switch {
	case err == nil && info.IsDir():
		return nil, refuse(fmt.Errorf("%s is a folder; expected a file", s.Report.Path))
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, refuse(fmt.Errorf("%s is not a file below the working folder: %w", s.Report.Path, err))
	}
	return []reportFile{{path: s.Report.Path, format: format, below: true}}, nil
}

// write writes the report whole or not at all.
func (f reportFile) write(run *report.Run) (err error) {
	root, name, err := f.open()
	if err != nil {
		return fmt.Errorf("the folder %s: %w", filepath.Dir(f.path), cause(err))
	}
	defer root.Close()
	defer func() { err = cause(err) }() // the name that the file has meanwhile tells nobody anything
	temp := filepath.Join(filepath.Dir(name), fmt.Sprintf(".%s.%d", filepath.Base(name), os.Getpid()))
	if err := root.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	file, err := root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = root.Remove(temp)
		}
	}()
	if err := errors.Join(f.format.Write(file, run), file.Close()); err != nil {
		return err
	}
	return root.Rename(temp, name)
}

// cause is why a call of the system failed, without the path that it was for.
func cause(err error) error {
	var path *os.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// open gives the folder that nothing may leave, and the report's name in it.
func (f reportFile) open() (*os.Root, string, error) {
	if f.below {
		root, err := os.OpenRoot(".")
		return root, f.path, err
	}
	root, err := os.OpenRoot(filepath.Dir(f.path))
	return root, filepath.Base(f.path), err
}

// writeReports writes all, and says what could not be written.
func writeReports(files []reportFile, run *report.Run) error {
	var failed []error
	for _, f := range files {
		if err := f.write(run); err != nil {
			failed = append(failed, fmt.Errorf("the report %s: %w", f.path, err))
		}
	}
	return errors.Join(failed...)
}
