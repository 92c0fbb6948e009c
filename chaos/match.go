package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// Match narrows a fault to some requests: all that is given must hold. The zero Match
// fits everything. Of a connection that is not parsed (tcp) only the counts can hold;
// a fault with a method or a path does not meet it.
type Match struct {
	// Method is one of these, in capitals; empty fits all.
	Method []string `json:"method,omitempty"`
	// Path is a glob or, after "re:", an RE2 pattern that fits anywhere unless it is
	// anchored. It is held against the path alone, percent-decoded, without query.
	//
	// In a glob "*" is any part of one segment and "**" anything; "/**" at the end
	// also fits without anything after it, and "/**/" also fits one slash. A glob fits
	// the whole path.
	Path string `json:"path,omitempty"`
	// After leaves out that many of the requests that fit the above.
	After uint64 `json:"after,omitempty"`
	// First ends with that many of those that are left; 0 is no end.
	First uint64 `json:"first,omitempty"`
	// Every takes each n-th of those that are left, beginning with the n-th; 0 is all.
	Every uint64 `json:"every,omitempty"`
}

// maxPattern bounds a path pattern, whose compiled form grows with it.
const maxPattern = 4096

// Request is what a Matcher looks at. Its slices are only read.
type Request struct {
	Method []byte
	// Target is that of the request line, in any of its forms.
	Target []byte
}

// Matcher is a Match made ready. It has no state and may be shared.
type Matcher struct {
	match   Match
	methods [][]byte
	// form says whether text or re is in use for the path.
	form   pathForm
	text   []byte
	re     *regexp.Regexp
	anyReq bool
}

type pathForm uint8

const (
	pathAny pathForm = iota
	pathExact
	pathRegexp
)

// Compile makes m ready, or says what is wrong with it. A nil Match fits everything.
func (m *Match) Compile() (*Matcher, error) {
	if m == nil {
		return &Matcher{anyReq: true}, nil
	}
	c := &Matcher{match: *m, anyReq: len(m.Method) == 0 && m.Path == ""}
	for _, method := range m.Method {
		if method == "" || strings.ContainsFunc(method, func(r rune) bool { return r <= ' ' || r >= 0x7f || 'a' <= r && r <= 'z' }) {
			return nil, fmt.Errorf("match method %q: expected a method in capitals, such as \"GET\"", method)
		}
		c.methods = append(c.methods, []byte(method))
	}
	return c, c.compilePath(m.Path)
}

func (c *Matcher) compilePath(path string) error {
	if path == "" {
		return nil
	}
	if len(path) > maxPattern {
		return fmt.Errorf("match path of %d characters: expected at most %d", len(path), maxPattern)
	}
	pattern, isRegexp := strings.CutPrefix(path, "re:")
	if !isRegexp {
		if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "*") {
			return fmt.Errorf("match path %q: expected a glob that begins with \"/\" or \"*\", or \"re:\" and a pattern", path)
		}
		if !strings.Contains(path, "*") {
			c.form, c.text = pathExact, []byte(path)
			return nil
		}
		pattern = globPattern(path)
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return patternError(path, pattern, err)
	}
	c.form, c.re = pathRegexp, re
	return nil
}

// patternError says where in the pattern the fault is, which regexp's own error leaves out.
func patternError(path, pattern string, err error) error {
	var serr *syntax.Error
	if !errors.As(err, &serr) {
		return fmt.Errorf("match path %q: %w", path, err)
	}
	at := strings.Index(pattern, serr.Expr)
	if serr.Code == syntax.ErrMissingParen || serr.Code == syntax.ErrUnexpectedParen {
		at = unmatchedParen(pattern) // here Expr is the whole pattern
	}
	if at < 0 {
		at = 0
	}
	return fmt.Errorf("match path %q: %s at character %d, near %q", path, serr.Code, at+len("re:")+1, pattern[at:])
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

// globPattern turns a glob into an RE2 pattern, which takes linear time on any path:
// a matcher that backtracks would let a hostile path stall its connection.
func globPattern(glob string) string {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for rest := glob; rest != ""; {
		switch {
		case rest == "/**":
			b.WriteString(`(?:/.*)?`)
			rest = ""
		case strings.HasPrefix(rest, "/**/"):
			b.WriteString(`/(?:.*/)?`)
			rest = rest[len("/**/"):]
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			rest = rest[2:]
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
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

// Parsed reports whether m asks for something that only a parsed request has.
func (c *Matcher) Parsed() bool { return !c.anyReq }

// Fits reports whether everything but the counts holds for req.
func (c *Matcher) Fits(req *Request) bool {
	if c.anyReq {
		return true
	}
	if len(c.methods) > 0 && !c.fitsMethod(req.Method) {
		return false
	}
	switch c.form {
	case pathExact:
		return bytes.Equal(requestPath(req.Target), c.text)
	case pathRegexp:
		return c.re.Match(requestPath(req.Target))
	}
	return true
}

func (c *Matcher) fitsMethod(method []byte) bool {
	for _, m := range c.methods {
		if bytes.Equal(m, method) {
			return true
		}
	}
	return false
}

// Counts reports whether the counts hold for the n-th request that fits, from 0.
func (c *Matcher) Counts(n uint64) bool {
	m := &c.match
	if n < m.After {
		return false
	}
	n -= m.After
	if m.First > 0 && n >= m.First {
		return false
	}
	return m.Every == 0 || (n+1)%m.Every == 0
}

// requestPath returns the decoded path of a request target: "/a?b", "http://h/a" or "*".
func requestPath(target []byte) []byte {
	if len(target) > 0 && target[0] != '/' {
		if i := bytes.Index(target, []byte("://")); i > 0 {
			target = target[i+3:]
			slash := bytes.IndexAny(target, "/?")
			if slash < 0 || target[slash] == '?' {
				return []byte("/")
			}
			target = target[slash:]
		}
	}
	if i := bytes.IndexAny(target, "?#"); i >= 0 {
		target = target[:i]
	}
	if bytes.IndexByte(target, '%') >= 0 {
		if path, err := url.PathUnescape(string(target)); err == nil {
			return []byte(path)
		}
	}
	return target
}
