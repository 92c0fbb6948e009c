package files

import (
	"bytes"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// yamlSyntax says what the YAML library found wrong, in our words and at its place. Of
// the place the library tells a line at most, and often that of the construct in which
// the problem is, or one too few; so it is searched for.
func yamlSyntax(text []byte, l *lines, err error, p *problems) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	told := 0
	if line, rest, ok := strings.Cut(strings.TrimPrefix(message, "line "), ": "); ok && strings.HasPrefix(message, "line ") {
		told, _ = strconv.Atoi(line)
		message = rest
	}
	if name, ok := strings.CutPrefix(message, "unknown anchor '"); ok {
		unknownAnchor(strings.TrimSuffix(name, "' referenced"), l, p)
		return
	}
	e := yamlErrorOf(message)
	line := max(told, 1)
	if !e.told {
		line = problemLine(text, l, message)
	}
	pos := wholeLine(l, line)
	if e.find != nil {
		from := e.find(l.line(line))
		if from < 0 && e.find(l.line(1)) >= 0 { // of a construct on line 1 it tells the end
			line = 1
			from = e.find(l.line(line))
		}
		if from >= 0 {
			pos = l.span(l.starts[line-1]+from, l.starts[line-1]+from+1)
		}
	}
	for n := line; n <= len(l.starts) && (n == line || e.tab); n++ {
		if at := tabIn(l.line(n)); at >= 0 {
			p.fail(Pos{n, at + 1, n, at + 2}, "yaml_tab", "a tab in the indentation").Help = "indent with spaces; YAML takes no tabs there"
			return
		}
	}
	p.fail(pos, "yaml_syntax", "%s", e.message).Help = e.help
}

// yamlError is a message of the library and what we say instead.
type yamlError struct {
	theirs        string
	message, help string
	// told says that the line the library tells is the one to show.
	told bool
	// find looks for the place in its line; nil, or -1 from it, is the line as a whole.
	find func(line []byte) int
	// tab says that the cause is a tab on that line or on a later one.
	tab bool
}

func yamlErrorOf(message string) yamlError {
	for _, e := range []yamlError{
		{theirs: "mapping values are not allowed in this context", message: "a \":\" where no key can be: either the line is indented wrongly, or a value has \": \" in it",
			help: "indent the key like those beside it, or put the value in quotes", told: true, find: secondColon},
		{theirs: "could not find expected ':'", message: "a key without a \":\" behind it", help: "write it as key: value, or indent it so that it belongs to the value above", told: true},
		{theirs: "did not find expected key", message: "this does not fit into the mapping around it; expected a key", help: "indent it like the keys beside it, and close quotes and brackets"},
		{theirs: "did not find expected '-' indicator", message: "this does not fit into the list around it; expected \"- \"", help: "begin it with \"- \", or indent it so that it belongs to the item above"},
		{theirs: "did not find expected ',' or ']'", message: "expected \",\" or \"]\"", help: "every \"[\" needs its \"]\", and the values in it commas"},
		{theirs: "did not find expected ',' or '}'", message: "expected \",\" or \"}\"", help: "every \"{\" needs its \"}\", and the entries in it commas"},
		{theirs: "did not find expected node content", message: "expected a value", help: "a \"[\" or \"{\" needs its end, and a comma something before it"},
		{theirs: "did not find expected <document start>", message: "this stands behind the end of the document", help: "indent it so that it belongs to what is above"},
		{theirs: "found incompatible YAML document", message: "this is not a version of YAML that is read", help: "write %YAML 1.2, or leave the line out", told: true},
		{theirs: "found duplicate %YAML directive", message: "the directive %YAML stands here twice", help: "leave one out", told: true},
		{theirs: "found unexpected end of stream", message: "the quoted string that begins here has no end", help: "close it with the same quote", told: true, find: firstQuote},
		{theirs: "found unexpected document indicator", message: "the quoted string that begins here has no end before the next document", help: "close it with the same quote", told: true, find: firstQuote},
		{theirs: "found character that cannot start any token", message: "this character cannot begin a value", help: "put the value in quotes", told: true, find: badStart},
		{theirs: "block sequence entries are not allowed in this context", message: "a \"- \" where no list can begin", help: "put the list on a line of its own, below its key", told: true},
		{theirs: "found unknown escape character", message: "a \"\\\" with a character behind it that is no escape", help: "write \\\\ for a backslash, or put the string in single quotes", told: true, find: badEscape},
		{theirs: "did not find expected alphabetic or numeric character", message: "\"*\" and \"&\" begin the name of an anchor; this is none", help: "put the value in quotes", told: true, find: badName},
		{theirs: "found a tab character that violates indentation", message: "a tab in the indentation", help: "indent with spaces; YAML takes no tabs there", told: true, tab: true},
	} {
		if e.theirs == message {
			return e
		}
	}
	return yamlError{message: message, told: false}
}

