package files

import "bytes"

// yamlScan walks over YAML before the library does, as far as it takes to see how deep
// brackets are nested and about how many values there are: the library would need
// hundreds of bytes for each. Where the text is not well-formed the scan may see too
// little, never a limit that is not exceeded by far; the library has limits of its own.
type yamlScan struct {
	text   []byte
	at     int
	values int
	inline int // how many "- " stand before the place on its line
	bad    string
}

// withinLimits tells whether the library can be given the text, and says why not.
func withinLimits(text []byte, l *lines, p *problems) bool {
	s := &yamlScan{text: text}
	for s.at < len(text) && s.bad == "" {
		s.line()
	}
	switch at := min(s.at, len(text)-1); s.bad {
	case "too_deep":
		p.fail(l.span(at, at+1), s.bad, "this is nested more than %d deep", maxNesting)
	case "too_many_values":
		p.fail(l.span(at, at+1), s.bad, "the file has more than %d values", maxValues)
	}
	return s.bad == ""
}

func (s *yamlScan) peek(n int) byte {
	if s.at+n < len(s.text) {
		return s.text[s.at+n]
	}
	return '\n'
}

// blank tells whether the byte n behind the place ends a word.
func (s *yamlScan) blank(n int) bool {
	c := s.peek(n)
	return c == ' ' || c == '\t' || c == '\n' || c == '\r'
}

func (s *yamlScan) value() {
	if s.values++; s.values > maxValues {
		s.bad = "too_many_values"
	}
}

func (s *yamlScan) spaces() {
	for c := s.peek(0); s.at < len(s.text) && (c == ' ' || c == '\t'); c = s.peek(0) {
		s.at++
	}
}

// rest steps over what is left of the line and its end.
func (s *yamlScan) rest() {
	if end := bytes.IndexAny(s.text[s.at:], "\r\n"); end >= 0 {
		s.at += end + 1
		return
	}
	s.at = len(s.text)
}

// line steps over a line outside of brackets, and over what begins on it and goes on.
func (s *yamlScan) line() {
	begin := s.at
	s.spaces()
	indent := s.at - begin
	for s.inline = 0; s.bad == ""; {
		s.spaces()
		switch c := s.peek(0); {
		case s.at >= len(s.text) || c == '#' || c == '\n' || c == '\r':
			s.rest()
			return
		case (c == '-' || c == '?' || c == ':') && s.blank(1):
			s.at++
			s.value()
			if s.inline++; s.inline > maxNesting {
				s.bad = "too_deep"
				return
			}
			if c == '-' { // what is behind it belongs to a deeper level
				indent = s.at - begin
			}
		case c == '&' || c == '!':
			for s.at < len(s.text) && !s.blank(0) {
				s.at++
			}
		case c == '[' || c == '{':
			s.value()
			s.flow()
		case c == '"' || c == '\'':
			s.value()
			s.at += max(1, quotedEnd(s.text[s.at:]))
		case c == '|' || c == '>':
			s.value()
			s.rest()
			s.block(indent)
			return
		default:
			s.value()
			s.plain()
		}
	}
}

// plain steps over a scalar without quotes, up to the ":" behind it or the line's end.
func (s *yamlScan) plain() {
	for s.at < len(s.text) {
		switch c := s.peek(0); {
		case c == '\n' || c == '\r', c == ' ' && s.peek(1) == '#':
			return
		case c == ':' && s.blank(1):
			return
		}
		s.at++
	}
}

// block steps over the lines of a block scalar: those that are indented more.
func (s *yamlScan) block(indent int) {
	for s.at < len(s.text) {
		begin := s.at
		for s.at < len(s.text) && s.text[s.at] == ' ' {
			s.at++
		}
		if c := s.peek(0); s.at-begin <= indent && c != '\n' && c != '\r' && s.at < len(s.text) {
			s.at = begin
			return
		}
		s.rest()
	}
}

// flow steps over brackets and all that is in them.
func (s *yamlScan) flow() {
	depth := 0
	word := false // whether the place is within a scalar without quotes
	for ; s.at < len(s.text) && s.bad == ""; s.at++ {
		switch c := s.text[s.at]; {
		case c == '[' || c == '{':
			word = false
			if depth++; depth > maxNesting {
				s.bad = "too_deep"
				return
			}
		case c == ']' || c == '}':
			word = false
			if depth--; depth == 0 {
				s.at++
				return
			}
		case c == ',' || c == ':' && s.blank(1):
			word = false
			s.value()
		case (c == '"' || c == '\'') && !word:
			s.at += max(1, quotedEnd(s.text[s.at:])) - 1
		case c == '#' && (s.at == 0 || s.text[s.at-1] == ' ' || s.text[s.at-1] == '\n' || s.text[s.at-1] == '\t'):
			s.rest()
			s.at--
		case c != ' ' && c != '\t' && c != '\n' && c != '\r':
			word = true
		}
	}
}
