package chaos_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"starquake/chaos"
)

// TestJSONPatch has the examples of RFC 6902, appendix A, and what people get wrong.
func TestJSONPatch(t *testing.T) {
	for _, test := range []struct{ name, doc, patch, want string }{
		{"A.1", `{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"baz":"qux","foo":"bar"}`},
		{"A.2", `{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, `{"foo":["bar","qux","baz"]}`},
		{"A.3", `{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `{"foo":"bar"}`},
		{"A.4", `{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, `{"foo":["bar","baz"]}`},
		{"A.5", `{"baz":"qux","foo":"bar"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `{"baz":"boo","foo":"bar"}`},
		{"A.6", `{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`, `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`,
			`{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}`},
		{"A.7", `{"foo":["all","grass","cows","eat"]}`, `[{"op":"move","from":"/foo/1","path":"/foo/3"}]`, `{"foo":["all","cows","eat","grass"]}`},
		{"A.8", `{"baz":"qux","foo":["a",2,"c"]}`, `[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]`, `{"baz":"qux","foo":["a",2,"c"]}`},
		{"A.9", `{"baz":"qux"}`, `[{"op":"test","path":"/baz","value":"bar"}]`, "error: operation 1, test /baz: the test does not hold"},
		{"A.10", `{"foo":"bar"}`, `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, `{"child":{"grandchild":{}},"foo":"bar"}`},
		{"A.12", `{"foo":"bar"}`, `[{"op":"add","path":"/baz/bat","value":"qux"}]`, `error: operation 1, add /baz/bat: there is no "baz"`},
		{"A.14", `{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10}]`, `{"/":9,"~1":10}`},
		{"A.15", `{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":"10"}]`, "error: operation 1, test /~1: the test does not hold"},
		{"A.16", `{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc","def"]}]`, `{"foo":["bar",["abc","def"]]}`},
		{"whole", `{"a":1}`, `[{"op":"replace","path":"","value":[1]}]`, `[1]`},
		{"whole removed", `{"a":1}`, `[{"op":"remove","path":""}]`, `null`},
		{"null", `{"a":1}`, `[{"op":"add","path":"/a","value":null}]`, `{"a":null}`},
		{"digits", `{"a":12345678901234567890.10,"b":1e400}`, `[{"op":"remove","path":"/c"}]`, `error: operation 1, remove /c: there is no "c"`},
		{"digits kept", `{"a":12345678901234567890.10,"b":1e400}`, `[{"op":"add","path":"/c","value":1}]`, `{"a":12345678901234567890.10,"b":1e400,"c":1}`},
		{"equal numbers", `[1.0]`, `[{"op":"test","path":"/0","value":1}]`, `[1.0]`},
		{"copied apart", `{"a":{"b":1}}`, `[{"op":"copy","from":"/a","path":"/c"},{"op":"replace","path":"/a/b","value":2}]`, `{"a":{"b":2},"c":{"b":1}}`},
		{"inner list", `{"a":[[1],[2]]}`, `[{"op":"add","path":"/a/0/0","value":0}]`, `{"a":[[0,1],[2]]}`},
		{"past the end", `[1]`, `[{"op":"add","path":"/2","value":1}]`, `error: operation 1, add /2: "2" is no place in a list that goes to 1`},
		{"leading zero", `[1]`, `[{"op":"replace","path":"/00","value":1}]`, `error: operation 1, replace /00: "00" is no place in a list that goes to 0`},
		{"into a string", `"x"`, `[{"op":"add","path":"/a","value":1}]`, `error: operation 1, add /a: there is no "a" in a value without parts`},
		{"all or nothing", `{"a":1}`, `[{"op":"remove","path":"/a"},{"op":"remove","path":"/a"}]`, `error: operation 2, remove /a: there is no "a"`},
		{"no JSON", `<html>`, `[{"op":"remove","path":"/a"}]`, `error: the body: it is no JSON: invalid character '<' looking for beginning of value`},
		{"two values", `{} {}`, `[{"op":"remove","path":"/a"}]`, `error: the body: it is no JSON: something follows the value`},
	} {
		r := chaos.NewRewrite(made(t, "rewrite", args{"json_patch": json.RawMessage(test.patch)}))
		out, err := r.Patch([]byte(test.doc))
		got := string(out)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != test.want {
			t.Errorf("%s: %s on %s\n got %s\nwant %s", test.name, test.patch, test.doc, got, test.want)
		}
	}
}

// A patch that doubles a document each time ends in an error, not in the machine's memory.
func TestJSONPatchBomb(t *testing.T) {
	var ops []string
	for i := range 100 {
		ops = append(ops, fmt.Sprintf(`{"op":"copy","from":"","path":"/%d"}`, i))
	}
	r := chaos.NewRewrite(made(t, "rewrite", args{"json_patch": json.RawMessage("[" + strings.Join(ops, ",") + "]")}))
	body := []byte(`{"a":"` + strings.Repeat("x", 1000) + `"}`)
	if out, err := r.Patch(body); err == nil {
		t.Errorf("it became %d bytes", len(out))
	}
	// Copied into itself a value becomes deeper each time.
	ops = nil
	at := ""
	for range 120 {
		ops = append(ops, fmt.Sprintf(`{"op":"copy","from":"","path":"%s/a"}`, at))
		at += "/a"
	}
	r = chaos.NewRewrite(made(t, "rewrite", args{"json_patch": json.RawMessage("[" + strings.Join(ops, ",") + "]")}))
	if out, err := r.Patch([]byte(`{"a":{}}`)); err == nil {
		t.Errorf("it became %d bytes", len(out))
	}
}

func TestRewrite(t *testing.T) {
	r := chaos.NewRewrite(made(t, "rewrite", args{"status": ramp(200, 500, "10s", "steps(1)"), "headers": args{"X-A": "b"}, "remove_headers": []any{"Server", "ETag"}, "body": ""}))
	if status, ok := r.Status(0); status != 200 || !ok {
		t.Errorf("status %d, %v", status, ok)
	}
	if status, _ := r.Status(1 << 40); status != 500 {
		t.Errorf("status %d at the end", status)
	}
	if r.Request || r.Body != "" || !r.HasBody || r.Patches() || fmt.Sprint(r.Remove) != "[server etag]" || r.Headers["X-A"] != "b" {
		t.Errorf("got %+v", r)
	}
	r = chaos.NewRewrite(made(t, "rewrite", args{"direction": "request", "json_patch": json.RawMessage(`[{"op":"remove","path":"/a"}]`)}))
	if _, ok := r.Status(0); ok || !r.Request || r.HasBody || !r.Patches() {
		t.Errorf("got %+v", r)
	}
}

// FuzzJSONPatch: no patch and body hang, crash or grow without bound; what comes out is JSON.
func FuzzJSONPatch(f *testing.F) {
	f.Add([]byte(`[{"op":"copy","from":"/a","path":"/b"},{"op":"test","path":"/a","value":1}]`), []byte(`{"a":1}`))
	f.Add([]byte(`[{"op":"move","from":"/0","path":"/-"},{"op":"add","path":"/1/x~1","value":null}]`), []byte(`[1,{}]`))
	f.Fuzz(func(t *testing.T, patch, body []byte) {
		if len(body) > 1<<16 {
			return
		}
		fault, err := chaos.New("rewrite", args{"json_patch": json.RawMessage(patch)})
		if err != nil {
			return
		}
		r := chaos.NewRewrite(&fault)
		out, err := r.Patch(body)
		if err == nil && (!json.Valid(out) || len(out) > 6*(len(body)+16<<20)) {
			t.Errorf("%d bytes, valid %v", len(out), json.Valid(out))
		}
	})
}
