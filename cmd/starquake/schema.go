package main

import (
	"bytes"
	"slices"
	"strings"

	"starquake/dsl/files"
	"starquake/server"
)

// schemaCmd is `starquake schema`.
type schemaCmd struct {
	Format string `enum:"json,md,markdown," default:"" placeholder:"FORMAT" help:"json (a JSON Schema, draft 2020-12; of api OpenAPI 3.1), or md or markdown (the reference of every key of both forms; of api that of every call). Without it: that of --output's ending, else json."`
	Output string `short:"o" placeholder:"FILE" help:"Write it there instead of showing it."`
	Form   string `arg:"" optional:"" default:"advanced" help:"orchestration for files with steps alone, advanced, which has all of that and more, or api for the calls of the server."`
}

// Run shows the JSON Schema of orchestration files, or the document of the server's API.
func (c *schemaCmd) Run(sh *shell) error {
	text, err := c.text()
	if err != nil {
		return err
	}
	return sh.result(c.Output, text)
}

func (c *schemaCmd) text() ([]byte, error) {
	markdown := formatFor(c.Format, c.Output, formatJSON) == formatMarkdown
	switch {
	case c.Form == "api" && markdown:
		return server.Reference(), nil
	case c.Form == "api":
		var text bytes.Buffer
		err := writeJSON(&text, formatJSON, server.Document(version))
		return text.Bytes(), err
	}
	if !slices.Contains(files.Forms(), c.Form) {
		return nil, invalid("there is no schema %q; there are %s and api", c.Form, strings.Join(files.Forms(), ", "))
	}
	text, err := files.Schema(c.Form)
	if err != nil {
		return nil, err
	}
	if markdown {
		text = files.Reference()
	}
	return text, nil
}
