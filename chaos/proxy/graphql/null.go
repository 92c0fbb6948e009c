package graphql

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// maxNulled bounds the fields of one answer that are put to null; the rest stays.
const maxNulled = 1000

// Nulling says which fields of an answer are put to null.
type Nulling struct {
	// Fields are ends of paths of names, as those of Operation.Asks. Without any, Pick
	// chooses one of the n that are there (those of lists count once), in their order.
	Fields []string
	Pick   func(n int) int
	// Of reports whether an operation, by its number, is concerned.
	Of func(operation int) bool
	// Error is that of each field, without its path.
	Error Error
}

// Null puts fields of an answer to r to null and adds an error for each, with its path. It
// returns the changed answer and how many they were; an answer without any comes back as it
// is. The error says why body is no answer.
//
// Names are those of the document; keys of the answer do as well, and are all there is of
// a persisted one.
func (r *Request) Null(body []byte, n Nulling) ([]byte, int, error) {
	if !json.Valid(body) {
		return nil, 0, errors.New("it is no JSON")
	}
	e := editor{request: r, body: body, Nulling: n, wanted: paths(n.Fields)}
	if len(n.Fields) == 0 {
		e.found = make(map[string]bool)
		if err := e.scan(); err != nil {
			return nil, 0, err
		}
		if len(e.order) == 0 {
			return body, 0, nil
		}
		e.chosen, e.found = e.order[n.Pick(len(e.order))], nil
	}
	if err := e.scan(); err != nil {
		return nil, 0, err
	}
	return e.apply(), e.nulled, nil
}

// editor changes one answer: it goes through it and notes what is to change.
type editor struct {
	request *Request
	body    []byte
	Nulling
	wanted [][]string
	// found and order are the fields to choose from, while they are looked for; chosen
	// is then the one.
	found  map[string]bool
	order  []string
	chosen string

	dec    *json.Decoder
	trail  []step
	path   []any // with places in lists
	edits  []change
	errs   []Error
	nulled int
}

// change is a part of the body that something else takes the place of.
type change struct {
	from, to int
	text     []byte
}

