package files

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"sync"

	"gopkg.in/yaml.v3"
)

// piecesOfYAML tells in how many pieces it pays to read a text: one takes some milliseconds.
func piecesOfYAML(text []byte) int {
	return min(runtime.GOMAXPROCS(0), len(text)>>16)
}

// parsePieces reads what parseYAML reads, in n pieces at once: the library takes longer for
// a file of ten thousand steps than anything else that is done with it. Such a file is a
// mapping whose last value is a list; it is cut between items of that list, and each piece
// is read as a document of its own. Where the pieces are not as expected, or anything is
// to be said of them, it returns nil: only the whole tells what it means.
func parsePieces(text []byte, l *lines, n int) *node {
	cuts := itemsOfYAML(text, l, n)
	if len(cuts) == 0 {
		return nil
	}
	pieces := make([]yamlPiece, len(cuts)+1)
	var all sync.WaitGroup
	for i := range pieces {
		p := &pieces[i]
		from, to := 0, len(text)
		if i > 0 {
			p.line, from = cuts[i-1], l.starts[cuts[i-1]]
		}
		if i < len(cuts) {
			to = l.starts[cuts[i]]
		}
		all.Go(func() { p.read(text[from:to], l) })
	}
	all.Wait()
	return joinPieces(pieces)
}

// itemsOfYAML returns the lines, counted from 0, before which to cut a text in n: there an
// item begins, as far as yamlScan sees, and the line before is over.
func itemsOfYAML(text []byte, l *lines, n int) (cuts []int) {
	trimmed := bytes.TrimRight(text, " \r\n")
	if n < 2 || hasOtherBreaks(text) || !isPlain(trimmed[bytes.LastIndexAny(trimmed, "\r\n")+1:]) {
		return nil
	}
	s := &yamlScan{text: text}
	indent := -1
	for s.at < len(text) && len(cuts) < n-1 {
		from := s.at
		if from > 0 && (bytes.HasPrefix(text[from:], []byte("...")) || bytes.HasPrefix(text[from:], []byte("---"))) {
			return nil // another document
		}
		spaces := bytes.IndexFunc(text[from:], func(r rune) bool { return r != ' ' })
		if spaces >= 0 && bytes.HasPrefix(text[from+spaces:], []byte("- ")) {
			if indent < 0 {
				indent = spaces // of the outermost list, if the file is as expected
			} else if spaces == indent && beginsWithKey(text[from+spaces+2:]) && from >= len(text)/n*(len(cuts)+1) {
				if line, begins := slices.BinarySearch(l.starts, from); begins && isPlain(l.line(line)) {
					cuts = append(cuts, line)
				}
			}
		}
		s.line()
	}
	return cuts
}

// beginsWithKey reports whether an item begins with a key on the line of its dash. Where the
// first one of a list is written otherwise, the library takes comments behind it differently.
func beginsWithKey(text []byte) bool {
	key := bytes.IndexFunc(text, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') })
	return key > 0 && text[key] == ':'
}

// isPlain reports whether a line is neither empty nor has a comment, which may belong to what
// is on the next.
func isPlain(line []byte) bool {
	return len(bytes.TrimSpace(line)) > 0 && !bytes.Contains(line, []byte("#"))
}

// yamlPiece is what one core reads.
type yamlPiece struct {
	line int // of the file, counted from 0, with which it begins
	doc  *yaml.Node
	node *node // nil if there is something to say
	// count is as in yamlConverter.
	count int
}

func (p *yamlPiece) read(text []byte, l *lines) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	doc, err := decodeYAML(dec)
	if err != nil || len(doc.Content) != 1 {
		return
	}
	if _, err = decodeYAML(dec); err != io.EOF {
		return
	}
	said := new(problems)
	c := &yamlConverter{problems: said, lines: &lines{text: l.text, starts: l.starts}, made: map[*yaml.Node]*converted{}}
	depth := 0
	if p.line > 0 {
		depth = 1
		c.line = func(line, col int) (int, int) { return p.line + line, col }
	}
	n := c.convert(doc, depth).node
	if len(said.list) == 0 && !c.stopped {
		p.doc, p.node, p.count = doc, n, c.count
	}
}

// joinPieces makes one tree of the pieces, or returns nil if that is not certainly what the
// whole is.
func joinPieces(pieces []yamlPiece) *node {
	count := 0
	for _, p := range pieces {
		if count += p.count; p.node == nil || count > maxValues {
			return nil
		}
	}
	root, top := pieces[0].node, pieces[0].doc.Content[0]
	if top.Kind != yaml.MappingNode || len(root.pairs) == 0 || len(root.pairs)*2 != len(top.Content) {
		return nil
	}
	list, begun := root.pairs[len(root.pairs)-1].value, top.Content[len(top.Content)-1]
	if !isPlainList(begun) {
		return nil
	}
	for _, p := range pieces[1:] {
		more := p.doc.Content[0]
		if !isPlainList(more) || more.Column != begun.Column || p.doc.HeadComment+p.doc.FootComment != "" {
			return nil
		}
		if list.pos.EndLine > p.line { // what is nothing has its place where the next thing begins
			return nil
		}
		list.items = append(list.items, p.node.items...)
		list.pos.EndLine, list.pos.EndCol = p.node.pos.EndLine, p.node.pos.EndCol
	}
	if slices.ContainsFunc(list.items, func(n *node) bool { return n.kind != mapNode }) { // steps are
		return nil
	}
	root.pos.EndLine, root.pos.EndCol = list.pos.EndLine, list.pos.EndCol
	aroundDocument(root, pieces[0].doc)
	return root
}

// isPlainList reports whether a list is no more than the items below it.
func isPlainList(y *yaml.Node) bool {
	return y.Kind == yaml.SequenceNode && y.Style == 0 && y.Anchor == "" && y.HeadComment+y.LineComment+y.FootComment == ""
}
