package files_test

import (
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"starquake/dsl/files"
)

// sameDoc compares documents but for their places, and what Read adds to what is written.
func sameDoc(more ...cmp.Option) cmp.Option {
	return append(cmp.Options{
		cmpopts.IgnoreTypes(files.Pos{}), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(files.Doc{}, "Format", "HasAdvanced"), cmpopts.IgnoreFields(files.Config{}, "Plain"),
		cmp.Comparer(func(a, b *big.Int) bool { return a == b || a != nil && b != nil && a.Cmp(b) == 0 }),
	}, more...)
}

// writeEntries gives every config of a document the entries that its plain form has.
func writeEntries(doc *files.Doc) {
	each := func(steps []files.Step) {
		for i := range steps {
			if sc := steps[i].Scenario; sc != nil && sc.Config != nil {
				sc.Config.Entries = entriesOf(sc.Config.Plain)
			}
		}
	}
	each(doc.Steps)
	each(doc.AdvancedSteps)
	for _, c := range doc.ConditionalSteps {
		each(c.ThenSteps)
		each(c.ElseSteps)
	}
}

func entriesOf(plain map[string]any) []files.Entry {
	var entries []files.Entry
	for _, key := range slices.Sorted(maps.Keys(plain)) {
		entries = append(entries, files.Entry{Key: files.Str{Value: key}, Value: anyOf(plain[key])})
	}
	return entries
}

func anyOf(v any) files.Any {
	switch v := v.(type) {
	case int:
		return files.Any{Value: big.NewInt(int64(v))}
	case []any:
		list := make([]files.Any, len(v))
		for i := range v {
			list[i] = anyOf(v[i])
		}
		return files.Any{Value: list}
	case map[string]any:
		return files.Any{Value: entriesOf(v)}
	}
	return files.Any{Value: v}
}

// TestWriteIsRead writes documents and reads them back: the same, places apart.
func TestWriteIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := genDoc(t)
		writeEntries(doc)
		for _, format := range []string{"yaml", "json"} {
			text, err := files.Write(doc, format)
			if err != nil {
				t.Fatal(err)
			}
			back, diags := files.Read("doc."+format, text, files.ReadOptions{})
			if diags.HasErrors() {
				t.Fatalf("%v\n%s", diags, text)
			}
			if diff := cmp.Diff(doc, back, sameDoc(cmpopts.IgnoreTypes(files.Comment{}))); diff != "" {
				t.Fatalf("%s\n%s", diff, text)
			}
		}
	})
}

// TestWriteStrings writes strings that YAML would take for something else.
func TestWriteStrings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.SampledFrom([]string{
			"yes", "No", "on", "null", "~", "1", "1e3", "0x1F", "1_000", ".5", "-", "- a", "a: b", "a #b", "#", "a:", "'", `"`, "{a}", "[a]", "a, b", "*a", "&a", "!a", "|", ">", "%",
			"@a", "`a`", " a", "a ", "a\nb", "a\n", "\na", "a\n\n", "a\n\nb\n", "\t", "a\tb", "2026-01-01", "12:30", "<<", "=", "?", "? a", "---", "...", "é", "\u2028", "\u00a0", "\u200b", "\x7f",
			"127.0.0.1:8080", "http://x/y#z", "\\n", "  a\n b", "a \nb", "# a\nb", strings.Repeat("x", 2000), "\ufeff", "true", "NaN", ".inf", "0o7", "+1", "1.", "🙂", "a\r\nb", "\U000e0001",
		}), rapid.String()).Filter(func(s string) bool { return !strings.ContainsAny(s, "\x00") && strings.TrimSpace(s) != "" }).Draw(t, "s")
		s = strings.ToValidUTF8(s, "")
		if strings.TrimSpace(s) == "" || strings.Contains(s, "{{") {
			return
		}
		doc := &files.Doc{Name: &files.Str{Value: s}, Description: &files.Str{Value: s}, Tags: []files.Str{{Value: s}, {Value: "b"}}, HasSteps: true,
			Steps:     []files.Step{{Name: files.Str{Value: "a"}}},
			Variables: []files.Entry{{Key: files.Str{Value: s}, Value: files.Any{Value: s}}}, HasAdvanced: true}
		for _, format := range []string{"yaml", "json"} {
			text, err := files.Write(doc, format)
			if err != nil {
				t.Fatal(err)
			}
			back, diags := files.Read("doc."+format, text, files.ReadOptions{})
			if diags.HasErrors() {
				t.Fatalf("%v\n%s", diags, text)
			}
			if diff := cmp.Diff(doc, back, sameDoc()); diff != "" {
				t.Fatalf("%s\n%s", diff, text)
			}
		}
	})
}
