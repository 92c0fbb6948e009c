package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"starquake/app"
	"starquake/dsl"
	"starquake/dsl/files"
)

// importCmd is `starquake import`.
type importCmd struct {
	File   string `arg:"" predictor:"orchestration" help:"An orchestration file in YAML or JSON; - takes stdin."`
	Output string `short:"o" placeholder:"FILE" help:"Write the script there instead of showing it."`
	lenientFlag
}

// lenientFlag is that of the commands that read orchestration files.
type lenientFlag struct {
	Lenient bool `help:"Warn of keys that an orchestration file may not have, where they are errors otherwise."`
	libraryFlag
}

func (f lenientFlag) loader() app.Loader { return app.Loader{Lenient: f.Lenient, Library: f.Library} }

// Run shows the script that an orchestration file becomes.
func (c *importCmd) Run(sh *shell) error {
	endsSoon(c.File)
	s, diags, err := c.load(sh)
	switch {
	case err != nil:
		return err
	case diags.HasErrors():
		return wrong(c.File, s, diags)
	}
	if len(diags) > 0 {
		located, sources := locate(c.File, s, diags)
		sh.render(located, sources)
	}
	text := s.Unit.Main.Text
	if c.Output != "" && filepath.Ext(c.Output) != ".star" {
		return invalid("--output %s: expected a name that ends in .star", c.Output)
	}
	return sh.result(c.Output, text)
}

// load reads the file. From stdin it is what its text looks like.
func (c *importCmd) load(sh *shell) (*app.Script, dsl.Diagnostics, error) {
	if c.File == "-" {
		text, err := io.ReadAll(io.LimitReader(sh.in, files.MaxSize+1))
		if err != nil {
			return nil, nil, errored("reading stdin: %w", err)
		}
		s, diags := c.loader().LoadText("stdin"+formatEnding(text), text)
		return s, diags, nil
	}
	if !app.IsOrchestrationFile(c.File) {
		return nil, nil, invalid("%s: expected an orchestration file, whose name ends in .yaml, .yml or .json", c.File)
	}
	s, diags := c.loader().Load(c.File)
	return s, diags, nil
}

// formatEnding is the ending that a name would have if it told what the text is.
func formatEnding(text []byte) string {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return ".json"
	}
	return ".yaml"
}

// create writes a file at once: whoever reads it meanwhile reads the old or the new, and
// after an error there is no half of it.
func create(path string, content []byte) error {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return writeAtOnce(path, content, 0o644)
	}
	if err == nil {
		path, err = resolved(path)
	}
	if err != nil {
		return err
	}
	return replace(path, content)
}
