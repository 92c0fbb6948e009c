package main

import (
	"io"

	"starquake/builtins"
	"starquake/chaos"
)

// faultsCmd is `starquake faults`.
type faultsCmd struct {
	Kind   string `arg:"" optional:"" help:"A kind of fault; all without it."`
	Output string `short:"o" enum:"text,json,markdown" default:"text" help:"text, json or markdown (the whole reference)."`
}

// faultRow is one kind of fault in the answer of --output json.
type faultRow struct {
	Kind      string       `json:"kind"`
	Signature string       `json:"signature"`
	Doc       string       `json:"doc"`
	Targeted  bool         `json:"targeted"` // whether it is put on a target
	Protocols []string     `json:"protocols"`
	Params    []faultParam `json:"params"`
}

// faultParam is a parameter of a kind. Min and Max are in the type's base unit:
// nanoseconds, bytes, bytes a second, 0..1, 0..100.
type faultParam struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	Ramp        bool     `json:"ramp,omitempty"`
	Required    bool     `json:"required,omitempty"`
	Default     string   `json:"default,omitempty"`
	KeywordOnly bool     `json:"keyword_only,omitempty"`
	Min         *float64 `json:"min,omitempty"`
	Max         *float64 `json:"max,omitempty"`
	Choices     []string `json:"choices,omitempty"`
	Doc         string   `json:"doc"`
}

// Run shows kinds of fault.
func (c *faultsCmd) Run(sh *shell) error { return sh.failedIn(c.Output, c.run(sh)) }

func (c *faultsCmd) run(sh *shell) error {
	help, err := builtins.FaultHelp(c.Kind)
	if err != nil {
		return asInvalid(err)
	}
	switch c.Output {
	case formatJSON:
		return sh.json(formatJSON, faultRows(c.Kind))
	case formatMarkdown:
		_, err := sh.out.Write(builtins.FaultReference())
		return err
	}
	_, err = io.WriteString(sh.out, help)
	return err
}

// faultRows are the rows of one kind, or of all.
func faultRows(kind string) []faultRow {
	rows := []faultRow{}
	for _, k := range chaos.Kinds() {
		if kind != "" && k.Name != kind {
			continue
		}
		row := faultRow{Kind: k.Name, Signature: k.Sig, Doc: k.Doc, Targeted: k.Targeted(), Protocols: append([]string{}, k.Protocols...), Params: []faultParam{}}
		for i := range k.Params {
			p := &k.Params[i]
			param := faultParam{Name: p.Name, Type: string(p.Type), Ramp: p.Ramp, Required: p.Default == "", Default: p.Default,
				KeywordOnly: p.KeywordOnly, Choices: p.Choices, Doc: p.Doc}
			if lo, hi, ok := p.Range(); ok {
				param.Min, param.Max = &lo, &hi
			}
			row.Params = append(row.Params, param)
		}
		rows = append(rows, row)
	}
	return rows
}
