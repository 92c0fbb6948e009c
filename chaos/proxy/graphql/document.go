package graphql

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// What is looked at of a document. The parser bounds its depth by itself.
const (
	maxTokens = 20_000
	// maxAsked bounds the selections that are looked at, fragments counted each time
	// that they are used; maxDepth how deep. What is beyond is not known.
	maxAsked = 20_000
	maxDepth = 200
)

func parseBounded(text string) (*ast.QueryDocument, error) {
	return parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, maxTokens)
}

// field is what an operation asks for at one place of its answer.
type field struct {
	// names are those of the schema: several where fragments on different types use one
	// alias.
	names []string
	// fields are those below, by the key that they have in the answer.
	fields map[string]*field
}

// at returns the field of a key below f, or nil. f may be nil.
func (f *field) at(key string) *field {
	if f == nil {
		return nil
	}
	return f.fields[key]
}

// is reports whether a field, which has a key in the answer, goes by a name.
func (f *field) is(key, name string) bool {
	return key == name || f != nil && slices.Contains(f.names, name)
}

// collector puts together the fields of an operation.
type collector struct {
	doc  *ast.QueryDocument
	vars map[string]any
	defs ast.VariableDefinitionList
	left int
}

// fieldsOf returns what an operation asks for, given its variables.
func fieldsOf(doc *ast.QueryDocument, def *ast.OperationDefinition, vars map[string]any) *field {
	root := new(field)
	c := collector{doc, vars, def.VariableDefinitions, maxAsked}
	c.collect(root, def.SelectionSet, 0)
	return root
}

func (c *collector) collect(into *field, set ast.SelectionSet, depth int) {
	if depth > maxDepth {
		return
	}
	for _, selection := range set {
		if c.left--; c.left < 0 {
			return
		}
		switch s := selection.(type) {
		case *ast.Field:
			if !c.included(s.Directives) {
				continue
			}
			below := into.fields[s.Alias]
			if below == nil {
				below = new(field)
				if into.fields == nil {
					into.fields = make(map[string]*field)
				}
				into.fields[s.Alias] = below
			}
			if !slices.Contains(below.names, s.Name) {
				below.names = append(below.names, s.Name)
			}
			c.collect(below, s.SelectionSet, depth+1)
		case *ast.InlineFragment:
			if c.included(s.Directives) {
				c.collect(into, s.SelectionSet, depth+1)
			}
		case *ast.FragmentSpread:
			// One that uses itself ends at the depth that is looked at.
			if f := c.doc.Fragments.ForName(s.Name); f != nil && c.included(s.Directives) {
				c.collect(into, f.SelectionSet, depth+1)
			}
		}
	}
}

// included reports whether @skip and @include let a selection be.
func (c *collector) included(directives ast.DirectiveList) bool {
	for name, want := range map[string]bool{"skip": false, "include": true} {
		d := directives.ForName(name)
		if d == nil {
			continue
		}
		arg := d.Arguments.ForName("if")
		if arg == nil {
			continue
		}
		if is, known := c.truth(arg.Value); known && is != want {
			return false
		}
	}
	return true
}

// truth returns what a value is, as far as that is known.
func (c *collector) truth(v *ast.Value) (is, known bool) {
	if v == nil {
		return false, false
	}
	if v.Kind == ast.Variable {
		if given, ok := c.vars[v.Raw]; ok {
			is, known = given.(bool)
			return is, known
		}
		def := c.defs.ForName(v.Raw)
		if def == nil || def.DefaultValue == nil {
			return false, false
		}
		v = def.DefaultValue
	}
	return v.Raw == "true", v.Kind == ast.BooleanValue
}

// Known reports whether it is known what fields the operation asks for.
func (op *Operation) Known() bool { return op.asked != nil }

// Asks reports whether the operation asks for one of fields: each the end of a path of
// names, "email" or "user.email".
func (op *Operation) Asks(fields []string) bool {
	return asks(op.asked, paths(fields), nil)
}

func asks(f *field, wanted [][]string, trail []step) bool {
	if f == nil {
		return false
	}
	for key, below := range f.fields {
		trail := append(trail, step{key, below})
		if fitsAny(wanted, trail) || asks(below, wanted, trail) {
			return true
		}
	}
	return false
}

// step is one field on the way from an answer's root. Places in lists are none.
type step struct {
	key string
	of  *field
}

// paths splits dotted paths.
func paths(fields []string) [][]string {
	out := make([][]string, len(fields))
	for i, f := range fields {
		out[i] = strings.Split(f, ".")
	}
	return out
}

// fitsAny reports whether trail ends in one of the paths.
func fitsAny(wanted [][]string, trail []step) bool {
	return slices.ContainsFunc(wanted, func(path []string) bool { return fits(path, trail) })
}

func fits(path []string, trail []step) bool {
	if len(path) > len(trail) {
		return false
	}
	for i, s := range trail[len(trail)-len(path):] {
		if !s.of.is(s.key, path[i]) {
			return false
		}
	}
	return true
}
