package files_test

import (
	"fmt"
	"strings"
	"testing"

	"starquake/app"
	"starquake/runtime/journal"
)

// TestTranspiledStatus plans files in which somebody asks how a step has ended: before it
// has, nobody is told that it has failed or passed but the hooks that run behind it.
func TestTranspiledStatus(t *testing.T) {
	const failing = "- match: {kind: http, url: \"http://a.test/\"}\n  answer: {status: 500}\n"
	tests := []struct {
		name, file, answers string
		fail                []string
		verdict             journal.Verdict
		log                 string
	}{
		{"others ask while it runs", `
name: x
parallel: true
advanced_steps:
  - name: a
    duration_seconds: 0.5
    pre_hooks: [{name: before, actions: [{type: log, message: "before {{steps.a.status}}"}]}]
    post_hooks: [{name: after, actions: [{type: log, message: "after {{steps.a.status}}"}]}]
  - name: b
    delay_before_seconds: 0.1
    continue_on_failure: true
    assertions: [{type: step_failed, step_name: a}]
  - name: c
    delay_before_seconds: 0.1
    continue_on_failure: true
    assertions: [{type: step_succeeded, step_name: a}]
  - name: d
    delay_before_seconds: 0.6
    assertions: [{type: step_succeeded, step_name: a}]
`, "", nil, journal.VerdictPassed, "before running, after passed, a failed at 100ms: false, a passed at 100ms: false, a passed at 600ms: true"},
		{"between its tries", `
name: x
parallel: true
advanced_steps:
  - name: a
    retry: {max_attempts: 2, delay_seconds: 1}
    continue_on_failure: true
    pre_hooks: [{name: before, actions: [{type: http_request, url: "http://a.test/"}]}]
    post_hooks: [{name: after, actions: [{type: log, message: "after {{steps.a.status}}"}]}]
  - name: b
    delay_before_seconds: 0.5
    post_hooks: [{name: others, actions: [{type: log, message: "b: {{steps.a.status}}"}]}]
  - name: c
    delay_before_seconds: 1.5
    post_hooks: [{name: others, actions: [{type: log, message: "c: {{steps.a.status}}"}]}]
`, failing, nil, journal.VerdictPassed, "after failed, try 1 of 2 failed: GET http://a.test/: expected 2xx,3xx, got 500, b: running, after failed, c: failed"},
		{"its assertion fails behind its hooks", `
name: x
variables: {n: 1}
advanced_steps:
  - name: a
    post_hooks: [{name: after, actions: [{type: log, message: "after {{steps.a.status}}"}]}]
    assertions: [{type: variable_equals, variable: n, expected: 2}]
  - {name: b}
hooks:
  - {name: end, hook_type: post_orchestration, actions: [{type: log, message: "end {{steps.a.status}}, {{steps.b.status}}"}]}
`, "", nil, journal.VerdictFailed, "after passed, end failed, not run, n at 0s: false"},
		{"it has no hooks", `
name: x
steps:
  - {name: a, duration_seconds: 1}
  - {name: b, duration_seconds: 1}
hooks:
  - {name: end, hook_type: post_orchestration, actions: [{type: log, message: "end {{steps.a.status}}, {{steps.b.status}}"}]}
`, "", []string{"b"}, journal.VerdictFailed, "end passed, failed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, res, log := plannedWith(t, test.file, test.answers, app.PlanOptions{FailSteps: test.fail})
			for _, c := range res.View.Checks {
				log = append(log, fmt.Sprintf("%s at %v: %t", c.Name, c.At, c.OK))
			}
			if got := strings.Join(log, ", "); res.Outcome.Verdict != test.verdict || got != test.log {
				t.Errorf("%s, log %q\nwant %s, %q\n%s", res.Outcome.Verdict, got, test.verdict, test.log, s.Unit.Main.Text)
			}
		})
	}
}
