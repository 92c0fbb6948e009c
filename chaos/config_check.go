package chaos

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// ConfigNote is one thing to say about a chaos configuration.
type ConfigNote struct {
	// Path leads to the key, or to an item of a list by its number from 0. It is empty
	// for the configuration as a whole.
	Path []string
	// AtKey says that the key is meant and not its value.
	AtKey bool
	// Code is stable and names the rule.
	Code string
	// Message says what was found and what was expected.
	Message string
	// Choices are the names that could stand there, where there is a list of them.
	Choices []string
	// Wrong is the name that stands there instead of one of Choices.
	Wrong string
}

// Error writes the note with its path.
func (n ConfigNote) Error() string {
	path := ""
	for _, part := range n.Path {
		if _, err := strconv.Atoi(part); err == nil {
			path += "[" + part + "]"
			continue
		}
		path += "." + clip(part)
	}
	return "config" + path + ": " + n.Message
}

// ConfigErrors are all errors of a configuration.
type ConfigErrors []ConfigNote

// Error writes each error on a line of its own.
func (errs ConfigErrors) Error() string {
	lines := make([]string, len(errs))
	for i, n := range errs {
		lines[i] = n.Error()
	}
	return strings.Join(lines, "\n")
}

// configChecker holds a configuration against the table.
type configChecker struct {
	errors   ConfigErrors
	warnings []ConfigNote
}

// maxConfigNotes bounds what is said about one configuration.
const maxConfigNotes = 100

func (c *configChecker) fail(n ConfigNote) {
	if len(c.errors) < maxConfigNotes {
		n.Path = slices.Clone(n.Path)
		c.errors = append(c.errors, n)
	}
}

func (c *configChecker) warn(path []string, code, format string, args ...any) {
	if len(c.warnings) < maxConfigNotes {
		c.warnings = append(c.warnings, ConfigNote{Path: slices.Clone(path), AtKey: true, Code: code, Message: fmt.Sprintf(format, args...)})
	}
}

// mapping checks a mapping against its keys.
func (c *configChecker) mapping(path []string, keys []ConfigKey, values map[string]any) {
	variant, _ := values["type"].(string)
	for _, name := range sortedKeys(values) {
		at := append(path, name)
		key := keyNamed(keys, name)
		if key == nil {
			c.fail(ConfigNote{Path: at, AtKey: true, Code: "unknown_key", Choices: keyNames(keys, variant), Wrong: name,
				Message: "unknown key " + describe(name)})
			continue
		}
		switch {
		case !key.fits(variant):
			c.fail(ConfigNote{Path: at, AtKey: true, Code: "misplaced_key",
				Message: fmt.Sprintf("%s does not belong to type %s; it does to %s", name, describe(values["type"]), strings.Join(key.For, ", "))})
		case values[name] == nil && !key.Required:
			c.warn(at, "null_value", "%s has no value: it is as if it were not there", name)
		default:
			c.value(at, key, values[name])
			if key.Ignored != "" {
				c.warn(at, "no_effect", "%s has no effect: %s", name, key.Ignored)
			}
		}
	}
	for i := range keys {
		if key := &keys[i]; key.Required && key.fits(variant) {
			if _, given := values[key.Name]; !given {
				c.fail(ConfigNote{Path: path, AtKey: true, Code: "missing_key",
					Message: fmt.Sprintf("%s is missing; expected %s", key.Name, key.expected())})
			}
		}
	}
}

// keyNamed returns the row of a key, or nil.
func keyNamed(keys []ConfigKey, name string) *ConfigKey {
	for i := range keys {
		if keys[i].Name == name {
			return &keys[i]
		}
	}
	return nil
}

// fits reports whether the key stands beside a type.
func (k *ConfigKey) fits(variant string) bool {
	return len(k.For) == 0 || slices.Contains(k.For, variant)
}

func keyNames(keys []ConfigKey, variant string) []string {
	var names []string
	for i := range keys {
		if keys[i].fits(variant) {
			names = append(names, keys[i].Name)
		}
	}
	return names
}

