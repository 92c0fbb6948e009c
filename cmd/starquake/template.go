package main

import (
	"os"
	"path/filepath"

	"starquake/dsl/files"
)

// templateCmd is `starquake template`.
type templateCmd struct {
	Pattern string `enum:"progressive-load,cascading-failure,spike,endurance,multi-protocol" default:"progressive-load" placeholder:"NAME" help:"The pattern: ${enum}."`
	Format  string `enum:"yaml,json,starlark,star," default:"" placeholder:"FORMAT" help:"yaml, json or starlark, also written star. Without it: that of --output's ending, else yaml."`
	Output  string `short:"o" placeholder:"FILE" help:"Write it there instead of showing it; nothing is overwritten."`
}

// Run shows a commented orchestration to begin with.
func (c *templateCmd) Run(sh *shell) error {
	format := formatFor(c.Format, c.Output, "yaml")
	if c.Format == "starlark" || c.Format == "" && filepath.Ext(c.Output) == ".star" {
		format = "star" // the ending of the template's file
	}
	text, err := files.Template(c.Pattern, format)
	if err != nil {
		return asInvalid(err)
	}
	if _, err := os.Lstat(c.Output); c.Output != "" && err == nil {
		return invalid("%s is there already, and may have been worked on: nothing is overwritten; remove it, or give another --output", c.Output)
	}
	return sh.result(c.Output, text)
}
