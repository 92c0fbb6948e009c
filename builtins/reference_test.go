package builtins

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files under testdata")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; -update makes it", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at the difference, then run with -update.\ngot:\n%s", path, got)
	}
}

// TestReference keeps the reference of the rows for tests, which do not change with
// the language.
func TestReference(t *testing.T) {
	text, err := Reference(testRows())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/reference.md", string(text))
}

// TestReferenceOfValues looks at what must hold for every builtin of the language.
func TestReferenceOfValues(t *testing.T) {
	table := Values(testHooks())
	text, err := Reference(table)
	if err != nil {
		t.Fatal(err)
	}
	for i := range table {
		name, _, _ := strings.Cut(table[i].Sig, "(")
		if !strings.Contains(string(text), "### `"+name+"`\n") {
			t.Errorf("the reference lacks %s", name)
		}
		if strings.Contains(table[i].Sig, "…") {
			t.Errorf("%s has an ellipsis in its signature", name)
		}
		if !strings.HasSuffix(table[i].Doc, ".") || table[i].Family == "" {
			t.Errorf("%s has no family, or its text does not end in a full stop", name)
		}
	}
}

func TestHelp(t *testing.T) {
	table := testRows()
	for name, path := range map[string]string{"demo.takes": "testdata/help.txt", "": "testdata/list.txt"} {
		text, err := Help(table, name)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, path, text)
	}
	if _, err := Help(table, "load"); err == nil || !strings.Contains(err.Error(), `a statement: load("file.star"`) {
		t.Errorf("load: %v", err)
	}
	if _, err := Help(table, "demo.tales"); err == nil || !strings.Contains(err.Error(), "did you mean demo.takes?") {
		t.Errorf("got %v", err)
	}
	if text, err := Help(Values(testHooks()), "random"); err != nil || !strings.Contains(text, "random.choice") {
		t.Errorf("got %q, %v", text, err)
	}
}
