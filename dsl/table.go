package dsl

import (
	"fmt"
	"slices"
	"strings"

	starlarkjson "go.starlark.net/lib/json"
	starlarkmath "go.starlark.net/lib/math"
	starlarktime "go.starlark.net/lib/time"
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// table is the names of the language, ready to be looked up.
type table struct {
	// byName holds every builtin by its full name, "step" or "fault.latency".
	byName map[string]*entry
	// inSpace holds those of each namespace by their names in it.
	inSpace map[string]map[string]*entry
	// members holds the sorted names of each namespace.
	members map[string][]string
	// top holds every predeclared name.
	top map[string]bool
	// names are those of top and of Starlark itself, sorted: what a wrong name may have meant.
	names []string
}

// entry is a builtin with its parsed signature.
type entry struct {
	Builtin
	sig *Signature
}

func newTable(builtins []Builtin) (*table, error) {
	t := &table{byName: map[string]*entry{}, inSpace: map[string]map[string]*entry{}, members: map[string][]string{}, top: map[string]bool{}}
	t.addNamespace("json", starlarkjson.Module.Members)
	t.addNamespace("math", starlarkmath.Module.Members)
	t.addNamespace("time", starlarktime.Module.Members)
	for _, b := range builtins {
		sig, err := ParseSignature(b.Sig)
		if err != nil {
			return nil, err
		}
		if t.byName[sig.Name] != nil {
			return nil, fmt.Errorf("the builtin %s is in the table twice", sig.Name)
		}
		e := &entry{b, sig}
		t.byName[sig.Name] = e
		space, member, dotted := strings.Cut(sig.Name, ".")
		t.top[space] = true
		if dotted {
			if t.inSpace[space] == nil {
				t.inSpace[space] = map[string]*entry{}
			}
			t.inSpace[space][member] = e
		}
		if dotted && !slices.Contains(t.members[space], member) {
			t.members[space] = append(t.members[space], member)
		}
	}
	for _, members := range t.members {
		slices.Sort(members)
	}
	for name := range t.top {
		t.names = append(t.names, name)
	}
	for name := range starlark.Universe {
		if !t.top[name] {
			t.names = append(t.names, name)
		}
	}
	slices.Sort(t.names)
	return t, nil
}

// addNamespace adds a library of Starlark, of which only the names are known.
func (t *table) addNamespace(name string, members starlark.StringDict) {
	t.top[name] = true
	t.members[name] = members.Keys()
}

// namespace tells whether name is only a namespace and no builtin itself.
func (t *table) namespace(name string) bool {
	return len(t.members[name]) > 0 && t.byName[name] == nil
}

// callee resolves the function of a call to a name of the language, "" if it is none, and
// to its row, nil if the table does not have it.
func (t *table) callee(fn syntax.Expr) (name string, e *entry) {
	switch fn := unparen(fn).(type) {
	case *syntax.Ident:
		if scope(fn) == resolve.Predeclared || scope(fn) == resolve.Universal {
			return fn.Name, t.byName[fn.Name]
		}
	case *syntax.DotExpr:
		x, ok := unparen(fn.X).(*syntax.Ident)
		if !ok || scope(x) != resolve.Predeclared {
			break
		}
		if e := t.inSpace[x.Name][fn.Name.Name]; e != nil {
			return e.sig.Name, e
		}
		if len(t.members[x.Name]) > 0 {
			return x.Name + "." + fn.Name.Name, nil
		}
	}
	return "", nil
}

// called returns the builtin that a call calls, or nil.
func (t *table) called(call *syntax.CallExpr) *entry {
	_, e := t.callee(call.Fn)
	return e
}

// binding returns what the resolver found out about an identifier, never nil.
func binding(id *syntax.Ident) *resolve.Binding {
	if b, ok := id.Binding.(*resolve.Binding); ok && b != nil {
		return b
	}
	return &resolve.Binding{}
}

// scope tells where an identifier is bound.
func scope(id *syntax.Ident) resolve.Scope { return binding(id).Scope }

// variable identifies the variable an identifier denotes, through closures: the
// identifier that first binds it. It is nil for predeclared and undefined names.
func variable(id *syntax.Ident) *syntax.Ident { return binding(id).First }

func unparen(e syntax.Expr) syntax.Expr {
	for {
		p, ok := e.(*syntax.ParenExpr)
		if !ok {
			return e
		}
		e = p.X
	}
}
