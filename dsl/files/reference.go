package files

import (
	"fmt"
	"strconv"
	"strings"

	"starquake/chaos"
)

// Reference gives the keys of orchestration files as Markdown, made from the table by
// which they are read.
func Reference() []byte {
	var b strings.Builder
	b.WriteString("# Orchestration files: every key\n\nMade by `make docs` from the table by which files are read. What the keys mean together is in [formats.md](../formats.md).\n" +
		"Keys marked *advanced* belong to the advanced schema. An object whose key `type` decides has the keys of that type alone.\n")
	for _, o := range Table() {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n| key | type | default | meaning |\n|---|---|---|---|\n", o.Name, sentence(o.Doc))
		for i := range o.Fields {
			f := &o.Fields[i]
			doc := f.Doc
			if len(f.For) > 0 {
				doc += " (type " + strings.Join(f.For, ", ") + ")"
			}
			if f.Advanced && o.Name == objectRoot {
				doc += " *advanced*"
			}
			row(&b, f.Name, typeText(f), defaultText(f.Default, f.Required), doc)
		}
	}
	b.WriteString("\n## config\n\nWhat stands under `config` (or `chaos_config`) of a scenario. A block's own `enabled` is true without being said.\n\n| key | type | default | meaning |\n|---|---|---|---|\n")
	configRows(&b, "", ConfigKeys())
	return []byte(b.String())
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// row writes one line of a table.
func row(b *strings.Builder, name, kind, def, doc string) {
	cell := func(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
	fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", name, cell(kind), cell(def), cell(doc))
}

func defaultText(def string, required bool) string {
	switch {
	case required:
		return "required"
	case def == "":
		return ""
	}
	return "`" + def + "`"
}

func typeText(f *Field) string {
	text := string(f.Type)
	switch f.Type {
	case TypeObject, TypeConfig:
		text = linked(f.Of, "config")
	case TypeObjects:
		text = "list of " + linked(f.Of, "")
	case TypeTargets:
		text = "name → " + linked(f.Of, "")
	case TypeNumber, TypeInt:
		text += rangeText(f.Min, f.Max)
	}
	if len(f.Choices) > 0 {
		text = choiceText(f.Choices)
	}
	return text
}

func linked(of, otherwise string) string {
	if of == "" {
		of = otherwise
	}
	return "[" + of + "](#" + of + ")"
}

func choiceText(choices []string) string {
	quoted := make([]string, len(choices))
	for i, c := range choices {
		quoted[i] = "`" + c + "`"
	}
	return strings.Join(quoted, ", ")
}

func rangeText(min, max float64) string {
	switch {
	case min == 0 && max == 0:
		return ""
	case max == longest():
		return " ≥ 0"
	}
	return fmt.Sprintf(" %s–%s", figureText(min), figureText(max))
}

// configRows writes the keys of a mapping of a config, and those of the mappings in it
// with their path.
func configRows(b *strings.Builder, path string, keys []chaos.ConfigKey) {
	for i := range keys {
		k := &keys[i]
		kind := string(k.Type)
		switch k.Type {
		case chaos.ConfigInt, chaos.ConfigNumber, chaos.ConfigInts, chaos.ConfigPair:
			kind += rangeText(k.Min, k.Max)
		}
		if len(k.Choices) > 0 {
			kind = choiceText(k.Choices)
		}
		doc := k.Doc
		if len(k.For) > 0 {
			doc += " (type " + strings.Join(k.For, ", ") + ")"
		}
		if k.Ignored != "" {
			doc += "; **no effect**: " + k.Ignored
		}
		row(b, path+k.Name, kind, defaultText(k.Default, k.Required), doc)
		configRows(b, path+k.Name+".", k.Keys)
	}
}

func figureText(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
