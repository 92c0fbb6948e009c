package files_test

import (
	"strings"
	"testing"

	"starquake/app"
	"starquake/dsl"
	"starquake/dsl/files"
	"starquake/runtime/journal"
)

// TestFilledInMetrics: the name of a metric is filled in where it is asked for, as it is where
// it is recorded.
func TestFilledInMetrics(t *testing.T) {
	s, res, log := plannedWith(t, `
name: metrics
variables: {which: one}
advanced_steps:
  - name: a
    post_hooks: [{name: h, actions: [{type: record_metric, name: "m-{{variables.which}}", value: 3}]}]
    assertions: [{type: metric_in_range, metric: "m-{{variables.which}}", min: 3, max: 3}]
  - name: b
    condition: {type: metric_threshold, metric_name: "m-{{variables.which}}", operator: equals, threshold: 3}
    post_hooks: [{name: done, actions: [{type: log, message: done}]}]
`, "", app.PlanOptions{})
	if res.Outcome.Verdict != journal.VerdictPassed || strings.Join(log, ", ") != "done" {
		t.Errorf("%s: %s, log %q\n%s", res.Outcome.Verdict, res.Outcome.Message, log, s.Unit.Main.Text)
	}
}

// TestNotFilledIn: where nothing is filled in that is said.
func TestNotFilledIn(t *testing.T) {
	const ref = "{{variables.v}}"
	for text, want := range map[string]string{
		"name: x " + ref + "\nsteps: [{name: a}]\n":                                                                                                                   "warning: nothing is filled in here",
		"name: x\ndescription: for " + ref + "\nsteps: [{name: a}]\n":                                                                                                 "warning: nothing is filled in here",
		"name: x\nsteps: [{name: a, target: \"" + ref + "\"}]\n":                                                                                                      "warning: nothing is filled in here",
		"name: x\nsteps: [{name: a, scenario: {name: \"s " + ref + "\", config: {latency: {fixed_delay_ms: 1}}}}]\n":                                                  "warning: nothing is filled in here",
		"name: x\nadvanced_steps: [{name: a, pre_hooks: [{name: h, actions: [{type: set_variable, name: \"x" + ref + "\", value: 1}]}]}]\n":                           "warning: nothing is filled in here",
		"name: x\nsteps: [{name: a, scenario: {config: {fault_injection: {http_errors: [503], request_matcher: {headers: [{name: a, value: \"" + ref + "\"}]}}}}}]\n": "warning: nothing is filled in here",
		"name: x\nenable_reporting: true\nreport_path: \"" + ref + ".html\"\nsteps: [{name: a}]\n":                                                                    "error: nothing is filled in here",
		"name: x\nsteps: [{name: a}]\nassertions: [{type: step_succeeded, step_name: \"" + ref + "\"}]\n":                                                             "error: there is no step",
		"name: x\nsteps: [{name: \"" + ref + "\"}]\nassertions: [{type: step_succeeded, step_name: \"" + ref + "\"}]\n":                                               "", // the step that is so called in the file
		"name: x\ndescription: braces {{ and {{ more }}\nsteps: [{name: a}]\n":                                                                                        "",
	} {
		_, diags := files.Read("f.yaml", []byte("variables: {v: 1}\n"+text), files.ReadOptions{})
		var got []string
		for _, d := range diags {
			if d.Severity != dsl.Hint {
				got = append(got, string(d.Severity)+": "+d.Message)
			}
		}
		if all := strings.Join(got, "\n"); len(got) > 1 || !strings.HasPrefix(all, want) || want == "" && all != "" {
			t.Errorf("%s%q, want %q", text, all, want)
		}
	}
}
