package files

import (
	"bytes"
	"sort"
	"unicode/utf8"
)

// lines finds places in a text. Lines end as in package dsl: with "\n", "\r\n" or "\r".
type lines struct {
	text   []byte
	starts []int // the first byte of each line
	// last is the place that offset gave last: the next is mostly behind it, and a line
	// may be as long as the file.
	last struct{ line, col, at int }
}

func newLines(text []byte) *lines {
	l := &lines{text: text, starts: make([]int, 1, 2+bytes.Count(text, []byte{'\n'}))}
	for i := 0; i < len(text); i++ {
		if text[i] == '\n' || text[i] == '\r' && (i+1 == len(text) || text[i+1] != '\n') {
			l.starts = append(l.starts, i+1)
		}
	}
	return l
}

// offset gives the byte at a 1-based line and column, at most the end of the text.
func (l *lines) offset(line, col int) int {
	if line < 1 || line > len(l.starts) {
		return len(l.text)
	}
	at, here := l.starts[line-1], 1
	if l.last.line == line && l.last.col <= col {
		at, here = l.last.at, l.last.col
	}
	for ; here < col && at < len(l.text); here++ {
		if l.text[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, size := utf8.DecodeRune(l.text[at:])
		at += size
	}
	l.last.line, l.last.col, l.last.at = line, here, at
	return at
}

// place gives the 1-based line and column of a byte.
func (l *lines) place(offset int) (line, col int) {
	line = sort.SearchInts(l.starts, offset+1)
	return line, utf8.RuneCount(l.text[l.starts[line-1]:offset]) + 1
}

// span is the stretch from one byte to another.
func (l *lines) span(from, to int) Pos {
	var pos Pos
	pos.Line, pos.Col = l.place(from)
	pos.EndLine, pos.EndCol = l.place(to)
	return pos
}

// line gives a line without its end, "" if there is none.
func (l *lines) line(n int) []byte {
	if n < 1 || n > len(l.starts) {
		return nil
	}
	rest := l.text[l.starts[n-1]:]
	if end := bytes.IndexAny(rest, "\r\n"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

// isText tells whether text is one, and says where not. JSON takes any character but the
// control characters of ASCII, YAML fewer.
func isText(text []byte, format string, p *problems) bool {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		p.fail(Pos{}, "not_utf8", "the file is in UTF-16; expected UTF-8").Help = "save it as UTF-8"
		return false
	}
	if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
		p.fail(Pos{}, "not_text", "this is no text file: it has NUL bytes; expected YAML or JSON")
		return false
	}
	for i := 0; i < len(text); {
		if c := text[i]; c >= ' ' && c < 0x7f || c == '\n' || c == '\t' || c == '\r' {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			p.fail(newLines(text).span(i, i+1), "not_utf8", "the byte 0x%02x is not UTF-8; expected a text file in UTF-8", text[i])
			return false
		case r < ' ' || format == "yaml" && !inYAML(r):
			p.fail(newLines(text).span(i, i+size), "control_character", "the character U+%04X has no place in a text file", r).
				Help = "write it as an escape in double quotes, or leave it out"
			return false
		}
		i += size
	}
	return true
}

// inYAML tells whether a character from U+007F on may stand in YAML.
func inYAML(r rune) bool {
	return r >= 0xa0 && r != 0xfeff && r != 0xfffe && r != 0xffff || r == 0x85
}
