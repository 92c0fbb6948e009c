package effects

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxDepth bounds how deep a file may nest.
const maxDepth = 64

// parseNodes reads YAML or JSON into nodes with line numbers, one document without
// anchors and aliases.
func parseNodes(text []byte) (*yaml.Node, error) {
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && (trimmed[0] == '[' || trimmed[0] == '{') && json.Valid(text) {
		return jsonNodes(text) // YAML would trip over its tabs and its surrogate pairs
	}
	if err := shallow(text); err != nil {
		return nil, err
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case err == io.EOF || err == nil && len(doc.Content) == 0:
		return nil, errors.New("the file is empty; expected a list of rules")
	case err != nil:
		return nil, yamlError(err)
	}
	if err := dec.Decode(&second); err != io.EOF {
		return nil, errors.New("there is more than one YAML document; expected one")
	}
	root := doc.Content[0]
	if err := plainNodes(root, maxDepth); err != nil {
		return nil, err
	}
	return root, nil
}

// yamlError is an error of the YAML parser with its line, where it names one.
func yamlError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if line, message, ok := strings.Cut(strings.TrimPrefix(text, "line "), ": "); ok {
		if n, err := strconv.Atoi(line); err == nil {
			return &lineError{n, message}
		}
	}
	return errors.New(text)
}

// shallow refuses text with far more opening brackets in a row than a person nests,
// before a parser spends its time on them.
func shallow(text []byte) error {
	const most = 10 * maxDepth
	depth, line := 0, 1
	for _, c := range text {
		switch c {
		case '\n':
			line++
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		}
		if depth > most {
			return &lineError{line, fmt.Sprintf("more than %d brackets are open", most)}
		}
	}
	return nil
}

// plainNodes refuses aliases, anchors and deep nesting.
func plainNodes(n *yaml.Node, depth int) error {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return &lineError{n.Line, "anchors and aliases are not allowed here; write the value out"}
	case depth == 0:
		return &lineError{n.Line, fmt.Sprintf("nested deeper than %d", maxDepth)}
	}
	for _, inner := range n.Content {
		if err := plainNodes(inner, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// jsonNodes makes nodes of a valid JSON text.
func jsonNodes(text []byte) (*yaml.Node, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	j := &jsonWalker{text: text, dec: dec, line: 1}
	return j.value(maxDepth)
}

// jsonWalker reads JSON token by token and counts lines.
type jsonWalker struct {
	text []byte
	dec  *json.Decoder
	read int64 // up to where line counts
	line int
}

// token reads one token; node has its line.
func (j *jsonWalker) token() (json.Token, *yaml.Node, error) {
	tok, err := j.dec.Token()
	if err != nil {
		return nil, nil, err
	}
	end := j.dec.InputOffset()
	j.line += bytes.Count(j.text[j.read:end], []byte("\n"))
	j.read = end
	return tok, &yaml.Node{Kind: yaml.ScalarNode, Line: j.line}, nil
}

// value reads one value, which may nest depth deep.
func (j *jsonWalker) value(depth int) (*yaml.Node, error) {
	tok, n, err := j.token()
	if err != nil {
		return nil, err
	}
	if depth == 0 {
		return nil, &lineError{n.Line, fmt.Sprintf("nested deeper than %d", maxDepth)}
	}
	switch tok := tok.(type) {
	case nil:
		n.Tag = "!!null"
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(tok)
	case string:
		n.Tag, n.Value = "!!str", tok
	case json.Number:
		n.Tag, n.Value = "!!json", tok.String()
	case json.Delim:
		n.Kind = yaml.SequenceNode
		if tok == '{' {
			n.Kind = yaml.MappingNode
		}
		for j.dec.More() {
			inner, err := j.value(depth - 1) // in a mapping keys and values in turn
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, inner)
		}
		_, _, err = j.token() // the closing bracket
	}
	return n, err
}

// writeJSON writes a node as JSON.
func writeJSON(buf *bytes.Buffer, n *yaml.Node) *lineError {
	switch n.Kind {
	case yaml.MappingNode:
		return writeObject(buf, n)
	case yaml.SequenceNode:
		buf.WriteByte('[')
		for i, inner := range n.Content {
			if i > 0 {
				buf.WriteByte(',')
			}
			if err := writeJSON(buf, inner); err != nil {
				return err
			}
		}
		buf.WriteByte(']')
		return nil
	}
	return writeScalar(buf, n)
}

// writeObject writes a mapping.
func writeObject(buf *bytes.Buffer, n *yaml.Node) *lineError {
	seen := make(map[string]bool, len(n.Content)/2)
	buf.WriteByte('{')
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			return &lineError{key.Line, "a key is " + describe(key) + "; expected a text"}
		}
		if seen[key.Value] {
			return &lineError{key.Line, fmt.Sprintf("the key %q is there twice", key.Value)}
		}
		seen[key.Value] = true
		if i > 0 {
			buf.WriteByte(',')
		}
		writeText(buf, key.Value)
		buf.WriteByte(':')
		if err := writeJSON(buf, n.Content[i+1]); err != nil {
			return err
		}
	}
	buf.WriteByte('}')
	return nil
}

// writeScalar writes a text, number, bool or null. A date is a text.
func writeScalar(buf *bytes.Buffer, n *yaml.Node) *lineError {
	switch n.Tag {
	case "!!null":
		buf.WriteString("null")
	case "!!json":
		buf.WriteString(n.Value)
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			return &lineError{n.Line, fmt.Sprintf("%q is no bool", n.Value)}
		}
		buf.WriteString(strconv.FormatBool(b))
	case "!!int":
		var i int64
		var u uint64
		switch {
		case n.Decode(&i) == nil:
			buf.WriteString(strconv.FormatInt(i, 10))
		case n.Decode(&u) == nil:
			buf.WriteString(strconv.FormatUint(u, 10))
		default:
			return &lineError{n.Line, fmt.Sprintf("the integer %s is too large", n.Value)}
		}
	case "!!float":
		var f float64
		if err := n.Decode(&f); err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return &lineError{n.Line, fmt.Sprintf("%s is no number that JSON can hold", n.Value)}
		}
		text, _ := json.Marshal(f) // finite: cannot fail
		buf.Write(text)
	case "!!str", "!!timestamp":
		writeText(buf, n.Value)
	default:
		return &lineError{n.Line, fmt.Sprintf("the tag %s is not allowed here", n.Tag)}
	}
	return nil
}

// writeText writes a JSON string.
func writeText(buf *bytes.Buffer, s string) {
	text, _ := marshal(s) // a string: cannot fail
	buf.Write(text)
}
