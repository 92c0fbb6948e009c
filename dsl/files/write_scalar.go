package files

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// yamlString writes a string on one line, quoted only where it would be read as
// something else.
func yamlString(s string) string {
	if yamlPlain(s) {
		return s
	}
	return yamlQuoted(s)
}

// yamlPlain reports whether a string can stand without quotes.
func yamlPlain(s string) bool {
	if s == "" || s[0] == ' ' || s[len(s)-1] == ' ' || strings.ContainsFunc(s, yamlEscaped) || !utf8.ValidString(s) {
		return false
	}
	if c := s[0]; 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
		switch strings.ToLower(s) {
		case "y", "n", "yes", "no", "on", "off", "true", "false", "null": // in YAML 1.1 or 1.2
			return false
		}
		if !strings.ContainsAny(s, ":#") {
			return true
		}
	}
	var node yaml.Node
	if len(s) > 1000 || strings.HasPrefix(s, "? ") || yaml.Unmarshal([]byte("- "+s), &node) != nil {
		return false
	}
	if len(node.Content) != 1 || node.Content[0].Kind != yaml.SequenceNode || len(node.Content[0].Content) != 1 {
		return false
	}
	item := node.Content[0].Content[0]
	return item.Kind == yaml.ScalarNode && item.Style == 0 && item.Tag == "!!str" && item.Value == s && item.LineComment == "" && item.Anchor == ""
}

// yamlEscaped reports whether a rune stands only in quotes, and escaped.
func yamlEscaped(r rune) bool {
	return !unicode.IsPrint(r) || r == unicode.ReplacementChar
}

// yamlQuoted writes a string in double quotes.
func yamlQuoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case !yamlEscaped(r) || r == unicode.ReplacementChar:
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// yamlBlock writes a string of several lines as a literal block, header line first,
// each of its lines indented; false where quotes are needed or one line is enough.
func yamlBlock(s, indent string) (string, bool) {
	text := strings.TrimRight(s, "\n")
	if !strings.Contains(s, "\n") || text == "" || text[0] == ' ' || text[0] == '\n' || !utf8.ValidString(s) {
		return "", false
	}
	header := "|"
	switch trailing := len(s) - len(text); {
	case trailing == 0:
		header = "|-"
	case trailing > 1:
		header = "|+"
	}
	var b strings.Builder
	b.WriteString(header + "\n")
	for line := range strings.SplitSeq(text, "\n") {
		if strings.ContainsFunc(line, yamlEscaped) || strings.HasSuffix(line, " ") {
			return "", false
		}
		if line != "" {
			b.WriteString(indent + line)
		}
		b.WriteByte('\n')
	}
	b.WriteString(s[min(len(text)+1, len(s)):])
	return b.String(), true
}
