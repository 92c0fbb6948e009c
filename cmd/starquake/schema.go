package main

import "starquake/dsl/files"

// schemaCmd is `starquake schema`.
type schemaCmd struct {
	Output string `short:"o" enum:"json,markdown" default:"json" help:"json (a JSON Schema, draft 2020-12) or markdown (the reference of every key of both forms)."`
	Form   string `arg:"" optional:"" default:"advanced" help:"orchestration for files with steps alone, or advanced, which has all of that and more."`
}

// Run shows the JSON Schema of orchestration files.
func (c *schemaCmd) Run(sh *shell) error {
	text, err := files.Schema(c.Form)
	if c.Output == formatMarkdown {
		text = files.Reference()
	}
	if err != nil {
		return asInvalid(err)
	}
	_, err = sh.out.Write(text)
	return err
}
