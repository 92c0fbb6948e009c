package files_test

import (
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gopkg.in/yaml.v3"
	"pgregory.net/rapid"

	"starquake/builtins"
	"starquake/dsl"
	"starquake/dsl/files"
)

// sameDoc compares documents but for their places, and what Read adds to what is written.
func sameDoc(more ...cmp.Option) cmp.Option {
	return append(cmp.Options{
		cmpopts.IgnoreTypes(files.Pos{}), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(files.Doc{}, "Format", "HasAdvanced"), cmpopts.IgnoreFields(files.Config{}, "Plain"), cmpopts.IgnoreUnexported(files.Config{}),
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

// TestWriteOrder writes a document that has every key and wants the keys of each mapping
// in the order of the table.
func TestWriteOrder(t *testing.T) {
	order := map[string][]string{}
	for _, o := range files.Table() {
		for _, f := range o.Fields {
			if f.Alias == "" && !slices.Contains(order[o.Name], f.Name) {
				order[o.Name] = append(order[o.Name], f.Name)
			}
		}
	}
	s := &files.Str{Value: "x"}
	n := &files.Num{Text: "1", Value: 1}
	b := &files.Bool{Value: true}
	cond := &files.Condition{Type: *s, Variable: s, Value: &files.Any{}, Conditions: []files.Condition{{}}, Condition: &files.Condition{}, MetricName: s, Operator: s, Threshold: n}
	action := files.Action{Type: *s, Name: s, Value: &files.Any{}, Message: s, Level: s, URL: s, Method: s, Body: &files.Any{}, Command: s, Args: []files.Str{*s}}
	assertion := files.Assertion{Type: *s, Variable: s, Expected: &files.Any{}, Metric: s, Min: n, Max: n, StepName: s, Condition: cond}
	hook := files.Hook{Name: *s, HookType: s, Actions: []files.Action{action}, Condition: cond}
	step := files.Step{
		Name: *s, Scenario: &files.Scenario{Name: s, Description: s, Config: &files.Config{}, DurationSeconds: n, Tags: []files.Str{*s}, StartTime: s, EndTime: s},
		DurationSeconds: n, DelayBeforeSeconds: n, ContinueOnFailure: b, Target: []files.Str{*s}, Condition: cond, PreHooks: []files.Hook{hook}, PostHooks: []files.Hook{hook},
		Assertions: []files.Assertion{assertion}, Variables: []files.Entry{{Key: *s}}, TimeoutSeconds: n, Retry: &files.Retry{MaxAttempts: n, DelaySeconds: n, ExponentialBackoff: b},
	}
	doc := &files.Doc{
		Name: s, Description: s, Tags: []files.Str{*s}, Targets: []files.Target{{Name: *s, Listen: s, Upstream: s, Protocol: s, TLS: &files.Any{Value: []files.Entry{{Key: files.Str{Value: "cert"}, Value: files.Any{Value: "x"}}}}}}, Parallel: b, LoopOrchestration: b, MaxIterations: n,
		Steps: []files.Step{step}, Variables: []files.Entry{{Key: *s}}, AdvancedSteps: []files.Step{step},
		ConditionalSteps: []files.Conditional{{Name: *s, Condition: *cond, ThenSteps: []files.Step{step}, ElseSteps: []files.Step{step}}},
		Hooks:            []files.Hook{hook}, Assertions: []files.Assertion{assertion}, EnableReporting: b, ReportPath: s, HasSteps: true, HasAdvanced: true,
	}
	text, err := files.Write(doc, "yaml")
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	inOrder := func(what string, m *yaml.Node, skip ...string) *yaml.Node {
		t.Helper()
		var got []string
		for i := 0; i < len(m.Content); i += 2 {
			got = append(got, m.Content[i].Value)
		}
		want := slices.DeleteFunc(slices.Clone(order[what]), func(k string) bool { return slices.Contains(skip, k) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-table +written):\n%s", what, diff)
		}
		return m
	}
	at := func(m *yaml.Node, key string) *yaml.Node {
		t.Helper()
		for i := 0; i < len(m.Content); i += 2 {
			if m.Content[i].Value == key {
				if v := m.Content[i+1]; v.Kind == yaml.SequenceNode {
					return v.Content[0]
				}
				return m.Content[i+1]
			}
		}
		t.Fatalf("no key %s", key)
		return nil
	}
	whole := inOrder("orchestration", root.Content[0], "$schema") // which says nothing of the orchestration
	inOrder("target", at(at(whole, "targets"), "x"))
	advanced := inOrder("advanced_step", at(whole, "advanced_steps"))
	inOrder("scenario", at(advanced, "scenario"))
	inOrder("retry", at(advanced, "retry"))
	inOrder("conditional_step", at(whole, "conditional_steps"))
	inOrder("condition", at(advanced, "condition"))
	h := inOrder("hook", at(whole, "hooks"))
	inOrder("action", at(h, "actions"))
	inOrder("assertion", at(whole, "assertions"))
}

// TestWriteComments writes a document with comments and reads it back: they are the same.
func TestWriteComments(t *testing.T) {
	const text = `# The file.

name: a
targets:
  # Above a target.
  shop: # beside it
    listen: 127.0.0.1:0
    upstream: 127.0.0.1:80
steps:
  # Above a step,
  # in two lines.
  - name: one # beside it
    # Above a scenario.
    scenario:
      name: x
      # Above a config.
      config:
        # Above a block.
        latency:
          fixed_delay_ms: 5 # beside a number
    duration_seconds: 1
  - name: two

# The end.
`
	doc, diags := files.Read("a.yaml", []byte(text), files.ReadOptions{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	out, err := files.Write(doc, "yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, string(out)); diff != "" {
		t.Error(diff)
	}
}

// FuzzExport exports whatever loads: without a panic, and as a document that can be read.
func FuzzExport(f *testing.F) {
	paths, err := filepath.Glob("testdata/export/*.star")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("def f(n):\n    return [1] * n\nfor x in f(1000000000):\n    step(str(x))\n")
	f.Add("x = 'a'\nfor i in range(10000):\n    x += x\n    step(x, duration = i)\n")
	f.Add("step('a', **{'chaos': 1})\nparallel(*[], **{})\nloop(len, times = 2)\n{}[1]\n[][0]\n1 // 0\n")
	rows := builtins.Rows()
	f.Fuzz(func(t *testing.T, text string) {
		unit, diags := dsl.LoadText("f.star", []byte(text), dsl.Options{Builtins: rows})
		if diags.HasErrors() {
			return
		}
		doc, diags := files.Export(unit, files.ExportOptions{Builtins: rows})
		if (doc == nil) != diags.HasErrors() {
			t.Fatalf("document %v, diagnostics %v", doc, diags)
		}
		if doc == nil {
			return
		}
		for _, format := range []string{"yaml", "json"} {
			out, err := files.Write(doc, format)
			if err != nil {
				t.Fatal(err)
			}
			back, problems := files.Read("f."+format, out, files.ReadOptions{})
			if back == nil {
				t.Logf("%s", out)
				for _, d := range problems { // what a script may say and no file may
					if d.Code == "yaml_syntax" || d.Code == "json_syntax" || d.Code == "unknown_key" || d.Code == "duplicate_key" || d.Code == "wrong_type" {
						t.Fatal(d)
					}
				}
			}
		}
	})
}
