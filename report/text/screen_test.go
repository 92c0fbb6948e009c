package text_test

import (
	"io"
	"strconv"
	"strings"
	"testing"
)

// screen is a terminal that breaks lines anew when its width changes, as most do.
// It knows the sequences that Live may send, and fails the test on any other.
type screen struct {
	width    int
	rows     []screenRow
	row, col int
	hidden   bool // the cursor
}

// screenRow is one row; joined says that it goes on the row before.
type screenRow struct {
	text   []rune
	joined bool
}

func newScreen(width int) *screen { return &screen{width: width, rows: make([]screenRow, 1)} }

type screenWriter struct {
	*screen
	t *testing.T
}

func (s *screen) to(t *testing.T) io.Writer { return screenWriter{s, t} }

func (w screenWriter) Write(b []byte) (int, error) {
	w.feed(w.t, string(b))
	return len(b), nil
}

func (s *screen) feed(t *testing.T, text string) {
	t.Helper()
	for text != "" {
		if rest, ok := strings.CutPrefix(text, "\x1b["); ok {
			end := strings.IndexFunc(rest, func(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' })
			if end < 0 {
				t.Fatalf("a sequence without end: %q", text)
			}
			s.sequence(t, rest[:end], rest[end])
			text = rest[end+1:]
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		switch {
		case r == '\r':
			s.col = 0
		case r == '\n':
			if s.row++; s.row == len(s.rows) {
				s.rows = append(s.rows, screenRow{})
			}
		case r < 0x20:
			t.Fatalf("control character %q", r)
		default:
			if s.col == s.width {
				s.rows = append(s.rows[:s.row+1], append([]screenRow{{joined: true}}, s.rows[s.row+1:]...)...)
				s.row, s.col = s.row+1, 0
			}
			row := &s.rows[s.row]
			for len(row.text) <= s.col {
				row.text = append(row.text, ' ')
			}
			row.text[s.col] = r
			s.col++
		}
	}
}

func (s *screen) sequence(t *testing.T, arg string, final byte) {
	t.Helper()
	row := &s.rows[s.row]
	switch {
	case final == 'm':
	case final == 'A':
		n, err := strconv.Atoi(arg)
		if err != nil || n > s.row {
			t.Fatalf("up by %q from row %d", arg, s.row)
		}
		s.row -= n
	case final == 'K' && arg == "":
		row.text = row.text[:min(s.col, len(row.text))]
		if s.row+1 < len(s.rows) {
			s.rows[s.row+1].joined = false // a line that was cut here no longer goes on there
		}
	case final == 'J' && arg == "":
		row.text = row.text[:min(s.col, len(row.text))]
		s.rows = s.rows[:s.row+1]
	case arg == "?25" && (final == 'l' || final == 'h'):
		s.hidden = final == 'l'
	default:
		t.Fatalf("unknown sequence ESC[%s%c", arg, final)
	}
}

// resize breaks all rows anew. The cursor is at the beginning of the last.
func (s *screen) resize(width int) {
	var whole [][]rune
	for _, r := range s.rows {
		if r.joined {
			whole[len(whole)-1] = append(whole[len(whole)-1], r.text...)
		} else {
			whole = append(whole, append([]rune{}, r.text...))
		}
	}
	s.width, s.rows = width, nil
	for _, text := range whole {
		joined := false
		for len(text) > width {
			s.rows = append(s.rows, screenRow{text[:width:width], joined})
			text, joined = text[width:], true
		}
		s.rows = append(s.rows, screenRow{text, joined})
	}
	s.row, s.col = len(s.rows)-1, 0
}

// lines are the rows with something on them, without blanks at their ends.
func (s *screen) lines() []string {
	var out []string
	for _, r := range s.rows {
		if text := strings.TrimRight(string(r.text), " "); text != "" {
			out = append(out, text)
		}
	}
	return out
}
