package builtins

import (
	"encoding/base64"
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A mask finds the text of a secret in what came from outside, also where it was written in
// another way: each character by itself may be escaped as in JSON or a program's quotes, in
// addresses or in HTML, since everybody escapes other ones; and all of it may be base64 or
// hexadecimal, of it alone or of more that it is part of.
type mask struct {
	placeholder string
	chars       []maskChar
	forms       []string // as a whole; the longest first
}

// maskChar is a character, behind the backslashes before it. Escaped texts have more of them:
// they are counted, and what is too many escapes.
type maskChar struct {
	slashes int
	char    string // "" where the text ends in backslashes
}

// newMask makes the one of a text that is not empty.
func newMask(text, placeholder string) *mask {
	m := &mask{placeholder: placeholder, forms: wholeForms(text)}
	slashes := 0
	for len(text) > 0 {
		_, size := utf8.DecodeRuneInString(text)
		if text[0] == '\\' {
			slashes++
		} else {
			m.chars = append(m.chars, maskChar{slashes, text[:size]})
			slashes = 0
		}
		text = text[size:]
	}
	if slashes > 0 {
		m.chars = append(m.chars, maskChar{slashes, ""})
	}
	return m
}

// minCore is how long a part of base64 is at least that is taken for a secret's.
const minCore = 8

// wholeForms lists the forms of a text in which it has no characters any more. Of base64 these
// are the digits that are the same whatever stands around the text, at each of the three
// places where it can begin: "user:" before a password moves it.
func wholeForms(text string) []string {
	raw := []byte(text)
	forms := []string{base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw)}
	for before := range 3 {
		digits := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), raw...))
		core := digits[(before*8+5)/6 : (before+len(raw))*8/6]
		if len(core) >= minCore {
			forms = append(forms, core)
		}
	}
	for _, form := range forms {
		forms = append(forms, strings.NewReplacer("+", "-", "/", "_").Replace(form))
	}
	if len(raw)*2 >= minCore {
		digits := fmt.Sprintf("%x", raw)
		forms = append(forms, digits, strings.ToUpper(digits))
	}
	slices.SortFunc(forms, func(a, b string) int {
		if d := len(b) - len(a); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(forms)
}

// starts notes the bytes with which the text may begin in some form.
func (m *mask) starts(at *[256]bool) {
	for _, form := range m.forms {
		at[form[0]] = true
	}
	for _, c := range []byte(`\%&`) {
		at[c] = true
	}
	first := m.chars[0]
	if first.char != "" {
		at[first.char[0]] = true
	}
	at['+'] = at['+'] || first.char == " "
}

// match is how many bytes at the beginning of s are the text, 0 if it does not begin with it.
func (m *mask) match(s string) int {
	n := matchChars(m.chars, s)
	for _, form := range m.forms {
		if len(form) > n && strings.HasPrefix(s, form) {
			return len(form)
		}
	}
	return n
}

// matchChars is match for the characters.
func matchChars(chars []maskChar, s string) int {
	n := 0
	for i, c := range chars {
		escaped, plain := c.match(s[n:])
		if escaped > 0 && plain > 0 { // & may begin &amp;, or amp; follow in the secret
			if rest := chars[i+1:]; len(rest) == 0 {
				return n + escaped
			} else if k := matchChars(rest, s[n+escaped:]); k > 0 {
				return n + escaped + k
			}
			escaped = 0
		}
		if escaped+plain == 0 {
			return 0
		}
		n += escaped + plain
	}
	return n
}

// match gives how long the character is at the beginning of s if it is escaped there, and if
// it is not; 0 where that is not so.
func (c maskChar) match(s string) (escaped, plain int) {
	n, slashes := 0, 0
	for slashes <= maxEscaping*(c.slashes+1) { // a megabyte of them is not counted at each
		switch rest := s[n:]; {
		case strings.HasPrefix(rest, `\`):
			n++
		case len(rest) >= 3 && strings.EqualFold(rest[:3], "%5c"):
			n += 3
		case strings.HasPrefix(rest, "&#92;"):
			n += 5
		default:
			if slashes < c.slashes {
				return 0, 0
			}
			if strings.HasPrefix(rest, c.char) {
				plain = n + len(c.char)
			}
			if c.char == "" {
				return 0, plain
			}
			k := max(c.inAddress(rest), c.inHTML(rest))
			if slashes > c.slashes {
				k = max(k, c.quoted(rest))
			}
			if k > 0 {
				escaped = n + k
			}
			return escaped, plain
		}
		slashes++
	}
	return 0, 0
}

// maxEscaping is how many backslashes a character or a backslash may have become: each time
// that a text is escaped there are twice as many.
const maxEscaping = 16

// inAddress is the length of the character as %C3%A9, or + for a blank, at the beginning of s.
func (c maskChar) inAddress(s string) int {
	if c.char == " " && strings.HasPrefix(s, "+") {
		return 1
	}
	for i := range len(c.char) {
		if len(s) < 3*i+3 || s[3*i] != '%' {
			return 0
		}
		if b, err := strconv.ParseUint(s[3*i+1:3*i+3], 16, 8); err != nil || byte(b) != c.char[i] {
			return 0
		}
	}
	return 3 * len(c.char)
}

// quoted is the length of what stands for the character behind a backslash.
func (c maskChar) quoted(s string) int {
	r, size := utf8.DecodeRuneInString(c.char)
	if s == "" {
		return 0
	}
	if i := strings.IndexByte("abfnrtv0", s[0]); i >= 0 && c.char == "\a\b\f\n\r\t\v\x00"[i:i+1] {
		return 1
	}
	digits := func(s string, n int) rune {
		if len(s) < n {
			return -1
		}
		v, err := strconv.ParseUint(s[:n], 16, 31)
		if err != nil {
			return -1
		}
		return rune(v)
	}
	switch {
	case s[0] == 'x' && size == 1 && digits(s[1:], 2) == rune(c.char[0]):
		return 3
	case r == utf8.RuneError && size == 1: // a byte that is no text
		return 0
	case s[0] == 'u' && digits(s[1:], 4) == r:
		return 5
	case s[0] == 'U' && digits(s[1:], 8) == r:
		return 9
	case s[0] == 'u' && r > 0xffff: // two halves
		high, low := 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff
		rest := strings.TrimLeft(s[min(5, len(s)):], `\`)
		if digits(s[1:], 4) == high && strings.HasPrefix(rest, "u") && digits(rest[1:], 4) == low {
			return len(s) - len(rest) + 5
		}
	}
	return 0
}

// inHTML is the length of the character as a reference such as &lt; or &#39;.
func (c maskChar) inHTML(s string) int {
	if !strings.HasPrefix(s, "&") {
		return 0
	}
	end := strings.IndexByte(s[:min(len(s), 12)], ';')
	if end < 0 || html.UnescapeString(s[:end+1]) != c.char {
		return 0
	}
	return end + 1
}
