package builtins

import (
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// made evaluates an expression of the language outside any run.
func made(t *testing.T, expr string) (starlark.Value, error) {
	t.Helper()
	names, err := Compile(Table(), Constants())
	if err != nil {
		t.Fatal(err)
	}
	return starlark.EvalOptions(&syntax.FileOptions{}, new(Env).newTask(nil, nil).thread, "t", expr, names)
}

// TestTrafficJSON: what the script says a body is is not said twice, however it writes the
// name of the header: which of the two the server gets would be chance.
func TestTrafficJSON(t *testing.T) {
	for name, want := range map[string]int{"content-type": 1, "Content-Type": 1, "X-Other": 2} {
		v, err := made(t, `traffic.http("http://shop.test/", rate = 1, headers = {"`+name+`": "application/vnd.shop+json"}, json = {"n": 1})`)
		if err != nil {
			t.Fatal(err)
		}
		if h := v.(*Traffic).spec.HTTP; len(h.Headers) != want || h.Headers[name] != "application/vnd.shop+json" || h.Body != `{"n":1}` {
			t.Errorf("%s: %+v", name, h)
		}
	}
}
