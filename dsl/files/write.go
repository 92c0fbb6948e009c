package files

import (
	"fmt"
	"math/big"
	"strconv"
)

// Write writes a document as YAML or JSON: keys in the order of the schema, numbers as
// they were written, and of its comments those that the format has a place for, which
// in JSON are none. What it writes of a document that keeps to the schema is read back
// as the same document.
func Write(doc *Doc, format string) ([]byte, error) {
	tree := documentTree(doc)
	switch format {
	case "yaml":
		return writeYAML(tree, doc.Comment), nil
	case "json":
		return writeJSON(tree), nil
	}
	return nil, fmt.Errorf("format %q is unknown; expected yaml or json", format)
}

// A written is a value on its way out: a mapping, a list or a scalar.
type written struct {
	kind    writtenKind
	entries []writtenEntry // of a mapping
	items   []writtenItem  // of a list
	text    string         // of a scalar: the string, or the text of anything else
}

type writtenKind uint8

const (
	writtenMapping writtenKind = iota
	writtenList
	writtenString
	writtenPlain // a number, true, false or null
)

type writtenEntry struct {
	key     string
	value   *written
	comment Comment
}

type writtenItem struct {
	value   *written
	comment Comment
}

func plain(text string) *written       { return &written{kind: writtenPlain, text: text} }
func writtenText(text string) *written { return &written{kind: writtenString, text: text} }

// put appends an entry; a nil value is one that is not there.
func (w *written) put(key string, value *written) {
	if value != nil {
		w.entries = append(w.entries, writtenEntry{key: key, value: value})
	}
}

// comment gives the entry that was put last its comment.
func (w *written) comment(c Comment) { w.entries[len(w.entries)-1].comment = c }

func strTree(s *Str) *written {
	if s == nil {
		return nil
	}
	return writtenText(s.Value)
}

func boolTree(b *Bool) *written {
	if b == nil {
		return nil
	}
	return plain(strconv.FormatBool(b.Value))
}

func numTree(n *Num) *written {
	if n == nil {
		return nil
	}
	return plain(n.Text)
}

func anyTree(v *Any) *written {
	if v == nil {
		return nil
	}
	switch value := v.Value.(type) {
	case bool:
		return plain(strconv.FormatBool(value))
	case *big.Int:
		return plain(value.String())
	case float64:
		return plain(floatText(value))
	case string:
		return writtenText(value)
	case []Any:
		list := &written{kind: writtenList}
		for i := range value {
			list.items = append(list.items, writtenItem{value: anyTree(&value[i])})
		}
		return list
	case []Entry:
		return entriesTree(value)
	}
	return plain("null")
}

// floatText writes a float that stays one when it is read: 1 would become an integer.
func floatText(f float64) string {
	text := strconv.FormatFloat(f, 'g', -1, 64)
	for i := range len(text) {
		if c := text[i]; c == '.' || c == 'e' {
			return text
		}
	}
	return text + ".0"
}

func entriesTree(entries []Entry) *written {
	w := &written{kind: writtenMapping}
	for i := range entries {
		w.put(entries[i].Key.Value, anyTree(&entries[i].Value))
		w.comment(entries[i].Comment)
	}
	return w
}

// strsTree is a list of strings, nil where there are none.
func strsTree(list []Str) *written {
	if len(list) == 0 {
		return nil
	}
	w := &written{kind: writtenList}
	for _, s := range list {
		w.items = append(w.items, writtenItem{value: writtenText(s.Value)})
	}
	return w
}

// listTree is a list of what tree makes of its elements, nil where there are none.
func listTree[T any](list []T, tree func(*T) (*written, Comment)) *written {
	if len(list) == 0 {
		return nil
	}
	w := &written{kind: writtenList}
	for i := range list {
		value, comment := tree(&list[i])
		w.items = append(w.items, writtenItem{value, comment})
	}
	return w
}
