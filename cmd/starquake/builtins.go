package main

import (
	"io"
	"maps"
	"slices"
	"strings"

	"starquake/builtins"
	"starquake/dsl"
)

// builtinsCmd is `starquake builtins`.
type builtinsCmd struct {
	Name   string `arg:"" optional:"" help:"A builtin, a namespace (fault) or a family; all without it."`
	Output string `short:"o" enum:"text,json,markdown" default:"text" help:"text, json or markdown (the whole reference)."`
}

// builtinRow is one builtin in the answer of --output json.
type builtinRow struct {
	Name      string              `json:"name"`
	Signature string              `json:"signature"`
	Family    string              `json:"family"`
	Doc       string              `json:"doc"`
	Params    []builtinParam      `json:"params"`
	Choices   map[string][]string `json:"choices,omitempty"`
}

type builtinParam struct {
	Name        string   `json:"name"`
	Types       []string `json:"types"`
	Ramp        bool     `json:"ramp,omitempty"`
	Default     string   `json:"default,omitempty"`
	Required    bool     `json:"required,omitempty"`
	KeywordOnly bool     `json:"keyword_only,omitempty"`
}

// Run shows builtins.
func (c *builtinsCmd) Run(sh *shell) error { return sh.failedIn(c.Output, c.run(sh)) }

func (c *builtinsCmd) run(sh *shell) error {
	table := builtins.Table()
	if c.Output == formatMarkdown && c.Name == "" {
		page, err := builtins.Reference(table)
		if err != nil {
			return err
		}
		_, err = sh.out.Write(page)
		return err
	}
	help, err := builtins.Help(table, c.Name)
	if err != nil {
		return asInvalid(err)
	}
	switch c.Output {
	case formatJSON:
		rows, err := builtinRows(table, c.Name)
		if err != nil {
			return err
		}
		return sh.json(formatJSON, rows)
	case formatMarkdown:
		page, err := builtins.Reference(slices.DeleteFunc(table, func(b builtins.Builtin) bool { return !named(&b, c.Name) }))
		if err != nil {
			return err
		}
		_, err = sh.out.Write(page)
		return err
	}
	_, err = io.WriteString(sh.out, help)
	return err
}

// named reports whether name means b: its name, its namespace or its family.
func named(b *builtins.Builtin, name string) bool {
	full, _, _ := strings.Cut(b.Sig, "(")
	space, _, _ := strings.Cut(full, ".")
	return name == "" || full == name || space == name || b.Family == name
}

func builtinRows(table []builtins.Builtin, name string) ([]builtinRow, error) {
	rows := []builtinRow{}
	for i := range table {
		b := &table[i]
		if !named(b, name) {
			continue
		}
		sig, err := dsl.ParseSignature(b.Sig)
		if err != nil {
			return nil, err
		}
		row := builtinRow{Name: sig.Name, Signature: b.Sig, Family: b.Family, Doc: b.Doc, Params: []builtinParam{}, Choices: maps.Clone(b.Choices)}
		for _, p := range sig.Params {
			row.Params = append(row.Params, builtinParam{p.Name, p.Types, p.Ramp, p.Default, p.Required, p.KeywordOnly})
		}
		rows = append(rows, row)
	}
	return rows, nil
}
