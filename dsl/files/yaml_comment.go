package files

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// commentOf is what a person wrote beside a node, nil if nothing.
func commentOf(y *yaml.Node) *Comment {
	if y.HeadComment == "" && y.LineComment == "" && y.FootComment == "" {
		return nil
	}
	return &Comment{plainComment(y.HeadComment), plainComment(y.LineComment), plainComment(y.FootComment)}
}

// editorHint begins the comment that tells an editor which schema the file keeps to. It
// is for the editor alone.
const editorHint = "yaml-language-server:"

// plainComment takes the "#" and what indentation all lines have off a comment.
func plainComment(text string) string {
	if text == "" {
		return ""
	}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool {
		return strings.HasPrefix(strings.TrimLeft(line, "# \t"), editorHint)
	})
	common := -1
	for i, line := range lines {
		line = strings.TrimRight(strings.TrimLeft(strings.TrimSpace(line), "#"), " \t")
		lines[i] = line
		if indent := len(line) - len(strings.TrimLeft(line, " ")); line != "" && (common < 0 || indent < common) {
			common = indent
		}
	}
	for i, line := range lines {
		lines[i] = line[min(max(common, 0), len(line)):]
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// before gives the items of a list the comments that stand before them: one that follows the
// item before at once, and is followed by an empty line, the library takes for one that
// stands behind the first key of the item.
func (c *yamlConverter) before(items []*yaml.Node) {
	for _, item := range items {
		if item.Kind != yaml.MappingNode || len(item.Content) == 0 || item.Content[0].FootComment == "" {
			continue
		}
		key, above := item.Content[0], map[string]bool{}
		line, _ := c.place(item)
		for line--; line > 0; line-- {
			text := strings.TrimSpace(string(c.lines.line(line)))
			if text != "" && text[0] != '#' {
				break
			}
			above[text] = true
		}
		lines := strings.Split(strings.ReplaceAll(key.FootComment, "\r\n", "\n"), "\n")
		if !slices.ContainsFunc(lines, func(line string) bool { return !above[strings.TrimSpace(line)] }) {
			item.HeadComment, key.FootComment = joinComments(key.FootComment, item.HeadComment), ""
		}
	}
}

// beside gathers the comments of a mapping's entries that have no place of their own in
// the document, so that none is lost: they join that of the mapping itself.
func (n *node) beside(own ...string) Comment {
	var c Comment
	add := func(from *Comment) {
		if from == nil {
			return
		}
		c.Head = joinComments(c.Head, from.Head)
		c.Line = joinComments(c.Line, from.Line)
		c.Foot = joinComments(c.Foot, from.Foot)
	}
	add(n.comment)
	for _, p := range n.pairs {
		mine := p.merged
		for _, key := range own {
			mine = mine || p.key.text == key
		}
		if mine {
			continue
		}
		add(p.key.comment)
		add(p.value.comment)
		for _, item := range p.value.items {
			if item.kind != mapNode {
				add(item.comment)
			}
		}
	}
	return c
}

// entry is the comment of one key and its value.
func (p *pair) entry() Comment {
	c := Comment{}
	for _, from := range []*Comment{p.key.comment, p.value.comment} {
		if from != nil {
			c = Comment{joinComments(c.Head, from.Head), joinComments(c.Line, from.Line), joinComments(c.Foot, from.Foot)}
		}
	}
	return c
}
