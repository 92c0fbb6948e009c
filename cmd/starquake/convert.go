package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"starquake/app"
	"starquake/dsl"
	"starquake/dsl/files"
)

// convertCmd is `starquake convert`.
type convertCmd struct {
	File   string `arg:"" predictor:"orchestration" help:"An orchestration file in YAML or JSON; - takes stdin."`
	Output string `short:"o" placeholder:"FILE" help:"Write the file there instead of showing it."`
	Format string `enum:"yaml,json," default:"" placeholder:"FORMAT" help:"yaml or json. Without it: that of --output's ending, else the one that the file is not in."`
	libraryFlag
}

// Run writes an orchestration file in the other format. JSON has no comments, so that
// they are lost on the way there.
func (c *convertCmd) Run(sh *shell) error {
	text, err := c.read(sh)
	if err != nil {
		return err
	}
	var opt files.ReadOptions
	if c.Library != "" {
		known, s, diags := app.Scenarios(c.Library)
		if diags.HasErrors() {
			return wrong("scenarios.star", s, diags)
		}
		opt.Scenario = func(name string) bool {
			return slices.ContainsFunc(known, func(p app.Preset) bool { return p.Kind == "scenario" && p.Name == name })
		}
	}
	doc, diags := files.Read(c.File, text, opt)
	sources := func(file string) []byte {
		if file == c.File {
			return text
		}
		return nil
	}
	if doc == nil {
		return &exitError{code: codeInvalid, reason: firstError(diags), diags: diags, sources: sources}
	}
	if len(diags) > 0 {
		sh.render(diags, sources)
	}
	out, err := files.Write(doc, formatFor(c.Format, c.Output, map[string]string{"yaml": "json", "json": "yaml"}[doc.Format]))
	if err != nil {
		return err
	}
	return sh.result(c.Output, out)
}

// read reads the file, or stdin.
func (c *convertCmd) read(sh *shell) ([]byte, error) {
	if c.File == "-" {
		text, err := io.ReadAll(io.LimitReader(sh.in, files.MaxSize+1))
		if err != nil {
			return nil, errored("reading stdin: %w", err)
		}
		return text, nil
	}
	if filepath.Ext(c.File) == ".star" {
		return nil, invalid("%s: this is a script; starquake export makes a file of it", c.File)
	}
	if !app.IsOrchestrationFile(c.File) {
		return nil, invalid("%s: expected an orchestration file, whose name ends in .yaml, .yml or .json", c.File)
	}
	f, err := os.Open(c.File)
	if err != nil {
		return nil, asInvalid(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return nil, invalid("%s is no regular file", c.File)
	}
	text, err := io.ReadAll(io.LimitReader(f, files.MaxSize+1))
	if err != nil {
		return nil, asInvalid(fmt.Errorf("%s: %w", c.File, err))
	}
	return text, nil
}

// firstError is the code of the first error.
func firstError(diags dsl.Diagnostics) string {
	for _, d := range diags {
		if d.Severity == dsl.Error {
			return d.Code
		}
	}
	return "invalid"
}

// formatFor is the format in which to write: what was asked for, what the name of the
// file says, or another.
func formatFor(asked, out, other string) string {
	switch asked {
	case "":
	case "md":
		return formatMarkdown
	default:
		return asked
	}
	switch filepath.Ext(out) {
	case ".yaml", ".yml":
		return "yaml"
	case ".json":
		return formatJSON
	case ".md", ".markdown":
		return formatMarkdown
	}
	return other
}

// result writes what a command has made to the file that was named, or to stdout.
func (sh *shell) result(path string, content []byte) error {
	if path == "" {
		if _, err := sh.out.Write(content); err != nil {
			return errored("writing to stdout: %w", err)
		}
		return nil
	}
	if err := hasFolder(path); err != nil {
		return err
	}
	if err := create(path, content); err != nil {
		return errored("%w", err)
	}
	return nil
}

// hasFolder refuses a file for which there is no folder.
func hasFolder(path string) error {
	dir := filepath.Dir(path)
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return invalid("--output %s: there is no folder %s; create it, or name another file", path, dir)
	case err == nil && !info.IsDir():
		return invalid("--output %s: %s is no folder", path, dir)
	}
	return nil
}
