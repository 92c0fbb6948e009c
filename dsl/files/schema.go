package files

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"starquake/chaos"
)

// Forms names the forms of orchestration file of which there is a JSON Schema: the
// orchestration schema, and the advanced one, which has all of the first.
func Forms() []string { return []string{"orchestration", "advanced"} }

// Schema gives the JSON Schema (draft 2020-12) of a form, made from the table by which
// files are read. What it says is what Read says, but for what a schema cannot say:
// whether a scenario exists, whether a reference leads somewhere.
func Schema(form string) ([]byte, error) {
	if !slices.Contains(Forms(), form) {
		return nil, fmt.Errorf("there is no schema %q; there are %s", form, strings.Join(Forms(), " and "))
	}
	m := &schemaMaker{advanced: form == "advanced", defs: map[string]any{}}
	var root map[string]any
	for _, o := range Table() {
		if o.Name == objectRoot {
			root = m.object(&o)
			continue
		}
		if m.advanced || !slices.ContainsFunc(o.Fields, func(f Field) bool { return f.Advanced }) {
			m.defs[o.Name] = m.object(&o)
		}
	}
	m.defs["config"] = m.config(ConfigKeys(), "")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Starquake " + form + " file"
	root["$defs"] = m.defs
	lists := []any{map[string]any{"required": []string{"steps"}}}
	if m.advanced {
		lists = append(lists, map[string]any{"required": []string{"advanced_steps"}}, map[string]any{"required": []string{"conditional_steps"}})
	}
	root["anyOf"] = lists
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// schemaMaker makes one schema.
type schemaMaker struct {
	advanced bool
	defs     map[string]any
}

// object is the schema of a row of the table. One whose keys hang on its key "type" has
// an alternative for each type.
func (m *schemaMaker) object(o *Object) map[string]any {
	out := map[string]any{"type": "object", "description": o.Doc}
	kinds := o.field("type").choices()
	if len(kinds) == 0 {
		m.keys(out, o, "")
		if o.Name == objectScenario { // see rules.scenarioNode
			out["anyOf"] = []any{
				map[string]any{"required": []string{"name"}}, map[string]any{"required": []string{"config"}}, map[string]any{"required": []string{"chaos_config"}},
			}
		}
		return out
	}
	out["required"] = []string{"type"}
	out["properties"] = map[string]any{"type": map[string]any{"enum": kinds, "description": o.field("type").Doc}}
	var cases []any
	for _, kind := range kinds {
		then := map[string]any{}
		m.keys(then, o, kind)
		cases = append(cases, map[string]any{
			"if":   map[string]any{"required": []string{"type"}, "properties": map[string]any{"type": map[string]any{"const": kind}}},
			"then": then,
		})
	}
	out["allOf"] = cases
	return out
}

// keys puts the keys of an object into its schema, those of a variant.
func (m *schemaMaker) keys(out map[string]any, o *Object, variant string) {
	properties := map[string]any{}
	var required []string
	var aliases []any
	for i := range o.Fields {
		f := &o.Fields[i]
		if f.Advanced && !m.advanced || !f.fits(variant) {
			continue
		}
		properties[f.Name] = m.value(f)
		if f.Required {
			required = append(required, f.Name)
		}
		if f.Alias != "" {
			aliases = append(aliases, map[string]any{"not": map[string]any{"required": []string{f.Name, f.Alias}}})
		}
	}
	out["properties"], out["additionalProperties"] = properties, false
	if len(required) > 0 {
		out["required"] = required
	}
	if len(aliases) > 0 {
		out["allOf"] = aliases
	}
}

// value is the schema of the value of a key.
func (m *schemaMaker) value(f *Field) map[string]any {
	out := m.typed(f)
	if !f.Required && f.Type != TypeAny { // nothing behind a key is as if it were not there
		out = orNothing(out)
	}
	out["description"] = f.Doc
	if f.Default != "" {
		out["default"] = json.RawMessage(f.Default)
	}
	return out
}

func orNothing(schema map[string]any) map[string]any {
	return map[string]any{"anyOf": []any{schema, map[string]any{"type": "null"}}}
}

func (m *schemaMaker) typed(f *Field) map[string]any {
	least := 1
	if f.MayBeEmpty {
		least = 0
	}
	text := map[string]any{"type": "string"}
	switch f.Type {
	case TypeString:
		if len(f.Choices) > 0 {
			return map[string]any{"enum": f.Choices}
		}
		return text
	case TypeTime:
		return map[string]any{"type": "string", "format": "date-time"}
	case TypeBool:
		return map[string]any{"type": "boolean"}
	case TypeInt:
		return bounded("integer", f.Min, f.Max)
	case TypeNumber:
		return bounded("number", f.Min, f.Max)
	case TypeStrings:
		return map[string]any{"type": "array", "items": text, "minItems": least}
	case TypeNames:
		return map[string]any{"anyOf": []any{text, map[string]any{"type": "array", "items": text, "minItems": 1}}}
	case TypeFigure:
		return map[string]any{"type": []string{"number", "string"}}
	case TypeBody:
		return map[string]any{"type": []string{"string", "object"}}
	case TypeValues:
		return map[string]any{"type": "object"}
	case TypeObject:
		return reference(f.Of)
	case TypeObjects:
		return map[string]any{"type": "array", "items": reference(f.Of), "minItems": least}
	case TypeTargets:
		return map[string]any{"type": "object", "additionalProperties": reference(f.Of)}
	case TypeConfig:
		return reference("config")
	}
	return map[string]any{} // TypeAny
}

func reference(name string) map[string]any { return map[string]any{"$ref": "#/$defs/" + name} }

func bounded(kind string, min, max float64) map[string]any {
	out := map[string]any{"type": kind}
	if min != 0 || max != 0 {
		out["minimum"] = min
		if max != 0 {
			out["maximum"] = max
		}
	}
	return out
}

// config is the schema of a mapping of chaos.ConfigBlocks, of one with a key "type" that
// of one of its types.
func (m *schemaMaker) config(keys []chaos.ConfigKey, doc string) map[string]any {
	out := map[string]any{"type": "object"}
	if doc != "" {
		out["description"] = doc
	}
	i := slices.IndexFunc(keys, func(k chaos.ConfigKey) bool { return k.Name == "type" })
	if i < 0 {
		m.configKeys(out, keys, "")
		return out
	}
	out["required"] = []string{"type"}
	out["properties"] = map[string]any{"type": map[string]any{"enum": keys[i].Choices, "description": keys[i].Doc}}
	var cases []any
	for _, kind := range keys[i].Choices {
		then := map[string]any{}
		m.configKeys(then, keys, kind)
		cases = append(cases, map[string]any{
			"if":   map[string]any{"required": []string{"type"}, "properties": map[string]any{"type": map[string]any{"const": kind}}},
			"then": then,
		})
	}
	out["allOf"] = cases
	return out
}

func (m *schemaMaker) configKeys(out map[string]any, keys []chaos.ConfigKey, variant string) {
	properties := map[string]any{}
	var required []string
	for i := range keys {
		k := &keys[i]
		if len(k.For) > 0 && variant != "" && !slices.Contains(k.For, variant) {
			continue
		}
		properties[k.Name] = m.configValue(k)
		if k.Required {
			required = append(required, k.Name)
		}
	}
	out["properties"], out["additionalProperties"] = properties, false
	if len(required) > 0 {
		out["required"] = required
	}
}

func (m *schemaMaker) configValue(k *chaos.ConfigKey) map[string]any {
	var out map[string]any
	switch k.Type {
	case chaos.ConfigBool:
		out = map[string]any{"type": "boolean"}
	case chaos.ConfigInt:
		out = bounded("integer", k.Min, k.Max)
	case chaos.ConfigNumber:
		out = bounded("number", k.Min, k.Max)
	case chaos.ConfigString:
		out = map[string]any{"type": "string"}
		if len(k.Choices) > 0 {
			out = map[string]any{"enum": k.Choices}
		}
	case chaos.ConfigStrings:
		out = map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
	case chaos.ConfigInts:
		out = map[string]any{"type": "array", "items": bounded("integer", k.Min, k.Max), "minItems": 1}
	case chaos.ConfigPair:
		out = map[string]any{"type": "array", "items": bounded("number", k.Min, k.Max), "minItems": 2, "maxItems": 2}
	case chaos.ConfigMapping:
		out = m.config(k.Keys, "")
	case chaos.ConfigMappings:
		out = map[string]any{"type": "array", "items": m.config(k.Keys, "")}
	}
	if !k.Required {
		out = orNothing(out)
	}
	out["description"] = k.Doc
	if k.Ignored != "" {
		out["deprecated"], out["description"] = true, k.Doc+"; it has no effect: "+k.Ignored
	}
	if k.Default != "" {
		out["default"] = json.RawMessage(k.Default)
	}
	return out
}
