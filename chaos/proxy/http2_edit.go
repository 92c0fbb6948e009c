package proxy

import (
	"bytes"
	"strconv"
	"strings"

	"starquake/chaos/proxy/h2"
)

// edit returns what changes the message of a way, or nil for nothing. Edits are written
// for messages as HTTP/1 has them: its header is turned into one, and back.
func (x *exchange) edit(edits []edit, f *flow, way direction) *h2.Edit {
	if len(edits) == 0 && len(f.edits) == 0 {
		return nil
	}
	e := new(h2.Edit)
	if len(f.edits) > 0 {
		e.Length = func(n int64) { f.total = n }
		e.Data = f.alter
	}
	if len(edits) == 0 {
		return e
	}
	e.Head = func(fields []h2.Field) []h2.Field {
		fields, _ = applyHTTP2(fields, nil, false, edits, way)
		return fields
	}
	if !x.head && !x.grpc {
		e.Limit = maxEdit
		e.Wants = func(fields []h2.Field) bool {
			m, _ := messageOf(fields)
			return firstForContent(edits, &m) != nil
		}
		e.Replaces = func(fields []h2.Field) bool {
			m, _ := messageOf(fields)
			return firstForContent(edits, &m).replaces
		}
		e.Whole = func(fields []h2.Field, content []byte) ([]h2.Field, []byte) {
			fields, content = applyHTTP2(fields, content, true, edits, way)
			f.total = int64(len(content))
			return fields, content
		}
	}
	return e
}

// applyHTTP2 applies edits to a message, whose content is there if it is whole.
func applyHTTP2(fields []h2.Field, content []byte, whole bool, edits []edit, way direction) ([]h2.Field, []byte) {
	m, pseudo := messageOf(fields)
	m.body, m.whole = content, whole
	if whole {
		m.remove("Content-Length")
	}
	m.apply(edits)
	if way == toClient {
		pseudo = []h2.Field{{Name: ":status", Value: strconv.Itoa(m.status())}}
		if whole && bodiless(m.status()) {
			whole, m.body = false, nil
		}
	}
	fields = pseudo
	for _, line := range m.lines {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if name := strings.ToLower(string(name)); !connectionSpecific(name) {
			fields = append(fields, h2.Field{Name: name, Value: strings.TrimSpace(string(value))})
		}
	}
	if whole && (way == toClient || len(m.body) > 0) {
		fields = append(fields, h2.Field{Name: "content-length", Value: strconv.Itoa(len(m.body))})
	}
	return fields, m.body
}

// messageOf returns the head of a message as HTTP/1 has it, and the fields that are only
// of HTTP/2.
func messageOf(fields []h2.Field) (m message, pseudo []h2.Field) {
	for _, f := range fields {
		switch {
		case f.Name == ":status":
			m.start = []byte("HTTP/1.1 " + f.Value + " ")
		case f.IsPseudo():
			pseudo = append(pseudo, f)
		default:
			m.lines = append(m.lines, []byte(f.Name+": "+f.Value))
		}
	}
	return m, pseudo
}

// connectionSpecific reports whether HTTP/2 forbids a field (RFC 9113, 8.2.2).
func connectionSpecific(name string) bool {
	switch name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return true
	}
	return false
}
