package builtins

import (
	"fmt"
	"slices"
	"strings"

	"starquake/dsl"
	"starquake/internal/nearest"
)

// Reference writes the reference of the language as Markdown: the families in the
// order in which the table has them first, in each its builtins in the table's order.
// It is an error if a signature cannot be parsed, which Compile would have found.
func Reference(table []Builtin) ([]byte, error) {
	var b strings.Builder
	b.WriteString("# Builtins\n\nGenerated from the table of builtins. A type with `~` also takes a `ramp(…)`; what stands behind a bare `*` is given by name.\n")
	for _, family := range families(table) {
		fmt.Fprintf(&b, "\n## %s\n", title(family))
		for i := range table {
			if table[i].Family != family {
				continue
			}
			text, err := entry(&table[i])
			if err != nil {
				return nil, err
			}
			b.WriteString(text)
		}
	}
	b.WriteString(plannedAnswers(table))
	return []byte(b.String()), nil
}

// plannedAnswers is the table of what effects answer in a plan.
func plannedAnswers(table []Builtin) string {
	var b strings.Builder
	for i := range table {
		if table[i].Planned == "" {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("\n## Answers in a plan\n\nIn `plan`, in `simulate` and before a real run starts, effects answer like this, unless `simulated =`, `--answers`, `--fail` or `--breach` say otherwise.\n\n| builtin | answer |\n|---|---|\n")
		}
		name, _, _ := strings.Cut(table[i].Sig, "(")
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, cell(table[i].Planned))
	}
	return b.String()
}

// families lists the families in the order of their first row.
func families(table []Builtin) []string {
	var out []string
	for i := range table {
		if !slices.Contains(out, table[i].Family) {
			out = append(out, table[i].Family)
		}
	}
	return out
}

func title(s string) string {
	if s == "" {
		return "Other"
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// entry is a builtin's section of the reference.
func entry(b *Builtin) (string, error) {
	sig, err := dsl.ParseSignature(b.Sig)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "\n### `%s`\n\n```python signature\n%s\n```\n\n%s\n", sig.Name, signatureText(b), b.Doc)
	if notes := notes(b); notes != "" {
		out.WriteString("\n" + notes + "\n")
	}
	rows := paramRows(b, sig)
	if len(rows) == 0 {
		return out.String(), nil
	}
	out.WriteString("\n| parameter | type | default | accepts | meaning |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s | %s |\n", r.name, cell(r.types), code(r.def), cell(r.accepts), cell(r.help))
	}
	return out.String(), nil
}

// signatureText is the signature with what it returns.
func signatureText(b *Builtin) string {
	if b.Returns == "" {
		return b.Sig
	}
	return b.Sig + " -> " + b.Returns
}

// notes says when the builtin may be called.
func notes(b *Builtin) string {
	var out []string
	switch b.Phase {
	case dsl.Declaring:
		out = append(out, "Only at the top level of a script.")
	case dsl.Acting:
		out = append(out, "Only in `main()` and what it calls, or in a script without `main()`.")
	}
	if b.Phase == dsl.Acting && !b.Looks {
		out = append(out, "Not in a function probe, which may only look.")
	}
	if b.Blocks {
		out = append(out, "Other branches go on meanwhile.")
	}
	return strings.Join(out, " ")
}

// paramRow is a line of a table of parameters.
type paramRow struct{ name, types, def, accepts, help string }

func paramRows(b *Builtin, sig *dsl.Signature) []paramRow {
	var rows []paramRow
	row := func(name string, p dsl.Param, def string) {
		types := strings.Join(p.Types, " or ")
		if p.Ramp {
			types += " or ramp"
		}
		rows = append(rows, paramRow{name, types, def, accepts(b, p), b.Help[p.Name]})
	}
	for _, p := range sig.Params {
		if p.Required {
			row(p.Name, p, "required")
			continue
		}
		row(p.Name, p, p.Default)
	}
	if sig.Args != "" {
		row("*"+sig.Args, sig.Rest, "")
	}
	if sig.Kwargs != "" {
		row("**"+sig.Kwargs, sig.KwRest, "")
	}
	return rows
}

// accepts words range and choices.
func accepts(b *Builtin, p dsl.Param) string {
	if words := b.Choices[p.Name]; len(words) > 0 {
		return oneOf(quoteAll(words))
	}
	if r, ok := b.Ranges[p.Name]; ok {
		q := param{Param: p, lo: r[0], hi: r[1]}
		return q.within()
	}
	return ""
}

// code puts a default between backquotes.
func code(def string) string {
	if def == "" || def == "required" {
		return def
	}
	return "`" + strings.ReplaceAll(def, "|", `\|`) + "`"
}

// cell makes text fit for a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\n", " "), "|", `\|`)
}

// Help is what "starquake builtins NAME" prints: a builtin, or the members of a
// namespace or family. Without a name it is the list of all. An unknown name is an
// error with the nearest.
func Help(table []Builtin, name string) (string, error) {
	if name == "" {
		return list(table), nil
	}
	var names []string
	var members []Builtin
	for i := range table {
		full, _, _ := strings.Cut(table[i].Sig, "(")
		if full == name {
			return helpOn(&table[i])
		}
		names = append(names, full)
		if space, _, _ := strings.Cut(full, "."); space == name || table[i].Family == name {
			members = append(members, table[i])
		}
	}
	if members != nil {
		return list(members), nil
	}
	if name == "load" {
		return "", fmt.Errorf("load is no builtin but a statement: load(\"file.star\", \"name\", other = \"name\") at the top level binds names of another file")
	}
	if near := nearest.Of(name, names); near != "" {
		return "", fmt.Errorf("there is no builtin %s; did you mean %s?", clip(name, 60), near)
	}
	return "", fmt.Errorf("there is no builtin %s; without a name all are listed", clip(name, 60))
}

// list is one line for each builtin, by family.
func list(table []Builtin) string {
	width := 0
	for i := range table {
		full, _, _ := strings.Cut(table[i].Sig, "(")
		width = max(width, len(full))
	}
	var b strings.Builder
	for i, family := range families(table) {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(family + "\n")
		for i := range table {
			if table[i].Family == family {
				full, _, _ := strings.Cut(table[i].Sig, "(")
				fmt.Fprintf(&b, "  %-*s  %s\n", width, full, summary(table[i].Doc))
			}
		}
	}
	return b.String()
}

// summary is the first sentence.
func summary(doc string) string {
	if i := strings.Index(doc, ". "); i >= 0 {
		return doc[:i]
	}
	return strings.TrimSuffix(doc, ".")
}

// helpOn is the text on one builtin for a terminal.
func helpOn(b *Builtin) (string, error) {
	sig, err := dsl.ParseSignature(b.Sig)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\n%s\n", signatureText(b), wrap(b.Doc, 96))
	if n := notes(b); n != "" {
		out.WriteString(wrap(strings.ReplaceAll(n, "`", ""), 96) + "\n")
	}
	for _, r := range paramRows(b, sig) {
		parts := []string{r.types}
		switch r.def {
		case "":
		case "required":
			parts = append(parts, "required")
		default:
			parts = append(parts, "default "+r.def)
		}
		for _, more := range []string{r.accepts, r.help} {
			if more != "" {
				parts = append(parts, more)
			}
		}
		fmt.Fprintf(&out, "\n  %s\n      %s\n", r.name, strings.Join(parts, "; "))
	}
	return out.String(), nil
}

// wrap breaks text at spaces.
func wrap(s string, width int) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(s) {
		switch {
		case i == 0:
		case column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
