package files

import (
	"math/big"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// scalar gives a scalar the value that the core schema of YAML 1.2 says.
func (c *yamlConverter) scalar(y *yaml.Node) *node {
	n := c.new(y, stringNode)
	n.text = y.Value
	c.endScalar(y, n)
	quoted := y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	if y.Style&yaml.TaggedStyle != 0 {
		c.taggedScalar(y, n)
		return n
	}
	if n.plain = !quoted; n.plain {
		c.resolve(n)
	}
	return n
}

// resolve gives a scalar without quotes and tag its type.
func (c *yamlConverter) resolve(n *node) {
	s := n.text
	switch s {
	case "", "~", "null", "Null", "NULL":
		n.kind = nullNode
		return
	case "true", "True", "TRUE", "false", "False", "FALSE":
		n.kind, n.truth = boolNode, s[0] == 't' || s[0] == 'T'
		return
	}
	if first := s[0]; first != '.' && first != '+' && first != '-' && (first < '0' || first > '9') {
		return
	}
	switch unsigned := strings.TrimLeft(s, "+-"); {
	case len(unsigned) < len(s)-1:
		return
	case isInfinite(unsigned) || unsigned == s && (s == ".nan" || s == ".NaN" || s == ".NAN"):
		c.problems.fail(n.pos, "not_finite", "%s is not a finite number", s)
		n.kind = badNode
	case strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0o"):
		base := map[byte]int{'x': 16, 'o': 8}[s[1]]
		// SetString takes more than the schema has.
		if i, ok := new(big.Int).SetString(s[2:], base); ok && len(s) <= maxDigits && !strings.ContainsAny(s, "+-_") {
			n.kind, n.text = intNode, i.String()
		}
	default:
		c.decimal(n, unsigned)
	}
}

func isInfinite(unsigned string) bool {
	return unsigned == ".inf" || unsigned == ".Inf" || unsigned == ".INF"
}

// decimal gives a scalar the value of a decimal number, if it is one.
func (c *yamlConverter) decimal(n *node, unsigned string) {
	whole, rest := digits(unsigned)
	fraction := ""
	if after, ok := strings.CutPrefix(rest, "."); ok {
		fraction, rest = digits(after)
	}
	if whole == "" && fraction == "" {
		return
	}
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		exponent := rest[1:]
		if exponent != "" && (exponent[0] == '+' || exponent[0] == '-') {
			exponent = exponent[1:]
		}
		if exponent, rest = digits(exponent); exponent == "" {
			return
		}
	}
	if rest != "" {
		return
	}
	if len(whole) > 1 && whole[0] == '0' && len(whole) == len(unsigned) {
		c.problems.warn(n.pos, "leading_zero", "%s is the decimal number %s, as YAML 1.2 says; YAML 1.1 read it as octal", short(n.text), short(strings.TrimLeft(whole, "0"))).
			Help = "write it without the zeros, or in octal as 0o" + short(strings.TrimLeft(whole, "0"))
	}
	n.setNumber(n.text, c.problems)
}

// taggedScalar gives a scalar the type that its tag names, if it can have it.
func (c *yamlConverter) taggedScalar(y *yaml.Node, n *node) {
	want := map[string][]nodeKind{
		"!!null": {nullNode}, "!!bool": {boolNode}, "!!int": {intNode}, "!!float": {floatNode, intNode}, "!!str": {stringNode},
	}[y.Tag]
	if want == nil {
		d := c.problems.fail(n.pos, "unsupported_tag", "the tag %s is not supported; expected none, or one of !!str, !!int, !!float, !!bool, !!null", short(y.Tag))
		d.Help = "leave the tag out"
		n.kind = badNode
		return
	}
	if y.Tag == "!!str" {
		return
	}
	c.resolve(n)
	for _, kind := range want {
		if n.kind == kind {
			if y.Tag == "!!float" && kind == intNode {
				n.setNumber(n.text+".0", c.problems)
			}
			return
		}
	}
	if n.kind != badNode {
		c.problems.fail(n.pos, "unsupported_tag", "%s cannot be a %s", short(y.Value), y.Tag).Help = "leave the tag out"
		n.kind = badNode
	}
}

// end gives a list or mapping its end: that of the last thing in it, or the bracket.
func (c *yamlConverter) end(y *yaml.Node, n *node) {
	n.pos.EndLine, n.pos.EndCol = n.pos.Line, n.pos.Col
	grow := func(in *node) {
		if in.pos.EndLine > n.pos.EndLine || in.pos.EndLine == n.pos.EndLine && in.pos.EndCol > n.pos.EndCol {
			n.pos.EndLine, n.pos.EndCol = in.pos.EndLine, in.pos.EndCol
		}
	}
	for _, item := range n.items {
		grow(item)
	}
	for _, p := range n.pairs {
		if !p.merged {
			grow(p.key)
			grow(p.value)
		}
	}
	if y.Style&yaml.FlowStyle == 0 {
		return
	}
	at := c.lines.offset(n.pos.EndLine, n.pos.EndCol)
	if len(n.items)+len(n.pairs) == 0 && at < len(c.lines.text) {
		at++ // the opening bracket
	}
	for at < len(c.lines.text) && strings.IndexByte(" \t,", c.lines.text[at]) >= 0 {
		at++
	}
	if at < len(c.lines.text) && (c.lines.text[at] == ']' || c.lines.text[at] == '}') {
		n.pos.EndLine, n.pos.EndCol = c.lines.place(at + 1)
	}
}

// endScalar finds where a scalar ends, which the library does not say.
func (c *yamlConverter) endScalar(y *yaml.Node, n *node) {
	n.pos.EndLine, n.pos.EndCol = n.pos.Line, n.pos.Col
	at := c.lines.offset(n.pos.Line, n.pos.Col)
	rest := c.lines.text[at:]
	switch {
	case y.Style&(yaml.TaggedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 || y.Anchor != "":
		end := at
		for end < len(c.lines.text) && c.lines.text[end] != '\n' && c.lines.text[end] != '\r' {
			end++
		}
		text := strings.TrimRight(string(c.lines.text[at:end]), " \t")
		n.pos.EndCol += utf8.RuneCountInString(text)
	case y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		if end := quotedEnd(rest); end > 0 {
			n.pos.EndLine, n.pos.EndCol = c.lines.place(at + end)
		}
	case len(y.Value) <= len(rest) && string(rest[:len(y.Value)]) == y.Value:
		n.pos.EndCol += utf8.RuneCountInString(y.Value)
	default: // on several lines
		n.pos.EndCol += utf8.RuneCount(firstLine(rest))
	}
}

func firstLine(text []byte) []byte {
	for i, b := range text {
		if b == '\n' || b == '\r' {
			return text[:i]
		}
	}
	return text
}

// quotedEnd gives the length of a quoted scalar with its quotes, 0 if it has no end.
func quotedEnd(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			i++
		case text[i] != quote:
		case quote == '\'' && i+1 < len(text) && text[i+1] == '\'':
			i++
		default:
			return i + 1
		}
	}
	return 0
}
