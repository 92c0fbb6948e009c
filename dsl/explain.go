package dsl

import (
	"fmt"
	"slices"
	"strings"
)

// explainSyntax turns the parser's message at a place into a diagnostic. Where the
// parser met an unexpected token, its place is either the token or just behind it.
func explainSyntax(m *Module, line, col int, msg string) Diagnostic {
	all := lastTokens(m.Text, line+1)
	i := badToken(all, line, col, msg)
	a := around{msg: msg}
	if i < 0 {
		return unexplained(m, line, col, a)
	}
	a.bad = all[i]
	for j, t := range []*token{&a.before, &a.before2} {
		if i-1-j >= 0 && all[i-1-j].kind != newlineToken {
			*t = all[i-1-j]
		}
	}
	if i+1 < len(all) {
		a.after = all[i+1]
	}
	for j := i; j > 0 && all[j-1].kind != newlineToken; j-- {
		a.line = all[j-1 : i+1]
	}
	if a.line == nil {
		a.line = all[i : i+1]
	}
	if a.line[0].kind == wordToken {
		a.first = a.line[0].text
	}
	for _, idiom := range idioms {
		if idiom.matches(a) {
			from, to := a.bad, a.bad
			switch {
			case idiom.code == "f_string" || idiom.code == "string_prefix":
				from = a.before
			case idiom.first && a.bad.text != idiom.code:
				from, to = a.line[0], a.line[0]
			}
			d := place2(m, from, to, idiom.code, idiom.message)
			d.Help = idiom.help
			return d
		}
	}
	return unexplained(m, line, col, a)
}

// badToken finds the token that the parser reports: the last that begins before
// the place, if the place is just behind it, else the one that begins there.
func badToken(all []token, line, col int, msg string) int {
	before := func(l, c int) bool { return l < line || l == line && c < col }
	last := -1
	for i, t := range all {
		if t.line == line && t.col == col && pointsAtStart(msg) {
			return i
		}
		if before(t.line, t.col) {
			last = i
		}
	}
	return last
}

// pointsAtStart tells whether the parser gives the place of the token itself with
// this message, rather than the place where it stopped reading.
func pointsAtStart(msg string) bool {
	for _, part := range []string{"want primary expression", "without else", "trailing comma", "stray", "unindent"} {
		if strings.Contains(msg, part) {
			return true
		}
	}
	return strings.HasPrefix(msg, "unexpected") || strings.HasPrefix(msg, "invalid")
}

// place2 is an error diagnostic for the text from one token to another.
func place2(m *Module, from, to token, code, msg string) Diagnostic {
	d := Diagnostic{Severity: Error, Code: code, File: m.Name, Line: from.line, Col: from.col, Message: msg}
	if to.kind != newlineToken {
		d.EndLine, d.EndCol = to.endLine, to.endCol
	}
	return d
}

