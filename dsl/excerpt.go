package dsl

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxExcerpt is how many columns of a source line are shown.
const maxExcerpt = 100

// A cell is one character of a source line as it is shown.
type cell struct {
	text  string
	width int // columns on the terminal
}

// cells splits a line into what is shown for each of its characters. A tab becomes
// four spaces, so that the caret below does not depend on the terminal's tab stops.
func cells(line string) []cell {
	out := make([]cell, 0, len(line))
	for i := 0; i < len(line); {
		r, size := utf8.DecodeRuneInString(line[i:])
		c := cell{line[i : i+size], 1}
		switch {
		case r == utf8.RuneError && size == 1:
			c = escaped(fmt.Sprintf(`\x%02x`, line[i]))
		case r == '\t':
			c = escaped("    ")
		case !shown(r):
			c = escaped(escapeRune(r))
		case unicode.Is(unicode.Mn, r):
			c.width = 0
		case wide(r):
			c.width = 2
		}
		out = append(out, c)
		i += size
	}
	return out
}

func escaped(text string) cell { return cell{text, len(text)} }

// excerpt returns a line, cut around the characters [col, endCol) (1-based), and
// the caret line that goes below it.
func excerpt(line string, col, endCol int) (text, caret string) {
	line, col, endCol = nearby(strings.TrimRight(line, " \t"), col, endCol)
	all := cells(line)
	from := min(max(col-1, 0), len(all))
	to := min(max(endCol-1, from+1), max(len(all), from+1))
	first, last := window(all, from, to)

	var b, under strings.Builder
	if first > 0 {
		b.WriteString("…")
		under.WriteString(" ")
	}
	for i := first; i < last; i++ {
		b.WriteString(all[i].text)
		if i < from {
			under.WriteString(strings.Repeat(" ", all[i].width))
		}
	}
	if last < len(all) {
		b.WriteString("…")
	}
	carets := 0
	for i := from; i < min(to, last); i++ {
		carets += all[i].width
	}
	under.WriteString(strings.Repeat("^", max(carets, 1)))
	return b.String(), under.String()
}

// nearby cuts a very long line to what excerpt could show of it at all.
func nearby(line string, col, endCol int) (string, int, int) {
	const reach = 8 * maxExcerpt
	if len(line) <= 4*reach {
		return line, col, endCol
	}
	offset := 0
	for n := 1; n < col && offset < len(line); n++ {
		_, size := utf8.DecodeRuneInString(line[offset:])
		offset += size
	}
	first := max(0, offset-reach)
	for first > 0 && !utf8.RuneStart(line[first]) {
		first--
	}
	last := min(len(line), offset+reach)
	skipped := utf8.RuneCountInString(line[:first])
	return line[first:last], col - skipped, endCol - skipped
}

// window picks the characters [first, last) to be shown: all if they fit, else
// some before from and as many as fit behind it.
func window(all []cell, from, to int) (first, last int) {
	total := 0
	for _, c := range all {
		total += c.width
	}
	if total <= maxExcerpt {
		return 0, len(all)
	}
	room := maxExcerpt / 3
	if to-from > maxExcerpt/2 {
		room = maxExcerpt / 6
	}
	first, last = from, from
	for first > 0 && room >= all[first-1].width {
		first--
		room -= all[first].width
	}
	used := 0
	for i := first; i < from; i++ {
		used += all[i].width
	}
	for last < len(all) && used+all[last].width <= maxExcerpt {
		used += all[last].width
		last++
	}
	// What is left over at the end of the line goes to its beginning.
	for first > 0 && last == len(all) && used+all[first-1].width <= maxExcerpt {
		first--
		used += all[first].width
	}
	return first, last
}

// shown tells whether r may stand in output as it is: neither a control character
// nor one that changes the direction or the look of the text around it.
func shown(r rune) bool {
	return r == ' ' || unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Zl, r) && !unicode.Is(unicode.Zp, r)
}

func escapeRune(r rune) string {
	switch {
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// clean escapes what must not reach a terminal or a log, line breaks included.
func clean(s string) string {
	return strings.ReplaceAll(cleanLines(s), "\n", `\n`)
}

// cleanLines is clean, but keeps line breaks.
func cleanLines(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !shown(r) }) {
		return s
	}
	var b strings.Builder
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		for _, c := range cells(line) {
			b.WriteString(c.text)
		}
	}
	return b.String()
}

// wide tells whether r takes two columns on a terminal.
func wide(r rune) bool {
	return r >= 0x1100 && (r <= 0x115f || // Hangul
		r >= 0x2e80 && r <= 0x303e || r >= 0x3041 && r <= 0xa4cf || // CJK
		r >= 0xac00 && r <= 0xd7a3 || r >= 0xf900 && r <= 0xfaff ||
		r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6 ||
		r >= 0x1f300 && r <= 0x1f64f || r >= 0x1f900 && r <= 0x1f9ff || // emoji
		r >= 0x20000 && r <= 0x3fffd)
}
