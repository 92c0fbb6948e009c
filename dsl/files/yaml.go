package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// parseYAML reads YAML: its syntax by the library, its meaning by the core schema of
// YAML 1.2. So yes, no, on, off and dates are strings, 014 is fourteen, and a mapping
// that has a key twice is an error, as is a second document.
//
// The library is asked nothing that could hurt: how large and how deep the text is has
// been seen before, and what it expands by aliases is counted here.
func parseYAML(text []byte, p *problems) *node {
	text = asRead(text)
	l := newLines(text)
	if !withinLimits(text, l, p) {
		return nil
	}
	if root := parsePieces(text, l, piecesOfYAML(text)); root != nil {
		return root
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	first, err := decodeYAML(dec)
	if errors.Is(err, io.EOF) {
		p.fail(Pos{}, "empty_file", "the file holds nothing but comments; expected an orchestration with name and steps")
		return nil
	}
	if err == nil {
		var second *yaml.Node
		if second, err = decodeYAML(dec); err == nil {
			line, col := second.Line, second.Column
			p.fail(Pos{Line: line, Col: col}, "several_documents", "a second document begins here; expected one orchestration in a file").
				Help = "write each into a file of its own"
			return nil
		}
	}
	if !errors.Is(err, io.EOF) {
		yamlSyntax(text, l, err, p)
		return nil
	}
	c := &yamlConverter{problems: p, lines: l, made: map[*yaml.Node]*converted{}}
	c.line = c.yamlLines(text)
	root := c.convert(first, 0).node
	if c.stopped {
		return nil
	}
	aroundDocument(root, first)
	return root
}

// aroundDocument gives the root of a document the comments before and behind it, too.
func aroundDocument(root *node, doc *yaml.Node) {
	if root.comment == nil {
		root.comment = new(Comment)
	}
	root.comment.Head = joinComments(plainComment(doc.HeadComment), root.comment.Head)
	root.comment.Foot = joinComments(root.comment.Foot, plainComment(doc.FootComment))
}

// decodeYAML reads one document. The library gives up some texts by a panic.
func decodeYAML(dec *yaml.Decoder) (n *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			n, err = nil, fmt.Errorf("yaml: %v", r)
		}
	}()
	n = new(yaml.Node)
	return n, dec.Decode(n)
}

// yamlConverter turns the library's tree into ours.
type yamlConverter struct {
	problems *problems
	lines    *lines
	// line gives our number of a line for the library's, which also ends lines at
	// three characters of Unicode. It is nil where there are none of them.
	line  func(n, col int) (line, column int)
	nodes []node // the next of which are free
	// made holds what anchors name; nil while it is being made.
	made    map[*yaml.Node]*converted
	count   int
	stopped bool
}

// converted is a node with how much it is when every alias in it is written out.
type converted struct {
	node        *node
	size, depth int
}

// new returns a node at the place of y. Making them in blocks saves a third of the time.
func (c *yamlConverter) new(y *yaml.Node, kind nodeKind) *node {
	if len(c.nodes) == 0 {
		c.nodes = make([]node, 256)
	}
	n := &c.nodes[0]
	c.nodes = c.nodes[1:]
	n.kind = kind
	n.pos.Line, n.pos.Col = c.place(y)
	n.comment = commentOf(y)
	return n
}

func (c *yamlConverter) place(y *yaml.Node) (line, col int) {
	if c.line != nil {
		return c.line(y.Line, y.Column)
	}
	return y.Line, y.Column
}

// yamlLines returns the function that maps the library's lines to ours.
func (c *yamlConverter) yamlLines(text []byte) func(n, col int) (int, int) {
	if !hasOtherBreaks(text) {
		return nil
	}
	theirs := &lines{text: text, starts: []int{0}}
	ours := c.lines.starts[1:]
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		i += size
		switch {
		case len(ours) > 0 && ours[0] == i:
			ours = ours[1:]
			fallthrough
		case r == 0x85 || r == 0x2028 || r == 0x2029:
			theirs.starts = append(theirs.starts, i)
		}
	}
	return func(n, col int) (int, int) { return c.lines.place(theirs.offset(n, col)) }
}

// hasOtherBreaks reports whether the library ends lines where we do not.
func hasOtherBreaks(text []byte) bool {
	return slices.ContainsFunc([]string{"\u0085", "\u2028", "\u2029"}, func(b string) bool { return bytes.Contains(text, []byte(b)) })
}

// stop says what makes it senseless to go on.
func (c *yamlConverter) stop(pos Pos, code, format string, args ...any) converted {
	if !c.stopped {
		c.problems.fail(pos, code, format, args...)
	}
	c.stopped = true
	return converted{node: new(node)}
}

