package main

import (
	"path/filepath"
	"strings"

	"starquake/app"
)

// exportCmd is `starquake export`.
type exportCmd struct {
	File   string `arg:"" predictor:"orchestration" help:"An orchestration in Starlark (.star)."`
	Format string `enum:"yaml,json," default:"" placeholder:"FORMAT" help:"yaml or json. Without it: that of --output's ending, else yaml."`
	Output string `short:"o" placeholder:"FILE" help:"Write the file there instead of showing it."`
	libraryFlag
}

// Run writes a script as an orchestration file, or says what in it no file can say. What
// it writes has been read back, planned and compared with the script.
func (c *exportCmd) Run(sh *shell) error {
	if strings.ToLower(filepath.Ext(c.File)) != ".star" {
		return invalid("%s: expected a script, whose name ends in .star; starquake convert changes the format of a file", c.File)
	}
	s, diags := app.Loader{Library: c.Library}.Load(c.File)
	if diags.HasErrors() {
		return wrong(c.File, s, diags)
	}
	text, diags, err := s.Export(formatFor(c.Format, c.Output, "yaml"), app.Options{})
	if diags.HasErrors() {
		return wrong(c.File, s, diags)
	}
	if len(diags) > 0 {
		located, sources := locate(c.File, s, diags)
		sh.render(located, sources)
	}
	if err != nil {
		return invalid("%s: %w", c.File, err)
	}
	return sh.result(c.Output, text)
}
