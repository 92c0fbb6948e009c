package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// commandReference is the reference of the command line in Markdown, made of the table
// that also makes --help.
func commandReference(app *kong.Application) []byte {
	var out bytes.Buffer
	out.WriteString("# Command line\n\nGenerated from the table of commands, of which `--help` is made too.\n\n")
	out.WriteString("## Exit codes\n\nThe exit code of a run is its verdict.\n\n| exit | verdict |\n|---|---|\n")
	for _, line := range exitCodes {
		fmt.Fprintf(&out, "| %d | %s |\n", line.code, line.means)
	}
	out.WriteString("\nOf commands that run nothing 0 is done, 2 a wrong command line, file or request, and 4 what could not be done; " +
		"1 is said by `test` if a test failed, by `plan` if the planned verdict is that, by `fmt --check` if a file is not laid out, by `compare` if resilience has regressed, " +
		"and by `replay` if the two differ.\n\n")
	out.WriteString("## Variables\n\n| variable | meaning |\n|---|---|\n")
	for _, v := range variables {
		fmt.Fprintf(&out, "| `%s` | %s |\n", v.name, v.means)
	}
	out.WriteString("\n## Commands\n\n| command | what it does |\n|---|---|\n")
	leaves := app.Leaves(true)
	for _, n := range leaves {
		fmt.Fprintf(&out, "| [`%s`](#%s) | %s |\n", nameOf(n), anchor("starquake "+nameOf(n)), cell(n.Help))
	}
	for _, n := range leaves {
		command(&out, n)
	}
	return out.Bytes()
}

// nameOf is the words of a command.
func nameOf(n *kong.Node) string {
	if n.Parent == nil || n.Parent.Type == kong.ApplicationNode {
		return n.Name
	}
	return nameOf(n.Parent) + " " + n.Name
}

func anchor(title string) string { return strings.ReplaceAll(title, " ", "-") }

func cell(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "|", `\|`) }

// command writes the section of one command.
func command(out *bytes.Buffer, n *kong.Node) {
	usage := "starquake " + nameOf(n)
	for _, p := range n.Positional {
		usage += " " + p.Summary()
	}
	fmt.Fprintf(out, "\n## `starquake %s`\n\n%s\n\n", nameOf(n), strings.TrimSpace(n.Help))
	if n.Parent != nil && n.Parent.DefaultCmd == n {
		fmt.Fprintf(out, "`starquake %s` alone is this command.\n\n", nameOf(n.Parent))
	}
	fmt.Fprintf(out, "    %s\n\n", usage)
	if len(n.Positional) > 0 {
		out.WriteString("| argument | meaning |\n|---|---|\n")
		for _, p := range n.Positional {
			fmt.Fprintf(out, "| `%s` | %s%s |\n", p.Summary(), cell(p.Help), given(p))
		}
		out.WriteString("\n")
	}
	flags := flagsOf(n)
	if len(flags) == 0 {
		out.WriteString("No flags but `--help`.\n")
		return
	}
	out.WriteString("| flag | default | meaning |\n|---|---|---|\n")
	for _, f := range flags {
		fallback := ""
		if f.HasDefault && f.Default != "" {
			fallback = "`" + f.Default + "`"
		}
		fmt.Fprintf(out, "| `%s` | %s | %s |\n", cell(f.name), fallback, cell(f.means))
	}
}

// toldFlag is a flag of a command as references tell it: as it is written, and what it means.
type toldFlag struct {
	*kong.Flag
	name, means string
}

// flagsOf are all flags of a command but --help, by name.
func flagsOf(n *kong.Node) (flags []toldFlag) {
	served := map[string]string{}
	if nameOf(n) == "serve" {
		for _, s := range settings(n.Flags) {
			served[s.Flag] = s.Variable()
		}
	}
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			if f.Name != "help" {
				flags = append(flags, toldFlag{f, writtenAs(f), meaning(f, served[f.Name])})
			}
		}
	}
	slices.SortStableFunc(flags, func(a, b toldFlag) int { return cmp.Compare(a.Name, b.Name) })
	return flags
}

func writtenAs(f *kong.Flag) string {
	name := "--" + f.Name
	if f.Negated {
		name = "--no-" + f.Name
	}
	if !f.IsBool() {
		name += " " + f.FormatPlaceHolder()
	}
	if f.Short != 0 {
		name = fmt.Sprintf("-%c, %s", f.Short, name)
	}
	return name
}

// meaning is a flag's help with what else the table knows; variable stands for it besides
// its own, "" for none.
func meaning(f *kong.Flag, variable string) string {
	means := strings.TrimSpace(f.Help)
	if f.Enum != "" && !strings.Contains(f.Help, strings.Split(f.Enum, ",")[0]) {
		means += " One of: " + strings.ReplaceAll(f.Enum, ",", ", ") + "."
	}
	for _, v := range slices.Compact(append(slices.Clone(f.Envs), variable)) {
		if v != "" {
			means += " Variable: `" + v + "`."
		}
	}
	switch {
	case f.Required && len(f.Xor) > 0:
		means += " One of the like is required."
	case f.Required:
		means += " Required."
	}
	return means
}

func given(p *kong.Value) string {
	if p.HasDefault && p.Default != "" {
		return " Default: `" + p.Default + "`."
	}
	return ""
}

// exitCodes are those of LANGUAGE.md, "Verdicts and exit codes".
var exitCodes = []struct {
	code  int
	means string
}{
	{0, "`passed`: no failure that was not tolerated or retried"},
	{1, "`failed`: a step or check failed, or the steady state did not hold"},
	{2, "`invalid`: script, file, parameter, permission or command line is wrong; nothing was started"},
	{3, "`aborted`: a guard was breached"},
	{4, "`errored`: the experiment could not be done as written"},
	{5, "`unclean`: a fault could not be confirmed gone, or a clean-up failed"},
	{6, "`inconclusive`: it says nothing about the system"},
	{130, "`stopped`: a person or `max_duration` stopped it; the faults are gone"},
}

// variables are those of the environment that stand for no flag.
var variables = []struct{ name, means string }{
	{"STARQUAKE_SECRET_NAME", "the text of `secret(\"name\")`, where the environment has none"},
	{"XDG_STATE_HOME", "where the data folder is, without `--data`"},
	{"NO_COLOR", "no colours; `TERM=dumb` likewise"},
	{"COLUMNS", "how wide timelines and summaries are where stdout is no terminal; lines of events are whole"},
	{"CI", "nothing is redrawn in place"},
	{"GITHUB_ACTIONS", "`true`: failures are written as annotations"},
}
