package files

import (
	"math"
	"strconv"
	"strings"
)

// setNumber gives a node the value of a number in decimal, such as "-12", "1.5e3",
// ".5" or "+7", in the form of Starlark and JSON.
func (n *node) setNumber(text string, p *problems) {
	text = strings.TrimPrefix(text, "+")
	n.kind, n.text = intNode, text
	if strings.ContainsAny(text, ".eE") {
		n.kind = floatNode
	}
	if len(text) > maxDigits {
		p.fail(n.pos, "number_too_long", "a number of %d characters; expected at most %d", len(text), maxDigits)
		n.kind = badNode
		return
	}
	if n.kind == intNode {
		if text[0] == '0' && len(text) > 1 || text[0] == '-' {
			n.text = n.bigInt().String() // without leading zeros
		}
		return
	}
	if f, _ := strconv.ParseFloat(text, 64); math.IsInf(f, 0) {
		p.fail(n.pos, "not_finite", "%s is larger than any number that can be used; expected one below 1.8e308", short(text))
		n.kind = badNode
		return
	}
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	mantissa, exponent := text, ""
	if e := strings.IndexAny(text, "eE"); e >= 0 {
		mantissa, exponent = text[:e], text[e:]
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if point && fraction == "" {
		fraction = "0"
	}
	n.text = sign + whole
	if point {
		n.text += "." + fraction
	}
	n.text += exponent
}
