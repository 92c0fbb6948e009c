package text

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// color is the argument of an ANSI "select graphic rendition" sequence.
type color string

const (
	plain   color = ""
	bold    color = "1"
	dim     color = "2"
	red     color = "31"
	green   color = "32"
	yellow  color = "33"
	magenta color = "35"
	cyan    color = "36"
	boldRed color = "1;31"
)

// style is how symbols and colours come out.
type style struct {
	color, ascii bool
}

// sym picks a symbol.
func (s style) sym(unicode, ascii string) string {
	if s.ascii {
		return ascii
	}
	return unicode
}

// signs are those that the program itself writes into the texts of a run, such as
// "latency 50ms→800ms ±20%", as ASCII says them.
var signs = strings.NewReplacer("→", "->", "±", "+-", "×", "x", "–", "-", "…", "...", "·", ".", "↯", "!", "⟦", "[", "⟧", "]")

// legible is a text of a run in signs that the terminal has. Names keep their letters.
func (s style) legible(text string) string {
	if s.ascii {
		return signs.Replace(text)
	}
	return text
}

func (s style) dot() string      { return s.sym(" · ", ", ") }
func (s style) ellipsis() string { return s.sym("…", "~") }
func (s style) times() string    { return s.sym("×", "x") }
func (s style) fault() string    { return s.sym("↯", "!") }

// span is a piece of a line in one colour.
type span struct {
	text  string
	color color
}

// line is a line of text before it is cut and coloured. Colours are applied last,
// so that widths are counted in what is seen.
type line []span

// put appends text; everything that came from a run goes through Clean before or here.
func (l *line) put(c color, text string) *line {
	*l = append(*l, span{Clean(text), c})
	return l
}

// width is the number of cells of the line.
func (l line) width() int {
	n := 0
	for _, s := range l {
		n += width(s.text)
	}
	return n
}

// pad fills the line with blanks up to column n.
func (l *line) pad(n int) *line {
	if w := l.width(); w < n {
		*l = append(*l, span{strings.Repeat(" ", n-w), plain})
	}
	return l
}

// draw gives the line cut to n cells, without blanks at its end.
func (l line) draw(s style, n int) string {
	for len(l) > 0 && strings.TrimRight(l[len(l)-1].text, " ") == "" {
		l = l[:len(l)-1]
	}
	if len(l) > 0 {
		last := l[len(l)-1]
		l = append(l[:len(l)-1:len(l)-1], span{strings.TrimRight(last.text, " "), last.color})
	}
	if s.ascii {
		l = slices.Clone(l)
		for i := range l {
			l[i].text = s.legible(l[i].text)
		}
	}
	cut := l.width() > n
	var b strings.Builder
	for _, sp := range l {
		w := width(sp.text)
		if cut && w >= n { // the line ends in this piece, also where the piece just fits
			sp.text, w = s.cut(sp.text+" ", n), n
		}
		n -= w
		b.WriteString(s.paint(sp))
		if cut && n <= 0 {
			break
		}
	}
	return b.String()
}

// paint gives a piece of a line its colour.
func (s style) paint(sp span) string {
	if !s.color || sp.color == plain || strings.TrimSpace(sp.text) == "" {
		return sp.text
	}
	return "\x1b[" + string(sp.color) + "m" + sp.text + "\x1b[0m"
}

// cut shortens text to n cells, with a mark where something is left out.
func (s style) cut(text string, n int) string {
	if width(text) <= n {
		return text
	}
	if n <= 0 {
		return ""
	}
	used := 0
	for i, r := range text {
		w := runeWidth(r)
		if used+w > n-1 {
			return text[:i] + s.ellipsis() + strings.Repeat(" ", n-1-used)
		}
		used += w
	}
	return text
}

