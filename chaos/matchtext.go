package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// textPattern is a glob or a regular expression made ready. The zero one fits all.
type textPattern struct {
	form textForm
	fold bool   // without regard to case
	text []byte // of textExact, and what comes before "/**" of textUnder
	re   *regexp.Regexp
	// What any text that fits begins with, ends in and contains. An expression takes
	// some hundred nanoseconds to say no, these take five: of a hundred rules on one
	// target nearly all end here.
	prefix, suffix, inner []byte
}

type textForm uint8

const (
	textAny textForm = iota
	textExact
	textUnder // "/a/**" without other stars: by far the most common glob
	textRegexp
)

// compileText makes a pattern ready. what names it in errors; segments of a glob end
// at sep, or nowhere if it is 0.
func compileText(what, text string, sep byte, fold bool) (textPattern, error) {
	p := textPattern{fold: fold}
	switch {
	case text == "":
		return p, nil
	case len(text) > maxPattern:
		return p, fmt.Errorf("%s of %d characters: expected at most %d", what, len(text), maxPattern)
	case !utf8.ValidString(text):
		return p, fmt.Errorf("%s is not UTF-8", what)
	}
	pattern, isRegexp := strings.CutPrefix(text, "re:")
	if !isRegexp {
		if !strings.Contains(text, "*") {
			p.form, p.text = textExact, []byte(text)
			return p, nil
		}
		if under, ok := strings.CutSuffix(text, "/**"); ok && sep == '/' && !strings.Contains(under, "*") {
			p.form, p.text = textUnder, []byte(under)
			return p, nil
		}
		pattern = globPattern(text, sep)
	}
	if fold {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return p, patternError(what, text, strings.TrimPrefix(pattern, "(?i)"), err)
	}
	p.form, p.re = textRegexp, re
	if tree, err := syntax.Parse(pattern, syntax.Perl); err == nil { // it has been compiled
		p.literals(tree)
	}
	return p, nil
}

// literals finds what must be in every text that fits, where the top of the tree shows it.
func (p *textPattern) literals(tree *syntax.Regexp) {
	parts := []*syntax.Regexp{tree}
	if tree.Op == syntax.OpConcat {
		parts = tree.Sub
	}
	for i, part := range parts {
		// U+FFFD in an expression also fits bytes that are no UTF-8.
		if part.Op != syntax.OpLiteral || part.Flags&syntax.FoldCase != 0 || slices.Contains(part.Rune, utf8.RuneError) {
			continue
		}
		text := []byte(string(part.Rune))
		switch {
		case i == 1 && parts[0].Op == syntax.OpBeginText:
			p.prefix = text
		case i == len(parts)-2 && parts[i+1].Op == syntax.OpEndText:
			p.suffix = text
		case len(text) > len(p.inner):
			p.inner = text
		}
	}
}

// fits reports whether the pattern fits b.
func (p *textPattern) fits(b []byte) bool {
	switch p.form {
	case textAny:
		return true
	case textExact:
		if p.fold {
			return bytes.EqualFold(b, p.text)
		}
		return bytes.Equal(b, p.text)
	case textUnder:
		n := len(p.text)
		return bytes.HasPrefix(b, p.text) && (len(b) == n || b[n] == '/')
	}
	if len(b) < len(p.prefix)+len(p.suffix)+len(p.inner) || !bytes.HasPrefix(b, p.prefix) || !bytes.HasSuffix(b, p.suffix) || len(p.inner) > 0 && !bytes.Contains(b, p.inner) {
		return false
	}
	return p.re.Match(b)
}

// patternError says where in the pattern the fault is, which regexp's own error leaves out.
func patternError(what, text, pattern string, err error) error {
	var serr *syntax.Error
	if !errors.As(err, &serr) {
		return fmt.Errorf("%s %q: %w", what, text, err)
	}
	at := strings.Index(pattern, serr.Expr)
	if serr.Code == syntax.ErrMissingParen || serr.Code == syntax.ErrUnexpectedParen {
		at = unmatchedParen(pattern) // here Expr is the whole pattern
	}
	if at < 0 {
		at = 0
	}
	return fmt.Errorf("%s %q: %s at character %d, near %q", what, text, serr.Code, at+len("re:")+1, pattern[at:])
}

// unmatchedParen returns the place of the first closing bracket without an opening one,
// or of the last opening one that is not closed, or -1.
func unmatchedParen(pattern string) int {
	var open []int
	class := false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case c == '[':
			class = true
		case c == ']':
			class = false
		case class:
		case c == '(':
			open = append(open, i)
		case c == ')' && len(open) == 0:
			return i
		case c == ')':
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return -1
	}
	return open[len(open)-1]
}

// globPattern turns a glob into an RE2 pattern, which takes linear time on any text:
// a matcher that backtracks would let a hostile path stall its connection.
func globPattern(glob string, sep byte) string {
	segment := `.*`
	if sep != 0 {
		segment = `[^` + regexp.QuoteMeta(string(sep)) + `]*`
	}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for rest := glob; rest != ""; {
		switch {
		case sep == '/' && rest == "/**":
			b.WriteString(`(?:/.*)?`)
			rest = ""
		case sep == '/' && strings.HasPrefix(rest, "/**/"):
			b.WriteString(`/(?:.*/)?`)
			rest = rest[len("/**/"):]
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			rest = rest[2:]
		case rest[0] == '*':
			b.WriteString(segment)
			rest = rest[1:]
		default:
			_, size := utf8.DecodeRuneInString(rest)
			b.WriteString(regexp.QuoteMeta(rest[:size]))
			rest = rest[size:]
		}
	}
	b.WriteString(`\z`)
	return b.String()
}