func (c *yamlConverter) convert(y *yaml.Node, depth int) converted {
	if c.stopped {
		return converted{node: new(node)}
	}
	pos := Pos{}
	pos.Line, pos.Col = c.place(y)
	if depth > maxNesting {
		return c.stop(pos, "too_deep", "this is nested more than %d deep", maxNesting)
	}
	if y.Kind == yaml.AliasNode {
		return c.alias(y, pos, depth)
	}
	if y.Anchor != "" {
		c.made[y] = nil
	}
	out := converted{size: 1}
	switch y.Kind {
	case yaml.DocumentNode:
		if len(y.Content) == 1 {
			return c.convert(y.Content[0], depth)
		}
		out.node = c.new(y, nullNode)
	case yaml.SequenceNode:
		c.list(y, &out, depth)
	case yaml.MappingNode:
		c.mapping(y, &out, depth)
	default:
		out.node = c.scalar(y)
	}
	if c.count++; c.count > maxValues || out.size > maxValues {
		return c.stop(out.node.pos, "too_many_values", "the file has more than %d values", maxValues)
	}
	if y.Anchor != "" {
		made := out
		c.made[y] = &made
	}
	return out
}

// alias gives what an anchor names. It is made once, but counts each time.
func (c *yamlConverter) alias(y *yaml.Node, pos Pos, depth int) converted {
	pos.EndLine, pos.EndCol = pos.Line, pos.Col+1+utf8.RuneCountInString(y.Value)
	to, begun := c.made[y.Alias]
	switch {
	case begun && to == nil:
		return c.stop(pos, "alias_cycle", "*%s stands within what it names", short(y.Value))
	case !begun:
		return c.stop(pos, "unknown_anchor", "there is no anchor &%s before this", short(y.Value))
	}
	if c.count += to.size; c.count > maxValues {
		return c.stop(pos, "too_many_aliases", "with its aliases written out the file has more than %d values", maxValues)
	}
	if depth+to.depth > maxNesting {
		return c.stop(pos, "too_deep", "with its aliases written out this is nested more than %d deep", maxNesting)
	}
	return *to
}

func (c *yamlConverter) list(y *yaml.Node, out *converted, depth int) {
	n := c.new(y, listNode)
	out.node = n
	n.items = make([]*node, 0, len(y.Content))
	c.before(y.Content)
	for _, item := range y.Content {
		in := c.convert(item, depth+1)
		out.add(in)
		n.items = append(n.items, in.node)
	}
	c.end(y, n)
	c.tagged(y, n, "!!seq", "a list")
}

func (out *converted) add(in converted) {
	out.size += in.size
	out.depth = max(out.depth, in.depth+1)
}

func (c *yamlConverter) mapping(y *yaml.Node, out *converted, depth int) {
	n := c.new(y, mapNode)
	out.node = n
	n.pairs = make([]pair, 0, len(y.Content)/2)
	var merges []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		if i+2 < len(y.Content) && k.FootComment != "" { // what follows an entry stands before the next
			next := y.Content[i+2]
			next.HeadComment, k.FootComment = joinComments(k.FootComment, next.HeadComment), ""
		}
		key, value := c.convert(k, depth+1), c.convert(v, depth+1)
		out.add(key)
		out.add(value)
		if c.stopped {
			return
		}
		if k.Tag == "!!merge" && k.Style == 0 {
			merges = append(merges, key.node, value.node)
			continue
		}
		if key.node.kind != stringNode {
			c.problems.fail(key.node.pos, "key_not_a_string", "a key that is %s; expected a string", key.node.found()).
				Help = keyHelp(key.node)
			continue
		}
		n.pairs = append(n.pairs, pair{key: key.node, value: value.node})
	}
	uniqueKeys(n, c.problems)
	c.merge(n, merges)
	c.end(y, n)
	c.tagged(y, n, "!!map", "a mapping")
}

func keyHelp(key *node) string {
	if key.kind == listNode || key.kind == mapNode {
		return ""
	}
	return "put it in quotes"
}

// merge adds what "<<" brings: the pairs of a mapping, or of several of which the first
// that has a key counts. What the mapping has itself counts before all of them.
func (c *yamlConverter) merge(n *node, merges []*node) {
	if len(merges) == 0 {
		return
	}
	have := make(map[string]bool, len(n.pairs))
	for _, p := range n.pairs {
		have[p.key.text] = true
	}
	for i := 0; i < len(merges); i += 2 {
		key, from := merges[i], merges[i+1]
		sources := []*node{from}
		if from.kind == listNode {
			sources = from.items
		}
		for _, source := range sources {
			if source.kind != mapNode {
				c.problems.fail(key.pos, "bad_merge", "\"<<\" takes a mapping or a list of mappings, found %s", source.found())
				continue
			}
			// A merge is work whether or not it brings anything.
			if c.count += 2 * len(source.pairs); c.count > maxValues {
				c.stop(n.pos, "too_many_aliases", "with its merges written out the file has more than %d values", maxValues)
				return
			}
			for _, p := range source.pairs {
				if !have[p.key.text] {
					have[p.key.text] = true
					n.pairs = append(n.pairs, pair{p.key, p.value, true})
				}
			}
		}
	}
}

// tagged says where a list or mapping has a tag that makes it something else.
func (c *yamlConverter) tagged(y *yaml.Node, n *node, tag, what string) {
	if y.Style&yaml.TaggedStyle != 0 && y.Tag != tag {
		c.problems.fail(n.pos, "unsupported_tag", "the tag %s makes this something else than %s; expected none", short(y.Tag), what).
			Help = "leave the tag out"
		n.kind = badNode
	}
}
