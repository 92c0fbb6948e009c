package files

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// parseJSON reads JSON (RFC 8259). encoding/json would do but for the places: it gives
// none of values, and takes a key that stands twice. What goes wrong is said where it
// stands; commas too many and comments are said and read over, anything else ends it.
func parseJSON(text []byte, p *problems) *node {
	j := &jsonReader{text: text, problems: p, line: 1, col: 1}
	n := j.value(0)
	if n == nil {
		return nil
	}
	j.space()
	if j.at < len(text) {
		from := j.mark()
		code, what := "json_syntax", "expected the end of the file"
		if c := text[j.at]; c == '{' || c == '[' {
			code, what = "several_documents", "a second value begins here; expected one orchestration in a file"
		}
		j.skipWord()
		j.problems.fail(j.from(from), code, "%s", what)
	}
	return n
}

// jsonReader stands before a byte of the text.
type jsonReader struct {
	text      []byte
	problems  *problems
	at        int
	line, col int
	values    int
}

type jsonMark struct{ at, line, col int }

func (j *jsonReader) mark() jsonMark { return jsonMark{j.at, j.line, j.col} }

// from is the stretch from a mark up to here.
func (j *jsonReader) from(m jsonMark) Pos { return Pos{m.line, m.col, j.line, j.col} }

// peek is the next byte, 0 at the end: the text has no NUL.
func (j *jsonReader) peek() byte {
	if j.at < len(j.text) {
		return j.text[j.at]
	}
	return 0
}

// next steps over one character.
func (j *jsonReader) next() {
	c := j.text[j.at]
	if c >= utf8.RuneSelf {
		_, size := utf8.DecodeRune(j.text[j.at:])
		j.at += size
		j.col++
		return
	}
	j.at++
	if c == '\n' || c == '\r' && j.peek() != '\n' {
		j.line++
		j.col = 1
		return
	}
	j.col++
}

// space steps over white space, and over comments, which it says.
func (j *jsonReader) space() {
	for {
		switch j.peek() {
		case ' ', '\t', '\n', '\r':
			j.next()
		case '/', '#':
			if !j.comment() {
				return
			}
		default:
			return
		}
	}
}

// comment steps over a comment of another language, if there is one.
func (j *jsonReader) comment() bool {
	begin, end := "", ""
	for _, c := range [][2]string{{"#", "\n"}, {"//", "\n"}, {"/*", "*/"}} {
		if bytes.HasPrefix(j.text[j.at:], []byte(c[0])) {
			begin, end = c[0], c[1]
		}
	}
	if begin == "" {
		return false
	}
	from := j.mark()
	stop := len(j.text)
	if i := bytes.Index(j.text[j.at+len(begin):], []byte(end)); i >= 0 {
		stop = j.at + len(begin) + i
		if end != "\n" {
			stop += len(end)
		}
	}
	for j.at < stop {
		j.next()
	}
	j.problems.fail(j.from(from), "json_comment", "JSON has no comments").Help = "leave it out, or write the file as YAML"
	return true
}

// fail says what is wrong with the character here, and ends the reading.
func (j *jsonReader) fail(code, format string, args ...any) *node {
	from := j.mark()
	if j.at < len(j.text) {
		j.next()
	}
	pos := j.from(from)
	if pos.EndLine > pos.Line {
		pos.EndLine, pos.EndCol = pos.Line, pos.Col+1
	}
	j.problems.fail(pos, code, format, args...)
	return nil
}

// here names the next character, or the end.
func (j *jsonReader) here() string {
	if j.at >= len(j.text) {
		return "the end of the file"
	}
	r, _ := utf8.DecodeRune(j.text[j.at:])
	if r == '\n' || r == '\r' {
		return "the end of the line"
	}
	return strconv.Quote(string(r))
}

func (j *jsonReader) badKey() *node {
	found := j.here()
	if j.peek() == '\'' {
		found += "; strings of JSON stand in double quotes"
	}
	return j.fail("json_syntax", "expected a key in double quotes or \"}\", found %s", found)
}

func (j *jsonReader) value(depth int) *node {
	j.space()
	if j.values++; j.values > maxValues {
		return j.fail("too_many_values", "the file has more than %d values", maxValues)
	}
	if depth > maxNesting {
		return j.fail("too_deep", "this is nested more than %d deep", maxNesting)
	}
	from := j.mark()
	switch c := j.peek(); {
	case c == '{':
		return j.object(from, depth)
	case c == '[':
		return j.array(from, depth)
	case c == '"':
		s, ok := j.string()
		if !ok {
			return nil
		}
		return &node{kind: stringNode, text: s, pos: j.from(from)}
	case c == '-' || c >= '0' && c <= '9':
		return j.number(from)
	case c == '\'':
		return j.fail("json_syntax", "a single quote; JSON strings stand in double quotes")
	case c == '}' || c == ']' || c == ',' || c == ':' || c == 0:
		return j.fail("json_syntax", "expected a value, found %s", j.here())
	}
	return j.word(from)
}

func (j *jsonReader) object(from jsonMark, depth int) *node {
	n := &node{kind: mapNode}
	j.next()
	for {
		j.space()
		if j.peek() == '}' {
			break
		}
		if j.peek() != '"' {
			if j.at >= len(j.text) {
				return j.unclosed(from, "{")
			}
			return j.badKey()
		}
		begin := j.mark()
		s, ok := j.string()
		if !ok {
			return nil
		}
		key := &node{kind: stringNode, text: s, pos: j.from(begin)}
		j.space()
		if j.peek() != ':' {
			return j.fail("json_syntax", "expected \":\" behind the key, found %s", j.here())
		}
		j.next()
		value := j.value(depth + 1)
		if value == nil {
			return nil
		}
		j.values++
		n.pairs = append(n.pairs, pair{key: key, value: value})
		if more, ok := j.comma('}', from, "{"); !ok {
			return nil
		} else if !more {
			break
		}
	}
	j.next()
	n.pos = j.from(from)
	uniqueKeys(n, j.problems)
	return n
}

func (j *jsonReader) array(from jsonMark, depth int) *node {
	n := &node{kind: listNode}
	j.next()
	for {
		j.space()
		if j.peek() == ']' {
			break
		}
		if j.at >= len(j.text) {
			return j.unclosed(from, "[")
		}
		value := j.value(depth + 1)
		if value == nil {
			return nil
		}
		n.items = append(n.items, value)
		if more, ok := j.comma(']', from, "["); !ok {
			return nil
		} else if !more {
			break
		}
	}
	j.next()
	n.pos = j.from(from)
	return n
}

// comma steps over a comma; more is false before the end of the object or list.
func (j *jsonReader) comma(end byte, from jsonMark, opened string) (more, ok bool) {
	j.space()
	switch {
	case j.peek() == end:
		return false, true
	case j.at >= len(j.text):
		return false, j.unclosed(from, opened) != nil
	case j.peek() != ',':
		j.fail("json_syntax", "expected \",\" or %q, found %s", string(end), j.here())
		return false, false
	}
	comma := j.mark()
	j.next()
	pos := j.from(comma)
	j.space()
	if j.peek() == end {
		j.problems.fail(pos, "json_trailing_comma", "a comma before %q; JSON has commas only between values", string(end)).Help = "leave it out"
		return false, true
	}
	return true, true
}

func (j *jsonReader) unclosed(from jsonMark, opened string) *node {
	j.problems.fail(Pos{from.line, from.col, from.line, from.col + 1}, "json_syntax", "the %q that opens here is not closed", opened)
	return nil
}
