package builtins

import (
	"bytes"
	"encoding/json"
	"strings"

	"go.starlark.net/starlark"

	"starquake/dsl"
	"starquake/runtime"
)

// jsonRows are the functions of the module json with the names and meaning that
// go.starlark.net gives them, on top of ToJSON and FromJSON: that module recurses
// without a bound, so that a script could end the process by nesting lists.
func jsonRows() []Builtin {
	return []Builtin{
		{dsl.Builtin{
			Family: "json", Returns: "string",
			Sig: `json.encode(x: any)`,
			Doc: "Writes x as JSON, the keys of dicts in ascending order. " +
				"A float keeps its point, a duration is a number of seconds, a result an object of its fields.",
		}, func(c *Call) (starlark.Value, error) {
			raw, err := encodeJSON(c.Value("x"), true)
			if err != nil {
				return nil, c.Errorf("x", "%v", err)
			}
			return starlark.String(raw), nil
		}},
		{dsl.Builtin{
			Family: "json", Returns: "string",
			Sig: `json.encode_indent(x: any, *, prefix: string = "", indent: string = "\t")`,
			Doc: "Is json.indent(json.encode(x)).",
		}, func(c *Call) (starlark.Value, error) {
			raw, err := encodeJSON(c.Value("x"), true)
			if err != nil {
				return nil, c.Errorf("x", "%v", err)
			}
			return indentJSON(c, "x", raw)
		}},
		{dsl.Builtin{
			Family: "json",
			Sig:    `json.decode(x: string, default: any = None)`,
			Doc: "Reads JSON text. An object becomes a dict, an array a list, a number with a point or an exponent a float and any other an int. " +
				"If the text is not JSON, default is returned where it is given; without it the call fails.",
		}, decodeJSON},
		{dsl.Builtin{
			Family: "json", Returns: "string",
			Sig: `json.indent(x: string, *, prefix: string = "", indent: string = "\t")`,
			Doc: "Lays JSON text out on several lines, each after the first beginning with prefix and an indent for each level.",
		}, func(c *Call) (starlark.Value, error) { return indentJSON(c, "x", []byte(c.String("x"))) }},
	}
}

func decodeJSON(c *Call) (starlark.Value, error) {
	v, err := FromJSON(json.RawMessage(c.String("x")))
	if err == nil {
		return v, nil
	}
	if c.Given("default") { // default = None is given, too
		return c.Value("default"), nil
	}
	if c.String("x") == "" && inPlan(c.Thread) {
		return nil, runtime.Failf(runtime.ClassScript, CodeNoPlannedData, "json.decode: the text is empty, as the body of a planned answer is; "+sayBody)
	}
	return nil, c.Errorf("x", "%v", err)
}

func indentJSON(c *Call, param string, raw []byte) (starlark.Value, error) {
	for _, name := range []string{"prefix", "indent"} {
		if s := c.String(name); len(s) > 16 || strings.Trim(s, " \t") != "" {
			return nil, c.Errorf(name, "expected at most 16 spaces and tabs, got %s", quote(s))
		}
	}
	if n := indentedSize(raw, len(c.String("prefix")), len(c.String("indent"))); n > 4*MaxJSONSize {
		return nil, c.Errorf(param, "the text laid out would be larger than %d MiB", 4*MaxJSONSize>>20)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, c.String("prefix"), c.String("indent")); err != nil {
		return nil, c.Errorf(param, "the text is not JSON: %v", err)
	}
	return starlark.String(b.String()), nil
}

// indentedSize is how large raw becomes at most: a short text of many levels can
// become very long.
func indentedSize(raw []byte, prefix, indent int) int {
	size, depth, quoted := len(raw), 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
			size += 2 + prefix + depth*indent
		case c == ']' || c == '}':
			depth--
			size += 2 + prefix + max(depth, 0)*indent
		case c == ',' || c == ':':
			size += 2 + prefix + max(depth, 0)*indent
		}
	}
	return size
}
