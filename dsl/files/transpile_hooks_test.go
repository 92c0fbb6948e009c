package files_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"starquake/app"
	"starquake/dsl"
	"starquake/dsl/files"
	"starquake/effects"
	"starquake/runtime/journal"
)

// TestTranspiledHooks plans steps of which something fails: what a URL answers decides.
func TestTranspiledHooks(t *testing.T) {
	const file = `
name: hooks
advanced_steps:
  - name: slow
    scenario: {name: slow_backend}
    duration_seconds: 10
    CONTINUE
    pre_hooks:
      - {name: before, actions: [{type: http_request, url: "http://a.test/before"}]}
    post_hooks:
      - name: after
        actions: [{type: log, message: "after: {{steps.slow.status}}"}, {type: http_request, url: "http://a.test/after"}]
      - name: failed
        condition: {type: previous_step_failed}
        actions: [{type: log, message: "the step failed"}]
  - {name: next, duration_seconds: 1}
hooks:
  - {name: end, hook_type: post_orchestration, actions: [{type: log, message: "end: {{steps.slow.status}}"}]}
`
	tests := []struct {
		name, failing string
		tolerated     bool
		verdict       journal.Verdict
		faults, steps int
		log           string
	}{
		{"nothing fails", "", false, journal.VerdictPassed, 1, 2, "after: passed, end: passed"},
		// A failing pre-hook fails its step before chaos, and the hooks behind it run.
		{"pre-hook", "before", false, journal.VerdictFailed, 0, 1, "after: failed, the step failed, end: failed"},
		{"pre-hook, tolerated", "before", true, journal.VerdictPassed, 0, 2, "after: failed, the step failed, end: failed"},
		// A failing post-hook fails its step after chaos, and the others still run.
		{"post-hook", "after", false, journal.VerdictFailed, 1, 1, "after: passed, the step failed, end: failed"},
		{"post-hook, tolerated", "after", true, journal.VerdictPassed, 1, 2, "after: passed, the step failed, end: failed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			line := "continue_on_failure: false"
			if test.tolerated {
				line = "continue_on_failure: true"
			}
			answers := ""
			if test.failing != "" {
				answers = "- match: {kind: http, url: \"http://a.test/" + test.failing + "\"}\n  answer: {status: 500}\n"
			}
			s, res, log := plannedWith(t, strings.Replace(file, "CONTINUE", line, 1), answers, app.PlanOptions{})
			if res.Outcome.Verdict != test.verdict || len(res.View.Faults) != test.faults || len(res.View.Steps) != test.steps || strings.Join(log, ", ") != test.log {
				t.Errorf("%s, %d faults, %d steps, log %q\nwant %s, %d, %d, %q\n%s", res.Outcome.Verdict, len(res.View.Faults), len(res.View.Steps), log,
					test.verdict, test.faults, test.steps, test.log, s.Unit.Main.Text)
			}
		})
	}
}

