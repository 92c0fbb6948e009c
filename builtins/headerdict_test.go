package builtins

import (
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

func TestHeaderDict(t *testing.T) {
	h := newHeaderDict(map[string]string{"content-type": "text/plain", "x-id": "7"})
	env := starlark.StringDict{"h": h}
	for expr, want := range map[string]string{
		`h["Content-Type"]`: `"text/plain"`, `h["content-type"]`: `"text/plain"`, `h.get("X-ID")`: `"7"`,
		`h.get("none")`: "None", `h.get("none", 3)`: "3", `"X-Id" in h`: "True", `"none" in h`: "False",
		`len(h)`: "2", `sorted(h)`: `["content-type", "x-id"]`, `h.keys()`: `["content-type", "x-id"]`,
		`dict(h)`: `{"content-type": "text/plain", "x-id": "7"}`, `[k + "=" + v for k, v in h.items()]`: `["content-type=text/plain", "x-id=7"]`,
		`type(h)`: `"response_headers"`, `bool(h)`: "True", `h[1:]`: "error", `h["none"]`: "error", `h[7]`: "error", `h.clear()`: "error",
	} {
		got, err := starlark.EvalOptions(&syntax.FileOptions{}, new(starlark.Thread), "t", expr, env)
		text := "error"
		if err == nil {
			text = got.String()
		}
		if text != want {
			t.Errorf("%s is %s (%v), want %s", expr, text, err, want)
		}
	}
	raw, err := ToJSON(h)
	if err != nil || string(raw) != `{"content-type":"text/plain","x-id":"7"}` {
		t.Errorf("as JSON %s, %v", raw, err)
	}
}
