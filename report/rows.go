package report

import "strings"

// table is a table of the page.
type table struct {
	ID, Title, Caption string
	Heads              []cell
	Rows               []*row
	Left               string
}

type row struct {
	Tone  string
	Cells []cell

	heads []cell
}

// cell is a cell, or a head.
type cell struct {
	Key, Text, Why string
	Pill           string // a tone
	Head, Num      bool
	None           bool // there is nothing to say
}

// newTable makes a table; the name of a column of numbers ends in a bar.
func newTable(id, title, caption string, columns ...string) *table {
	t := &table{ID: id, Title: title, Caption: caption}
	for _, c := range columns {
		name, num := strings.CutSuffix(c, "|")
		t.Heads = append(t.Heads, cell{Text: name, Num: num})
	}
	return t
}

func (t *table) row(tone string) *row {
	r := &row{Tone: tone, heads: t.Heads}
	t.Rows = append(t.Rows, r)
	return r
}

func (r *row) add(c cell) {
	if i := len(r.Cells); i < len(r.heads) {
		c.Key = r.heads[i].Text
	}
	c.Text, c.Why = line(c.Text), line(c.Why)
	c.None = c.Text == "" && c.Why == ""
	r.Cells = append(r.Cells, c)
}

func (r *row) head(s string)          { r.add(cell{Text: s, Head: true}) }
func (r *row) text(s string)          { r.add(cell{Text: s}) }
func (r *row) num(s string)           { r.add(cell{Text: s, Num: true}) }
func (r *row) why(s, why string)      { r.add(cell{Text: s, Why: why}) }
func (r *row) pillWhy(t, s, w string) { r.add(cell{Text: s, Pill: t, Why: w}) }
