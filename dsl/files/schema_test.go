package files_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"starquake/dsl/files"
)

// TestSchemaUpToDate keeps docs/schema that of the table; make docs writes it.
func TestSchemaUpToDate(t *testing.T) {
	for _, form := range files.Forms() {
		want, err := files.Schema(form)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile("../../docs/schema/" + form + ".schema.json")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("docs/schema/%s.schema.json is not that of the table: make docs writes it", form)
		}
	}
	if got, err := os.ReadFile("../../docs/reference/formats.md"); err != nil || !bytes.Equal(got, files.Reference()) {
		t.Errorf("docs/reference/formats.md is not that of the table: make docs writes it (%v)", err)
	}
	if _, err := files.Schema("experiment"); err == nil {
		t.Error("a schema of an unknown form")
	}
}

// compiled is a form's schema, checked against the schema of schemas.
func compiled(t *testing.T, form string) *jsonschema.Schema {
	t.Helper()
	text, err := files.Schema(form)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(form, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(form)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance is a file as a schema sees it; nil if it is no plain data.
func instance(name string, text []byte) any {
	var plain any
	if strings.HasSuffix(name, ".json") {
		plain, _ = jsonschema.UnmarshalJSON(bytes.NewReader(text))
		return plain
	}
	if yaml.Unmarshal(text, &plain) != nil {
		return nil
	}
	encoded, err := json.Marshal(plain)
	if err != nil {
		return nil
	}
	plain, _ = jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	return plain
}

// TestSchemaGood holds the schema against every file that is read without an error: what
// Read takes the schema takes.
func TestSchemaGood(t *testing.T) {
	advanced, simple := compiled(t, "advanced"), compiled(t, "orchestration")
	seen := 0
	for _, pattern := range []string{"testdata/good/*", "testdata/transpile/*", "templates/*", "../../examples/*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if ext := filepath.Ext(path); ext != ".yaml" && ext != ".json" {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			doc, diags := files.Read(path, text, files.ReadOptions{})
			if doc == nil || diags.HasErrors() {
				continue
			}
			seen++
			plain := instance(path, text)
			if err := advanced.Validate(plain); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			uses := doc.HasAdvanced || doc.Variables != nil || doc.Hooks != nil || doc.Assertions != nil || doc.ReportPath != nil || doc.EnableReporting != nil
			if err := simple.Validate(plain); (err != nil) != uses {
				t.Errorf("%s: uses the advanced schema: %v; the schema without it says: %v", path, uses, err)
			}
		}
	}
	if seen < 15 {
		t.Errorf("only %d files", seen)
	}
}

// TestSchemaBad holds the schema against the bad files of whose shape something is
// wrong: what Read refuses there, the schema refuses.
func TestSchemaBad(t *testing.T) {
	shape := []string{"unknown_key", "missing_key", "wrong_type", "out_of_range", "unknown_value", "misplaced_key"}
	advanced := compiled(t, "advanced")
	paths, err := filepath.Glob("../../testdata/badfiles/*")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, path := range paths {
		if strings.HasSuffix(path, ".diag") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, diags := files.Read(path, text, files.ReadOptions{})
		var codes []string
		for _, d := range diags {
			codes = append(codes, d.Code)
		}
		plain := instance(path, text)
		if plain == nil || !slices.ContainsFunc(codes, func(c string) bool { return slices.Contains(shape, c) }) {
			for _, c := range codes {
				seen["other "+c]++
			}
			continue
		}
		for _, c := range codes {
			seen[c]++
		}
		if advanced.Validate(plain) == nil {
			t.Errorf("%s: the schema finds nothing wrong with it; Read says:\n%v", path, diags)
		}
	}
	t.Log(seen)
	for _, c := range shape {
		if seen[c] == 0 {
			t.Errorf("no bad file has %s", c)
		}
	}
}
