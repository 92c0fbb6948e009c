package files

import (
	"slices"
	"strings"

	"starquake/internal/nearest"
	"starquake/units"
)

// example is an object with the keys that it needs, or else its first. What was given in its
// place stands where it fits.
func example(o *Object, given *node) string {
	variant := ""
	if types := o.field("type").choices(); len(types) > 0 {
		variant = types[0]
		if slices.Contains(types, given.text) {
			variant = given.text
		}
	}
	var keys []string
	for i := range o.Fields {
		f := &o.Fields[i]
		if f.Name == "type" && variant != "" {
			keys = append(keys, "type: "+variant)
			continue
		}
		if !f.fits(variant) || !f.Required && (variant != "" || o.needs() || i > 0) {
			continue
		}
		value := "…"
		switch n, whole := given.number(); {
		case f.Type == TypeInt && whole && n >= f.Min && n <= f.Max && given.kind == intNode:
			value, given = given.text, &node{}
		case f.Type == TypeString && given.kind == stringNode && variant == "" && given.text != "":
			value, given = yamlString(short(given.text)), &node{}
		case len(f.Choices) > 0:
			value = f.Choices[0]
		}
		keys = append(keys, f.Name+": "+value)
	}
	return "{" + strings.Join(keys, ", ") + "}"
}

// needs tells whether there are keys that an object must have.
func (o *Object) needs() bool {
	return slices.ContainsFunc(o.Fields, func(f Field) bool { return f.Required })
}

// mostPlaces is in how many kinds of mappings a key may belong of which is said that it does: one
// like name says nothing of what was meant.
const mostPlaces = 2

// elsewhere is the help for a key that o does not have and others may, or else help.
func (c *checker) elsewhere(key string, o *Object, help string) string {
	if o.Name == objectStep {
		if advanced := c.advancedHelp(key); advanced != "" {
			return advanced
		}
	}
	var nouns []string
	for _, other := range c.schema {
		if other.field(key) != nil && !slices.Contains(nouns, other.Noun) {
			nouns = append(nouns, other.Noun)
		}
	}
	if len(nouns) == 0 || len(nouns) > mostPlaces {
		return help
	}
	slices.Sort(nouns)
	if help != "" {
		help += "; "
	}
	return help + strings.Join(nouns, " and ") + " can have " + key
}

// advancedHelp is the help for a key that a step has only under advanced_steps, or "".
func (c *checker) advancedHelp(key string) string {
	o := c.schema[objectAdvanced]
	name := nearest.Of(key, o.names(""))
	if name == "" {
		return ""
	}
	shown := name
	if f := o.field(name); f.Type == TypeObject {
		shown += ": " + example(c.schema[f.Of], &node{})
	}
	return "only the steps under advanced_steps have " + shown
}

// boolHelp says what to write for what was meant as true or false.
func boolHelp(v *node) string {
	if v.kind != stringNode {
		return ""
	}
	word := ""
	switch strings.ToLower(v.text) {
	case "yes", "on", "y", "true":
		word = "true"
	case "no", "off", "n", "false":
		word = "false"
	default:
		return ""
	}
	if v.plain {
		return "in YAML 1.2 " + v.text + " is a string; write " + word
	}
	return "write " + word + ", without quotes"
}

// quoteHelp says what to write for what was meant as a string.
func quoteHelp(v *node) string {
	if v.kind == boolNode || v.kind == intNode || v.kind == floatNode {
		return "put it in quotes"
	}
	return ""
}

// numberHelp says what to write for what was meant as a number.
func numberHelp(v *node) string {
	if v.kind != stringNode || len(v.text) > 40 {
		return ""
	}
	without := strings.NewReplacer("_", "", ",", "").Replace(v.text)
	if _, rest := digits(without); rest == "" && without != "" {
		if without != v.text {
			return "write " + without
		}
		return "write " + v.text + ", without quotes"
	}
	if d, err := units.ParseDuration(strings.ReplaceAll(v.text, " ", "")); err == nil {
		return "write a number without unit, which is " + bound(d.Seconds()) + " where seconds are meant"
	}
	return ""
}
