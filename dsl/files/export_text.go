package files

import (
	"cmp"
	"math/big"
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"starquake/chaos"
	"starquake/dsl"
)

// commented is an entry of the document that can have a comment, and its lines in the
// script.
type commented struct {
	from, to int
	comment  *Comment
}

// comments takes over the comments of the main module and its docstring: each to the
// entry that it stands on, or above.
func (x *exporter) comments() {
	file, err := dsl.FileOptions().Parse(x.unit.Main.Name, x.unit.Main.Text, syntax.RetainComments)
	if err != nil {
		return // it has been parsed before
	}
	places := x.commentPlaces()
	above, doc := "", &x.doc.Comment
	first := true
	for _, c := range sortedComments(file) {
		text := strings.TrimSpace(strings.TrimLeft(c.Text, "#"))
		i := slices.IndexFunc(places, func(p commented) bool { return int(c.Start.Line) <= p.to })
		if i < 0 {
			doc.Foot = joinComments(doc.Foot, text)
			continue
		}
		switch p := places[i]; {
		case first && int(c.Start.Line) < p.from && headOfFile(file, int(c.Start.Line)):
			above = joinComments(above, text)
			continue
		case int(c.Start.Line) == p.from || int(c.Start.Line) == p.to:
			p.comment.Line = joinLine(p.comment.Line, text)
		default:
			p.comment.Head = joinComments(p.comment.Head, text)
		}
		first = false
	}
	doc.Head = joinComments(above, doc.Head)
	x.docstring(file)
}

// headOfFile reports whether a line stands above the first statement.
func headOfFile(file *syntax.File, line int) bool {
	if len(file.Stmts) == 0 {
		return true
	}
	start, _ := file.Stmts[0].Span()
	return line < int(start.Line)
}

func joinLine(have, more string) string {
	if have == "" {
		return more
	}
	return have + " " + more
}

// commentPlaces are the entries of the document by their first lines. What several
// entries were made from is the first one's.
func (x *exporter) commentPlaces() []commented {
	var places []commented
	add := func(pos Pos, comment *Comment) {
		if pos.Line > 0 && !slices.ContainsFunc(places, func(p commented) bool { return p.from == pos.Line }) {
			places = append(places, commented{pos.Line, pos.EndLine, comment})
		}
	}
	for i := range x.doc.Targets {
		add(x.doc.Targets[i].Name.Pos, &x.doc.Targets[i].Comment)
	}
	for i := range x.doc.Steps {
		add(x.doc.Steps[i].Pos, &x.doc.Steps[i].Comment)
	}
	add(x.doc.Name.Pos, &x.doc.Comment)
	slices.SortFunc(places, func(a, b commented) int { return cmp.Compare(a.from, b.from) })
	return places
}

// sortedComments are the comments of a file in the order of the text.
func sortedComments(file *syntax.File) []syntax.Comment {
	var all []syntax.Comment
	syntax.Walk(file, func(n syntax.Node) bool {
		if n == nil {
			return true
		}
		if c := n.Comments(); c != nil {
			all = slices.Concat(all, c.Before, c.Suffix, c.After)
		}
		return true
	})
	slices.SortFunc(all, func(a, b syntax.Comment) int {
		return cmp.Or(cmp.Compare(a.Start.Line, b.Start.Line), cmp.Compare(a.Start.Col, b.Start.Col))
	})
	return slices.CompactFunc(all, func(a, b syntax.Comment) bool { return a.Start == b.Start })
}

// docstring takes the module's docstring over: as the description, if the script gives
// no other, else as a comment.
func (x *exporter) docstring(file *syntax.File) {
	if len(file.Stmts) == 0 {
		return
	}
	stmt, ok := file.Stmts[0].(*syntax.ExprStmt)
	if !ok {
		return
	}
	lit, ok := stmt.X.(*syntax.Literal)
	text, isText := "", false
	if ok {
		text, isText = lit.Value.(string)
	}
	if text = strings.TrimSpace(text); !isText || text == "" {
		return
	}
	switch {
	case x.doc.Description == nil:
		x.doc.Description = &Str{Value: text}
	case x.doc.Description.Value != text:
		x.doc.Comment.Head = joinComments(x.doc.Comment.Head, text)
	}
}

// placeOf is the place of a call in the main module, the zero Pos elsewhere.
func (x *exporter) placeOf(n syntax.Node) Pos {
	start, end := n.Span()
	if start.Filename() != x.unit.Main.Name {
		return Pos{}
	}
	return Pos{int(start.Line), int(start.Col), int(end.Line), int(end.Col)}
}

// configEntries gives a config's keys in the order of the table.
func configEntries(config map[string]any) []Entry {
	return orderedEntries(config, chaos.ConfigBlocks())
}

func orderedEntries(values map[string]any, keys []chaos.ConfigKey) []Entry {
	var entries []Entry
	for _, key := range keys {
		if v, given := values[key.Name]; given {
			entries = append(entries, Entry{Key: Str{Value: key.Name}, Value: anyOf(v, key.Keys)})
		}
	}
	return entries
}

// anyOf gives a value of a config as a value of a file.
func anyOf(v any, keys []chaos.ConfigKey) Any {
	switch v := v.(type) {
	case int64:
		return Any{Value: big.NewInt(v)}
	case []any:
		list := make([]Any, len(v))
		for i := range v {
			list[i] = anyOf(v[i], keys)
		}
		return Any{Value: list}
	case map[string]any:
		return Any{Value: orderedEntries(v, keys)}
	}
	return Any{Value: v}
}
