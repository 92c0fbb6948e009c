package dsl

import (
	"bytes"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

// TestRelocatedIsTheSameProgram copies trees whose places are made of themselves: nothing of
// them may be lost.
func TestRelocatedIsTheSameProgram(t *testing.T) {
	n := 0
	for _, folder := range []string{"testdata", "../examples", "../builtins/testdata"} {
		err := fs.WalkDir(os.DirFS(folder), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".star") {
				return err
			}
			text, err := os.ReadFile(folder + "/" + path)
			if err != nil || len(text) > 100_000 {
				return err
			}
			m := &Module{Name: path, Text: text, Origin: new(Origin)}
			file, diags := parse(m, 1<<20)
			if diags != nil {
				return nil
			}
			for i, line := range strings.Split(string(m.Text), "\n") {
				for col := range len(line) + 2 {
					m.Origin.Mark(i+1, col+1, Span{Line: i + 1, Col: col + 1})
				}
			}
			copied := m.relocated(file)
			if !reflect.DeepEqual(copied, file) {
				t.Errorf("%s: the copy of the tree is another", path)
			}
			known := func(string) bool { return true }
			var want, got bytes.Buffer
			if program, err := starlark.FileProgram(file, known); err != nil {
				return nil
			} else if err := program.Write(&want); err != nil {
				return err
			}
			program, err := starlark.FileProgram(copied, known)
			if err != nil {
				t.Errorf("%s: the copy does not resolve: %v", path, err)
				return nil
			}
			if err := program.Write(&got); err != nil {
				return err
			}
			if !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Errorf("%s: the copy is another program", path)
			}
			n++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n < 20 {
		t.Errorf("only %d programs were compared", n)
	}
}
