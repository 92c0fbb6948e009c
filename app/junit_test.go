package app_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"starquake/app"
	"starquake/report/junit/junittest"
)

// What came of tests is valid by JUnit's schema: tests that pass, that fail, and a file that is wrong.
func TestTestsAsJUnit(t *testing.T) {
	dir := t.TempDir()
	var files []app.TestedFile
	for name, text := range map[string]string{
		"good_test.star":  "def test_good():\n    log(\"fine\")\n    check(\"one\", 1, equals = 1)\n",
		"bad_test.star":   "def test_bad():\n    fail(\"bad & \\x01 <luck>\")\n",
		"wrong_test.star": "def test_wrong(:\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, results, diags := app.TestFile(path, app.TestOptions{})
		f := app.TestedFile{Path: path, Results: results}
		if diags.HasErrors() {
			f.Wrong = diags.Err().Error()
		}
		files = append(files, f)
	}
	var out bytes.Buffer
	if err := app.WriteTestsJUnit(&out, files); err != nil {
		t.Fatal(err)
	}
	if err := junittest.Validate(out.Bytes()); err != nil {
		t.Errorf("%v\n%s", err, out.Bytes())
	}
	if n := bytes.Count(out.Bytes(), []byte("<testcase ")); n != 3 {
		t.Errorf("%d test cases, want 3:\n%s", n, out.Bytes())
	}
}
