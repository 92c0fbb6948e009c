package report

import (
	"strings"
	"unicode"
)

// maxText bounds one text of a report, in runes.
const maxText = 1000

// line makes a text from outside one safe line: no control characters, no marks that
// reorder text, and not too long.
func line(s string) string { return clip(scrub(s, ' '), maxText) }

// block does the same for a text of several lines.
func block(s string) string { return scrub(strings.ReplaceAll(s, "\r\n", "\n"), '\n') }

// scrub replaces what no report may have; a line break becomes lf.
func scrub(s string, lf rune) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == 0x2028 || r == 0x2029 || r == 0x85:
			return lf
		case r == '\t':
			return r
		case r < ' ' || 0x7f <= r && r < 0xa0 || bidi(r) || r == 0xfffe || r == 0xffff:
			return '·'
		case r == 0xfeff || r == 0x200b || unicode.Is(unicode.Cs, r) || unicode.Is(unicode.Co, r):
			return '·'
		}
		return r // strings.Map makes U+FFFD of what is no UTF-8
	}, s)
}

// bidi says whether a character reorders those around it.
func bidi(r rune) bool {
	return 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x061c
}

// clip cuts a text to so many runes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	count := 0
	for i := range s {
		if count == n {
			return s[:i] + "…"
		}
		count++
	}
	return s
}

// pick gives at most n of a list, in its order: first those that matter, then those that
// come first. It says how many are left out.
func pick[T any](list []T, n int, matters func(T) bool) (picked []T, left int) {
	if len(list) <= n {
		return list, 0
	}
	chosen := make([]bool, len(list))
	room := n
	for _, want := range []bool{true, false} {
		for i, v := range list {
			if room > 0 && !chosen[i] && matters(v) == want {
				chosen[i] = true
				room--
			}
		}
	}
	for i, v := range list {
		if chosen[i] {
			picked = append(picked, v)
		}
	}
	return picked, len(list) - n
}
