package files

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"starquake/internal/nearest"
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
		case f.Type == TypeTargets:
			for _, target := range p.value.pairs {
				t.object(target.value, t.schema[f.Of])
			}
		case f.Of != "":
			for _, item := range p.value.items {
				t.object(item, t.schema[f.Of])
			}
		case !f.AsWritten:
			t.literal(p.value, f.Name)
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

// literal warns of templates in the strings of a value in which nothing is filled in.
func (t templates) literal(n *node, key string) {
	switch n.kind {
	case stringNode:
		if hasTemplate(Any{Value: n.text}) {
			t.warn(n.pos, "not_filled_in", "nothing is filled in here: %s stays as it is written", key)
		}
	case listNode:
		for _, item := range n.items {
			t.literal(item, key)
		}
	case mapNode:
		for _, p := range n.pairs {
			t.literal(p.value, p.key.text)
		}
	}
}

// text checks the templates of a string.
func (t templates) text(n *node) {
	if !strings.Contains(n.text, "{{") {
		return
	}
	where := t.inSource(n)
	for rest := n.text; !t.full(); {
		_, behind, ok := strings.Cut(rest, "{{")
		if !ok {
			return
		}
		inside, after, closed := strings.Cut(behind, "}}")
		if !closed {
			t.fail(where.next("{{", n.pos), "bad_template", "\"{{\" without \"}}\" behind it").Help = "write {{variables.NAME}}, or a single brace"
			return
		}
		t.template(where.next("{{"+inside+"}}", n.pos), inside)
		rest = after
	}
}

// template checks what stands between the braces at a place.
func (t templates) template(pos Pos, inside string) {
	r := parseRef(strings.TrimSpace(inside))
	if r == nil {
		d := t.fail(pos, "unknown_template", "{{%s}} is nothing that could be filled in", short(inside))
		d.Help = "there are {{variables.NAME}}, {{metrics.NAME}}, {{steps.NAME.status}} and {{iteration}}"
		if space, name, _ := strings.Cut(strings.TrimSpace(inside), "."); name != "" {
			if near := nearest.Of(space, []string{"variables", "metrics", "steps"}); near != "" && near != space {
				d.Help = "did you mean {{" + near + "." + short(name) + "}}?"
			}
		}
		return
	}
	switch r.space {
	case "variables":
		t.variable(Str{pos, r.name})
	case "metrics":
		t.metric(Str{pos, r.name})
	case "steps":
		t.stepName(Str{pos, r.name})
	}
}

// sourceWalk goes along a string as it is written in the file, so that each of its
// templates is found without looking at those before it again.
type sourceWalk struct {
	text      []byte // up to the end of the string, where that has quotes
	at        int
	line, col int
	lost      bool // the string is written with escapes: its templates are not found
}

func (t templates) inSource(n *node) *sourceWalk {
	w := &sourceWalk{text: t.lines.text, line: n.pos.Line, col: n.pos.Col, lost: n.pos.Line == 0}
	w.at = t.lines.offset(n.pos.Line, n.pos.Col)
	// Where there can be escapes it is not searched behind the string: what stands there is
	// another one's, and may be the whole file.
	if begin := behindTags(w.text, w.at); begin < len(w.text) && w.text[begin] == '"' {
		w.text = w.text[:begin+quotedEnd(w.text[begin:])]
	}
	return w
}

// behindTags steps over the tags and anchors before a value of YAML.
func behindTags(text []byte, at int) int {
	for at < len(text) && (text[at] == '!' || text[at] == '&') {
		word := bytes.IndexAny(text[at:], " \t\r\n")
		if word < 0 {
			return len(text)
		}
		at = len(text) - len(bytes.TrimLeft(text[at+word:], " \t\r\n"))
	}
	return at
}

// next finds the next template, which is written as want. Where it is written otherwise
// its place is that of the whole string, and so are those behind it.
func (w *sourceWalk) next(want string, whole Pos) Pos {
	if w.lost {
		return whole
	}
	begin := bytes.Index(w.text[w.at:], []byte("{{"))
	if begin < 0 || !bytes.HasPrefix(w.text[w.at+begin:], []byte(want)) {
		w.lost = true
		return whole
	}
	w.step(begin)
	pos := Pos{Line: w.line, Col: w.col}
	w.step(len(want))
	pos.EndLine, pos.EndCol = w.line, w.col
	return pos
}

// step goes on by n bytes.
func (w *sourceWalk) step(n int) {
	for end := w.at + n; w.at < end; {
		c := w.text[w.at]
		_, size := utf8.DecodeRune(w.text[w.at:])
		w.at += size
		if c == '\n' || c == '\r' && (w.at == len(w.text) || w.text[w.at] != '\n') {
			w.line, w.col = w.line+1, 1
		} else {
			w.col++
		}
	}
}