func (c *configChecker) value(path []string, key *ConfigKey, value any) {
	switch key.Type {
	case ConfigBool:
		_, ok := value.(bool)
		c.want(ok, path, key, value)
	case ConfigString:
		c.text(path, key, value)
	case ConfigInt, ConfigNumber:
		c.number(path, key, value)
	case ConfigMapping:
		values, ok := value.(map[string]any)
		if c.want(ok, path, key, value) {
			c.mapping(path, key.Keys, values)
		}
	default:
		c.list(path, key, value)
	}
}

// want fails with what was expected unless ok.
func (c *configChecker) want(ok bool, path []string, key *ConfigKey, found any) bool {
	if !ok {
		c.fail(ConfigNote{Path: path, Code: "wrong_type", Message: fmt.Sprintf("expected %s, found %s", key.expected(), foundInConfig(found))})
	}
	return ok
}

func (c *configChecker) text(path []string, key *ConfigKey, value any) {
	s, ok := value.(string)
	if !c.want(ok, path, key, value) {
		return
	}
	if len(key.Choices) > 0 && !slices.Contains(key.Choices, s) {
		c.fail(ConfigNote{Path: path, Code: "unknown_value", Choices: key.Choices, Wrong: s,
			Message: fmt.Sprintf("expected %s, found %s", key.expected(), foundInConfig(s))})
	}
}

func (c *configChecker) number(path []string, key *ConfigKey, value any) {
	n, ok := configNumber(value)
	if !c.want(ok && (key.Type == ConfigNumber || n == math.Trunc(n) || math.IsInf(n, 0)), path, key, value) {
		return
	}
	if key.Min == 0 && key.Max == 0 && !math.IsInf(n, 0) && !math.IsNaN(n) {
		return
	}
	if !(n >= key.Min && n <= key.Max) { // NaN is not within either
		c.fail(ConfigNote{Path: path, Code: "out_of_range", Message: fmt.Sprintf("expected %s, found %s", key.expected(), foundInConfig(value))})
	}
}

func (c *configChecker) list(path []string, key *ConfigKey, value any) {
	list, ok := value.([]any)
	if !c.want(ok && (key.Type != ConfigPair || len(list) == 2), path, key, value) {
		return
	}
	if len(list) > maxItems {
		c.fail(ConfigNote{Path: path, Code: "out_of_range", Message: fmt.Sprintf("expected at most %d items, found %d", maxItems, len(list))})
		return
	}
	item := ConfigKey{Type: key.item(), Min: key.Min, Max: key.Max, Keys: key.Keys}
	for i, v := range list {
		c.value(append(path, strconv.Itoa(i)), &item, v)
	}
}

// item is the type of a list's items.
func (k *ConfigKey) item() ConfigType {
	switch k.Type {
	case ConfigStrings:
		return ConfigString
	case ConfigInts:
		return ConfigInt
	case ConfigPair:
		return ConfigNumber
	}
	return ConfigMapping
}

// expected names what a key takes.
func (k *ConfigKey) expected() string {
	bounds := ""
	if k.Min != 0 || k.Max != 0 {
		bounds = " from " + decimal(k.Min) + " to " + decimal(k.Max)
	}
	switch k.Type {
	case ConfigBool:
		return "true or false"
	case ConfigInt:
		return "a whole number" + bounds
	case ConfigNumber:
		return "a number" + bounds
	case ConfigInts:
		return "a list of whole numbers" + bounds
	case ConfigPair:
		return "[min, max], two numbers" + bounds
	case ConfigString:
		if len(k.Choices) > 0 {
			return "one of " + strings.Join(k.Choices, ", ")
		}
	}
	return "a " + string(k.Type)
}

// decimal writes a bound without an exponent.
func decimal(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// foundInConfig names a value, in words that fit scripts and files.
func foundInConfig(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return "the string " + describe(v)
	case *big.Int:
		return clip(v.String())
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list of " + strconv.Itoa(len(v))
	}
	return describe(v)
}

// configNumber reads a number of any type that a configuration may have.
func configNumber(v any) (float64, bool) {
	switch n := v.(type) {
	case *big.Int:
		f, _ := new(big.Float).SetInt(n).Float64()
		return f, true
	case json.Number:
		f, err := strconv.ParseFloat(n.String(), 64)
		return f, err == nil || math.IsInf(f, 0)
	}
	return plainNumber(v)
}
