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

// TestSameError: of several things that are wrong the same one is told each time.
func TestSameError(t *testing.T) {
	for _, expr := range []string{
		`probe.traffic(traffic.http("http://shop.test/", rate = 1), "error_rate", below = 7, above = 8)`,
		`fault.http_error(503, headers = {"Connection": "x", "Upgrade": "y", "Trailer": "z", "Content-Length": "1"})`,
		`fault.rewrite(headers = {"Connection": "x", "Upgrade": "y", "Trailer": "z", "Content-Length": "1"})`,
		`proxy("p", listen = "127.0.0.1:1", upstream = "127.0.0.1:2", tls = {"a": "x", "b": "x", "c": "x", "d": "x", "e": "x"})`,
	} {
		said := map[string]bool{}
		for range 20 {
			_, err := made(t, expr)
			if err == nil {
				t.Fatalf("%s is right", expr)
			}
			said[err.Error()] = true
		}
		if len(said) > 1 {
			t.Errorf("%s is told in %d ways: %v", expr, len(said), said)
		}
	}
}
