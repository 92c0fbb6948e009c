package dsl

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A token is a piece of a script as explainSyntax sees it. Starlark's own scanner
// is not exported; this one never fails, since it reads texts that do not parse.
type token struct {
	kind tokenKind
	text string
	// line and col are where it begins, endLine and endCol are just behind it.
	line, col, endLine, endCol int
}

type tokenKind uint8

const (
	wordToken tokenKind = iota
	stringToken
	numberToken
	punctToken
	newlineToken // outside of brackets only
	commentToken
)

// scan is the state of eachToken.
type scan struct {
	text      string
	line, col int
	depth     int
	yield     func(token)
}

// eachToken calls yield for the tokens of text up to the given line, comments
// included.
func eachToken(text []byte, lastLine int, yield func(token)) {
	s := &scan{text: string(text), line: 1, col: 1, yield: yield}
	for s.text != "" && s.line <= lastLine {
		s.next()
	}
}

// lastTokens returns the last few thousand tokens up to the given line, without
// comments: what an explanation looks at, however long the text is.
func lastTokens(text []byte, lastLine int) []token {
	const few = 4096
	var all []token
	eachToken(text, lastLine, func(t token) {
		if t.kind == commentToken {
			return
		}
		if len(all) == 2*few {
			all = all[:copy(all, all[few:])]
		}
		all = append(all, t)
	})
	return all
}

// next reads one token or the space before it.
func (s *scan) next() {
	r, size := utf8.DecodeRuneInString(s.text)
	switch {
	case r == '\n' || r == '\r':
		if s.depth == 0 {
			s.emit(newlineToken, lineBreakLen(s.text))
		} else {
			s.advance(lineBreakLen(s.text))
		}
	case r == ' ' || r == '\t':
		s.advance(size)
	case r == '\\' && len(s.text) > 1 && (s.text[1] == '\n' || s.text[1] == '\r'):
		s.advance(1 + lineBreakLen(s.text[1:]))
	case r == '#':
		n := strings.IndexAny(s.text, "\r\n")
		if n < 0 {
			n = len(s.text)
		}
		s.emit(commentToken, n)
	case r == '"' || r == '\'':
		s.emit(stringToken, stringLen(s.text))
	case unicode.IsDigit(r):
		s.emit(numberToken, prefixLen(s.text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' }))
	case unicode.IsLetter(r) || r == '_':
		n := prefixLen(s.text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' })
		switch s.text[:n] {
		case "r", "b", "rb", "br": // Starlark's own string prefixes
			if n < len(s.text) && (s.text[n] == '"' || s.text[n] == '\'') {
				s.emit(stringToken, n+stringLen(s.text[n:]))
				return
			}
		}
		s.emit(wordToken, n)
	default:
		s.punct(r, size)
	}
}

func (s *scan) punct(r rune, size int) {
	switch r {
	case '(', '[', '{':
		s.depth++
	case ')', ']', '}':
		s.depth = max(0, s.depth-1)
	}
	for _, op := range []string{"**=", "//=", ">>=", "<<=", "...", "**", "//", "==", "!=", "<=", ">=", ":=", "->", "<<", ">>", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "&&", "||", "++", "--"} {
		if strings.HasPrefix(s.text, op) {
			s.emit(punctToken, len(op))
			return
		}
	}
	s.emit(punctToken, size)
}

// emit appends a token of n bytes.
func (s *scan) emit(kind tokenKind, n int) {
	t := token{kind: kind, text: s.text[:n], line: s.line, col: s.col}
	s.advance(n)
	t.endLine, t.endCol = s.line, s.col
	s.yield(t)
}

// advance moves the place over n bytes.
func (s *scan) advance(n int) {
	for n > 0 {
		if k := lineBreakLen(s.text); k > 0 {
			s.line, s.col = s.line+1, 1
			s.text, n = s.text[k:], n-k
			continue
		}
		_, size := utf8.DecodeRuneInString(s.text)
		s.col++
		s.text, n = s.text[size:], n-size
	}
}

// lineBreakLen is the length of the line break that s begins with, or 0.
func lineBreakLen(s string) int {
	switch {
	case strings.HasPrefix(s, "\r\n"):
		return 2
	case strings.HasPrefix(s, "\n"), strings.HasPrefix(s, "\r"):
		return 1
	}
	return 0
}

// stringLen is the length of the string literal that s begins with; one that does
// not end ends at the line's end, or with the text if it is triple-quoted.
func stringLen(s string) int {
	quote, triple := s[:1], len(s) >= 3 && s[1] == s[0] && s[2] == s[0]
	if triple {
		quote = s[:3]
	}
	for i := len(quote); i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], quote):
			return i + len(quote)
		case s[i] == '\\':
			i += max(1, lineBreakLen(s[i+1:]))
		case !triple && (s[i] == '\n' || s[i] == '\r'):
			return i
		}
	}
	return len(s)
}

func prefixLen(s string, in func(rune) bool) int {
	if n := strings.IndexFunc(s, func(r rune) bool { return !in(r) }); n >= 0 {
		return n
	}
	return len(s)
}
