package main

import (
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestRooms holds the table of packages in docs/architecture.md against the code: each has
// a row, and imports what stands there, which is below it.
func TestRooms(t *testing.T) {
	imports := packages(t)
	text, err := os.ReadFile(filepath.Join(root, "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile("`([a-z0-9/]+)`")
	names := func(cell string) (out []string) {
		for _, m := range name.FindAllStringSubmatch(cell, -1) {
			out = append(out, m[1])
		}
		return out
	}
	rows := map[string]int{}
	type row struct{ folders, imports []string }
	var table []row
	below := regexp.MustCompile(`^ *what is below *$`)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !name.MatchString(cells[1]) || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		r := row{folders: names(cells[1])}
		for _, f := range r.folders {
			if _, known := imports[f]; !known {
				t.Errorf("%s has a row and is no package", f)
			}
			rows[f] = len(table)
		}
		if !below.MatchString(cells[3]) {
			r.imports = append([]string{}, names(cells[3])...)
		}
		table = append(table, r)
	}
	for _, f := range slices.Sorted(maps.Keys(imports)) {
		at, known := rows[f]
		if !known {
			t.Errorf("%s has no row", f)
			continue
		}
		for _, to := range imports[f] {
			if there, known := rows[to]; known && there < at {
				t.Errorf("%s imports %s, which stands above it", f, to)
			}
		}
	}
	for _, r := range table {
		if r.imports == nil {
			continue
		}
		found := map[string]bool{}
		for _, f := range r.folders {
			for _, to := range imports[f] {
				if !slices.Contains(r.folders, to) {
					found[to] = true
				}
			}
		}
		slices.Sort(r.imports)
		if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, r.imports) {
			t.Errorf("%s import %v; the table says %v", strings.Join(r.folders, ", "), got, r.imports)
		}
	}
}

// packages are those of the module, by their folders, with what each imports of the others
// apart from its tests.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "*/*.go"))
	for _, depth := range []string{"*/*/*.go", "*/*/*/*.go", "*/*/*/*/*.go"} {
		more, e := filepath.Glob(filepath.Join(root, depth))
		if files = append(files, more...); e != nil {
			err = e
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, path := range files {
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		if folder = filepath.ToSlash(folder); strings.Contains(folder, "testdata") {
			continue
		}
		list := out[folder]
		if !strings.HasSuffix(path, "_test.go") {
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range f.Imports {
				if to, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), "starquake/"); ours && !slices.Contains(list, to) {
					list = append(list, to)
				}
			}
		}
		out[folder] = list
	}
	return out
}
