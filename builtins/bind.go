package builtins

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"starquake/dsl"
	"starquake/internal/nearest"
)

// A Builtin is a row of the language's table: what dsl.Builtin says of it, and what
// it does.
type Builtin struct {
	dsl.Builtin
	// Fn carries out a call whose arguments fit the signature. It returns a value
	// or an error, as starlark.Callable demands; an error in an argument that the
	// signature cannot express is best made with Call.Errorf.
	Fn func(c *Call) (starlark.Value, error)
}

// Compile makes the names that a script sees. A dotted name becomes a member of a
// namespace. The constants (plain or dotted names too) join the same names. All
// values are immutable and can serve any number of runs at once.
//
// An error is a mistake in the table: a signature that cannot be parsed, a default
// outside its own range, a name given twice.
func Compile(table []Builtin, constants ...starlark.StringDict) (starlark.StringDict, error) {
	names := starlark.StringDict{}
	put := func(name string, v starlark.Value) error {
		into, last := names, name
		if space, member, dotted := strings.Cut(name, "."); dotted {
			ns, ok := names[space].(*namespace)
			if !ok {
				if names[space] != nil {
					return fmt.Errorf("builtin %s: %s is not a namespace", name, space)
				}
				ns = &namespace{name: space, members: starlark.StringDict{}}
				names[space] = ns
			}
			into, last = ns.members, member
		}
		if into[last] != nil {
			return fmt.Errorf("builtin %s stands twice in the table", name)
		}
		into[last] = v
		return nil
	}
	for i := range table {
		f, err := newFunction(&table[i])
		if err != nil {
			return nil, err
		}
		if err := put(f.name, f); err != nil {
			return nil, err
		}
	}
	for _, more := range constants {
		for _, name := range more.Keys() {
			more[name].Freeze()
			if err := put(name, more[name]); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

// function is a builtin as a Starlark value. It is a callable of its own rather than
// a starlark.Builtin so that one Go frame, not two, stands between starlark.Call and
// Fn: a branch that waits in Fn keeps its stack for hours.
type function struct {
	name   string
	fn     func(*Call) (starlark.Value, error)
	params []param
	// positional is how many of params may be given without their name.
	positional int
	// args and kwargs are the names behind "*" and "**", or "", and rest and kwrest
	// check one value of each.
	args, kwargs string
	rest, kwrest param
}

// newFunction parses and checks a row of the table.
func newFunction(b *Builtin) (*function, error) {
	sig, err := dsl.ParseSignature(b.Sig)
	if err != nil {
		return nil, err
	}
	if len(sig.Params) > 64 { // Call.given is a set of 64 bits
		return nil, fmt.Errorf("builtin %s has %d parameters: at most 64", sig.Name, len(sig.Params))
	}
	f := &function{name: sig.Name, fn: b.Fn, args: sig.Args, kwargs: sig.Kwargs}
	for _, p := range sig.Params {
		if !p.KeywordOnly {
			f.positional++
		}
		bound, err := newParam(b, sig.Name, p)
		if err != nil {
			return nil, err
		}
		f.params = append(f.params, bound)
	}
	if f.rest, err = newParam(b, sig.Name, sig.Rest); err != nil {
		return nil, err
	}
	if f.kwrest, err = newParam(b, sig.Name, sig.KwRest); err != nil {
		return nil, err
	}
	known := append(f.paramNames(), sig.Args, sig.Kwargs)
	for _, names := range [][]string{keys(b.Ranges), keys(b.Choices), keys(b.Help)} {
		for _, name := range names {
			if !slices.Contains(known, name) {
				return nil, fmt.Errorf("builtin %s: a range, choice or help is given for %q, which is no parameter", sig.Name, name)
			}
		}
	}
	return f, nil
}

func keys[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (f *function) paramNames() []string {
	names := make([]string, len(f.params))
	for i := range f.params {
		names[i] = f.params[i].Name
	}
	return names
}

// CallInternal binds the arguments and calls Fn. Binding is over, and its frames are
// gone, before Fn begins.
func (f *function) CallInternal(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	c, err := f.bind(thread, args, kwargs)
	if err != nil {
		return nil, err
	}
	return f.fn(c)
}

// bind makes the Call. Two allocations: the Call and its slots. Both belong to the
// call for as long as it lasts, so nothing is pooled.
func (f *function) bind(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (*Call, error) {
	c := &Call{Thread: thread, Name: f.name, f: f, slots: make([]slot, len(f.params))}
	if len(args) > f.positional {
		if f.args == "" {
			return nil, f.tooMany(len(args))
		}
		// The interpreter copies positional arguments for callables that are no
		// Starlark functions, so the tail can be kept as it is.
		c.rest = args[f.positional:]
		args = args[:f.positional]
		if err := f.checkRest(c.rest); err != nil {
			return nil, err
		}
	}
	for i, v := range args {
		if err := f.params[i].set(f.name, v, &c.slots[i]); err != nil {
			return nil, err
		}
		c.given |= 1 << i
	}
	for _, kv := range kwargs {
		if err := f.bindKeyword(c, kv); err != nil {
			return nil, err
		}
	}
	if err := f.checkNamed(c.named); err != nil {
		return nil, err
	}
	for i := range f.params {
		if c.given&(1<<i) == 0 {
			if f.params[i].Required {
				return nil, f.missing(&f.params[i])
			}
			c.slots[i] = f.params[i].def
		}
	}
	return c, nil
}

// bindKeyword binds one name = value pair.
func (f *function) bindKeyword(c *Call, kv starlark.Tuple) error {
	name := string(kv[0].(starlark.String))
	for i := range f.params {
		if f.params[i].Name != name {
			continue
		}
		if c.given&(1<<i) != 0 {
			return &ArgError{f.name, name, "given twice", "once by position and once by name, or twice by name: keep one"}
		}
		c.given |= 1 << i
		// run = None, by name, is what a function hands on that has no run itself.
		if kv[1] == starlark.None && f.params[i].def.val == starlark.None {
			c.slots[i] = f.params[i].def
			return nil
		}
		return f.params[i].set(f.name, kv[1], &c.slots[i])
	}
	if f.kwargs == "" {
		return f.unknown(name)
	}
	c.named = append(c.named, kv)
	p := f.kwrest
	p.Name = clip(name, 60)
	return p.set(f.name, kv[1], new(slot))
}

// checkRest checks what stands behind *args.
func (f *function) checkRest(rest starlark.Tuple) error {
	var s slot
	for _, v := range rest {
		if err := f.rest.set(f.name, v, &s); err != nil {
			return err
		}
	}
	return nil
}

// checkNamed refuses a name given twice behind **kwargs: f(a = 1, **{"a": 2}).
func (f *function) checkNamed(named []starlark.Tuple) error {
	if len(named) < 2 {
		return nil
	}
	seen := make(map[string]bool, len(named))
	for _, kv := range named {
		name := string(kv[0].(starlark.String))
		if seen[name] {
			return &ArgError{f.name, clip(name, 60), "given twice", "keep one"}
		}
		seen[name] = true
	}
	return nil
}

func (f *function) tooMany(got int) error {
	e := &ArgError{Builtin: f.name}
	switch names := f.paramNames(); {
	case len(names) == 0:
		e.Message = fmt.Sprintf("expected no arguments, got %d", got)
	case f.positional < len(names):
		e.Message = fmt.Sprintf("expected at most %d arguments without a name, got %d", f.positional, got)
		e.Hint = "give the others by name: " + strings.Join(names[f.positional:], ", ")
	default:
		e.Message = fmt.Sprintf("expected at most %d arguments (%s), got %d", f.positional, strings.Join(names, ", "), got)
	}
	return e
}

func (f *function) missing(p *param) error {
	return &ArgError{f.name, p.Name, "missing: expected " + p.expects(), fmt.Sprintf("add %s = …", p.Name)}
}

func (f *function) unknown(name string) error {
	names := f.paramNames()
	e := &ArgError{Builtin: f.name, Param: clip(name, 60), Message: "unknown argument"}
	switch near := nearest.Of(name, names); {
	case near != "":
		e.Hint = fmt.Sprintf("did you mean %s?", near)
	case len(names) == 0:
		e.Hint = f.name + " takes no named arguments"
	default:
		e.Hint = fmt.Sprintf("%s takes %s", f.name, strings.Join(names, ", "))
	}
	return e
}

// The methods of a Starlark value.

func (f *function) Name() string         { return f.name }
func (f *function) String() string       { return "<built-in function " + f.name + ">" }
func (f *function) Type() string         { return "builtin_function_or_method" }
func (f *function) Freeze()              {}
func (f *function) Truth() starlark.Bool { return true }
func (f *function) Hash() (uint32, error) {
	return starlark.String(f.name).Hash()
}

// namespace is a value such as fault, whose members are builtins and constants. It is
// made by Compile and never changes afterwards.
type namespace struct {
	name    string
	members starlark.StringDict
}

// Attr returns a member. The interpreter adds the nearest name to the error.
func (n *namespace) Attr(name string) (starlark.Value, error) {
	if v := n.members[name]; v != nil {
		return v, nil
	}
	return nil, starlark.NoSuchAttrError(fmt.Sprintf("there is no %s.%s", n.name, name))
}

func (n *namespace) AttrNames() []string   { return n.members.Keys() }
func (n *namespace) String() string        { return "<namespace " + n.name + ">" }
func (n *namespace) Type() string          { return "namespace" }
func (n *namespace) Freeze()               {}
func (n *namespace) Truth() starlark.Bool  { return true }
func (n *namespace) Hash() (uint32, error) { return starlark.String(n.name).Hash() }

// CallInternal is there to say what is missing: without it the error would be
// "invalid call of non-function (namespace)".
func (n *namespace) CallInternal(*starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	names := n.AttrNames()
	return nil, &ArgError{n.name, "", "is a family of builtins and cannot be called itself", fmt.Sprintf("write for example %s.%s(…)", n.name, names[0])}
}

// Name is the namespace's name.
func (n *namespace) Name() string { return n.name }

// evalDefault evaluates a default written in a signature. It is frozen, since every
// call shares it.
func evalDefault(source string) (starlark.Value, error) {
	v, err := starlark.EvalOptions(&syntax.FileOptions{}, &starlark.Thread{Name: "default"}, "default", source, nil)
	if err != nil {
		return nil, err
	}
	v.Freeze()
	return v, nil
}
