package main

import (
	"starquake/dsl/files"
	"starquake/server"
)

// schemaCmd is `starquake schema`.
type schemaCmd struct {
	Output string `short:"o" enum:"json,markdown" default:"json" help:"json (a JSON Schema, draft 2020-12; of api OpenAPI 3.1) or markdown (the reference of every key of both forms; of api that of every call)."`
	Form   string `arg:"" optional:"" default:"advanced" help:"orchestration for files with steps alone, advanced, which has all of that and more, or api for the calls of the server."`
}

// Run shows the JSON Schema of orchestration files, or the document of the server's API.
func (c *schemaCmd) Run(sh *shell) error {
	if c.Form == "api" {
		if c.Output == formatMarkdown {
			_, err := sh.out.Write(server.Reference())
			return err
		}
		return sh.json(formatJSON, server.Document(version))
	}
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
