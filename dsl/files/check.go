package files

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"starquake/dsl"
	"starquake/internal/nearest"
)

// checker holds a tree against the table: which keys there are, and of what type their
// values. It says everything that is wrong, and changes nothing.
type checker struct {
	*problems
	schema schema
	lines  *lines
	// configs are the chaos configurations by their place: an alias stands for one.
	configs map[*node]*Config
	asked   []askedConfig // those that checkConfigs will check, in the order of the file
}

// object checks a mapping. key is what it stands behind, nil for the whole.
func (c *checker) object(n *node, o *Object, key *node) {
	if n.kind != mapNode {
		if n.kind != badNode {
			c.wrongType(n, key, o.Noun+", which is a mapping").Help = "write " + example(o, n)
		}
		return
	}
	variant := ""
	if t := n.get("type"); t != nil && t.kind == stringNode && slices.Contains(o.field("type").choices(), t.text) {
		variant = t.text
	}
	slips := map[string]bool{} // keys that are there in another spelling
	for i := range n.pairs {
		p := &n.pairs[i]
		f := o.fieldFor(p.key.text, variant)
		switch {
		case f == nil:
			slips[c.unknownKey(p.key, o, variant)] = true
		case !f.fits(variant) && variant == "": // the type is wrong, which is said there
		case !f.fits(variant):
			d := c.fail(p.key.pos, "misplaced_key", "%s of type %s has no key %s", o.Noun, variant, f.Name)
			d.Help = suggest(f.Name, o.names(variant), "it has")
		default:
			c.value(p.value, f, p.key)
		}
	}
	for i := range o.Fields {
		f := &o.Fields[i]
		if f.Required && n.get(f.Name) == nil && f.fits(variant) && (c.lenient || !slips[f.Name]) {
			c.missing(n, key, o, f, variant)
		}
	}
}

func (f *Field) choices() []string {
	if f == nil {
		return nil
	}
	return f.Choices
}

// fieldFor returns the row of a key, of several that which fits the type.
func (o *Object) fieldFor(name, variant string) *Field {
	var found *Field
	for i := range o.Fields {
		if f := &o.Fields[i]; f.Name == name && (found == nil || f.fits(variant)) {
			found = f
		}
	}
	return found
}

// fits tells whether the key stands with a type.
func (f *Field) fits(variant string) bool {
	return len(f.For) == 0 || slices.Contains(f.For, variant)
}

// names are the keys that an object of a type has.
func (o *Object) names(variant string) []string {
	var names []string
	for i := range o.Fields {
		if f := &o.Fields[i]; variant == "" || f.fits(variant) {
			names = append(names, f.Name)
		}
	}
	return slices.Compact(names)
}

// unknownKey returns the key that was most likely meant, or "".
func (c *checker) unknownKey(key *node, o *Object, variant string) string {
	severity := dsl.Error
	if c.lenient {
		severity = dsl.Warning
	}
	d := c.say(severity, key.pos, "unknown_key", "%s has no key %s", o.Noun, strconv.Quote(short(key.text)))
	if c.full() {
		return "" // what was meant by the rest nobody will be told
	}
	d.Help = suggest(key.text, o.names(variant), "it has")
	near := nearest.Of(key.text, o.names(variant))
	if near == "" {
		d.Help = c.elsewhere(key.text, o, d.Help)
	}
	return near
}

// missing says which key is not there, at the mapping's own key or its first line.
func (c *checker) missing(n, key *node, o *Object, f *Field, variant string) {
	what := o.Noun
	if variant != "" {
		what += " of type " + variant
	}
	c.fail(headOf(n, key), "missing_key", "%s needs %s: %s", what, f.Name, f.Doc).
		Help = "write " + f.Name + ": and " + f.expected()
}

// headOf is the place to show for a mapping as a whole: its key, or its first line.
func headOf(n, key *node) Pos {
	if key != nil && len(n.pairs) == 0 {
		return key.pos
	}
	pos := n.pos
	if len(n.pairs) > 0 && n.pairs[0].key.pos.Line == pos.Line && n.pairs[0].key.pos.Col == pos.Col {
		return n.pairs[0].key.pos
	}
	if pos.EndLine > pos.Line {
		pos.EndLine, pos.EndCol = pos.Line, pos.Col+1
	}
	return pos
}

// wrongType says what was expected behind a key, or of an item of a list.
func (c *checker) wrongType(v, key *node, expected string) *dsl.Diagnostic {
	pos := v.pos
	name := ""
	if key != nil {
		name = short(key.text) + ": "
		if v.kind == nullNode && pos.EndCol <= pos.Col { // it has no text
			pos = key.pos
		}
	}
	if pos.EndLine > pos.Line && v.kind != stringNode {
		pos = headOf(v, nil)
	}
	d := c.fail(pos, "wrong_type", "%sexpected %s, found %s", name, expected, v.found())
	return d
}

