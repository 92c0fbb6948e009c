package dsl

import (
	"bytes"
	"unicode/utf8"
)

// lineBreak finds the first line break of text as Starlark's scanner does: "\n",
// "\r\n" or "\r". It returns where it starts and how long it is; -1 if there is none.
func lineBreak(text []byte) (at, size int) {
	i := bytes.IndexAny(text, "\r\n")
	if i >= 0 && text[i] == '\r' && i+1 < len(text) && text[i+1] == '\n' {
		return i, 2
	}
	return i, 1
}

// sourceLine returns the n-th line of text, counted from 1.
func sourceLine(text []byte, n int) (string, bool) {
	for ; n > 1; n-- {
		at, size := lineBreak(text)
		if at < 0 {
			return "", false
		}
		text = text[at+size:]
	}
	if at, _ := lineBreak(text); at >= 0 {
		text = text[:at]
	}
	return string(text), n == 1 && text != nil
}

// lineCol gives the 1-based line and column, in characters, of a byte of text.
func lineCol(text []byte, offset int) (line, col int) {
	line = 1
	rest := text[:offset]
	for {
		at, size := lineBreak(rest)
		if at < 0 {
			return line, utf8.RuneCount(rest) + 1
		}
		rest = rest[at+size:]
		line++
	}
}

// badText finds what makes text unfit for a script: where it is, and what it is.
func badText(text []byte) (offset int, what string, bad bool) {
	nul := bytes.IndexByte(text, 0)
	if nul >= 0 && utf8.Valid(text[:nul]) {
		return nul, "a NUL byte: this is no text file", true
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i, "a byte that is not UTF-8", true
		}
		i += size
	}
	return 0, "", false
}

// utf8BOM may begin a file written on Windows; it is not part of the script.
var utf8BOM = []byte("\xef\xbb\xbf")

// A lineIndex finds places of a text without walking over it each time.
type lineIndex struct {
	text   []byte
	starts []int // the first byte of each line
}

func newLineIndex(text []byte) *lineIndex {
	x := &lineIndex{text: text, starts: []int{0}}
	for from := 0; ; {
		at, size := lineBreak(text[from:])
		if at < 0 {
			return x
		}
		from += at + size
		x.starts = append(x.starts, from)
	}
}

// span returns the text between two 1-based places, "" if they are not in it.
func (x *lineIndex) span(line, col, endLine, endCol int) string {
	from, ok1 := x.offset(line, col)
	to, ok2 := x.offset(endLine, endCol)
	if !ok1 || !ok2 || to < from {
		return ""
	}
	return string(x.text[from:to])
}

// offset gives the byte at a 1-based line and column.
func (x *lineIndex) offset(line, col int) (int, bool) {
	if line < 1 || line > len(x.starts) {
		return 0, false
	}
	offset := x.starts[line-1]
	for ; col > 1; col-- {
		if offset >= len(x.text) {
			return 0, false
		}
		_, size := utf8.DecodeRune(x.text[offset:])
		offset += size
	}
	return offset, true
}