// Clean makes text from outside safe on one line of a terminal: control
// characters, escapes and marks that reorder text become a blank or a dot.
func Clean(s string) string {
	if !dirty(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r' || r == 0x2028 || r == 0x2029:
			return ' '
		case hostile(r):
			return '·'
		}
		return r // strings.Map makes U+FFFD of what is no UTF-8
	}, s)
}

func dirty(s string) bool {
	if !utf8.ValidString(s) {
		return true
	}
	for _, r := range s {
		if r == 0x2028 || r == 0x2029 || hostile(r) {
			return true
		}
	}
	return false
}

// hostile says whether a terminal acts on r, or a person cannot see what it does.
func hostile(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0: // C0, DEL, C1
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c: // bidi
		return true
	case r == 0xfeff, r == 0x200b, r >= 0xe0000 && r <= 0xe007f: // invisible
		return true
	}
	return false
}

// width is the number of cells that text takes.
func width(text string) int {
	n := 0
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// wide are the ranges of runes that take two cells: the scripts of East Asia in
// their wide forms, and emoji.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, {0x231a, 0x231b, 1}, {0x23e9, 0x23ec, 1}, {0x23f0, 0x23f3, 3}, {0x25fd, 0x25fe, 1},
		{0x2614, 0x2615, 1}, {0x2648, 0x2653, 1}, {0x267f, 0x2693, 20}, {0x26a1, 0x26a1, 1}, {0x26aa, 0x26ab, 1},
		{0x26bd, 0x26be, 1}, {0x26c4, 0x26c5, 1}, {0x26ce, 0x26d4, 6}, {0x26ea, 0x26ea, 1}, {0x26f2, 0x26f3, 1},
		{0x26f5, 0x26fa, 5}, {0x26fd, 0x2705, 8}, {0x270a, 0x270b, 1}, {0x2728, 0x2728, 1}, {0x274c, 0x274e, 2},
		{0x2753, 0x2755, 1}, {0x2757, 0x2757, 1}, {0x2795, 0x2797, 1}, {0x27b0, 0x27bf, 15}, {0x2b1b, 0x2b1c, 1},
		{0x2b50, 0x2b55, 5}, {0x2e80, 0x303e, 1}, {0x3041, 0x33ff, 1}, {0x3400, 0x4dbf, 1}, {0x4e00, 0x9fff, 1},
		{0xa000, 0xa4cf, 1}, {0xa960, 0xa97f, 1}, {0xac00, 0xd7a3, 1}, {0xf900, 0xfaff, 1}, {0xfe30, 0xfe6f, 1},
		{0xff00, 0xff60, 1}, {0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x16fe0, 0x18aff, 1}, {0x1b000, 0x1b2ff, 1}, {0x1f004, 0x1f004, 1}, {0x1f0cf, 0x1f0cf, 1}, {0x1f18e, 0x1f18e, 1},
		{0x1f191, 0x1f19a, 1}, {0x1f200, 0x1f320, 1}, {0x1f32d, 0x1f335, 1}, {0x1f337, 0x1f37c, 1}, {0x1f37e, 0x1f393, 1},
		{0x1f3a0, 0x1f3ca, 1}, {0x1f3cf, 0x1f3d3, 1}, {0x1f3e0, 0x1f3f0, 1}, {0x1f3f4, 0x1f3f4, 1}, {0x1f3f8, 0x1f43e, 1},
		{0x1f440, 0x1f440, 1}, {0x1f442, 0x1f4fc, 1}, {0x1f4ff, 0x1f53d, 1}, {0x1f54b, 0x1f567, 1}, {0x1f57a, 0x1f57a, 1},
		{0x1f595, 0x1f5a4, 15}, {0x1f5fb, 0x1f64f, 1}, {0x1f680, 0x1f6ff, 1}, {0x1f7e0, 0x1f7eb, 1}, {0x1f90c, 0x1f9ff, 1},
		{0x1fa70, 0x1faff, 1}, {0x20000, 0x3fffd, 1},
	},
}

func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}
