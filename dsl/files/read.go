package files

import (
	"bytes"
	"path"
	"strings"

	"starquake/chaos"
	"starquake/dsl"
)

// The limits of a file. An orchestration of ten thousand steps has some three
// megabytes and three hundred thousand values.
const (
	// MaxSize bounds a file, in bytes. Look at the size before reading one.
	MaxSize = 4 << 20
	// maxNesting bounds how deep values may be nested.
	maxNesting = 100
	// maxValues bounds the values of a file, keys included, aliases written out.
	maxValues = 500_000
	// maxDigits bounds the digits of a number.
	maxDigits = 1000
)

// ReadOptions say how a file is read. The zero value reads strictly.
type ReadOptions struct {
	// Format is "yaml" or "json". Empty is what the name's ending says, or where that
	// says nothing, JSON if the text begins with a brace or bracket, else YAML.
	Format string
	// Lenient makes warnings of unknown keys, which are otherwise errors.
	Lenient bool
	// Scenario tells whether there is a scenario of a name besides the predefined
	// ones; nil is no.
	Scenario func(name string) bool
}

// Read reads an orchestration file. name is what diagnostics call it. The document is
// nil if the diagnostics hold an error; they hold all there is to say, in the order of
// the file. Their places count from behind a byte order mark, which a file may begin with.
func Read(name string, text []byte, opt ReadOptions) (*Doc, dsl.Diagnostics) {
	p := &problems{file: name, lenient: opt.Lenient}
	if len(text) > MaxSize {
		p.fail(Pos{}, "file_too_big", "the file has %d bytes; expected at most %d", len(text), MaxSize)
		return nil, p.finish()
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	format := opt.Format
	if format == "" {
		format = formatOf(name, text)
	}
	root := parse(text, format, p)
	if root == nil {
		return nil, p.finish()
	}
	doc := document(root, newLines(text), opt, p)
	if p.failed() {
		return nil, p.finish()
	}
	doc.Format = format
	return doc, p.finish()
}

// formatOf tells what format a file is in.
func formatOf(name string, text []byte) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".json":
		return "json"
	case ".yaml", ".yml":
		return "yaml"
	}
	if text = bytes.TrimSpace(text); len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		return "json"
	}
	return "yaml"
}

// parse reads the text as a tree of values, or says why not.
func parse(text []byte, format string, p *problems) *node {
	if format != "yaml" && format != "json" {
		p.fail(Pos{}, "unknown_format", "there is no format %q; expected yaml or json", short(format))
		return nil
	}
	if !isText(text, format, p) {
		return nil
	}
	if len(bytes.TrimSpace(text)) == 0 {
		p.fail(Pos{}, "empty_file", "the file is empty; expected an orchestration with name and steps")
		return nil
	}
	if format == "json" {
		return parseJSON(text, p)
	}
	return parseYAML(text, p)
}

// document holds a tree against the schema and makes a document of it. The document is
// as complete as the tree is right.
func document(root *node, lines *lines, opt ReadOptions, p *problems) *Doc {
	if root.kind != mapNode {
		if root.kind == nullNode {
			p.fail(Pos{}, "empty_file", "the file holds nothing; expected an orchestration with name and steps")
			return nil
		}
		p.fail(root.pos, "not_a_mapping", "expected a mapping with name and steps, found %s", root.found())
		return nil
	}
	if !isOrchestration(root, p) {
		return nil
	}
	c := &checker{problems: p, schema: newSchema(), lines: lines, configs: map[*node]*Config{}}
	c.object(root, c.schema[objectRoot], nil)
	c.checkConfigs()
	doc := c.document(root)
	known := map[string]bool{}
	for _, s := range chaos.Scenarios() {
		known[s.Name] = true
	}
	r := &rules{checker: c, doc: doc, scenarios: known, library: opt.Scenario}
	r.all(root)
	return doc
}
