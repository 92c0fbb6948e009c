package files

import (
	"math/big"
	"strconv"
	"unicode/utf8"

	"starquake/dsl"
)

// node is one value of a file, whichever format it came in.
type node struct {
	kind nodeKind
	// plain says that a string stands without quotes, so that YAML read it as one.
	plain bool
	truth bool // of a boolean
	pos   Pos
	// text is a string's value, and a number in decimal as Starlark and JSON write it.
	text    string
	items   []*node // of a list
	pairs   []pair  // of a mapping, in the order of the file
	comment *Comment
}

// pair is one key of a mapping and its value.
type pair struct {
	key   *node // a string
	value *node
	// merged says that the pair was brought in by "<<", and stands elsewhere.
	merged bool
}

type nodeKind uint8

const (
	nullNode nodeKind = iota
	boolNode
	intNode
	floatNode
	stringNode
	listNode
	mapNode
	badNode // what it is has been said to be wrong
)

// get returns the value of a key, or nil.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for i := range n.pairs {
		if n.pairs[i].key.text == key {
			return n.pairs[i].value
		}
	}
	return nil
}

// keyOf returns the node of a key, or nil.
func (n *node) keyOf(key string) *node {
	for i := range n.pairs {
		if n.pairs[i].key.text == key {
			return n.pairs[i].key
		}
	}
	return nil
}

// number is the value of a number; whole tells whether it has no fraction.
func (n *node) number() (value float64, whole bool) {
	value, _ = strconv.ParseFloat(n.text, 64) // an infinity where the exponent is too large
	return value, n.kind == intNode || value == float64(int64(value))
}

// bigInt is the value of an integer.
func (n *node) bigInt() *big.Int {
	if i, err := strconv.ParseInt(n.text, 10, 64); err == nil {
		return big.NewInt(i)
	}
	i, _ := new(big.Int).SetString(n.text, 10)
	return i
}

// found says what a node is, in a message.
func (n *node) found() string {
	switch n.kind {
	case nullNode:
		return "nothing"
	case boolNode:
		return strconv.FormatBool(n.truth)
	case intNode, floatNode:
		return short(n.text)
	case stringNode:
		return "the string " + strconv.Quote(short(n.text))
	case listNode:
		return "a list"
	}
	return "a mapping"
}

// short cuts a text of the file to what a message can show.
func short(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

// plainValue is a node as chaos.FromConfig takes it.
func (n *node) plainValue() any {
	switch n.kind {
	case boolNode:
		return n.truth
	case intNode:
		if i, err := strconv.ParseInt(n.text, 10, 64); err == nil {
			return i
		}
		return n.bigInt()
	case floatNode:
		f, _ := n.number()
		return f
	case stringNode:
		return n.text
	case listNode:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.plainValue()
		}
		return list
	case mapNode:
		return n.plainMap()
	}
	return nil
}

func (n *node) plainMap() map[string]any {
	values := make(map[string]any, len(n.pairs))
	for _, p := range n.pairs {
		values[p.key.text] = p.value.plainValue()
	}
	return values
}

// uniqueKeys says which keys of a mapping stand twice.
func uniqueKeys(n *node, p *problems) {
	if len(n.pairs) < 2 {
		return
	}
	first := make(map[string]*node, len(n.pairs))
	for i := range n.pairs {
		pair := &n.pairs[i]
		before := first[pair.key.text]
		if before == nil {
			first[pair.key.text] = pair.key
			continue
		}
		d := p.fail(pair.key.pos, "duplicate_key", "the key %s stands twice in this mapping", strconv.Quote(short(pair.key.text)))
		d.Related = []dsl.Note{{File: p.file, Line: before.pos.Line, Col: before.pos.Col, Message: "here it stands first"}}
	}
}