// value checks what stands behind a key.
func (c *checker) value(v *node, f *Field, key *node) {
	if v.kind == badNode {
		return
	}
	if v.kind == nullNode && !(f.MayBeEmpty && (f.Type == TypeAny || f.Type == TypeConfig)) {
		if f.Required {
			c.wrongType(v, key, f.expected())
		} else {
			c.warn(key.pos, "null_value", "%s has no value: it is as if it were not there", f.Name)
		}
		return
	}
	switch f.Type {
	case TypeString, TypeTime:
		c.text(v, f, key)
	case TypeBool:
		if v.kind != boolNode {
			c.wrongType(v, key, f.expected()).Help = boolHelp(v)
		}
	case TypeInt, TypeNumber:
		c.numeric(v, f, key)
	case TypeFigure:
		if v.kind != stringNode {
			c.numeric(v, f, key)
		}
	case TypeBody:
		if v.kind != stringNode && v.kind != mapNode {
			c.wrongType(v, key, f.expected())
		}
	case TypeValues:
		if v.kind != mapNode {
			c.wrongType(v, key, f.expected())
		}
	case TypeConfig:
		if v.kind != nullNode && v.kind != mapNode {
			c.wrongType(v, key, f.expected())
			return
		}
		c.config(v, key)
	default:
		c.collection(v, f, key)
	}
}

// collection checks what holds several values.
func (c *checker) collection(v *node, f *Field, key *node) {
	switch f.Type {
	case TypeStrings, TypeNames:
		c.strings(v, f, key)
	case TypeObject:
		if v.kind != mapNode {
			shown := "{}"
			if !f.MayBeEmpty {
				shown = example(c.schema[f.Of], v)
			}
			c.wrongType(v, key, f.expected()).Help = "write " + key.text + ": " + shown
			return
		}
		c.object(v, c.schema[f.Of], key)
	case TypeObjects:
		if v.kind != listNode {
			c.wrongType(v, key, f.expected()).Help = "begin each of them with \"- \", such as - " + example(c.schema[f.Of], v)
			return
		}
		c.notEmpty(v, f, key)
		for _, item := range v.items {
			c.object(item, c.schema[f.Of], nil)
		}
	case TypeTargets:
		if v.kind != mapNode {
			c.wrongType(v, key, f.expected())
			return
		}
		for _, p := range v.pairs {
			if p.key.text == "" {
				c.fail(p.key.pos, "empty_string", "a target's name is empty")
			}
			c.object(p.value, c.schema[f.Of], p.key)
		}
	}
}

func (c *checker) notEmpty(v *node, f *Field, key *node) {
	if len(v.items) == 0 && !f.MayBeEmpty {
		c.fail(v.pos, "empty_list", "%s is empty; expected one or more", key.text)
	}
}

func (c *checker) strings(v *node, f *Field, key *node) {
	if v.kind == stringNode && f.Type == TypeNames {
		return
	}
	if v.kind != listNode {
		c.wrongType(v, key, f.expected()).Help = stringsHelp(v, f)
		return
	}
	c.notEmpty(v, f, key)
	for _, item := range v.items {
		if item.kind != stringNode && item.kind != badNode {
			c.wrongType(item, key, "strings").Help = quoteHelp(item)
		}
	}
}

func stringsHelp(v *node, f *Field) string {
	if v.kind == stringNode {
		return "write " + f.Name + ": [" + short(v.text) + "]"
	}
	return ""
}

func (c *checker) text(v *node, f *Field, key *node) {
	if v.kind != stringNode {
		d := c.wrongType(v, key, f.expected())
		if d.Help = quoteHelp(v); f.Check == nil {
			return
		}
		if err := f.Check(v.text); err != nil { // in quotes it would be wrong as well
			d.Message, d.Help = f.Name+": "+err.Error(), ""
		}
		return
	}
	switch {
	case len(f.Choices) > 0 && !slices.Contains(f.Choices, v.text):
		d := c.fail(v.pos, "unknown_value", "%s: expected %s, found %s", f.Name, f.expected(), strconv.Quote(short(v.text)))
		if near := nearest.Of(v.text, f.Choices); near != "" {
			d.Help = "did you mean " + near + "?"
		}
	case f.Required && v.text == "" && len(f.Choices) == 0 && f.Name != "message":
		c.fail(v.pos, "empty_string", "%s is empty; expected %s", f.Name, f.Doc)
	case f.Type == TypeTime:
		if _, err := time.Parse(time.RFC3339, v.text); err != nil {
			c.fail(v.pos, "bad_time", "%s: expected a time such as 2026-03-01T12:00:00Z, found %s", f.Name, strconv.Quote(short(v.text)))
		}
	}
}

func (c *checker) numeric(v *node, f *Field, key *node) {
	if v.kind != intNode && v.kind != floatNode {
		c.wrongType(v, key, f.expected()).Help = numberHelp(v)
		return
	}
	n, whole := v.number()
	switch {
	case f.Type == TypeInt && !whole:
		c.wrongType(v, key, f.expected())
	case f.Min == 0 && f.Max == 0:
	case !(n >= f.Min && n <= f.Max):
		c.fail(v.pos, "out_of_range", "%s: expected %s, found %s", f.Name, f.expected(), v.found())
	}
}

// expected names what a key takes.
func (f *Field) expected() string {
	bounds := ""
	if f.Max != 0 {
		bounds = fmt.Sprintf(" from %s to %s", bound(f.Min), bound(f.Max))
	}
	switch f.Type {
	case TypeString:
		if len(f.Choices) > 0 {
			return "one of " + strings.Join(f.Choices, ", ")
		}
	case TypeBool:
		return "true or false"
	case TypeInt:
		return "a whole number" + bounds
	case TypeNumber:
		return "a number" + bounds
	case TypeTime:
		return "a time such as 2026-03-01T12:00:00Z"
	case TypeObject:
		return "a mapping"
	case TypeObjects:
		return "a list"
	case TypeTargets:
		return "a mapping of names to targets"
	case TypeConfig:
		return "a mapping"
	case TypeAny:
		return "a value"
	}
	return "a " + string(f.Type)
}

func bound(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
