package effects

import (
	"regexp"
	"strings"
)

// glob is a compiled pattern for URLs and step paths: "*" is anything within a
// segment between slashes, "**" anything. Nothing else is special. It is linear in
// the text, whatever the pattern.
type glob struct {
	text string
	re   *regexp.Regexp
}

// maxGlob bounds a pattern's length.
const maxGlob = 4 << 10

// compileGlob reads a pattern of at most maxGlob bytes.
func compileGlob(text string) (*glob, error) {
	if len(text) > maxGlob {
		return nil, problem(CodeInvalid, "pattern of %d bytes; at most %d are allowed", len(text), maxGlob)
	}
	quoted := regexp.QuoteMeta(text)
	quoted = strings.ReplaceAll(quoted, `\*\*`, `(?s:.*)`)
	quoted = strings.ReplaceAll(quoted, `\*`, `[^/]*`)
	re, err := regexp.Compile("^" + quoted + "$")
	if err != nil {
		return nil, problem(CodeInvalid, "pattern %q: %v", text, err)
	}
	return &glob{text, re}, nil
}

// match reports whether all of s matches.
func (g *glob) match(s string) bool { return g.re.MatchString(s) }

// matchURL matches s, without its query unless the pattern has one.
func (g *glob) matchURL(s string) bool {
	if !strings.Contains(g.text, "?") {
		s, _, _ = strings.Cut(s, "?")
	}
	return g.match(s)
}