// problemLine finds the line at which the library stops, by giving it the text line by
// line: what it has not asked for cannot be the problem. It reads some lines ahead, so
// then those before are tried as the last one.
func problemLine(text []byte, l *lines, message string) int {
	r := &lineReader{text: text, lines: l}
	if readAllYAML(r) == nil {
		return 1
	}
	last := max(r.given, 1)
	for line := max(1, last-4); line < last; line++ {
		err := readAllYAML(bytes.NewReader(text[:l.starts[line]]))
		if err != nil && strings.HasSuffix(err.Error(), message) {
			last = line
			break
		}
	}
	for last > 1 && len(bytes.TrimSpace(l.line(last))) == 0 {
		last-- // the end of a file is nothing to look at
	}
	return last
}

// readAllYAML reads every document, and returns nil if that goes well.
func readAllYAML(r io.Reader) error {
	dec := yaml.NewDecoder(r)
	for {
		if _, err := decodeYAML(dec); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// lineReader gives a line at each read, and counts them.
type lineReader struct {
	text  []byte
	lines *lines
	given int
	at    int
}

func (r *lineReader) Read(b []byte) (int, error) {
	if r.at >= len(r.text) {
		return 0, io.EOF
	}
	if r.given < len(r.lines.starts) && r.at >= r.lines.starts[r.given] {
		r.given++
	}
	end := len(r.text)
	if r.given < len(r.lines.starts) {
		end = r.lines.starts[r.given]
	}
	n := copy(b, r.text[r.at:end])
	r.at += n
	return n, nil
}

// wholeLine is a line without its indentation.
func wholeLine(l *lines, line int) Pos {
	text := l.line(line)
	trimmed := bytes.TrimLeft(text, " \t")
	col := len(text) - len(trimmed) + 1
	return Pos{line, col, line, max(col+1, col+utf8.RuneCount(bytes.TrimRight(trimmed, " \t")))}
}

func unknownAnchor(name string, l *lines, p *problems) {
	pos := Pos{}
	if at := bytes.Index(l.text, []byte("*"+name)); at >= 0 {
		pos = l.span(at, at+1+len(name))
	}
	d := p.fail(pos, "unknown_anchor", "there is no anchor &%s before this", short(name))
	d.Help = "put a value that begins with \"*\" in quotes, or name the anchor before it"
}

// tabIn finds a tab in the indentation of a line.
func tabIn(line []byte) int {
	for i, b := range line {
		if b == '\t' {
			return i
		}
		if b != ' ' && b != '-' {
			return -1
		}
	}
	return -1
}

// badStart finds a character with which no value can begin.
func badStart(line []byte) int {
	return firstOf(line, regexp.MustCompile("(?:^|[ \\[{,])([@`%])"))
}

// badEscape finds a backslash that begins no escape.
func badEscape(line []byte) int {
	return firstOf(line, regexp.MustCompile(`(?:^|[^\\])(?:\\\\)*(\\[^0abt\tnvfe "/\\N_LPxuU])`))
}

// badName finds where the name of an anchor would begin.
func badName(line []byte) int {
	return firstOf(line, regexp.MustCompile(`(?:^|[ \[{,])([*&])`))
}

// secondColon finds the ":" behind the first one.
func secondColon(line []byte) int {
	first := bytes.Index(line, []byte(": "))
	if first < 0 {
		return -1
	}
	second := firstOf(line[first+2:], regexp.MustCompile(`(:)(?: |$)`))
	if second < 0 {
		return first
	}
	return first + 2 + second
}

// firstQuote finds the first quote that begins a value.
func firstQuote(line []byte) int {
	return firstOf(line, regexp.MustCompile(`(?:^|[ \[{,])(["'])`))
}

// firstOf finds the first group of a pattern.
func firstOf(line []byte, pattern *regexp.Regexp) int {
	if m := pattern.FindSubmatchIndex(line); m != nil {
		return m[2]
	}
	return -1
}
