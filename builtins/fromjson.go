package builtins

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
)

// FromJSON reads JSON text: an object becomes a dict in the text's order (of two
// equal keys the last counts), an array a list, a number with a point or exponent a
// float and any other an int of any size. The result is not frozen.
func FromJSON(raw json.RawMessage) (starlark.Value, error) {
	switch {
	case len(raw) > MaxJSONSize:
		return nil, fmt.Errorf("JSON text of %d bytes is larger than %d MiB", len(raw), MaxJSONSize>>20)
	case !utf8.Valid(raw):
		return nil, fmt.Errorf("the JSON text is not UTF-8")
	case !json.Valid(raw):
		// The library's own error has the offset.
		var v json.RawMessage
		err := json.Unmarshal(raw, &v)
		if syntaxErr, ok := err.(*json.SyntaxError); ok {
			return nil, fmt.Errorf("the text is not JSON: %w (at byte %d)", err, syntaxErr.Offset)
		}
		return nil, fmt.Errorf("the text is not JSON: %w", err)
	}
	d := decoder{text: string(raw)}
	return d.value()
}

// decoder reads text that is known to be JSON: it looks no further than it must.
type decoder struct {
	text  string
	depth int
}

// next skips space and returns the first byte of what follows.
func (d *decoder) next() byte {
	d.text = strings.TrimLeft(d.text, " \t\r\n")
	return d.text[0]
}

func (d *decoder) value() (starlark.Value, error) {
	switch d.next() {
	case 'n':
		d.text = d.text[len("null"):]
		return starlark.None, nil
	case 't':
		d.text = d.text[len("true"):]
		return starlark.True, nil
	case 'f':
		d.text = d.text[len("false"):]
		return starlark.False, nil
	case '"':
		return starlark.String(d.string()), nil
	case '[', '{':
		d.depth++
		defer func() { d.depth-- }()
		if d.depth > MaxJSONDepth {
			return nil, fmt.Errorf("the JSON text is nested more than %d deep", MaxJSONDepth)
		}
		if d.text[0] == '[' {
			return d.list()
		}
		return d.dict()
	}
	return d.number()
}

// string reads a string literal.
func (d *decoder) string() string {
	end, escaped := 1, false
	for d.text[end] != '"' {
		if d.text[end] == '\\' {
			escaped = true
			end++
		}
		end++
	}
	literal := d.text[:end+1]
	d.text = d.text[end+1:]
	if !escaped {
		return literal[1:end]
	}
	var s string
	_ = json.Unmarshal([]byte(literal), &s) // a valid literal
	return s
}

func (d *decoder) number() (starlark.Value, error) {
	end := 0
	for end < len(d.text) && strings.IndexByte("+-.0123456789eE", d.text[end]) >= 0 {
		end++
	}
	literal := d.text[:end]
	d.text = d.text[end:]
	if strings.ContainsAny(literal, ".eE") {
		f, err := strconv.ParseFloat(literal, 64)
		if err != nil {
			return nil, fmt.Errorf("the number %s is out of the range of floats", clip(literal, 40))
		}
		return starlark.Float(f), nil
	}
	if n, err := strconv.ParseInt(literal, 10, 64); err == nil {
		return starlark.MakeInt64(n), nil
	}
	if len(literal) > maxDigits {
		return nil, fmt.Errorf("a number of %d digits is too long", len(literal))
	}
	n, _ := new(big.Int).SetString(literal, 10)
	return starlark.MakeBigInt(n), nil
}

func (d *decoder) list() (starlark.Value, error) {
	var elems []starlark.Value
	d.text = d.text[1:]
	for d.next() != ']' {
		if d.text[0] == ',' {
			d.text = d.text[1:]
		}
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		elems = append(elems, v)
	}
	d.text = d.text[1:]
	return starlark.NewList(elems), nil
}

func (d *decoder) dict() (starlark.Value, error) {
	dict := new(starlark.Dict)
	d.text = d.text[1:]
	for d.next() != '}' {
		if d.text[0] == ',' {
			d.text = d.text[1:]
			d.next()
		}
		key := d.string()
		d.next() // ':'
		d.text = d.text[1:]
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		if err := dict.SetKey(starlark.String(key), v); err != nil {
			return nil, err
		}
	}
	d.text = d.text[1:]
	return dict, nil
}
