package main

import (
	"fmt"
	"slices"
	"strings"

	"starquake/app"
	"starquake/builtins"
	"starquake/dsl"
)

// validateCmd is `starquake validate`.
type validateCmd struct {
	Files  []string `arg:"" optional:"" predictor:"orchestration" name:"file" help:"Orchestrations in Starlark, YAML or JSON, modules or tests (.star)."`
	File   []string `short:"f" sep:"none" placeholder:"FILE" predictor:"orchestration" help:"The same; may be repeated."`
	Param  []string `sep:"none" placeholder:"NAME=VALUE" help:"Give a parameter, as to run; may be repeated. Without any those that are required may be missing."`
	Strict bool     `help:"Treat warnings as errors."`
	lenientFlag
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
}

// validated is the answer of --output json.
type validated struct {
	OK          bool             `json:"ok"`
	Files       []string         `json:"files"`
	Diagnostics []dsl.Diagnostic `json:"diagnostics"`
}

// Run says everything that is wrong with every file.
func (c *validateCmd) Run(sh *shell) error {
	files := slices.Concat(c.Files, c.File)
	if len(files) == 0 {
		return invalid("expected a file, such as: starquake validate checkout.star\nsee: starquake validate --help")
	}
	params, err := app.ParseParams(c.Param)
	if err != nil {
		return asInvalid(err)
	}
	answer := validated{OK: true, Files: files, Diagnostics: []dsl.Diagnostic{}}
	for _, path := range files {
		diags, sources := c.check(path, params)
		for _, d := range diags {
			if d.Severity == dsl.Error || c.Strict && d.Severity == dsl.Warning {
				answer.OK = false
			}
		}
		answer.Diagnostics = append(answer.Diagnostics, diags...)
		if c.Output == formatText && len(diags) > 0 {
			if err := diags.Render(sh.out, sources, sh.color); err != nil {
				return errored("writing the diagnostics: %w", err)
			}
		}
	}
	code := 0
	if !answer.OK {
		code = codeInvalid
	}
	if c.Output == formatJSON {
		if err := sh.json(formatJSON, answer); err != nil {
			return err
		}
		return ended(code)
	}
	if _, err := fmt.Fprintln(sh.out, tally(answer, c.Strict)); err != nil {
		return errored("writing the result: %w", err)
	}
	return ended(code)
}

// check gives what is wrong with one file: its text, then what only shows when its
// top level declares and when it is planned.
func (c *validateCmd) check(path string, params map[string]builtins.GivenParam) (dsl.Diagnostics, func(string) []byte) {
	if err := orchestrationFile(path); err != nil {
		return dsl.Diagnostics{{Severity: dsl.Error, Code: "file", File: path, Message: strings.TrimPrefix(err.Error(), path+": ")}}, nil
	}
	s, diags := c.loader().Load(path)
	if !diags.HasErrors() {
		diags = append(diags, s.Check(params)...)
	}
	return locate(path, s, diags)
}

// tally is the closing line.
func tally(answer validated, strict bool) string {
	counts := map[dsl.Severity]int{}
	for _, d := range answer.Diagnostics {
		counts[d.Severity]++
	}
	files := "1 file"
	if n := len(answer.Files); n != 1 {
		files = fmt.Sprintf("%d files", n)
	}
	line := files + ": ok"
	if !answer.OK {
		line = fmt.Sprintf("%s: %d errors", files, counts[dsl.Error])
		if counts[dsl.Error] == 1 {
			line = files + ": 1 error"
		}
	}
	for _, more := range []struct {
		severity dsl.Severity
		name     string
	}{{dsl.Warning, "warning"}, {dsl.Hint, "hint"}} {
		switch n := counts[more.severity]; {
		case n == 1:
			line += ", 1 " + more.name
		case n > 1:
			line += fmt.Sprintf(", %d %ss", n, more.name)
		}
	}
	if strict && !answer.OK && counts[dsl.Error] == 0 {
		line += " (--strict)"
	}
	return line
}
