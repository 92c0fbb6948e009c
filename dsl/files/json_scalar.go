package files

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// string reads a string with its quotes.
func (j *jsonReader) string() (s string, ok bool) {
	from := j.mark()
	j.next()
	var b strings.Builder
	for {
		switch c := j.peek(); {
		case j.at >= len(j.text) || c == '\n' || c == '\r':
			j.problems.fail(Pos{from.line, from.col, from.line, from.col + 1}, "json_syntax", "the string that begins here does not end on its line; expected \"\\\"\"")
			return "", false
		case c == '"':
			j.next()
			return b.String(), true
		case c == '\\':
			if !j.escape(&b) {
				return "", false
			}
		case c == '\t':
			j.fail("json_syntax", "a tab in a string; expected \"\\t\"")
			return "", false
		default:
			begin := j.at
			j.next()
			b.Write(j.text[begin:j.at])
		}
	}
}

func (j *jsonReader) escape(b *strings.Builder) bool {
	from := j.mark()
	j.next()
	c := j.peek()
	if c == 'u' {
		return j.unicode(from, b)
	}
	at := strings.IndexByte(`"\/bfnrt`, c)
	if c == 0 || at < 0 {
		if j.at < len(j.text) {
			j.next()
		}
		j.problems.fail(Pos{from.line, from.col, from.line, from.col + 2}, "json_syntax", "an unknown escape; expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX")
		return false
	}
	b.WriteByte("\"\\/\b\f\n\r\t"[at])
	j.next()
	return true
}

// unicode reads "uXXXX", and the second half of a pair. Half a pair is no character:
// it could not be written anywhere.
func (j *jsonReader) unicode(from jsonMark, b *strings.Builder) bool {
	r, ok := j.hex(from)
	if !ok {
		return false
	}
	if utf16.IsSurrogate(r) {
		low := rune(0)
		if j.peek() == '\\' && j.at+1 < len(j.text) && j.text[j.at+1] == 'u' {
			j.next()
			if low, ok = j.hex(from); !ok {
				return false
			}
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			j.problems.fail(j.from(from), "lone_surrogate", "half of a surrogate pair is no character")
			return false
		}
	}
	b.WriteRune(r)
	return true
}

// hex reads "uXXXX".
func (j *jsonReader) hex(from jsonMark) (rune, bool) {
	j.next()
	end := min(j.at+4, len(j.text))
	n, err := strconv.ParseUint(string(j.text[j.at:end]), 16, 16)
	if err != nil || end-j.at < 4 {
		j.problems.fail(j.from(from), "json_syntax", "expected four hexadecimal digits behind \\u")
		return 0, false
	}
	for range 4 {
		j.next()
	}
	return rune(n), true
}

// number reads a number, which begins with a digit or "-".
func (j *jsonReader) number(from jsonMark) *node {
	j.skipWord()
	text := string(j.text[from.at:j.at])
	n := &node{pos: j.from(from)}
	switch bad := jsonNumber(text); {
	case bad != "":
		j.problems.fail(n.pos, "json_syntax", "%s is no number: %s", short(text), bad)
		return nil
	default:
		n.setNumber(text, j.problems)
	}
	return n
}

// jsonNumber says what is wrong with a number of JSON.
func jsonNumber(text string) string {
	rest := strings.TrimPrefix(text, "-")
	whole, rest := digits(rest)
	switch {
	case whole == "":
		return "expected a digit behind \"-\""
	case len(whole) > 1 && whole[0] == '0':
		return "it begins with 0"
	}
	if after, ok := strings.CutPrefix(rest, "."); ok {
		var fraction string
		if fraction, rest = digits(after); fraction == "" {
			return "expected a digit behind \".\""
		}
	}
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		after := rest[1:]
		if after != "" && (after[0] == '+' || after[0] == '-') {
			after = after[1:]
		}
		var exponent string
		if exponent, rest = digits(after); exponent == "" {
			return "expected a digit behind the exponent's \"e\""
		}
	}
	if rest != "" {
		return "found " + strconv.Quote(short(rest)) + " behind it"
	}
	return ""
}

// digits cuts the decimal digits off the beginning.
func digits(s string) (number, rest string) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i], s[i:]
}

// word reads true, false or null, and says what a wrong word should have been.
func (j *jsonReader) word(from jsonMark) *node {
	j.skipWord()
	if j.at == from.at {
		return j.fail("json_syntax", "expected a value, found %s", j.here())
	}
	n := &node{pos: j.from(from)}
	switch text := string(j.text[from.at:j.at]); text {
	case "true", "false":
		n.kind, n.truth = boolNode, text == "true"
	case "null":
	case "NaN", "Infinity", "inf", "nan":
		j.problems.fail(n.pos, "not_finite", "%s is not a number that JSON has; expected a finite number", text)
		n.kind = badNode
	default:
		d := j.problems.fail(n.pos, "json_syntax", "expected a value, found %s", short(text))
		if d.Help = suggest(text, []string{"true", "false", "null"}, ""); !strings.HasPrefix(d.Help, "did") {
			d.Help = "strings stand in double quotes"
		}
		return nil
	}
	return n
}

// skipWord steps over what belongs to a word or a number, right or wrong.
func (j *jsonReader) skipWord() {
	for j.at < len(j.text) && !strings.ContainsRune(" \t\r\n,:[]{}\"'/#", rune(j.peek())) {
		j.next()
	}
}
