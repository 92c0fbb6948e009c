package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"starquake/app"
)

// libraryFlag names the folder of the user's own scenarios.
type libraryFlag struct {
	Library string `placeholder:"DIR" type:"existingdir" help:"A folder with scenarios of your own: functions in .star files."`
}

// scenariosCmd is `starquake scenarios`.
type scenariosCmd struct {
	Name   string `arg:"" optional:"" help:"A scenario or profile; all without it."`
	Output string `short:"o" enum:"text,json" default:"text" help:"text or json."`
	libraryFlag
}

// Run lists scenarios, or shows one.
func (c *scenariosCmd) Run(sh *shell) error { return sh.failedIn(c.Output, c.run(sh)) }

func (c *scenariosCmd) run(sh *shell) error {
	all, s, diags := app.Scenarios(c.Library)
	if diags.HasErrors() {
		return wrong("scenarios.star", s, diags)
	}
	if c.Name != "" {
		i := slices.IndexFunc(all, func(p app.Preset) bool { return p.Name == c.Name })
		if i < 0 {
			return invalid("there is no scenario or profile %q; starquake scenarios lists them", c.Name)
		}
		all = all[i : i+1]
	}
	switch {
	case c.Output == formatJSON:
		return sh.json(formatJSON, all)
	case c.Name != "":
		return sh.showPreset(&all[0])
	}
	return sh.listPresets(all)
}

// listPresets writes a line for each.
func (sh *shell) listPresets(all []app.Preset) error {
	w := tabwriter.NewWriter(sh.out, 0, 0, 2, ' ', 0)
	for i := range all {
		p := &all[i]
		if group := presetGroup(p); i == 0 || group != presetGroup(&all[i-1]) {
			if i > 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "%s:\n", group)
		}
		doc, _, _ := strings.Cut(p.Doc, "\n")
		fmt.Fprintf(w, "  %s\t%s\n", p.Name, safe(doc))
	}
	fmt.Fprintf(w, "\nstarquake scenarios NAME shows one: its faults, and how to write it.\n")
	return w.Flush()
}

func presetGroup(p *app.Preset) string {
	switch {
	case p.Module != "":
		return "scenarios of your library"
	case p.Kind == "profile":
		return "network profiles"
	}
	return "predefined scenarios"
}

// showPreset writes one: what it does, and how to say it.
func (sh *shell) showPreset(p *app.Preset) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s(%q)\n", p.Kind, p.Name)
	for line := range strings.Lines(p.Doc) {
		fmt.Fprintf(&b, "  %s\n", safe(strings.TrimRight(line, "\n")))
	}
	b.WriteString("\nfaults:\n")
	for _, text := range p.Texts {
		fmt.Fprintf(&b, "  %s\n", safe(text))
	}
	fmt.Fprintf(&b, "\nin a script:\n  step(\"x\", duration = \"1m\", chaos = %s(%q), on = target)\n", p.Kind, p.Name)
	if i := slices.IndexFunc(p.Params, func(param string) bool { return strings.Contains(param, " = ") }); i >= 0 {
		name, _, _ := strings.Cut(p.Params[i], " = ")
		fmt.Fprintf(&b, "\na little different, with %s = …:\n  load(%q, %q)\n  %s(%s)\n", name, p.Load, p.Name, p.Name, safe(strings.Join(p.Params, ", ")))
	}
	if p.Kind == "scenario" {
		fmt.Fprintf(&b, "\nin a file:\n  scenario:\n    name: %s\n", p.Name)
	}
	_, err := sh.out.Write([]byte(b.String()))
	return err
}
