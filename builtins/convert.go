package builtins

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// The bounds of JSON, both ways. Without them a script could nest lists until a Go
// stack overflows, which nothing recovers from.
const (
	MaxJSONDepth = 200
	MaxJSONSize  = 16 << 20
	maxDigits    = 4000 // reading a number takes time in the square of its digits
)

// ToJSON writes v as JSON, exactly and always the same way:
//
//	None, bool, string       as they are; a string must be UTF-8
//	int                      with all its digits
//	float                    with a point or exponent, so that it reads back as a float
//	list, tuple, set, range  an array
//	dict                     an object in the dict's order; keys must be strings
//	Object                   an object in the order of its fields, without methods
//	duration                 a number of seconds, with a point
//	time                     a string in the form of RFC 3339
//	secret                   its placeholder
//	fault, match             an object, in the form of package chaos
//
// Other values, infinite floats, and what exceeds the bounds above are errors that
// name the place: `at ["a"][3]: …`.
func ToJSON(v starlark.Value) (json.RawMessage, error) { return encodeJSON(v, false) }

// encodeJSON is ToJSON; with sorted the keys of dicts are in ascending order.
func encodeJSON(v starlark.Value, sorted bool) (json.RawMessage, error) {
	e := encoder{sorted: sorted}
	if err := e.value(v); err != nil {
		if e.path.Len() > 0 {
			return nil, fmt.Errorf("at %s: %w", e.where(), err)
		}
		return nil, err
	}
	return e.buf, nil
}

type encoder struct {
	buf    []byte
	sorted bool
	depth  int
	// path names the place of an error, from the inside out; it is filled in only
	// as an error passes.
	path path
}

// path is a place within a value, innermost part first.
type path []string

func (p path) Len() int { return len(p) }

func (e *encoder) where() string {
	parts := slices.Clone(e.path)
	slices.Reverse(parts)
	return clip(strings.Join(parts, ""), 200)
}

func (e *encoder) value(v starlark.Value) error {
	if len(e.buf) > MaxJSONSize {
		return fmt.Errorf("the value is larger than %d MiB as JSON", MaxJSONSize>>20)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		e.buf = append(e.buf, "null"...)
		return nil
	case starlark.Bool:
		e.buf = strconv.AppendBool(e.buf, bool(v))
		return nil
	case starlark.Int:
		return e.int(v)
	case starlark.Float:
		return e.float(float64(v))
	case starlark.String:
		return e.string(string(v))
	case starlark.Bytes:
		return fmt.Errorf("bytes cannot be written as JSON; str(b) makes text of them")
	case *Object, starlark.IterableMapping, starlark.Iterable:
		return e.nested(v)
	case json.Marshaler:
		raw, err := v.MarshalJSON()
		e.buf = append(e.buf, raw...)
		return err
	case *starlark.Function, *starlark.Builtin, *function:
		return fmt.Errorf("a function cannot be written as JSON; was it meant to be called?")
	}
	return fmt.Errorf("%s cannot be written as JSON", withArticle(v.Type()))
}

// nested writes what has parts.
func (e *encoder) nested(v starlark.Value) error {
	e.depth++
	defer func() { e.depth-- }()
	if e.depth > MaxJSONDepth {
		return fmt.Errorf("the value is nested more than %d deep, or holds itself", MaxJSONDepth)
	}
	switch v := v.(type) {
	case *Object:
		return e.object(v)
	case starlark.IterableMapping:
		return e.dict(v)
	case starlark.Iterable:
		return e.list(v)
	}
	return nil
}

func (e *encoder) int(v starlark.Int) error {
	if n, ok := v.Int64(); ok {
		e.buf = strconv.AppendInt(e.buf, n, 10)
		return nil
	}
	n := v.BigInt()
	if n.BitLen() > maxDigits*3 {
		return fmt.Errorf("an int of %d bits is too large for JSON", n.BitLen())
	}
	e.buf = n.Append(e.buf, 10)
	return nil
}

func (e *encoder) float(f float64) error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("%v cannot be written as JSON, which knows finite numbers only", f)
	}
	at := len(e.buf)
	e.buf = strconv.AppendFloat(e.buf, f, 'g', -1, 64)
	if !slices.ContainsFunc(e.buf[at:], func(c byte) bool { return c == '.' || c == 'e' }) {
		e.buf = append(e.buf, ".0"...)
	}
	return nil
}

const hex = "0123456789abcdef"

// string writes s with the least escaping that JSON asks for.
func (e *encoder) string(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("the string %s is not UTF-8; str(bytes(s)) replaces what is not", quote(s))
	}
	if len(s) > MaxJSONSize {
		return fmt.Errorf("a string of %d bytes is larger than %d MiB", len(s), MaxJSONSize>>20)
	}
	e.buf = append(e.buf, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			e.buf = append(e.buf, '\\', c)
		case c == '\n':
			e.buf = append(e.buf, '\\', 'n')
		case c == '\r':
			e.buf = append(e.buf, '\\', 'r')
		case c == '\t':
			e.buf = append(e.buf, '\\', 't')
		case c < ' ':
			e.buf = append(e.buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			e.buf = append(e.buf, c)
		}
	}
	e.buf = append(e.buf, '"')
	return nil
}

func (e *encoder) list(v starlark.Iterable) error {
	e.buf = append(e.buf, '[')
	i := 0
	for elem := range starlark.Elements(v) {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		if err := e.value(elem); err != nil {
			e.path = append(e.path, fmt.Sprintf("[%d]", i))
			return err
		}
		i++
	}
	e.buf = append(e.buf, ']')
	return nil
}

func (e *encoder) dict(v starlark.IterableMapping) error {
	items := v.Items()
	for _, kv := range items {
		if _, ok := kv[0].(starlark.String); !ok {
			return fmt.Errorf("the keys of a dict must be strings to be written as JSON, got %s; write str(key)", describe(kv[0]))
		}
	}
	if e.sorted {
		slices.SortFunc(items, func(a, b starlark.Tuple) int {
			return strings.Compare(string(a[0].(starlark.String)), string(b[0].(starlark.String)))
		})
	}
	e.buf = append(e.buf, '{')
	for i, kv := range items {
		if err := e.member(i == 0, string(kv[0].(starlark.String)), kv[1]); err != nil {
			return err
		}
	}
	e.buf = append(e.buf, '}')
	return nil
}

func (e *encoder) object(o *Object) error {
	e.buf = append(e.buf, '{')
	first := true
	for i := range o.fields {
		v, err := o.fields[i].get()
		if err != nil {
			e.path = append(e.path, "."+o.fields[i].Name)
			return err
		}
		if _, method := v.(starlark.Callable); method {
			continue
		}
		if err := e.member(first, o.fields[i].Name, v); err != nil {
			return err
		}
		first = false
	}
	e.buf = append(e.buf, '}')
	return nil
}

func (e *encoder) member(first bool, key string, v starlark.Value) error {
	if !first {
		e.buf = append(e.buf, ',')
	}
	err := e.string(key)
	if err == nil {
		e.buf = append(e.buf, ':')
		err = e.value(v)
	}
	if err != nil {
		e.path = append(e.path, fmt.Sprintf("[%s]", quote(key)))
	}
	return err
}
