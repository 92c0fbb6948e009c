package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// manual is the page for man, made of the table that also makes --help. It has no date, so
// that one program has one page.
func manual(app *kong.Application) []byte {
	var out bytes.Buffer
	about, help, _ := strings.Cut(app.Help, ". ")
	fmt.Fprintf(&out, ".TH STARQUAKE 1 \"\" \"starquake %s\" \"Starquake\"\n", roff(programVersion()))
	fmt.Fprintf(&out, ".SH NAME\nstarquake \\- %s\n", roff(about))
	out.WriteString(".SH SYNOPSIS\n\\fBstarquake\\fR \\fICOMMAND\\fR [\\fIargument\\fR ...] [\\fIflag\\fR ...]\n")
	fmt.Fprintf(&out, ".SH DESCRIPTION\n%s\n", roff(help))
	out.WriteString(".SH COMMANDS\n")
	leaves := app.Leaves(true)
	for _, n := range leaves {
		fmt.Fprintf(&out, ".SS \"%s\"\n%s\n", roff(nameOf(n)), roff(n.Help))
		usage := "starquake " + nameOf(n)
		for _, p := range n.Positional {
			usage += " " + p.Summary()
		}
		fmt.Fprintf(&out, ".PP\n.RS 4\n%s\n.RE\n", roff(usage))
		for _, p := range n.Positional {
			tagged(&out, p.Summary(), p.Help+given(p))
		}
		for _, f := range flagsOf(n) {
			means := f.means
			if f.HasDefault && f.Default != "" && !strings.Contains(f.Help, f.Default) {
				means += " Default: " + f.Default + "."
			}
			tagged(&out, f.name, means)
		}
	}
	out.WriteString(".SH EXIT STATUS\nThat of a run is its verdict.\n")
	for _, line := range exitCodes {
		tagged(&out, fmt.Sprint(line.code), line.means)
	}
	out.WriteString(".SH ENVIRONMENT\n")
	var told []string
	for _, n := range leaves {
		for _, f := range flagsOf(n) {
			for _, name := range f.Envs {
				if !slices.Contains(told, name) {
					told = append(told, name)
					tagged(&out, name, "what --"+f.Name+" is where it is not given")
				}
			}
		}
	}
	tagged(&out, "STARQUAKE_FLAG", "what a flag of serve is where it is not given: STARQUAKE_MAX_RUNS for --max-runs")
	for _, v := range variables {
		tagged(&out, v.name, v.means)
	}
	return out.Bytes()
}

// tagged is a term and, indented below it, what it means.
func tagged(out *bytes.Buffer, term, means string) {
	fmt.Fprintf(out, ".TP\n\\fB%s\\fR\n%s\n", roff(term), roff(means))
}

// roff is text as roff shows it, whatever is in it. The marks of Markdown are taken off.
func roff(s string) string {
	s = strings.NewReplacer("`", "", `\`, `\e`, "-", `\-`, `"`, `\(dq`).Replace(strings.TrimSpace(s))
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		switch {
		case line == "":
			lines[i] = ".PP"
		case line[0] == '.' || line[0] == '\'':
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
