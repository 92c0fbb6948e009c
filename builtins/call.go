package builtins

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/effects"
)

// A Call is one call of a builtin: its arguments, checked against the signature.
// It may be kept for as long as Fn and what Fn starts need it; nobody reuses it.
//
// The typed accessors take a parameter's name as the signature has it. For a
// parameter that was not given they return its default; for None the zero value.
// A name that the signature lacks is a mistake in Fn, and panics.
type Call struct {
	// Thread is the caller's thread.
	Thread *starlark.Thread
	// Name is the builtin's name, dots included.
	Name string

	f     *function
	slots []slot // one for each of f.params
	// given has bit i set if parameter i was written in the call.
	given uint64
	rest  starlark.Tuple
	named []starlark.Tuple
}

// slot is one argument: as it was written, and as the number it stands for.
type slot struct {
	val starlark.Value
	// i is set for ints (the value), durations (nanoseconds) and sizes (bytes).
	i int64
	// f is set for everything that is a number: a duration in seconds, a share as
	// 0..1, a percentage as 0..100, a bandwidth in bytes per second.
	f float64
}

func (c *Call) slot(name string) *slot {
	for i := range c.f.params {
		if c.f.params[i].Name == name {
			return &c.slots[i]
		}
	}
	panic(fmt.Sprintf("builtins: %s has no parameter %q", c.Name, name))
}

// Has reports whether the argument was given and is not None.
func (c *Call) Has(name string) bool {
	return c.Given(name) && c.slot(name).val != starlark.None
}

// Given reports whether the argument was written in the call, even as None.
func (c *Call) Given(name string) bool {
	for i := range c.f.params {
		if c.f.params[i].Name == name {
			return c.given&(1<<i) != 0
		}
	}
	panic(fmt.Sprintf("builtins: %s has no parameter %q", c.Name, name))
}

// Value returns the argument as the script wrote it, None included.
func (c *Call) Value(name string) starlark.Value { return c.slot(name).val }

// String returns a string, the text of bytes, or the placeholder of a secret.
func (c *Call) String(name string) string {
	s, _ := text(c.slot(name).val)
	return s
}

// text returns the text of a string-like value.
func text(v starlark.Value) (string, bool) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), true
	case starlark.Bytes:
		return string(v), true
	case Secret:
		return v.String(), true
	}
	return "", false
}

// Int returns an int. It fits 64 bits.
func (c *Call) Int(name string) int { return int(c.slot(name).i) }

// Float returns a number.
func (c *Call) Float(name string) float64 { return c.slot(name).f }

// Bool returns a bool.
func (c *Call) Bool(name string) bool { return c.slot(name).val == starlark.True }

// Duration returns a duration.
func (c *Call) Duration(name string) time.Duration { return time.Duration(c.slot(name).i) }

// Size returns a number of bytes.
func (c *Call) Size(name string) int64 { return c.slot(name).i }

// Share returns a share as 0..1.
func (c *Call) Share(name string) float64 { return c.slot(name).f }

// Percent returns a percentage as 0..100.
func (c *Call) Percent(name string) float64 { return c.slot(name).f }

// Bandwidth returns bytes per second.
func (c *Call) Bandwidth(name string) float64 { return c.slot(name).f }

// Callable returns a function, or nil.
func (c *Call) Callable(name string) starlark.Callable {
	f, _ := c.slot(name).val.(starlark.Callable)
	return f
}

// Ramp returns a ramp, or nil where a plain value was given.
func (c *Call) Ramp(name string) *Ramp {
	r, _ := c.slot(name).val.(*Ramp)
	return r
}

// List returns the elements of a list, tuple or other iterable, or nil. The slice is
// the caller's.
func (c *Call) List(name string) []starlark.Value {
	return elements(c.slot(name).val)
}

// elements returns what v holds, or nil if it cannot be iterated.
func elements(v starlark.Value) []starlark.Value {
	seq, ok := v.(starlark.Iterable)
	if !ok {
		return nil
	}
	if list, ok := v.(starlark.Indexable); ok && list.Len() > 0 { // a list or a tuple
		out := make([]starlark.Value, list.Len())
		for i := range out {
			out[i] = list.Index(i)
		}
		return out
	}
	return slices.Collect(starlark.Elements(seq))
}

// Strings returns the strings of a list, or the one string given in place of it.
// What is no string is an error that names its place.
func (c *Call) Strings(name string) ([]string, error) {
	v := c.slot(name).val
	if s, ok := text(v); ok {
		return []string{s}, nil
	}
	var out []string
	for i, e := range elements(v) {
		s, ok := text(e)
		if !ok {
			return nil, c.Errorf(name, "expected a string at position %d, got %s", i, describe(e))
		}
		out = append(out, s)
	}
	return out, nil
}

// Dict returns a dict, or nil.
func (c *Call) Dict(name string) *starlark.Dict {
	d, _ := c.slot(name).val.(*starlark.Dict)
	return d
}

// A Header is one name and value.
type Header struct{ Name, Value string }

// Headers returns headers in the order written; a list of values gives one Header
// for each.
func (c *Call) Headers(name string) []Header {
	var out []Header
	if d := c.Dict(name); d != nil {
		for k, v := range d.Entries() {
			out = appendHeader(out, k, v)
		}
	}
	return out
}

func appendHeader(out []Header, k, v starlark.Value) []Header {
	name, _ := text(k)
	if s, ok := headerText(v); ok {
		return append(out, Header{name, s})
	}
	for _, e := range elements(v) {
		s, _ := headerText(e)
		out = append(out, Header{name, s})
	}
	return out
}

// Rest returns the arguments behind *args.
func (c *Call) Rest() starlark.Tuple { return c.rest }

// Named returns the arguments behind **kwargs as (name, value) pairs in the order
// written.
func (c *Call) Named() []starlark.Tuple { return c.named }

// Pos is where the script made the call; the zero Position if no script did.
func (c *Call) Pos() syntax.Position {
	// Frame 0 is the builtin itself. Between it and the script may stand other
	// builtins, which have no position: sorted(key = …), for one.
	for depth := 1; depth < c.Thread.CallStackDepth(); depth++ {
		if pos := c.Thread.CallFrame(depth).Pos; pos.Line > 0 {
			return pos
		}
	}
	return syntax.Position{}
}

// Errorf makes an error about one argument.
func (c *Call) Errorf(param, format string, args ...any) *ArgError {
	return &ArgError{Builtin: c.Name, Param: param, Message: fmt.Sprintf(format, args...)}
}

// nameGiven is the error for a name that is empty, where nobody would find again what bears it.
func (c *Call) nameGiven() error {
	if strings.TrimSpace(c.String("name")) == "" {
		return c.Errorf("name", "expected a name, got an empty string")
	}
	return nil
}

// method is the method of a request, as HTTP has it in capitals.
func (c *Call) method() (string, error) {
	method := c.String("method")
	if !effects.IsMethod(method) {
		return "", c.Errorf("method", "expected a method such as \"GET\", got %s", describe(c.Value("method")))
	}
	return strings.ToUpper(method), nil
}

// WithHint adds what to write instead.
func (e *ArgError) WithHint(format string, args ...any) *ArgError {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// CheckCallable returns v as a function, or the error that names param. It is for
// the arguments behind *args and **kwargs, which a signature does not type.
func (c *Call) CheckCallable(param string, v starlark.Value) (starlark.Callable, error) {
	if f, ok := v.(starlark.Callable); ok {
		return f, nil
	}
	return nil, c.Errorf(param, "expected a function, got %s", describe(v)).WithHint("%s", passFunction)
}
