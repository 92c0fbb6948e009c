package files

import "starquake/chaos"

// Object is one mapping of the schema: a row of the table from which Read, the JSON
// Schema and the reference are made.
type Object struct {
	Name string
	// Doc is one line for the reference.
	Doc string
	// What a value of the object is called in a message: "a step".
	Noun   string
	Fields []Field
}

// Field is one key of an Object.
type Field struct {
	Name string
	// Doc is one line for the reference.
	Doc  string
	Type Type
	// Of is the object of TypeObject, TypeObjects and TypeTargets.
	Of string
	// Required keys have to be there; with For, where they belong.
	Required bool
	// Min and Max bound numbers, both included; both 0 is any.
	Min, Max float64
	// Choices are what a string may be; empty is anything.
	Choices []string
	// Check says what would be wrong with a value that is no string if it were one; it may
	// be nil. What is a string is checked when the program is made.
	Check func(string) error
	// Default is JSON; empty where the key has none.
	Default string
	// Advanced keys belong to the advanced schema alone.
	Advanced bool
	// For lists the values of the object's key "type" with which this key stands;
	// empty is any.
	For []string
	// Alias says that the key is another spelling of this one, and not both may be there.
	Alias string
	// Template says that "{{…}}" is filled in within the strings of the value.
	Template bool
	// AsWritten says that what nothing is filled in in is looked at elsewhere: in what has
	// neither this nor Template, a template is warned of.
	AsWritten bool
	// MayBeEmpty says that nothing behind the key means something of its own, or that a
	// list may have no items.
	MayBeEmpty bool
}

// Type is the type of a key's value.
type Type string

// The types of values.
const (
	TypeString  Type = "string"
	TypeBool    Type = "bool"
	TypeInt     Type = "int"
	TypeNumber  Type = "number"
	TypeTime    Type = "time" // a string in the form of RFC 3339
	TypeStrings Type = "list of strings"
	TypeNames   Type = "string or list of strings"
	TypeAny     Type = "any value"
	TypeFigure  Type = "number or string"
	TypeBody    Type = "string or mapping"
	TypeValues  Type = "mapping of names to values"

	TypeObject  Type = "mapping"         // one Of
	TypeObjects Type = "list"            // of Of
	TypeTargets Type = "mapping by name" // of Of
	TypeConfig  Type = "config"          // see chaos.ConfigBlocks
)

// The objects that the rest of the package asks for by name.
const (
	objectRoot        = "orchestration"
	objectStep        = "step"
	objectScenario    = "scenario"
	objectTarget      = "target"
	objectTLS         = "tls"
	objectAdvanced    = "advanced_step"
	objectRetry       = "retry"
	objectConditional = "conditional_step"
	objectCondition   = "condition"
	objectHook        = "hook"
	objectAction      = "action"
	objectAssertion   = "assertion"
)

// Table returns the schema: the orchestration itself first, then the objects in it in
// the order of the reference. The caller owns the result. What stands under config is
// the table of chaos.ConfigBlocks.
func Table() []Object {
	return []Object{
		rootObject(), targetObject(), tlsObject(),
		{Name: objectStep, Noun: "a step", Doc: "one step of the orchestration", Fields: stepFields()},
		scenarioObject(),
		{Name: objectAdvanced, Noun: "a step", Doc: "a step that can be tried again, made conditional and judged",
			Fields: append(stepFields(), advancedFields()...)},
		retryObject(), conditionalObject(), conditionObject(), hookObject(), actionObject(), assertionObject(),
	}
}

// ConfigKeys returns the keys of a config, as package chaos has them.
func ConfigKeys() []chaos.ConfigKey { return chaos.ConfigBlocks() }

// schema is the table, ready to be looked up.
type schema map[string]*Object

func newSchema() schema {
	s := schema{}
	for _, o := range Table() {
		s[o.Name] = &o
	}
	return s
}

// field returns the row of a key, or nil.
func (o *Object) field(name string) *Field {
	for i := range o.Fields {
		if o.Fields[i].Name == name {
			return &o.Fields[i]
		}
	}
	return nil
}
