package files

import (
	"bytes"
	"strings"
)

// templates checks what stands in double braces, in every string in which it is filled in.
type templates struct{ *rules }

// object goes through a mapping of the schema.
func (t templates) object(n *node, o *Object) {
	variant := n.get("type")
	for i := range n.pairs {
		p := &n.pairs[i]
		name := ""
		if variant != nil {
			name = variant.text
		}
		f := o.fieldFor(p.key.text, name)
		switch {
		case f == nil:
		case f.Template:
			t.value(p.value)
		case f.Of != "" && f.Type == TypeObject:
			t.object(p.value, t.schema[f.Of])
		case f.Of != "":
			for _, item := range p.value.items {
				t.object(item, t.schema[f.Of])
			}
		}
	}
}

// value goes through all strings of a value.
func (t templates) value(n *node) {
	switch n.kind {
	case stringNode:
		t.text(n)
	case listNode:
		for _, item := range n.items {
			t.value(item)
		}
	case mapNode:
		for _, p := range n.pairs {
			t.value(p.value)
		}
	}
}

// text checks the templates of a string.
func (t templates) text(n *node) {
	rest := n.text
	at := t.finder(n)
	for {
		_, behind, ok := strings.Cut(rest, "{{")
		if !ok {
			return
		}
		inside, after, closed := strings.Cut(behind, "}}")
		if !closed {
			t.fail(at.next("{{"), "bad_template", "\"{{\" without \"}}\" behind it").Help = "write {{variables.NAME}}, or a single brace"
			return
		}
		t.template(at, inside)
		rest = after
	}
}

// template checks one template.
func (t templates) template(at *finder, inside string) {
	r := parseRef(strings.TrimSpace(inside))
	switch {
	case r != nil && (r.space == "variables" && t.variables[r.name] || r.space == "steps" && t.steps[r.name] || r.space == "metrics" || r.space == "iteration"):
		at.skip()
		return
	case len(t.list) >= 10*maxProblems: // nobody reads where the others are
		t.more++
		t.errors++
		at.skip()
		return
	}
	text := "{{" + inside + "}}"
	if inside == "" {
		text = "{{"
	}
	pos := at.next(text)
	if r != nil {
		if r.space == "variables" {
			t.variable(Str{pos, r.name})
		} else {
			t.stepName(Str{pos, r.name})
		}
		return
	}
	d := t.fail(pos, "unknown_template", "{{%s}} is nothing that could be filled in", short(inside))
	d.Help = "there are {{variables.NAME}}, {{metrics.NAME}}, {{steps.NAME.status}} and {{iteration}}"
	if space, name, _ := strings.Cut(strings.TrimSpace(inside), "."); name != "" {
		if near := nearest(space, []string{"variables", "metrics", "steps"}); near != "" && near != space {
			d.Help = "did you mean {{" + near + "." + short(name) + "}}?"
		}
	}
}

// finder finds the templates of a string in the text of the file, one after the other.
// Where the string is written with escapes they may not be found; then the place is that
// of the whole string.
type finder struct {
	lines *lines
	whole Pos
	at    int // -1: lost
}

func (t templates) finder(n *node) *finder {
	f := &finder{lines: t.lines, whole: n.pos, at: -1}
	if n.pos.Line > 0 {
		f.at = t.lines.offset(n.pos.Line, n.pos.Col)
	}
	return f
}

// skip passes over the next template, and returns where it begins; -1 if it is lost.
func (f *finder) skip() int {
	if f.at < 0 {
		return -1
	}
	begin := bytes.Index(f.lines.text[f.at:], []byte("{{"))
	if begin < 0 {
		f.at = -1
		return -1
	}
	begin += f.at
	f.at = begin + len("{{")
	if end := bytes.Index(f.lines.text[f.at:], []byte("}}")); end >= 0 {
		f.at += end
	}
	return begin
}

// next passes over the next template, which reads like text, and gives its place.
func (f *finder) next(text string) Pos {
	begin := f.skip()
	if begin < 0 || !bytes.HasPrefix(f.lines.text[begin:], []byte(text)) {
		return f.whole
	}
	return f.lines.span(begin, begin+len(text))
}
