package dsl

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// userFiles is a library of the user's own.
func userFiles(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func TestUserLibrary(t *testing.T) {
	lib := userFiles(map[string]string{
		"a.star":      "load(\"@library/b.star\", \"base\")\n\ndef one(n = 1, *, m = [1,\n  2]):\n    \"\"\"Is one.\n\n    And more.\n    \"\"\"\n    return base(n)\n\ndef _own(): return 1\n",
		"b.star":      "def base(n):\n    return n\n\ndef two():\n    return 2\n",
		"a_test.star": "nothing here is read",
		"notes.md":    "nor here",
		"sub/c.star":  "nor here",
	})
	unit, diags := LoadText("x.star", []byte("load(\"@library/b.star\", \"base\")\nx = base(1)\n"), Options{UserLibrary: lib})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	check := func(unit *Unit) {
		t.Helper()
		one, two := unit.Scenarios["one"], unit.Scenarios["two"]
		if len(unit.Scenarios) != 2 || one.Module != "@library/a.star" || one.Doc != "Is one.\n\nAnd more." || one.Line != 3 || two.Module != "@library/b.star" {
			t.Errorf("scenarios %+v", unit.Scenarios)
		}
		var order []string
		for _, m := range unit.Order {
			order = append(order, m.Name)
		}
		if got := strings.Join(order, " "); got != "@library/b.star @library/a.star x.star" {
			t.Errorf("the modules are executed as %s", got)
		}
	}
	check(unit)
	// What is in a journal is enough to have the same again.
	again, diags := LoadModules("x.star", unit.Texts(), Options{})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	check(again)
}

func TestParameters(t *testing.T) {
	unit, diags := LoadText("x.star", []byte("def f(a = 1, b = [1,\n   2]):\n    pass\n\ndef g(a):\n    pass\n\ndef h(*, a = 1, **more):\n    pass\n"), Options{})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	params := Parameters(unit.Main)
	if len(params) != 2 || !slices.Equal(params["h"], []string{"*", "a = 1", "**more"}) || !slices.Equal(params["f"], []string{"a = 1", "b = [1, 2]"}) {
		t.Errorf("%q", params)
	}
}

func TestUserLibraryWrong(t *testing.T) {
	for _, test := range []struct {
		name, script string
		files        map[string]string
		want         string
	}{
		{"twice", "", map[string]string{"a.star": "def f(): pass\n", "b.star": "def f(): pass\n"}, "@library/b.star:1:5: error: the library has a scenario f in @library/a.star already"},
		{"twice in one", "", map[string]string{"a.star": "def f(): pass\ndef f(): pass\n"}, "@library/a.star:2:5: error: the library has a scenario f in @library/a.star already"},
		{"syntax", "", map[string]string{"a.star": "def f(:\n"}, "@library/a.star:1:7: error:"},
		{"missing", "load(\"@library/c.star\", \"f\")\n", map[string]string{"a.star": ""}, "x.star:1:6: error: cannot load \"@library/c.star\": there is no such file"},
		{"folder", "load(\"@library/sub/c.star\", \"f\")\n", map[string]string{"sub/c.star": ""}, "your own library has names such as"},
		{"upwards", "load(\"@library/../c.star\", \"f\")\n", map[string]string{"a.star": ""}, "your own library has names such as"},
		{"cycle", "", map[string]string{"a.star": "load(\"@library/b.star\", \"g\")\n", "b.star": "load(\"@library/a.star\", \"f\")\n"}, "load cycle: @library/a.star → @library/b.star → @library/a.star"},
		{"the script's own", "", map[string]string{"a.star": "load(\"x.star\", \"f\")\n"}, "cannot load \"x.star\""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, diags := LoadText("x.star", []byte(test.script), Options{UserLibrary: userFiles(test.files)})
			if !diags.HasErrors() || !strings.Contains(diags.Error(), test.want) {
				t.Errorf("%v, want %q", diags, test.want)
			}
		})
	}
	many := map[string]string{}
	for i := range 300 {
		many[strings.Repeat("x", i+1)+".star"] = ""
	}
	if _, diags := LoadText("x.star", nil, Options{UserLibrary: userFiles(many)}); !strings.Contains(diags.Error(), "the library has more than 256 modules") {
		t.Errorf("300 modules: %v", diags)
	}
}