// scan goes through the answer, which is valid JSON.
func (e *editor) scan() error {
	e.dec = json.NewDecoder(bytes.NewReader(e.body))
	e.dec.UseNumber()
	first, err := e.dec.Token()
	if err != nil {
		return err
	}
	switch first {
	case json.Delim('{'):
		if e.request.Batch {
			return errors.New("it answers a batch, and is no list")
		}
		return e.result(0)
	case json.Delim('['):
		if !e.request.Batch {
			return errors.New("it is a list, and no batch was asked")
		}
		for i := 0; e.dec.More(); i++ {
			if t, err := e.dec.Token(); err != nil || t != json.Delim('{') {
				return errors.Join(err, errors.New("it has what is no answer to an operation"))
			}
			if err := e.result(i); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("it is no object")
}

// result goes through the answer to one operation, whose brace has been read.
func (e *editor) result(i int) error {
	open := int(e.dec.InputOffset())
	var asked *field
	concerned := i < len(e.request.Operations) && e.Of(i)
	if concerned {
		asked = e.request.Operations[i].asked
	}
	e.errs = nil
	var from, to int // where the list of errors is, or what stands in its place
	empty := true
	for ; e.dec.More(); empty = false {
		key, err := e.key()
		if err != nil {
			return err
		}
		switch {
		case key == "data" && concerned:
			err = e.value(asked)
		case key == "errors":
			from, to, err = e.skip()
		default:
			_, _, err = e.skip()
		}
		if err != nil {
			return err
		}
	}
	if _, err := e.dec.Token(); err != nil {
		return err
	}
	if len(e.errs) > 0 {
		e.report(open, from, to, empty)
	}
	return nil
}

// report adds the errors to those of the answer that begins after open, whose own are
// from one place to the other if there are any.
func (e *editor) report(open, from, to int, empty bool) {
	list := bytes.TrimSpace(encode(e.errs))
	text := string(e.body[from:to])
	switch {
	case to == 0:
		after := ","
		if empty {
			after = ""
		}
		e.edits = append(e.edits, change{open, open, slices.Concat([]byte(`"errors":`), list, []byte(after))})
	case strings.HasPrefix(text, "[") && strings.TrimSpace(text[1:len(text)-1]) != "":
		e.edits = append(e.edits, change{to - 1, to - 1, append([]byte(","), list[1:len(list)-1]...)})
	default:
		e.edits = append(e.edits, change{from, to, list})
	}
}

// key reads a key.
func (e *editor) key() (string, error) {
	t, err := e.dec.Token()
	if err != nil {
		return "", err
	}
	key, ok := t.(string)
	if !ok {
		return "", errors.New("a key is no string")
	}
	return key, nil
}

// skip passes over a value and returns where it is.
func (e *editor) skip() (from, to int, err error) {
	from = int(e.dec.InputOffset())
	for from < len(e.body) && strings.IndexByte(" \t\r\n:,", e.body[from]) >= 0 {
		from++
	}
	var raw json.RawMessage
	err = e.dec.Decode(&raw)
	return from, int(e.dec.InputOffset()), err
}

// value goes through a value of the data.
func (e *editor) value(f *field) error {
	if len(e.path) > maxDepth {
		_, _, err := e.skip()
		return err
	}
	t, err := e.dec.Token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('{'):
		for e.dec.More() {
			if err := e.member(f); err != nil {
				return err
			}
		}
	case json.Delim('['):
		for i := 0; e.dec.More(); i++ {
			e.path = append(e.path, i)
			if err := e.value(f); err != nil {
				return err
			}
			e.path = e.path[:len(e.path)-1]
		}
	default:
		return nil
	}
	_, err = e.dec.Token() // the bracket
	return err
}

// member goes through one field of an object of the data.
func (e *editor) member(f *field) error {
	key, err := e.key()
	if err != nil {
		return err
	}
	below := f.at(key)
	e.trail, e.path = append(e.trail, step{key, below}), append(e.path, key)
	if e.takes() {
		err = e.null()
	} else {
		err = e.value(below)
	}
	e.trail, e.path = e.trail[:len(e.trail)-1], e.path[:len(e.path)-1]
	return err
}

// takes reports whether the field at hand is to be null.
func (e *editor) takes() bool {
	switch {
	case e.nulled >= maxNulled:
		return false
	case len(e.wanted) > 0:
		return fitsAny(e.wanted, e.trail)
	}
	name := e.trailKey()
	if e.found == nil {
		return name == e.chosen
	}
	// What GraphQL has for itself is no field of anybody's.
	if !strings.HasPrefix(e.trail[len(e.trail)-1].key, "__") && !e.found[name] && len(e.order) < maxNulled && !e.isNull() {
		e.found[name] = true
		e.order = append(e.order, name)
	}
	return false
}

// trailKey names the field at hand, whatever its place in lists.
func (e *editor) trailKey() string {
	var b strings.Builder
	for _, s := range e.trail {
		b.WriteString(s.key)
		b.WriteByte(0)
	}
	return b.String()
}

// isNull reports whether the value that comes next is null.
func (e *editor) isNull() bool {
	rest := bytes.TrimLeft(e.body[e.dec.InputOffset():], " \t\r\n:")
	return bytes.HasPrefix(rest, []byte("null"))
}

// null puts the value that comes next to null, unless it is.
func (e *editor) null() error {
	from, to, err := e.skip()
	if err != nil || string(e.body[from:to]) == "null" {
		return err
	}
	e.edits = append(e.edits, change{from, to, []byte("null")})
	failed := e.Error
	failed.Path = bytes.TrimSpace(encode(e.path))
	e.errs = append(e.errs, failed)
	e.nulled++
	return nil
}

// apply returns the body with the changes.
func (e *editor) apply() []byte {
	slices.SortStableFunc(e.edits, func(a, b change) int { return a.from - b.from })
	out := make([]byte, 0, len(e.body))
	at := 0
	for _, c := range e.edits {
		out = append(out, e.body[at:c.from]...)
		out = append(out, c.text...)
		at = c.to
	}
	return append(out, e.body[at:]...)
}
