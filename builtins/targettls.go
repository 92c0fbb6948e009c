package builtins

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"starquake/chaos"
)

// terminates reads the argument of a target that says what becomes of TLS.
func (c *Call) terminates(name string) (*chaos.TLS, error) {
	var given any
	switch v := c.Value(name).(type) {
	case starlark.String:
		given = string(v)
	case *starlark.Dict:
		keys := make(map[string]any, v.Len())
		for _, item := range v.Items() {
			key, ok := starlark.AsString(item[0])
			if !ok {
				return nil, c.Errorf(name, "expected keys that are strings, got %s", describe(item[0]))
			}
			switch value := item[1].(type) {
			case starlark.String:
				keys[key] = string(value)
			case starlark.Bool:
				keys[key] = bool(value)
			default:
				return nil, c.Errorf(name, "%s: expected a string, True or False, got %s", key, describe(value))
			}
		}
		given = keys
	}
	t, err := chaos.ParseTLS(given, chaos.BesideScript)
	if err != nil {
		return nil, c.Errorf(name, "%s", strings.TrimPrefix(err.Error(), "tls: "))
	}
	return t, nil
}

// tlsTargetHelp explains the argument, from the table of its keys.
func tlsTargetHelp() string {
	var b strings.Builder
	b.WriteString(`"pass": a connection that is TLS passes as it is; "terminate", or a dict, which may be empty: TLS is terminated, and faults act inside. Keys of the dict: `)
	for i, k := range chaos.TLSKeys() {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "`%s`: %s", k.Name, k.Doc)
		if len(k.Choices) > 0 {
			fmt.Fprintf(&b, ", %q", strings.Join(k.Choices, " or "))
		}
		if k.Default != "" {
			fmt.Fprintf(&b, " (%s)", k.Default)
		}
	}
	b.WriteString(". Files are named from the script's folder and below it.")
	return b.String()
}
