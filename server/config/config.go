// Package config reads a server's settings from a YAML file and from the environment.
//
// The table of settings is the command line's: each flag of `starquake serve` is a key of
// the file (--max-runs is max_runs) and a variable (STARQUAKE_MAX_RUNS). A flag wins over
// the variable, the variable over the file, the file over the default.
//
// The reading is strict: a key that is none, one that is there twice, and a value of another
// type are errors with their line and column.
//
// What may not live here: what a setting means.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"starquake/internal/nearest"
)

// Kind is what a setting's value is.
type Kind int

// The kinds.
const (
	Text Kind = iota
	Bool
	Integer
	Number
	List // of texts; in a variable with commas between them
	Long // a list of texts that have commas; in a variable with spaces between them
	Map  // from texts to texts; in a variable NAME=VALUE with commas between them
)

// Setting is a row of the table.
type Setting struct {
	// Flag is its name on the command line, without the dashes.
	Flag string
	Kind Kind
}

// Key is its name in a file.
func (s Setting) Key() string { return strings.ReplaceAll(s.Flag, "-", "_") }

// Variable is its name in the environment.
func (s Setting) Variable() string { return "STARQUAKE_" + strings.ToUpper(s.Key()) }

// Values are settings by their flags: a string, a []any of strings for a list, a
// map[string]any of strings for a map.
type Values map[string]any

// maxFile bounds a file, in bytes.
const maxFile = 256 << 10

// Read reads a file. The name is for messages.
func Read(name string, text []byte, table []Setting) (Values, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: longer than %d bytes", name, maxFile)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return Values{}, nil // empty, or comments only
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: expected one YAML document, and there is something behind it", name)
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return Values{}, nil
	}
	values := Values{}
	err := pairs(root, func(key, value *yaml.Node) error {
		i := slices.IndexFunc(table, func(s Setting) bool { return s.Key() == key.Value })
		if i < 0 {
			help := ""
			if meant := nearest.Of(key.Value, keys(table)); meant != "" {
				help = fmt.Sprintf("did you mean %s? ", meant)
			}
			return at(key, "%q is no setting; %sthe settings are %s", clip(key.Value), help, strings.Join(keys(table), ", "))
		}
		v, err := table[i].value(value)
		if err != nil {
			return err
		}
		values[table[i].Flag] = v
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	return values, nil
}

// pairs goes through a mapping.
func pairs(node *yaml.Node, fn func(key, value *yaml.Node) error) error {
	if node.Kind != yaml.MappingNode {
		return at(node, "expected a mapping: names, and a value for each")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if key.Kind != yaml.ScalarNode {
			return at(key, "expected a name")
		}
		if seen[key.Value] {
			return at(key, "%q is there twice", clip(key.Value))
		}
		seen[key.Value] = true
		if err := fn(key, node.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// value reads a setting's value from a file.
func (s Setting) value(node *yaml.Node) (any, error) {
	switch s.Kind {
	case List, Long:
		if node.Kind != yaml.SequenceNode {
			return nil, at(node, "%s: expected a list", s.Key())
		}
		list := []any{}
		for _, item := range node.Content {
			text, err := s.scalar(item)
			if err != nil {
				return nil, err
			}
			list = append(list, text)
		}
		return list, nil
	case Map:
		values := map[string]any{}
		err := pairs(node, func(key, value *yaml.Node) error {
			text, err := s.scalar(value)
			values[key.Value] = text
			return err
		})
		return values, err
	}
	text, err := s.scalar(node)
	if err != nil {
		return nil, err
	}
	if err := s.check(text); err != nil {
		return nil, at(node, "%v", err)
	}
	return text, nil
}

func (s Setting) scalar(node *yaml.Node) (string, error) {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		return "", at(node, "%s: expected one value", s.Key())
	}
	return node.Value, nil
}

// check says what is wrong with a text as the value of a setting.
func (s Setting) check(text string) (err error) {
	want := ""
	switch s.Kind {
	case Bool:
		_, err = strconv.ParseBool(text)
		want = "true or false"
	case Integer:
		_, err = strconv.Atoi(text)
		want = "a whole number"
	case Number:
		_, err = strconv.ParseFloat(text, 64)
		want = "a number"
	}
	if err != nil {
		return fmt.Errorf("%s is %q; expected %s", s.Key(), clip(text), want)
	}
	return nil
}

// Environment gives the settings that variables have; look is os.LookupEnv.
func Environment(look func(string) (string, bool), table []Setting) (Values, error) {
	values := Values{}
	for _, s := range table {
		text, ok := look(s.Variable())
		if !ok {
			continue
		}
		switch s.Kind {
		case List, Long:
			if s.Kind == List {
				text = strings.ReplaceAll(text, ",", " ")
			}
			list := []any{}
			for item := range strings.FieldsSeq(text) {
				list = append(list, item)
			}
			values[s.Flag] = list
		case Map:
			entries := map[string]any{}
			for item := range strings.SplitSeq(text, ",") {
				name, value, ok := strings.Cut(strings.TrimSpace(item), "=")
				if !ok {
					return nil, fmt.Errorf("%s: %q: expected NAME=VALUE", s.Variable(), clip(item))
				}
				entries[name] = value
			}
			values[s.Flag] = entries
		default:
			if err := s.check(text); err != nil {
				return nil, fmt.Errorf("%s: %w", s.Variable(), err)
			}
			values[s.Flag] = text
		}
	}
	return values, nil
}

func at(node *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%d:%d: %w", node.Line, node.Column, fmt.Errorf(format, args...))
}

func keys(table []Setting) (out []string) {
	for _, s := range table {
		out = append(out, s.Key())
	}
	slices.Sort(out)
	return out
}

// Unknown says which variables of an environment, as os.Environ has it, begin as settings do
// and are none, nor among those that the program knows besides.
func Unknown(environment []string, table []Setting, besides ...string) (out []string) {
	var names []string
	for _, s := range table {
		names = append(names, s.Variable())
	}
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		other := func(known string) bool {
			prefix, open := strings.CutSuffix(known, "*")
			return name == known || open && strings.HasPrefix(name, prefix)
		}
		if !strings.HasPrefix(name, "STARQUAKE_") || slices.Contains(names, name) || slices.ContainsFunc(besides, other) {
			continue
		}
		text := fmt.Sprintf("the variable %s is no setting, and nothing comes of it", clip(name))
		if meant := nearest.Of(name, names); meant != "" {
			text += "; did you mean " + meant + "?"
		}
		out = append(out, text)
	}
	return out
}

// clip bounds what is said of somebody's text.
func clip(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:60], "") + "…" // a character that is cut in two is none
}
