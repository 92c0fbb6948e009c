package text

import "fmt"

// entry is one entry of a block of the summary: what it is, and more of it.
type entry struct {
	color         color
	subject, text string
	last          bool // shown also where others are left out
}

// entry adds an entry to the block that comes.
func (s *summary) entry(c color, subject, text string) {
	s.entries = append(s.entries, entry{color: c, subject: Clean(subject), text: text})
}

// last adds an entry that is shown however many there are before it.
func (s *summary) last(subject, text string) {
	s.entries = append(s.entries, entry{subject: subject, text: text, last: true})
}

// block writes the entries under a title, the text of all beginning in one column;
// nothing if there are none.
func (s *summary) block(c color, title string) {
	entries := s.entries
	s.entries = nil
	if len(entries) == 0 {
		return
	}
	column := 0
	for i, e := range entries {
		if i < maxListed || e.last {
			column = max(column, 4+width(e.subject)+2)
		}
	}
	column = min(max(column, 20), s.width*9/20)

	s.add(nil)
	s.add(*new(line).put(c, "  "+title))
	left := 0
	for i, e := range entries {
		if i >= maxListed && !e.last {
			left++
			continue
		}
		if left > 0 {
			s.left(left)
			left = 0
		}
		s.write(e, column)
	}
	s.left(left)
}

func (s *summary) left(n int) {
	if n > 0 {
		s.add(*new(line).put(dim, fmt.Sprintf("    %s %d more; --output json has them all", s.ellipsis(), n)))
	}
}

func (s *summary) write(e entry, column int) {
	var l line
	l.put(plain, "    ").put(e.color, e.subject)
	if e.text == "" || l.width() > column-2 { // too long to share a line
		s.add(l)
		l = line{}
	}
	if e.text == "" {
		return
	}
	for _, part := range s.lines(e.text, s.width-column) {
		s.add(*l.pad(column).put(plain, part))
		l = line{}
	}
}
