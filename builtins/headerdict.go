package builtins

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
)

// headerDict are the headers of an answer: a dict with lower-case names that is read
// with names in any case, as RFC 9110, 5.1, has it. It is immutable.
type headerDict struct{ dict *starlark.Dict }

var (
	_ starlark.IterableMapping = headerDict{}
	_ starlark.Sequence        = headerDict{}
	_ starlark.HasAttrs        = headerDict{}
)

// newHeaderDict makes the value of headers whose names are lower-case.
func newHeaderDict(headers map[string]string) headerDict {
	d := starlark.NewDict(len(headers))
	for _, k := range keys(headers) {
		_ = d.SetKey(starlark.String(k), starlark.String(headers[k])) // a fresh dict takes strings
	}
	d.Freeze()
	return headerDict{d}
}

func (h headerDict) String() string             { return h.dict.String() }
func (h headerDict) Type() string               { return "response_headers" }
func (h headerDict) Freeze()                    {}
func (h headerDict) Truth() starlark.Bool       { return h.dict.Truth() }
func (h headerDict) Hash() (uint32, error)      { return 0, fmt.Errorf("headers cannot be a key of a dict") }
func (h headerDict) Len() int                   { return h.dict.Len() }
func (h headerDict) Iterate() starlark.Iterator { return h.dict.Iterate() }
func (h headerDict) Items() []starlark.Tuple    { return h.dict.Items() }

// Get implements starlark.Mapping: h["Content-Type"], and "X-Id" in h.
func (h headerDict) Get(k starlark.Value) (starlark.Value, bool, error) {
	return h.dict.Get(lowerCase(k))
}

func lowerCase(k starlark.Value) starlark.Value {
	if s, ok := k.(starlark.String); ok {
		return starlark.String(strings.ToLower(string(s)))
	}
	return k
}

// AttrNames are the methods of a dict that read.
func (h headerDict) AttrNames() []string { return []string{"get", "items", "keys", "values"} }

// Attr gives one of them.
func (h headerDict) Attr(name string) (starlark.Value, error) {
	switch name {
	case "items", "keys", "values":
		return h.dict.Attr(name)
	case "get":
		return starlark.NewBuiltin("get", func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			var name starlark.Value
			other := starlark.Value(starlark.None)
			if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &name, &other); err != nil {
				return nil, err
			}
			if v, found, err := h.Get(name); err != nil || found {
				return v, err
			}
			return other, nil
		}), nil
	}
	return nil, nil
}
