package builtins

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

// A Field is one attribute of an Object: its value, or the function that makes it.
type Field struct {
	Name string
	// Value is the field's value; nil if Lazy makes it.
	Value starlark.Value
	// Lazy is called at most once, when the field is first read. It may return nil
	// in place of None.
	Lazy func() (starlark.Value, error)
	// Always is called whenever the field is read: for what changes, such as whether
	// a branch is done.
	Always func() starlark.Value
}

// Object is the result of anything: of a step, a request, a reading. It is an
// immutable bag of named values; what a value holds (a list that the script's own
// function returned) is not frozen by it.
//
// An Object with a field "ok" is true where ok is: "if not step(…):" asks what it
// seems to ask, and a failure is never taken for a success. Every other Object is
// true. Objects are equal only to themselves and cannot be keys of a dict.
type Object struct {
	typ    string
	fields []Field
	// printing is set while String runs: a list in a field may hold the object.
	// An object belongs to one run, in which one branch at a time executes.
	printing bool
}

var (
	_ starlark.HasAttrs = (*Object)(nil)
	_ starlark.Value    = (*Object)(nil)
)

// NewObject makes an object whose type is typ. It keeps fields; a field that nothing
// makes is None.
func NewObject(typ string, fields ...Field) *Object {
	for i := range fields {
		if fields[i].Value == nil && fields[i].Lazy == nil && fields[i].Always == nil {
			fields[i].Value = starlark.None
		}
	}
	return &Object{typ: typ, fields: fields}
}

// Attr returns a field. To an unknown one the interpreter adds the nearest name.
func (o *Object) Attr(name string) (starlark.Value, error) {
	for i := range o.fields {
		if o.fields[i].Name == name {
			return o.fields[i].get()
		}
	}
	return nil, starlark.NoSuchAttrError(fmt.Sprintf("a %s has no .%s; it has %s%s", o.typ, clip(name, 40), o.list(), o.within(name)))
}

// within tells which fields are objects that have a field of that name.
func (o *Object) within(name string) string {
	var have []string
	for i := range o.fields {
		v, err := o.fields[i].get()
		if inner, ok := v.(*Object); ok && err == nil && slices.Contains(inner.AttrNames(), name) {
			have = append(have, "."+o.fields[i].Name+"."+name)
		}
	}
	if len(have) == 0 {
		return ""
	}
	return "; there is " + strings.Join(have, ", ")
}

func (f *Field) get() (starlark.Value, error) {
	if f.Value != nil {
		return f.Value, nil
	}
	if f.Always != nil {
		return f.Always(), nil
	}
	v, err := f.Lazy()
	if err != nil {
		return nil, err
	}
	if v == nil {
		v = starlark.None
	}
	f.Value, f.Lazy = v, nil
	return v, nil
}

// list names the fields in their order, as far as a line holds them.
func (o *Object) list() string {
	var names []string
	for _, f := range o.fields {
		names = append(names, "."+f.Name)
	}
	return clip(strings.Join(names, " "), 200)
}

// AttrNames lists the fields, sorted, as dir() wants them.
func (o *Object) AttrNames() []string {
	names := make([]string, len(o.fields))
	for i, f := range o.fields {
		names[i] = f.Name
	}
	slices.Sort(names)
	return names
}

// String gives `step_result(name = "x", ok = True)`. Methods, and what could not be
// made, are left out.
func (o *Object) String() string {
	if o.printing {
		return o.typ + "(…)"
	}
	o.printing = true
	defer func() { o.printing = false }()
	var b strings.Builder
	b.WriteString(o.typ + "(")
	first := true
	for i := range o.fields {
		v, err := o.fields[i].get()
		if _, method := v.(starlark.Callable); err != nil || method {
			continue
		}
		if !first {
			b.WriteString(", ")
		}
		first = false
		b.WriteString(o.fields[i].Name + " = " + v.String())
	}
	b.WriteString(")")
	return b.String()
}

// Type is the name given to NewObject.
func (o *Object) Type() string { return o.typ }

// Freeze does nothing: the object is immutable, and runs share no values.
func (o *Object) Freeze() {}

// Truth is the field "ok" where there is one.
func (o *Object) Truth() starlark.Bool {
	for i := range o.fields {
		if o.fields[i].Name == "ok" {
			v, err := o.fields[i].get()
			return err == nil && v.Truth()
		}
	}
	return true
}

// Hash refuses: an object is no key.
func (o *Object) Hash() (uint32, error) {
	return 0, fmt.Errorf("a %s cannot be a key of a dict; use one of its fields, such as its name", o.typ)
}

// MarshalJSON writes the fields in their order.
func (o *Object) MarshalJSON() ([]byte, error) { return ToJSON(o) }

// Method makes a field that can be called. The signature is checked like that of any
// builtin; it panics if it cannot be parsed, which is a mistake in the program.
func Method(b Builtin) Field {
	f, err := newFunction(&b)
	if err != nil {
		panic(err)
	}
	_, name, dotted := strings.Cut(f.name, ".")
	if !dotted {
		name = f.name
	}
	return Field{Name: name, Value: f}
}