// unexplained keeps the parser's message, at the token it means.
func unexplained(m *Module, line, col int, a around) Diagnostic {
	d := Diagnostic{Severity: Error, Code: "syntax_error", File: m.Name, Line: line, Col: col, Message: a.msg}
	if a.bad.line > 0 && !pointsAtStart(a.msg) {
		d = place2(m, a.bad, a.bad, "syntax_error", a.msg)
	}
	switch {
	case strings.Contains(a.msg, "got end of file"), a.bad.line == 0:
		if open := unclosedIn(m.Text); open.line > 0 {
			d = place2(m, open, open, "unclosed", fmt.Sprintf("%s is never closed", open.text))
			d.Help = fmt.Sprintf("the file ends while %q is open", open.text)
		}
	case slices.Contains(statements, a.bad.text) && a.before.endLine < a.bad.line && unclosed(a.line).line > 0:
		open := unclosed(a.line)
		d = place2(m, open, open, "unclosed", fmt.Sprintf("%s is never closed", open.text))
		d.Help = fmt.Sprintf("it is still open when the next statement begins, at line %d", a.bad.line)
	case strings.HasPrefix(a.msg, "unexpected '"):
		d.Help = "no bracket is open here; leave it out"
	case strings.Contains(a.msg, "invalid escape"):
		d.Code, d.Help = "bad_escape", `write \\ for a backslash, or r"…" for raw text`
	case a.bad.text == ":" && a.before.kind == wordToken && strings.Contains(a.msg, "want ','") && !slices.Contains([]string{"[", "{"}, unclosed(a.line).text):
		d.Help = fmt.Sprintf("write %s = …: what is given by name has an equals sign, the key of a dict a colon", a.before.text)
	case a.bad.text == ":" && a.before.text == ")" && strings.Contains(a.msg, "want newline") && len(a.line) > 1 && a.line[1].text == "(":
		d.Help = fmt.Sprintf("write def %s(…): where a function begins", a.first)
	case strings.Contains(a.msg, "want ','"):
		d.Help = "a comma or a closing bracket is missing before this"
	case strings.Contains(a.msg, "in string"):
		d.Code, d.Message = "unclosed", "the string is not closed"
		d.Help = `close it on the same line, or write """ for several lines`
	case strings.Contains(a.msg, "got indent"), strings.Contains(a.msg, "got outdent"), strings.Contains(a.msg, "want indent"), strings.Contains(a.msg, "unindent"):
		d.Code, d.Help = "indentation", "indent the lines of one block alike, with spaces; an empty body is pass"
		d.Message = "the indentation is wrong: " + a.msg
	case (a.bad.text == "else" || a.bad.text == "elif") && a.before.endLine == a.bad.line:
		d.Message = fmt.Sprintf("%s stands behind something else on its line", a.bad.text)
		d.Help = fmt.Sprintf("write %s on a line of its own, below its if", a.bad.text)
	case slices.Contains(reserved, a.bad.text):
		d.Message = fmt.Sprintf("%s is a keyword and can be no name", a.bad.text)
		d.Help = "choose another name"
	case a.bad.text == "=" && slices.Contains(reserved, a.before.text):
		d = place2(m, a.before, a.before, d.Code, fmt.Sprintf("%s is a keyword and can be no name", a.before.text))
		d.Help = "choose another name"
	}
	return d
}

// statements are words that begin a statement and stand in no expression.
var statements = []string{"def", "return", "pass", "break", "continue", "elif", "load", "while"}

// reserved are the keywords of Starlark and those it reserves.
var reserved = []string{
	"and", "break", "continue", "def", "elif", "else", "for", "if", "in", "lambda", "load", "not", "or", "pass", "return", "while",
	"as", "async", "await", "class", "del", "except", "finally", "from", "global", "import", "is", "nonlocal", "raise", "try", "with", "yield",
}

// brackets holds those that are open.
type brackets struct {
	open []token
	// deeper counts those that are open beyond the first thousand.
	deeper int
}

func (b *brackets) token(t token) {
	if t.kind != punctToken {
		return
	}
	switch t.text {
	case "(", "[", "{":
		if len(b.open) < 1000 {
			b.open = append(b.open, t)
		} else {
			b.deeper++
		}
	case ")", "]", "}":
		if b.deeper > 0 {
			b.deeper--
		} else if len(b.open) > 0 {
			b.open = b.open[:len(b.open)-1]
		}
	}
}

func (b *brackets) innermost() token {
	if len(b.open) == 0 {
		return token{}
	}
	return b.open[len(b.open)-1]
}

// unclosed finds the last bracket that is still open behind all tokens.
func unclosed(all []token) token {
	var b brackets
	for _, t := range all {
		b.token(t)
	}
	return b.innermost()
}

// unclosedIn finds the last bracket that is still open at the end of text.
func unclosedIn(text []byte) token {
	var b brackets
	eachToken(text, 1<<31-1, b.token)
	return b.innermost()
}