// plannedWith plans a file with rules of answers, of which there may be none, and gives what
// its hooks have logged.
func plannedWith(t *testing.T, file, answers string, opt app.PlanOptions) (s *app.Script, res *app.Result, log []string) {
	t.Helper()
	s, diags := app.LoadText("file.yaml", []byte(file))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if answers != "" {
		rules, err := effects.ReadAnswers("answers", []byte(answers))
		if err != nil {
			t.Fatal(err)
		}
		opt.Answers = rules.Over
	}
	res, err := s.Plan(opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range res.View.Log {
		log = append(log, line.Message)
	}
	return s, res, log
}

// TestTranspiledHooksAllRun plans a step and an orchestration of which the first hook fails in
// front and the first behind: the other hooks behind run all the same.
func TestTranspiledHooksAllRun(t *testing.T) {
	const file = `
name: hooks
advanced_steps:
  - name: a
    pre_hooks:
      - {name: before, actions: [{type: http_request, url: "http://a.test/"}]}
    post_hooks:
      - {name: first, actions: [{type: http_request, url: "http://a.test/"}]}
      - {name: second, actions: [{type: http_request, url: "http://a.test/"}]}
      - {name: third, actions: [{type: log, message: "THIRD"}]}
hooks:
  - {name: end, hook_type: post_orchestration, actions: [{type: http_request, url: "http://a.test/"}]}
  - {name: very end, hook_type: post_orchestration, actions: [{type: log, message: "END"}]}
`
	for _, test := range []struct{ third, end, log string }{
		{"third", "end", "third, end"},
		{"third {{steps.a.status}}", "end {{steps.a.status}}", "third failed, end failed"},
	} {
		text := strings.NewReplacer("THIRD", test.third, "END", test.end).Replace(file)
		s, res, log := plannedWith(t, text, "- match: {kind: http, url: \"http://a.test/\"}\n  answer: {status: 500}\n", app.PlanOptions{})
		// What fails behind the first failure is shown, and leaves the verdict alone.
		if got := strings.Join(log, ", "); got != test.log || res.Outcome.Verdict != journal.VerdictFailed || res.Outcome.Tolerated != 3 {
			t.Errorf("%s (%s), %d tolerated, log %q, want %q\n%s", res.Outcome.Verdict, res.Outcome.Message, res.Outcome.Tolerated, got, test.log, s.Unit.Main.Text)
		}
	}
}

// TestTranspiledTimeout plans steps with a timeout as long as they take: a hook that takes time
// besides makes them overdue, one that takes none does not.
func TestTranspiledTimeout(t *testing.T) {
	const file = `
name: timeout
advanced_steps:
  - name: a
    duration_seconds: 2
    timeout_seconds: 2
    HOOKS: [{name: beside, actions: [ACTION]}]
`
	const request = "{type: http_request, url: \"http://a.test/\"}"
	for _, test := range []struct {
		hooks, action string
		verdict       journal.Verdict
	}{
		{"pre_hooks", request, journal.VerdictFailed},
		{"post_hooks", request, journal.VerdictFailed},
		{"pre_hooks", "{type: log, message: at once}", journal.VerdictPassed},
		{"post_hooks", "{type: log, message: at once}", journal.VerdictPassed},
	} {
		text := strings.NewReplacer("HOOKS", test.hooks, "ACTION", test.action).Replace(file)
		s, res, _ := plannedWith(t, text, "- match: {kind: http, url: \"http://a.test/\"}\n  answer: {status: 200, elapsed: 1s}\n", app.PlanOptions{})
		if res.Outcome.Verdict != test.verdict {
			t.Errorf("%s %s: %s in %v, want %s\n%s", test.hooks, test.action, res.Outcome.Verdict, res.View.Now, test.verdict, s.Unit.Main.Text)
		}
	}
}

// TestTranspiledNoValue plans files that ask for a variable before anything has set it: what is
// said is of variables, not of the dict in which the program keeps them.
func TestTranspiledNoValue(t *testing.T) {
	for _, file := range []string{
		"name: x\nadvanced_steps:\n  - {name: a, condition: {type: equals, variable: z, value: 1}, variables: {z: 1}}\n",
		"name: x\nadvanced_steps:\n  - {name: a, post_hooks: [{name: h, actions: [{type: log, message: \"{{variables.z}}\"}]}]}\n  - {name: b, variables: {z: 1}}\n",
		"name: x\nvariables: {y: \"{{variables.z}}\", z: \"{{iteration}}\"}\nsteps: [{name: a}]\n",
	} {
		s, res, _ := plannedWith(t, file, "", app.PlanOptions{})
		diags := s.Errors(res)
		if len(diags) != 1 || diags[0].Message != `the variable "z" has no value: nothing has set it so far` || !strings.Contains(diags[0].Help, "type exists") || diags[0].File != "file.yaml" {
			t.Errorf("%+v\n%s", diags, s.Unit.Main.Text)
		}
	}
}

// TestTranspiledManyConditions plans conditions of many parts, of which the first decides: what
// it stands before is not asked.
func TestTranspiledManyConditions(t *testing.T) {
	for _, n := range []int{2, 20, 21, 401, 9000} {
		for _, test := range []struct{ kind, first, log string }{
			{"and", "{type: exists, variable: z}", ""},
			{"or", "{type: not, condition: {type: exists, variable: z}}", "done"},
		} {
			text := "name: x\nadvanced_steps:\n  - name: a\n    post_hooks:\n      - name: h\n        condition: {type: " + test.kind +
				", conditions: [" + test.first + strings.Repeat(", {type: greater_than, variable: z, value: 3}", n-1) + "]}\n" +
				"        actions: [{type: log, message: done}]\n  - {name: b, variables: {z: 1}}\n"
			_, res, log := plannedWith(t, text, "", app.PlanOptions{})
			if got := strings.Join(log, ", "); res.Outcome.Verdict != journal.VerdictPassed || got != test.log {
				t.Errorf("%d in %s: %s (%s), log %q, want %q", n, test.kind, res.Outcome.Verdict, res.Outcome.Message, got, test.log)
			}
		}
	}
}

// FuzzImport reads any bytes as a file, with either reader. What can be read and has no
// error becomes a program that loads and is laid out as Format does it, and is the same
// when it was written in either format and read again.
func FuzzImport(f *testing.F) {
	f.Add(manySteps(2), false)
	f.Add([]byte("name: x\nsteps: [{name: \"{{iteration}} {\", scenario: {name: a, config: &a {latency: {fixed_delay_ms: 1}}}}, {name: b, scenario: {name: a, config: *a}}]\nloop_orchestration: true\nmax_iterations: 2\n"), false)
	f.Add([]byte(`{"name": "x", "variables": {"a": [1, 2.5, null, {"b": true}]}, "advanced_steps": [{"name": "s", "condition": {"type": "not", "condition": {"type": "exists", "variable": "a"}}}]}`), true)
	f.Add([]byte(`{"name": "x", "steps": [{"name": "\ud83d\ude00\u0000", "duration_seconds": 1e-3}]}`), true)
	f.Add([]byte("name: A\nsteps: [{name: \"0\", scenario: {name}}]"), false)
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/good/*.json", "testdata/transpile/*.yaml", "templates/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text, filepath.Ext(path) == ".json")
		}
	}
	f.Fuzz(func(t *testing.T, file []byte, json bool) {
		name := "fuzz.yaml"
		if json {
			name = "fuzz.json"
		}
		doc, diags := files.Read(name, file, files.ReadOptions{})
		if doc == nil {
			if !diags.HasErrors() {
				t.Fatal("it is not read, and nothing is said of it")
			}
			return
		}
		text, _, diags := files.Transpile(doc)
		if diags.HasErrors() {
			return
		}
		if _, diags := app.LoadText("fuzz.star", text); diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, text)
		}
		if formatted, err := dsl.Format("fuzz.star", text); err != nil || string(formatted) != string(text) {
			t.Fatalf("%v\n%s\n%s", err, text, formatted)
		}
		for _, format := range []string{"yaml", "json"} {
			written, err := files.Write(doc, format)
			if err != nil {
				t.Fatal(format, err)
			}
			back, diags := files.Read("back."+format, written, files.ReadOptions{})
			if back == nil {
				t.Fatalf("what was written as %s cannot be read: %v\n%s", format, diags, written)
			}
			if diff := cmp.Diff(doc, back, sameDoc(cmpopts.IgnoreTypes(files.Comment{}))); diff != "" {
				t.Fatalf("written as %s and read (-was +is):\n%s\n%s", format, diff, written)
			}
		}
	})
}
