package files

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// yamlIndent is one level of a YAML file.
const yamlIndent = "  "

// writeYAML writes a mapping in block style. Comments stand where their places are.
func writeYAML(w *written, doc Comment) []byte {
	y := &yamlWriter{}
	if head := joinComments(doc.Head, doc.Line); head != "" {
		y.comment(head, "")
		y.b.WriteByte('\n') // else it would be that of the first key
	}
	y.mapping(w, "")
	if doc.Foot != "" {
		y.b.WriteByte('\n')
		y.comment(doc.Foot, "")
	}
	return y.b.Bytes()
}

type yamlWriter struct{ b bytes.Buffer }

// joinComments puts one comment below another.
func joinComments(above, below string) string {
	if above == "" || below == "" {
		return above + below
	}
	return above + "\n" + below
}

// comment writes the lines of a comment, each on a line of its own.
func (y *yamlWriter) comment(text, indent string) {
	if text == "" {
		return
	}
	for line := range strings.SplitSeq(text, "\n") {
		y.b.WriteString(strings.TrimRight(indent+"# "+commentText(line), " "))
		y.b.WriteByte('\n')
	}
}

// commentText keeps a comment from ending its line.
func commentText(s string) string {
	return strings.Map(func(r rune) rune {
		if yamlEscaped(r) {
			return ' '
		}
		return r
	}, s)
}

// head writes what stands above an entry. A comment for the end of the line that has
// several lines stands there, too.
func (y *yamlWriter) head(c Comment, indent string) (line string) {
	if strings.Contains(c.Line, "\n") {
		y.comment(joinComments(c.Head, c.Line), indent)
		return ""
	}
	y.comment(c.Head, indent)
	if c.Line != "" {
		return " # " + commentText(c.Line)
	}
	return ""
}

// foot writes what stands below an entry. The empty line keeps it from being above the
// next one.
func (y *yamlWriter) foot(c Comment, indent string) {
	if c.Foot != "" {
		y.comment(c.Foot, indent)
		y.b.WriteByte('\n')
	}
}

func (y *yamlWriter) mapping(w *written, indent string) {
	for i := range w.entries {
		y.entry(&w.entries[i], indent, indent)
	}
}

// entry writes one entry, whose first line is begun by lead.
func (y *yamlWriter) entry(e *writtenEntry, lead, indent string) {
	line := y.head(e.comment, indent)
	y.b.WriteString(lead)
	key := yamlString(e.key)
	if len(key) > 500 { // YAML takes no long key on the line of its value
		y.b.WriteString("? " + key + "\n" + indent)
		key = ""
	}
	y.b.WriteString(key + ":")
	y.value(e.value, line, indent)
	y.foot(e.comment, indent)
}

// value writes what stands behind a key, to the end of its last line.
func (y *yamlWriter) value(v *written, line, indent string) {
	if text, ok := yamlInline(v); ok {
		y.b.WriteString(" " + text + line + "\n")
		return
	}
	if v.kind == writtenString {
		text, _ := yamlBlock(v.text, indent+yamlIndent)
		header, body, _ := strings.Cut(text, "\n")
		y.b.WriteString(" " + header + line + "\n" + body)
		return
	}
	y.b.WriteString(line + "\n")
	if v.kind == writtenMapping {
		y.mapping(v, indent+yamlIndent)
		return
	}
	y.list(v, indent+yamlIndent)
}

func (y *yamlWriter) list(w *written, indent string) {
	for i := range w.items {
		item := &w.items[i]
		line := y.head(item.comment, indent)
		y.b.WriteString(indent + "-")
		if item.value.kind == writtenMapping && len(item.value.entries) > 0 {
			y.item(item.value, line, indent)
		} else {
			y.value(item.value, line, indent)
		}
		y.foot(item.comment, indent+yamlIndent)
	}
}

// item writes a mapping behind "-": its first entry on the same line, if no comment has
// to stand between.
func (y *yamlWriter) item(w *written, line, indent string) {
	below := indent + yamlIndent
	first := w.entries[0]
	rest := &written{kind: writtenMapping, entries: w.entries[1:]}
	if first.comment.Head != "" || strings.Contains(first.comment.Line, "\n") {
		y.b.WriteString("\n")
		rest = w
	} else {
		if line != "" {
			first.comment.Line = strings.TrimPrefix(line, " # ")
		}
		y.entry(&first, " ", below)
	}
	y.mapping(rest, below)
}

// yamlInline is a value that fits behind its key: a scalar, an empty value, or a short
// list of scalars.
func yamlInline(v *written) (string, bool) {
	switch v.kind {
	case writtenPlain:
		return v.text, true
	case writtenString:
		if _, block := yamlBlock(v.text, yamlIndent); block {
			return "", false
		}
		return yamlString(v.text), true
	case writtenMapping:
		return "{}", len(v.entries) == 0
	}
	var b strings.Builder
	for i, item := range v.items {
		text := item.value.text
		switch {
		case item.comment != (Comment{}):
			return "", false
		case item.value.kind == writtenString:
			text = yamlString(text)
			if text[0] != '"' && strings.ContainsFunc(text, func(r rune) bool { return r < 0x80 && !flowSafe(r) }) {
				text = yamlQuoted(text)
			}
		case item.value.kind != writtenPlain:
			return "", false
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(text)
		if utf8.RuneCountInString(b.String()) > 90 {
			return "", false
		}
	}
	return "[" + b.String() + "]", true
}

// flowSafe reports whether a character of ASCII means nothing between brackets.
func flowSafe(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(" _-./", r)
}
