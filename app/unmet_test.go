package app_test

import (
	"strings"
	"testing"

	"starquake/app"
)

// TestUnmetChaosSaysWhat: where requests passed the target and the chaos let them be, more
// traffic is not what is missing; and each try is judged for itself.
func TestUnmetChaosSaysWhat(t *testing.T) {
	const declared = `
api = proxy("api", listen = "127.0.0.1:0", upstream = "127.0.0.1:9")
missed = fault.latency("10ms", probability = 0)
tries = []

def twice():
    tries.append(1)
    if len(tries) == 1:
        fail("not yet")

def main():
`
	for call, want := range map[string]string{
		`step("a", duration = "10s", chaos = missed, on = api)`:   "0 requests met the chaos of this step, expected at least 1 (10 passed the target): it says nothing about the system; send more of it, or see what its probability and its match leave out, or say min_hits = 0",
		`step("a", twice, retries = 1, chaos = missed, on = api)`: "0 requests met the chaos of this step in try 2, expected at least 1 (1 passed the target)",
	} {
		res, err := script(t, declared+"    "+call+"\n").Plan(app.PlanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Outcome.Message; !strings.Contains(got, want) {
			t.Errorf("%s: %q, expected %q", call, got, want)
		}
	}
}
