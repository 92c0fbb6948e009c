package compare

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"starquake/report/text"
)

// Text writes a comparison for a terminal. What is worse comes first.
func (c *Comparison) Text(w io.Writer) error {
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s\n\n", c.verdictWords())
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\tA  %s\tB  %s\t\n", cell(cmp.Or(c.A.ID, c.A.Name)), cell(cmp.Or(c.B.ID, c.B.Name)))
	for _, row := range c.sorted() {
		mark := "  "
		if row.Worse {
			mark = "✗ "
		}
		fmt.Fprintf(table, "%s%s\t%s\t%s\t%s\n", mark, cell(row.title()), cell(cmp.Or(row.A, "–")), cell(cmp.Or(row.B, "–")), row.change())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, note := range c.notes() {
		fmt.Fprintf(&out, "\n%s\n", note)
	}
	_, err := w.Write(text.Trimmed(out.Bytes()))
	return err
}

// Markdown writes it for a pull request.
func (c *Comparison) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n| | A: %s | B: %s | change |\n| --- | ---: | ---: | ---: |\n", c.verdictWords(), escape(cmp.Or(c.A.ID, c.A.Name)), escape(cmp.Or(c.B.ID, c.B.Name)))
	for _, row := range c.sorted() {
		mark := ""
		if row.Worse {
			mark = "❌ "
		}
		fmt.Fprintf(&b, "| %s%s | %s | %s | %s |\n", mark, escape(row.title()), escape(cmp.Or(row.A, "–")), escape(cmp.Or(row.B, "–")), row.change())
	}
	for _, note := range c.notes() {
		fmt.Fprintf(&b, "\n%s\n", note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// JSON writes it for programs.
func (c *Comparison) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(c)
}

func (c *Comparison) verdictWords() string {
	most := text.Number(100*c.Max) + "%"
	if c.Nothing() {
		return "nothing to compare: no step, check or figure is in both runs"
	}
	if !c.Regressed {
		return "no regression: nothing is worse by more than " + most
	}
	return fmt.Sprintf("regressed: %d worse, with %s permitted", c.worse, most)
}

// sorted are the rows, what is worse first.
func (c *Comparison) sorted() []Row {
	var out []Row
	for _, worse := range []bool{true, false} {
		for _, row := range c.Rows {
			if row.Worse == worse {
				out = append(out, row)
			}
		}
	}
	return out
}

func (c *Comparison) notes() []string {
	var out []string
	for _, side := range []struct{ name, unscored string }{{"A", c.A.Unscored}, {"B", c.B.Unscored}} {
		if side.unscored != "" {
			out = append(out, fmt.Sprintf("%s has no score: %s.", side.name, escape(side.unscored)))
		}
	}
	if c.Alike > 0 {
		out = append(out, fmt.Sprintf("Steps and checks that ended as before: %d.", c.Alike))
	}
	if c.LeftOut > 0 {
		out = append(out, fmt.Sprintf("Rows that are left out: %d.", c.LeftOut))
	}
	if c.A.Name != c.B.Name {
		out = append(out, fmt.Sprintf("These are runs of two orchestrations: %s and %s.", escape(c.A.Name), escape(c.B.Name)))
	}
	return out
}

// title is the name with its kind, where the name does not say what it is.
func (r *Row) title() string {
	if r.Kind == "verdict" || r.Kind == "score" {
		return r.Name
	}
	return r.Kind + " " + r.Name
}

// change is by how much, and which way is better.
func (r *Row) change() string {
	out := ""
	if r.Change != nil && *r.Change != 0 {
		out = fmt.Sprintf("%+.1f%%", 100*min(max(*r.Change, -1e6), 1e6))
	}
	if r.TooFew {
		out = strings.TrimSpace(out + " too few to tell")
	}
	if r.Worse {
		out = strings.TrimSpace(out + " worse")
	}
	return out
}

// cell keeps a text within its cell.
func cell(s string) string { return text.Clean(clip(s)) }

// escape makes a text plain in Markdown.
func escape(s string) string {
	return strings.NewReplacer("\\", "\\\\", "|", "\\|", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "<", "&lt;", "@", "@\u2060", "://", ":\u2060//").Replace(cell(s))
}

func clip(s string) string {
	const most = 120
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
