package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"starquake/app"
	"starquake/chaos"
)

// TestScenarioFunctions compares the functions of @starquake/scenarios.star, called
// without arguments, with the predefined scenarios.
func TestScenarioFunctions(t *testing.T) {
	var names []string
	for _, p := range chaos.Scenarios() {
		names = append(names, p.Name)
	}
	timeline := func(chaos string) []string {
		text := fmt.Sprintf("load(%q, %s, \"network\")\nshop = proxy(\"shop\", listen = \"127.0.0.1:0\", upstream = \"127.0.0.1:80\")\n\ndef main():\n", "@starquake/scenarios.star", `"`+strings.Join(names, `", "`)+`"`)
		for _, name := range names {
			text += fmt.Sprintf("    step(%q, duration = \"1m\", chaos = %s)\n", name, fmt.Sprintf(chaos, name))
		}
		text += "    step(\"network\", duration = \"1m\", chaos = network((\"1500ms\", \"2500ms\"), loss = 2, bandwidth = \"50KB/s\", jitter = 15))\n"
		text += "    step(\"network\", duration = \"1m\", chaos = profile(\"dialup\"))\n"
		s, diags := app.LoadText("x.star", []byte(text))
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		res, err := s.Plan(app.PlanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return app.Timeline(res.Records)
	}
	by, named := timeline("%s()"), timeline("scenario(%q)")
	if diff := cmp.Diff(named, by); diff != "" {
		t.Errorf("scenario(name) and the function of that name differ:\n%s", diff)
	}
	// The two steps at the end have the same faults, too.
	var last [][]string
	for _, line := range by {
		if _, fault, ok := strings.Cut(line, " on: "); ok && strings.Contains(fault, `step "network"`) {
			at, _, _ := strings.Cut(line, " ")
			if len(last) == 0 || last[len(last)-1][0] != at {
				last = append(last, []string{at})
			}
			last[len(last)-1] = append(last[len(last)-1], fault)
		}
	}
	if len(last) != 2 || len(last[0]) != 4 || !slices.Equal(last[0][1:], last[1][1:]) {
		t.Errorf("network(…) and profile(\"dialup\") differ: %q", last)
	}
}

func TestScenarios(t *testing.T) {
	all, _, diags := app.Scenarios("")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, p := range all {
		if len(p.Faults) == 0 || len(p.Texts) != len(p.Faults) || p.Doc == "" || p.Module != "" {
			t.Errorf("%+v", p)
		}
		if p.Kind == "scenario" && (len(p.Params) == 0 || p.Load == "") {
			t.Errorf("%s cannot be had a little different: %+v", p.Name, p)
		}
	}
	if len(all) != len(chaos.Scenarios())+len(chaos.Profiles()) {
		t.Errorf("%d are listed", len(all))
	}
}
