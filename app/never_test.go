package app_test

import (
	"strings"
	"testing"

	"starquake/app"
)

// TestNeverHolds: limits of traffic's figures that no figure can keep are warned of.
func TestNeverHolds(t *testing.T) {
	for limits, want := range map[string]string{
		`below = {"error_rate": 0}`:                    "error_rate below 0 never holds",
		`below = {"p99": "0s"}`:                        "p99 below 0s never holds",
		`above = {"error_rate": "100%"}`:               "error_rate above 1.0 never holds",
		`below = {"error_rate": "1%", "p99": "800ms"}`: "",
		`above = {"requests": 0}`:                      "",
	} {
		s, diags := app.LoadText("t.star", []byte(`load_ = traffic.http("http://127.0.0.1:1/", rate = 5)
def main():
    guard("there", lambda: True)
    step("s", traffic = load_, duration = "1s", `+limits+", on_failure = \"tolerate\")\n"))
		if diags.HasErrors() {
			t.Fatal(limits, diags)
		}
		res, err := s.Plan(app.PlanOptions{Details: true})
		if err != nil {
			t.Fatal(err)
		}
		told := strings.Join(res.Warnings, "\n")
		if want == "" && strings.Contains(told, "never holds") || !strings.Contains(told, want) {
			t.Errorf("%s: warnings %q, expected %q", limits, res.Warnings, want)
		}
	}
}

// TestCheckLimit: a limit that was computed is shown with the digits that matter.
func TestCheckLimit(t *testing.T) {
	s, diags := app.LoadText("t.star", []byte("check(\"a storm\", 2.6, at_least = 1.5 * 1.3)\ncheck(\"one\", 2, above = 1.0)\n"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	res, err := s.Plan(app.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if c := res.View.Checks; len(c) != 2 || c[0].Limit != "at least 1.95" || c[1].Limit != "above 1.0" {
		t.Errorf("%+v", c)
	}
}

// TestCheckNone: what a check of None found is None, in its message too.
func TestCheckNone(t *testing.T) {
	s, diags := app.LoadText("t.star", []byte("check(\"there\", None, below = 1)\n"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	res, err := s.Plan(app.PlanOptions{})
	if err != nil || res.Outcome.Message != `check "there" failed: None is not below 1` {
		t.Errorf("%q, %v", res.Outcome.Message, err)
	}
}
