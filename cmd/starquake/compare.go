package main

import (
	"starquake/report/compare"
	"starquake/units"
)

// compareCmd is `starquake compare`.
type compareCmd struct {
	A             string `arg:"" name:"run" help:"The run to measure against: its id, the beginning of it, last, or a file with a journal or an exported run."`
	B             string `arg:"" name:"other-run" help:"The run that is measured, named likewise."`
	MaxRegression string `default:"10%" placeholder:"SHARE" help:"By how much a figure may be worse before the exit code is 1 (${default})."`
	Output        string `short:"o" enum:"text,json,md,markdown" default:"text" help:"text, json, or markdown, also written md."`
	dataFlag
}

// Run sets two runs side by side. The exit code is 1 if the second has regressed, and 2 if
// they have nothing in common: a gate that compared nothing must not be green.
func (c *compareCmd) Run(sh *shell) error {
	if c.Output == "md" {
		c.Output = formatMarkdown
	}
	return sh.failedIn(c.Output, c.run(sh))
}

func (c *compareCmd) run(sh *shell) error {
	most, err := units.ParseShare(c.MaxRegression)
	if err != nil {
		return invalid("--max-regression: %w", err)
	}
	a, err := c.read(sh, c.A)
	if err != nil {
		return err
	}
	b, err := c.read(sh, c.B)
	if err != nil {
		return err
	}
	// A journal alone has no id: then its name says which it is.
	if a.ID == "" {
		a.ID = c.A
	}
	if b.ID == "" {
		b.ID = c.B
	}
	if a.ID == b.ID {
		return invalid("both are run %s; expected two: the one to measure against, then the one that is measured; `starquake runs%s` lists them", a.ID, c.again())
	}
	result, err := compare.Compare(compare.Run{Run: a.Run, ID: a.ID}, compare.Run{Run: b.Run, ID: b.ID}, most)
	if err != nil {
		return asInvalid(err)
	}
	write := result.Text
	switch c.Output {
	case formatJSON:
		write = result.JSON
	case formatMarkdown:
		write = result.Markdown
	}
	if err := write(sh.out); err != nil {
		return errored("writing the comparison: %w", err)
	}
	switch {
	case result.Regressed:
		return ended(codeFailed)
	case result.Nothing():
		return ended(codeInvalid)
	}
	return nil
}
