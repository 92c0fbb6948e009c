package files

import (
	"bytes"
	"encoding/json"
	"strings"
)

// writeJSON writes a mapping as JSON, indented.
func writeJSON(w *written) []byte {
	j := &jsonWriter{}
	j.value(w, "")
	j.b.WriteByte('\n')
	return j.b.Bytes()
}

type jsonWriter struct{ b bytes.Buffer }

func (j *jsonWriter) value(w *written, indent string) {
	switch w.kind {
	case writtenPlain:
		j.b.WriteString(w.text)
	case writtenString:
		j.b.WriteString(jsonString(w.text))
	case writtenMapping:
		j.block("{}", indent, len(w.entries), func(i int, below string) {
			j.b.WriteString(jsonString(w.entries[i].key) + ": ")
			j.value(w.entries[i].value, below)
		})
	case writtenList:
		if text, ok := jsonShort(w); ok {
			j.b.WriteString(text)
			return
		}
		j.block("[]", indent, len(w.items), func(i int, below string) { j.value(w.items[i].value, below) })
	}
}

// block writes n elements between brackets, each on a line of its own.
func (j *jsonWriter) block(brackets, indent string, n int, element func(i int, below string)) {
	below := indent + "  "
	j.b.WriteByte(brackets[0])
	for i := range n {
		if i > 0 {
			j.b.WriteByte(',')
		}
		j.b.WriteString("\n" + below)
		element(i, below)
	}
	if n > 0 {
		j.b.WriteString("\n" + indent)
	}
	j.b.WriteByte(brackets[1])
}

// jsonShort is a list of a few scalars on one line.
func jsonShort(w *written) (string, bool) {
	var parts []string
	size := 0
	for _, item := range w.items {
		text := item.value.text
		switch item.value.kind {
		case writtenPlain:
		case writtenString:
			text = jsonString(text)
		default:
			return "", false
		}
		parts = append(parts, text)
		if size += len(text) + 2; size > 90 {
			return "", false
		}
	}
	return "[" + strings.Join(parts, ", ") + "]", true
}

func jsonString(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string can be marshalled
	return strings.TrimRight(b.String(), "\n")
}
